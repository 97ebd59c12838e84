//! The owner of every link, server, task and socket of one process.

mod error;
mod shared;

use std::{
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, AtomicU64},
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

pub use error::{DialError, ServeError};
pub(crate) use shared::{Joining, Shared};

#[cfg(feature = "sim")]
use crate::sim::SimNode;
use crate::{
    addr::{ChannelAddr, advertised},
    adopted::{AdoptedListener, ServeAt},
    connect::Dialer,
    dialled::{Dialled, Role},
    duplex::{Backlog, DuplexServer, Receiver, Receiving, Side},
    entropy::Entropy,
    handshake::LinkType,
    incarnation::Incarnation,
    kept::Kept,
    link::{CloseReport, Link},
    local::LocalHub,
    news::News,
    outcome::{CloseReason, Parcel},
    registry::Registry,
    resolver::{Resolver, SystemResolver},
    route::Route,
    rx::Rx,
    sender::Sender,
    served::Target,
    server::{Server, Serving, Taker},
    settings::Limits,
    sink::Sink,
    stream::{Glances, Heard},
    tls::{TlsError, TlsOptions, TlsSetup, TlsSlot},
    tx::Tx,
};

/// How long the tasks may take to end after they were told to end at once: longer than the last words of the links
/// and then of the connection to a peer that does not listen.
const GRACE: Duration = Duration::from_secs(3);

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
    /// The certificates for `tls:` addresses; without them none is served or dialled.
    pub tls: Option<TlsOptions>,
    /// What finds the IP addresses of host names when they are dialled.
    pub resolver: Arc<dyn Resolver>,
    /// Whether it carries links of others on to where their [`Route`] says, from any address that it serves. Whoever
    /// may connect to it may then use what it can reach, but for `local:` addresses.
    pub gateway: bool,
    /// The node that the endpoint is in a simulated network: it serves and dials `sim:` addresses there, and
    /// draws all that is random from the seed of the network. Without it none is served or dialled.
    #[cfg(feature = "sim")]
    pub sim: Option<SimNode>,
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
            tls: None,
            resolver: Arc::new(SystemResolver::new()),
            gateway: false,
            #[cfg(feature = "sim")]
            sim: None,
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
    ///
    /// It reads the files of [`EndpointOptions::tls`] on this thread, and only if there are some. If that
    /// fails, each serve and dial of a `tls:` address says so.
    pub fn new(options: EndpointOptions) -> Self {
        let EndpointOptions {
            runtime,
            advertise,
            hub,
            limits,
            tls,
            resolver,
            gateway,
            #[cfg(feature = "sim")]
            sim,
        } = options;
        #[cfg(feature = "sim")]
        let entropy = sim.clone().map_or(Entropy::System, Entropy::Sim);
        #[cfg(not(feature = "sim"))]
        let entropy = Entropy::System;
        let tls = TlsSlot::load(tls.as_ref());
        // A semaphore cannot count to more.
        let semaphore = |n: usize| Arc::new(Semaphore::new(n.min(Semaphore::MAX_PERMITS)));
        let shared = Shared {
            runtime,
            incarnation: Incarnation::random(&entropy),
            advertised: Mutex::new(advertise),
            dialer: Dialer {
                hub,
                resolver,
                tls,
                #[cfg(feature = "sim")]
                sim,
            },
            entropy,
            links: Mutex::default(),
            listenings: Mutex::default(),
            registry: Registry::default(),
            next_session: AtomicU32::new(1),
            link_tasks: TaskTracker::new(),
            servers: CancellationToken::new(),
            server_tasks: TaskTracker::new(),
            connections: semaphore(limits.connections),
            handshakes: semaphore(limits.handshakes),
            next_connection: AtomicU64::new(1),
            warnings: Arc::default(),
            glances: Glances::default(),
            heard: Heard::default(),
            limits,
            is_gateway: gateway,
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

    /// Uses the certificates of `options` for new connections; those there are go on with the old ones. Files
    /// are read anew, off the runtime, also if the options are those of the endpoint.
    ///
    /// # Errors
    ///
    /// [`TlsError`], which names the file. Then everything stays as it was.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the certificates are not changed.
    pub async fn reload_tls(&self, options: TlsOptions) -> Result<(), TlsError> {
        let load = move || TlsSetup::load(&options);
        let loaded = self.shared().runtime.spawn_blocking(load).await;
        let setup = loaded.map_err(|_| TlsError::Interrupted)??;
        self.shared().dialer.tls.replace(setup);
        Ok(())
    }

    /// Returns a link for parcels to an address, or over a [`Route`] to it. It connects in the background, and goes on
    /// trying while nobody serves there.
    ///
    /// # Errors
    ///
    /// [`DialError`] if the address cannot be dialled, if it is a `local:` one that nobody serves, if there
    /// are no certificates for it, if a path of the route is too long, or if the endpoint was shut down.
    pub fn dial_link<P: Parcel>(&self, to: impl Into<Route>) -> Result<Link<P>, DialError> {
        self.dial_kind(to.into(), Role::Whole, LinkType::PARCELS, Joining::New)
    }

    /// Like [`dial_link`](Self::dial_link), for an address at which a peer was reached before: if nobody
    /// listens there any more, the link ends after [`Limits::gone_timeout`].
    ///
    /// # Errors
    ///
    /// As [`dial_link`](Self::dial_link).
    pub fn redial_link<P: Parcel>(&self, addr: &ChannelAddr) -> Result<Link<P>, DialError> {
        self.dial_kind(
            addr.into(),
            Role::Whole,
            LinkType::PARCELS,
            Joining::Reached,
        )
    }

    /// Returns a link for messages of type `M`, as [`dial_link`](Self::dial_link) does.
    ///
    /// # Errors
    ///
    /// As [`dial_link`](Self::dial_link).
    pub fn dial<M: Message>(&self, to: impl Into<Route>) -> Result<Tx<M>, DialError> {
        self.dial_kind(to.into(), Role::Whole, LinkType::of::<M>(), Joining::New)
            .map(Tx::new)
    }

    /// Returns the two ends of a new duplex link to an address: what sends messages of type `Out` there, and what receives
    /// messages of type `In` from there. They share a connection, and this endpoint need not be dialled for that.
    ///
    /// Each direction is as a link of its own: in order, with its own outcomes and credit, and each can be closed or
    /// dropped alone. As long as one of them is there, the link connects again when its connection is lost. When the
    /// sending end fails for good, because the peer is not reached or refuses, the receiving one ends, too.
    ///
    /// A duplex link is a direct one: it leads through no gateway.
    ///
    /// # Examples
    ///
    /// ```
    /// use hypermesh_channel::{ChannelTransport, Endpoint, EndpointOptions};
    /// use tokio::runtime::Handle;
    ///
    /// # tokio::runtime::Runtime::new()?.block_on(async {
    /// let endpoint = Endpoint::new(EndpointOptions::new(Handle::current()));
    /// let (addr, server) = endpoint.serve_duplex::<String, u64>(ChannelTransport::Unix)?;
    /// let (tx, mut rx) = endpoint.dial_duplex::<String, u64>(&addr)?;
    /// tx.send("hello".to_owned()).await?;
    /// let (answers, mut questions) = server.accept().await?;
    /// answers.send(questions.recv().await?.len() as u64).await?;
    /// assert_eq!(rx.recv().await?, 5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`dial_link`](Self::dial_link).
    pub fn dial_duplex<Out: Message, In: Message>(
        &self,
        addr: &ChannelAddr,
    ) -> Result<(Tx<Out>, Rx<In>), DialError> {
        let what = LinkType::duplex::<Out, In>();
        let (stop, news) = (CancellationToken::new(), Arc::new(News::default()));
        let back = Receiving::new(Side::Dialling, self.shared(), what.clone(), stop, news);
        // Before anything is opened: it stops if the link does not come to be.
        let rx = Rx::of_link(Receiver(back.clone()));
        let link = self.dial_kind(addr.into(), Role::Forth(back), what, Joining::New)?;
        Ok((Tx::new(link), rx))
    }

    /// Serves parcels at an address, or on an [`AdoptedListener`]: what arrives goes to `sink`. A host name
    /// in the address to bind is resolved on this thread.
    ///
    /// # Errors
    ///
    /// [`ServeError`] if the address is in use, or cannot be bound or told to others, if there are no
    /// certificates for it, or if the endpoint was shut down.
    pub fn serve_sink(
        &self,
        at: impl Into<ServeAt>,
        sink: Arc<dyn Sink>,
    ) -> Result<Server, ServeError> {
        let taker = Taker::Sessions(Target::Sink(sink));
        self.serve_kind(at.into(), taker, LinkType::PARCELS)
    }

    /// Serves messages of type `M` at an address, and returns the address to dial with the receiver.
    ///
    /// # Errors
    ///
    /// As [`serve_sink`](Self::serve_sink).
    pub fn serve<M: Message>(
        &self,
        at: impl Into<ServeAt>,
    ) -> Result<(ChannelAddr, Rx<M>), ServeError> {
        Rx::serve(|queue| {
            let taker = Taker::Sessions(Target::Queue(queue));
            self.serve_kind(at.into(), taker, LinkType::of::<M>())
        })
    }

    /// Serves duplex links at an address, on which messages of type `In` come and messages of type `Out` go, and returns
    /// the address to dial with what accepts them. Other kinds of links may be served at the same address.
    ///
    /// # Errors
    ///
    /// As [`serve_sink`](Self::serve_sink).
    pub fn serve_duplex<In: Message, Out: Message>(
        &self,
        at: impl Into<ServeAt>,
    ) -> Result<(ChannelAddr, DuplexServer<In, Out>), ServeError> {
        let backlog = Arc::new(Backlog::default());
        let taker = Taker::Links(backlog.clone());
        let server = self.serve_kind(at.into(), taker, LinkType::duplex::<In, Out>())?;
        Ok((server.addr().clone(), DuplexServer::new(server, backlog)))
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
        links.iter().for_each(|(_, link)| link.clone().close(until));
        shared.link_tasks.close();
        if timeout_at(until, shared.link_tasks.wait()).await.is_err() {
            for (_, link) in &links {
                link.clone().end(CloseReason::Closed);
            }
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
        route: Route,
        role: Role,
        what: LinkType,
        joining: Joining,
    ) -> Result<Link<P>, DialError> {
        let shared = self.shared();
        shared.check_route(&route)?;
        let news = match &role {
            Role::Forth(back) => back.news().clone(),
            Role::Whole | Role::Back => Arc::new(News::default()),
        };
        let sender = Sender::new(shared.next_session(), &shared.limits, news.clone());
        let session = Arc::new(Dialled::new(
            route,
            role,
            what,
            sender,
            shared.clone(),
            news,
        ));
        let kept: Arc<dyn Kept> = session.clone();
        if shared.keep(&kept, joining) {
            Ok(Link::new(session, shared.limits.linger_timeout))
        } else {
            Err(DialError::Closed)
        }
    }

    fn serve_kind(&self, at: ServeAt, taker: Taker, what: LinkType) -> Result<Server, ServeError> {
        let shared = self.shared();
        if shared.servers.is_cancelled() {
            return Err(ServeError::Closed);
        }
        let serving = Arc::new(Serving::new(
            shared.clone(),
            taker,
            what,
            shared.servers.child_token(),
        ));
        let (listening, advertise) = match at {
            ServeAt::Addr(at) => {
                let listening = match shared.listening(&at.bind) {
                    Some(listening) => listening,
                    None => shared.listen(&at.bind)?,
                };
                (listening, at.advertise)
            }
            ServeAt::Adopted(AdoptedListener { socket, advertise }) => {
                (shared.adopt(socket)?, advertise)
            }
        };
        let bound = listening.bound.clone();
        let addr = advertised(advertise.as_ref(), bound.clone());
        if !listening.add(&serving) {
            return Err(ServeError::AddrInUse(bound));
        }
        // Without a server the address is not listened at any more.
        let server = Server::new(bound, serving, listening);
        match addr {
            Ok(addr) => Ok(server.advertised(addr)),
            Err(addr) => Err(ServeError::InvalidAddress(addr)),
        }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
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
        for link in self.shared.shut() {
            link.end(CloseReason::Closed);
        }
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
