//! The owner of every link, server, task and socket of one process.

use std::{
    collections::HashMap,
    fmt, io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use hypermesh_wire::Message;
use tokio::{
    runtime::Handle,
    sync::Semaphore,
    time::{Instant, timeout, timeout_at},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    addr::{ChannelAddr, ServeAddr},
    handshake::LinkKind,
    incarnation::Incarnation,
    link::{CloseReport, Link, LinkCore, Stoppable, task::LinkTask},
    listener::Listener,
    local::{LocalHub, LocalPort, LocalTask},
    outcome::Parcel,
    rx::Rx,
    server::{Server, Serving},
    settings::Limits,
    sink::Sink,
    tx::Tx,
};

/// How long the tasks may take to end after they were told to end at once.
const GRACE: Duration = Duration::from_secs(2);

/// How an endpoint is made.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EndpointOptions {
    /// The runtime that the tasks of the endpoint run on.
    pub runtime: Handle,
    /// Where this endpoint can be dialled: it tells its peers.
    pub advertise: Option<ChannelAddr>,
    /// Where `local:` addresses are looked up. Endpoints that share one see each other.
    pub hub: LocalHub,
    /// What is allowed.
    pub limits: Limits,
}

impl EndpointOptions {
    /// Returns options with a hub of their own and the limits of the settings.
    pub fn new(runtime: Handle) -> Self {
        let (hub, limits) = (LocalHub::new(), Limits::default());
        Self {
            runtime,
            advertise: None,
            hub,
            limits,
        }
    }
}

/// The owner of links and servers. A clone is the same endpoint; when the last one goes, everything
/// ends at once. [`shutdown`](Self::shutdown) is the way to end in order.
#[derive(Clone)]
pub struct Endpoint {
    owner: Arc<Owner>,
}

impl Endpoint {
    /// Returns an endpoint with a new incarnation, which neither dials nor serves anything yet.
    pub fn new(options: EndpointOptions) -> Self {
        let EndpointOptions {
            runtime,
            advertise,
            hub,
            limits,
        } = options;
        // A semaphore cannot count to more.
        let semaphore = |n: usize| Arc::new(Semaphore::new(n.min(Semaphore::MAX_PERMITS)));
        let shared = Shared {
            runtime,
            incarnation: Incarnation::random(),
            advertised: Mutex::new(advertise),
            hub,
            links: Mutex::default(),
            link_tasks: TaskTracker::new(),
            servers: CancellationToken::new(),
            server_tasks: TaskTracker::new(),
            connections: semaphore(limits.connections),
            handshakes: semaphore(limits.handshakes),
            next_connection: AtomicU64::new(1),
            limits,
        };
        Self {
            owner: Arc::new(Owner {
                shared: Arc::new(shared),
            }),
        }
    }

    /// Returns the life of this endpoint.
    pub fn incarnation(&self) -> Incarnation {
        self.shared().incarnation
    }

    /// Sets the address that later handshakes tell the peers: "answer me at".
    pub fn advertise(&self, addr: ChannelAddr) {
        *self.shared().lock_advertised() = Some(addr);
    }

    /// Returns a link for parcels to `addr`. It connects in the background, and goes on trying while
    /// nobody serves there.
    ///
    /// # Errors
    ///
    /// [`DialError`] if the address cannot be dialled, if it is a `local:` one that nobody serves, or
    /// if the endpoint was shut down.
    pub fn dial_link<P: Parcel>(&self, addr: &ChannelAddr) -> Result<Link<P>, DialError> {
        self.dial_kind(addr, LinkKind::PARCELS, false)
    }

    /// Like [`dial_link`](Self::dial_link), for an address at which a peer was reached before: if nobody
    /// listens there any more, the link ends after the setting `GONE_TIMEOUT`.
    ///
    /// # Errors
    ///
    /// As [`dial_link`](Self::dial_link).
    pub fn redial_link<P: Parcel>(&self, addr: &ChannelAddr) -> Result<Link<P>, DialError> {
        self.dial_kind(addr, LinkKind::PARCELS, true)
    }

    /// Returns a link for messages of type `M` to `addr`, as [`dial_link`](Self::dial_link) does.
    ///
    /// # Errors
    ///
    /// As [`dial_link`](Self::dial_link).
    pub fn dial<M: Message>(&self, addr: &ChannelAddr) -> Result<Tx<M>, DialError> {
        self.dial_kind(addr, LinkKind(M::KEY.value()), false)
            .map(Tx::new)
    }

    /// Serves parcels at an address: what arrives goes to `sink`. A host name in the address to bind
    /// is resolved on this thread.
    ///
    /// # Errors
    ///
    /// [`ServeError`] if the address is in use, or cannot be bound or told to others, or if the
    /// endpoint was shut down.
    pub fn serve_sink(
        &self,
        at: impl Into<ServeAddr>,
        sink: Arc<dyn Sink>,
    ) -> Result<Server, ServeError> {
        self.serve_kind(&at.into(), sink, LinkKind::PARCELS)
    }

    /// Serves messages of type `M` at an address, and returns the address to dial with the receiver.
    ///
    /// # Errors
    ///
    /// As [`serve_sink`](Self::serve_sink).
    pub fn serve<M: Message>(
        &self,
        at: impl Into<ServeAddr>,
    ) -> Result<(ChannelAddr, Rx<M>), ServeError> {
        let limits = &self.shared().limits;
        let (bytes, messages) = (limits.receiver_queue_bytes, limits.receiver_queue_messages);
        Rx::serve(messages, bytes, |sink| {
            self.serve_kind(&at.into(), sink, LinkKind(M::KEY.value()))
        })
    }

    /// Ends everything: links accept nothing any more and have until `deadline` to get the outcomes
    /// of what they accepted, then the servers stop. It may be called again.
    ///
    /// It takes little longer than `deadline`, and less if there is nothing to wait for.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, links close at the deadline all the same; servers go on until the
    /// endpoint goes.
    pub async fn shutdown(&self, deadline: Duration) -> ShutdownReport {
        let shared = self.shared();
        let until = Instant::now() + deadline;
        let links: Vec<_> = shared
            .shut()
            .into_iter()
            .map(|link| (link.report(), link))
            .collect();
        links.iter().for_each(|(_, link)| link.close(until));
        shared.link_tasks.close();
        if timeout_at(until, shared.link_tasks.wait()).await.is_err() {
            links.iter().for_each(|(_, link)| link.kill());
        }
        shared.servers.cancel();
        shared.server_tasks.close();
        let all = async {
            shared.link_tasks.wait().await;
            shared.server_tasks.wait().await;
        };
        // What does not end now is in the hands of a sink or parcel that blocks.
        let _ = timeout(GRACE, all).await;
        let mut report = ShutdownReport {
            stuck_tasks: shared.link_tasks.len() + shared.server_tasks.len(),
            ..ShutdownReport::default()
        };
        for (before, link) in links {
            let CloseReport {
                failed, unknown, ..
            } = link.report();
            report.failed += failed - before.failed;
            report.unknown += unknown - before.unknown;
        }
        report
    }

    fn dial_kind<P: Parcel>(
        &self,
        addr: &ChannelAddr,
        kind: LinkKind,
        was_reached: bool,
    ) -> Result<Link<P>, DialError> {
        if !addr.is_dialable() {
            return Err(DialError::InvalidAddress(addr.clone()));
        }
        let shared = self.shared();
        let port = match addr {
            ChannelAddr::Local(number) => {
                let port = shared.hub.find(*number);
                Some(port.ok_or_else(|| DialError::NotServed(addr.clone()))?)
            }
            _ => None,
        };
        let core = Arc::new(LinkCore::new(addr.clone(), &shared.limits));
        let registered = shared.register(core.clone()).ok_or(DialError::Closed)?;
        match port {
            Some(port) => {
                let task = LocalTask::new(core.clone(), port, shared, kind);
                shared.spawn_link(registered, task.run());
            }
            None => {
                let task = LinkTask::new(core.clone(), shared.clone(), kind, was_reached);
                shared.spawn_link(registered, task.run());
            }
        }
        Ok(Link::new(core, shared.limits.linger_timeout))
    }

    fn serve_kind(
        &self,
        at: &ServeAddr,
        sink: Arc<dyn Sink>,
        kind: LinkKind,
    ) -> Result<Server, ServeError> {
        let shared = self.shared();
        let stop = shared.servers.child_token();
        if stop.is_cancelled() {
            return Err(ServeError::Closed);
        }
        let tasks = TaskTracker::new();
        // Nothing else is to be waited for than what is tracked at that moment.
        tasks.close();
        if let ChannelAddr::Local(number) = at.bind {
            let port = LocalPort {
                sink,
                kind,
                max_message: shared.limits.message,
                endpoint: shared.clone(),
                stop: stop.clone(),
                callers: tasks.clone(),
            };
            let served = shared.hub.serve(number, Arc::new(port));
            let number = served.ok_or_else(|| ServeError::AddrInUse(at.bind.clone()))?;
            let addr = at
                .advertised(number.addr())
                .map_err(ServeError::InvalidAddress)?;
            return Ok(Server::new(addr, stop, tasks, Arc::default(), Some(number)));
        }
        // A socket belongs to the runtime in whose context it is made.
        let _context = shared.runtime.enter();
        let (listener, bound) =
            Listener::bind(&at.bind).map_err(|source| ServeError::new(&at.bind, source))?;
        let addr = at.advertised(bound).map_err(ServeError::InvalidAddress)?;
        let serving = Arc::new(Serving {
            endpoint: shared.clone(),
            sink,
            kind,
            stop: stop.clone(),
            tasks: tasks.clone(),
            counts: Arc::default(),
            live: Mutex::default(),
        });
        let counts = serving.counts.clone();
        shared.spawn(tasks.track_future(serving.accept(listener)));
        Ok(Server::new(addr, stop, tasks, counts, None))
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.owner.shared
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("incarnation", &self.incarnation())
            .field("advertised", &self.shared().advertised())
            .finish_non_exhaustive()
    }
}

/// What all clones of an endpoint share, and its tasks do not.
struct Owner {
    shared: Arc<Shared>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.shared.shut().iter().for_each(|link| link.kill());
        self.shared.servers.cancel();
    }
}

/// What became of the links in [`Endpoint::shutdown`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// How many parcels failed since the shutdown began.
    pub failed: u64,
    /// How many parcels ended since then without knowing whether they were delivered.
    pub unknown: u64,
    /// How many tasks had not ended: each is inside a sink or parcel that blocks.
    pub stuck_tasks: usize,
}

/// Error returned when an address is dialled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DialError {
    /// The address names no single place.
    #[error("{0} cannot be dialled: it leaves a choice to the system")]
    InvalidAddress(ChannelAddr),
    /// Nobody serves that number in this process.
    #[error("{0} is not served")]
    NotServed(ChannelAddr),
    /// The endpoint was shut down.
    #[error("the endpoint was shut down")]
    Closed,
}

/// Error returned when an address is served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The address that others would be told cannot be dialled.
    #[error("{0} cannot be told to others: bind one address, or advertise one")]
    InvalidAddress(ChannelAddr),
    /// Somebody serves there.
    #[error("{0} is in use")]
    AddrInUse(ChannelAddr),
    /// The system refuses.
    #[error("{addr} cannot be served")]
    Io {
        /// The address.
        addr: ChannelAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The endpoint was shut down.
    #[error("the endpoint was shut down")]
    Closed,
}

impl ServeError {
    fn new(addr: &ChannelAddr, source: io::Error) -> Self {
        let addr = addr.clone();
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::AddrInUse(addr),
            _ => Self::Io { addr, source },
        }
    }
}

/// What an endpoint and its tasks share.
pub(crate) struct Shared {
    pub(crate) incarnation: Incarnation,
    pub(crate) limits: Limits,
    /// The places for accepted connections, and for those in their handshake.
    pub(crate) connections: Arc<Semaphore>,
    pub(crate) handshakes: Arc<Semaphore>,
    runtime: Handle,
    advertised: Mutex<Option<ChannelAddr>>,
    hub: LocalHub,
    links: Mutex<Links>,
    link_tasks: TaskTracker,
    /// Stops all servers.
    servers: CancellationToken,
    server_tasks: TaskTracker,
    next_connection: AtomicU64,
}

/// The links that have not ended.
#[derive(Default)]
struct Links {
    open: HashMap<u64, Weak<dyn Stoppable>>,
    next: u64,
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

    /// Runs a task of a server.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.server_tasks.spawn_on(task, &self.runtime);
    }

    fn spawn_link(&self, registered: Registered, task: impl Future<Output = ()> + Send + 'static) {
        let task = async move {
            // Forgets the link when the task ends, or is dropped.
            let _registered = registered;
            task.await;
        };
        self.link_tasks.spawn_on(task, &self.runtime);
    }

    /// Records a link, or returns `None` if the endpoint was shut down.
    fn register(self: &Arc<Self>, link: Arc<dyn Stoppable>) -> Option<Registered> {
        let mut links = self.lock_links();
        if links.is_shut {
            return None;
        }
        let number = links.next;
        links.next += 1;
        links.open.insert(number, Arc::downgrade(&link));
        Some(Registered {
            shared: self.clone(),
            number,
        })
    }

    /// Accepts no link any more, and returns those there are.
    fn shut(&self) -> Vec<Arc<dyn Stoppable>> {
        let mut links = self.lock_links();
        links.is_shut = true;
        links.open.values().filter_map(Weak::upgrade).collect()
    }

    fn lock_links(&self) -> MutexGuard<'_, Links> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_advertised(&self) -> MutexGuard<'_, Option<ChannelAddr>> {
        self.advertised
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of a link among those of its endpoint.
struct Registered {
    shared: Arc<Shared>,
    number: u64,
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.shared.lock_links().open.remove(&self.number);
    }
}
