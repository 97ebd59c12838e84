//! What an endpoint and its tasks share: the sockets, the connectors, the sessions that are served.

use std::{
    collections::{BTreeMap, HashMap},
    future::Future,
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
};

use tokio::{runtime::Handle, sync::Semaphore, task::JoinHandle};
use tokio_util::{
    sync::CancellationToken,
    task::{TaskTracker, task_tracker::TaskTrackerToken},
};

use super::{DialError, ServeError};
use crate::{
    addr::ChannelAddr,
    adopted::AdoptedSocket,
    connect::Dialer,
    connector::Connector,
    entropy::Entropy,
    incarnation::Incarnation,
    kept::Kept,
    listener::{Incoming, Listener},
    local::{Absence, LocalNumber, Port},
    open::WAY_BACK,
    pipe,
    registry::Registry,
    route::{MAX_GATEWAYS, Route},
    server::Listening,
    settings::Limits,
    stream::{Glances, Heard, Stream},
    warnings::Warnings,
};

/// How many bytes wait in a pipe of a `local:` link.
const PIPE_CAPACITY: usize = 256 << 10;

/// What an endpoint and its tasks share.
pub(crate) struct Shared {
    pub(crate) incarnation: Incarnation,
    pub(crate) limits: Limits,
    /// Whether it carries the sessions of others.
    pub(crate) is_gateway: bool,
    pub(crate) dialer: Dialer,
    pub(crate) entropy: Entropy,
    /// The places for accepted connections, and for those in their handshake.
    pub(crate) connections: Arc<Semaphore>,
    pub(crate) handshakes: Arc<Semaphore>,
    pub(super) runtime: Handle,
    pub(super) advertised: Mutex<Option<ChannelAddr>>,
    pub(crate) registry: Registry,
    pub(super) links: Mutex<Links>,
    /// What is listened at, by the address that was bound.
    pub(super) listenings: Mutex<HashMap<ChannelAddr, Weak<Listening>>>,
    pub(super) next_session: AtomicU32,
    pub(super) link_tasks: TaskTracker,
    /// Stops all servers.
    pub(crate) servers: CancellationToken,
    pub(super) server_tasks: TaskTracker,
    pub(super) next_connection: AtomicU64,
    pub(crate) warnings: Arc<Warnings>,
    /// Its connections, for those who look what has come.
    pub(crate) glances: Glances,
    /// What they have read.
    pub(crate) heard: Heard,
}

/// How a session comes to a connector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Joining {
    /// It is a new one.
    New,
    /// It is a new one to an address at which a peer was reached before.
    Reached,
    /// It was with another connector.
    Again,
}

/// What is dialled.
#[derive(Default)]
pub(super) struct Links {
    connectors: BTreeMap<ChannelAddr, Arc<Connector>>,
    /// The ways back of duplex links that are served here, each under a number of its own.
    ways_back: BTreeMap<u64, Arc<dyn Kept>>,
    is_shut: bool,
}

impl Shared {
    pub(crate) fn advertised(&self) -> Option<ChannelAddr> {
        self.lock_advertised().clone()
    }

    /// Returns a number for a connection.
    pub(crate) fn next_connection(&self) -> u64 {
        self.next_connection.fetch_add(1, Ordering::Relaxed)
    }

    /// Checks that an address can be dialled from here.
    pub(crate) fn check_dialled(&self, addr: &ChannelAddr) -> Result<(), DialError> {
        match addr {
            ChannelAddr::Local(number) => match self.dialer.hub.find(*number) {
                Ok(_) => Ok(()),
                Err(Absence::NeverServed) => Err(DialError::NotServed(addr.clone())),
                Err(Absence::Gone) => Err(DialError::PeerClosed(addr.clone())),
            },
            ChannelAddr::Tls { .. } => match self.dialer.tls.current() {
                Ok(_) => Ok(()),
                Err(source) => {
                    let (addr, source) = (addr.clone(), Box::new(source));
                    Err(DialError::Tls { addr, source })
                }
            },
            #[cfg(feature = "sim")]
            ChannelAddr::Sim(_) if self.dialer.sim.is_some() => Ok(()),
            ChannelAddr::Sim(_) => Err(DialError::Unsupported(addr.clone())),
            // Only Linux has abstract names.
            ChannelAddr::Unix(name) if !cfg!(target_os = "linux") && name.as_path().is_none() => {
                Err(DialError::Unsupported(addr.clone()))
            }
            ChannelAddr::Unix(_) | ChannelAddr::Tcp { .. } => Ok(()),
        }
    }

    /// Checks that a route can be dialled from here.
    pub(super) fn check_route(&self, route: &Route) -> Result<(), DialError> {
        for path in route.paths() {
            let hops = || path.rest().iter().chain([path.first()]);
            if let Some(addr) = hops().find(|addr| !addr.is_dialable()) {
                return Err(DialError::InvalidAddress(addr.clone()));
            }
            let gateways = path.rest().len();
            if MAX_GATEWAYS < gateways {
                return Err(DialError::TooManyGateways(gateways));
            }
            self.check_dialled(path.first())?;
        }
        Ok(())
    }

    /// Returns whether others reach this endpoint at `addr`, as far as it knows.
    pub(crate) fn is_own(&self, addr: &ChannelAddr) -> bool {
        self.advertised().as_ref() == Some(addr) || self.listening(addr).is_some()
    }

    /// Begins to listen at an address.
    pub(super) fn listen(
        self: &Arc<Self>,
        bind: &ChannelAddr,
    ) -> Result<Arc<Listening>, ServeError> {
        if let ChannelAddr::Local(number) = bind {
            return self.listen_local(bind, *number);
        }
        #[cfg(feature = "sim")]
        if let (ChannelAddr::Sim(name), Some(node)) = (bind, &self.dialer.sim) {
            let (listener, bound) =
                Listener::bind_sim(node, name).map_err(|source| ServeError::new(bind, source))?;
            return Ok(self.accept(listener, bound));
        }
        self.check_certificates(bind)?;
        // A socket belongs to the runtime in whose context it is made.
        let _context = self.runtime.enter();
        let (listener, bound) = Listener::bind(bind, &self.limits.ports)
            .map_err(|source| ServeError::new(bind, source))?;
        Ok(self.accept(listener, bound))
    }

    /// Takes over a socket that listens already.
    pub(super) fn adopt(
        self: &Arc<Self>,
        socket: AdoptedSocket,
    ) -> Result<Arc<Listening>, ServeError> {
        let _context = self.runtime.enter();
        let any = ChannelAddr::any(socket.transport());
        let bound = socket.prepare();
        let bound = bound.map_err(|source| ServeError::new(&any, source))?;
        self.check_certificates(&bound)?;
        let listener = Listener::adopt(socket);
        let listener = listener.map_err(|source| ServeError::new(&bound, source))?;
        Ok(self.accept(listener, bound))
    }

    fn listen_local(
        self: &Arc<Self>,
        bind: &ChannelAddr,
        number: u64,
    ) -> Result<Arc<Listening>, ServeError> {
        let mut listening = None;
        let number = self.dialer.hub.serve(number, |number| {
            let addr = ChannelAddr::Local(number);
            let new = Listening::new(self.clone(), addr);
            listening = Some(new.clone());
            Arc::new(LocalPort(Arc::downgrade(&new)))
        });
        let (Some(number), Some(listening)) = (number, listening) else {
            return Err(ServeError::AddrInUse(bind.clone()));
        };
        self.remember(&listening);
        let task = keep(listening.clone(), number);
        self.spawn(listening.tasks.track_future(task));
        Ok(listening)
    }

    fn accept(self: &Arc<Self>, listener: Listener, bound: ChannelAddr) -> Arc<Listening> {
        let listening = Listening::new(self.clone(), bound);
        self.remember(&listening);
        let task = listening.clone().accept(listener);
        self.spawn(listening.tasks.track_future(task));
        listening
    }

    /// Nothing is served in the clear for want of certificates.
    fn check_certificates(&self, addr: &ChannelAddr) -> Result<(), ServeError> {
        let ChannelAddr::Tls { .. } = addr else {
            return Ok(());
        };
        let current = self.dialer.tls.current().map(drop);
        current.map_err(|source| ServeError::Tls {
            addr: addr.clone(),
            source: Box::new(source),
        })
    }

    /// Runs a task of a server.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.server_tasks.spawn_on(task, &self.runtime);
    }

    /// Runs the writer of a connection, which its other task waits for.
    pub(crate) fn spawn_connection(
        &self,
        task: impl Future<Output = io::Result<()>> + Send + 'static,
    ) -> JoinHandle<io::Result<()>> {
        self.runtime.spawn(task)
    }

    /// Returns a number for a session: another one than those of the last two billion.
    pub(crate) fn next_session(&self) -> u32 {
        loop {
            let number = self.next_session.fetch_add(1, Ordering::Relaxed) & !WAY_BACK;
            // 0 is the connection itself.
            if number != 0 {
                return number;
            }
        }
    }

    /// Has a session kept connected to its first hop, and returns whether it is: not a new one after the endpoint was
    /// shut down.
    pub(crate) fn keep(self: &Arc<Self>, session: &Arc<dyn Kept>, joining: Joining) -> bool {
        loop {
            let Some(connector) = self.connector(session.first_hop(), joining) else {
                return false;
            };
            if connector.add(session) {
                return true;
            }
            // It ended at this moment: the next one is new.
            self.forget_connector(&connector);
        }
    }

    /// Returns what keeps the links to `addr` connected.
    fn connector(self: &Arc<Self>, addr: &ChannelAddr, joining: Joining) -> Option<Arc<Connector>> {
        let mut links = self.lock_links();
        if links.is_shut && joining != Joining::Again {
            return None;
        }
        if let Some(connector) = links.connectors.get(addr) {
            return Some(connector.clone());
        }
        let connector = Arc::new(Connector::new(addr.clone(), self.clone()));
        links.connectors.insert(addr.clone(), connector.clone());
        drop(links);
        let task = connector.clone().run(joining == Joining::Reached);
        self.link_tasks.spawn_on(task, &self.runtime);
        Some(connector)
    }

    /// Forgets a connector that has ended.
    pub(crate) fn forget_connector(&self, connector: &Arc<Connector>) {
        let mut links = self.lock_links();
        let is_there = links
            .connectors
            .get(connector.addr())
            .is_some_and(|there| Arc::ptr_eq(there, connector));
        let removed = is_there.then(|| links.connectors.remove(connector.addr()));
        drop(links);
        drop(removed);
    }

    /// Returns what listens at `addr`, if this endpoint does.
    pub(super) fn listening(&self, addr: &ChannelAddr) -> Option<Arc<Listening>> {
        self.lock_listenings().get(addr)?.upgrade()
    }

    fn remember(&self, listening: &Arc<Listening>) {
        let weak = Arc::downgrade(listening);
        self.lock_listenings().insert(listening.bound.clone(), weak);
    }

    pub(crate) fn forget_listening(&self, listening: &Listening) {
        let mut listenings = self.lock_listenings();
        let is_there = listenings
            .get(&listening.bound)
            .is_some_and(|there| std::ptr::eq(there.as_ptr(), listening));
        if is_there {
            listenings.remove(&listening.bound);
        }
    }

    /// Takes the way back of a duplex link under `number`, unless the endpoint was shut down, and returns what says that
    /// it sends until it is dropped.
    pub(crate) fn add_way_back(
        &self,
        number: u64,
        session: &Arc<dyn Kept>,
    ) -> Option<TaskTrackerToken> {
        let mut links = self.lock_links();
        if links.is_shut {
            return None;
        }
        links.ways_back.insert(number, session.clone());
        Some(self.link_tasks.token())
    }

    /// Forgets a way back.
    pub(crate) fn remove_way_back(&self, number: u64) {
        let removed = self.lock_links().ways_back.remove(&number);
        // What it holds is not dropped under the lock.
        drop(removed);
    }

    /// Accepts no link any more, and returns those there are.
    pub(super) fn shut(&self) -> Vec<Arc<dyn Kept>> {
        let (connectors, ways_back): (Vec<_>, Vec<_>) = {
            let mut links = self.lock_links();
            links.is_shut = true;
            let connectors = links.connectors.values().cloned().collect();
            (connectors, links.ways_back.values().cloned().collect())
        };
        let sessions = connectors.iter().flat_map(|connector| connector.sessions());
        // One that is on its way from a connector to the next is with both.
        let by_number: BTreeMap<_, _> = sessions
            .map(|session| (session.number(), session))
            .collect();
        by_number.into_values().chain(ways_back).collect()
    }

    fn lock_listenings(&self) -> MutexGuard<'_, HashMap<ChannelAddr, Weak<Listening>>> {
        self.listenings
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_links(&self) -> MutexGuard<'_, Links> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn lock_advertised(&self) -> MutexGuard<'_, Option<ChannelAddr>> {
        self.advertised
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is served under a number of the hub.
struct LocalPort(Weak<Listening>);

impl Port for LocalPort {
    fn connect(&self) -> Option<Stream> {
        let listening = self.0.upgrade()?;
        if listening.stop.is_cancelled() {
            return None;
        }
        let (here, there) = pipe::pair(PIPE_CAPACITY);
        listening.begin(Incoming::Plain(Stream::Pipe(there)));
        Some(Stream::Pipe(here))
    }
}

/// Keeps a number of the hub until nothing is served there any more.
async fn keep(listening: Arc<Listening>, number: LocalNumber) {
    let addr = number.addr();
    debug_assert_eq!(addr, listening.bound);
    listening.until_over().await;
    drop(number);
}
