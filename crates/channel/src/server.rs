//! What is served at an address: one receiver for each kind of link, and the connections that bring them.

mod accepting;
mod connection;
mod greeting;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    select,
    time::{Instant, sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    addr::ChannelAddr,
    duplex::Links,
    endpoint::Shared,
    flaps::{Flaps, Told},
    handshake::{Answer, LinkKind, LinkType, RefusalCode},
    inlet::End,
    listener::{Incoming, Listener},
    served::Target,
};
use accepting::Pauses;

/// So often in the lifetime of a session it is looked whether some are over.
pub(crate) const EXPIRIES: u32 = 8;
/// It is not looked more often than for this lifetime.
pub(crate) const LEAST_LIFETIME: Duration = Duration::from_secs(1);
/// How long the last words of a link or connection may take.
pub(crate) const LAST_WORDS: Duration = Duration::from_secs(1);

/// Something that is served at an address; it stops when this is dropped.
///
/// [`stop`](Self::stop) also waits until nothing is delivered any more.
pub struct Server {
    addr: ChannelAddr,
    serving: Arc<Serving>,
    listening: Arc<Listening>,
}

impl Server {
    pub(crate) fn new(addr: ChannelAddr, serving: Arc<Serving>, listening: Arc<Listening>) -> Self {
        Self {
            addr,
            serving,
            listening,
        }
    }

    /// Returns the server with `addr` as the address that others dial.
    pub(crate) fn advertised(mut self, addr: ChannelAddr) -> Self {
        self.addr = addr;
        self
    }

    /// Returns the address that others dial.
    pub fn addr(&self) -> &ChannelAddr {
        &self.addr
    }

    /// Returns how many connections there were and are at the address.
    pub fn stats(&self) -> ServerStats {
        let counts = &self.listening.counts;
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        ServerStats {
            accepted: load(&counts.accepted),
            refused: load(&counts.refused),
            broken: load(&counts.broken),
            ended: load(&counts.ended),
        }
    }

    /// Stops taking, acknowledges what was taken, tells all senders that no more is taken, and waits until nothing
    /// is delivered any more. It may be called again.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped the server stops all the same.
    pub async fn stop(&self) {
        self.begin_stop();
        self.ended().await;
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.serving.stop.is_cancelled()
    }

    /// Waits until it begins to stop.
    pub(crate) async fn stopping(&self) {
        self.serving.stop.cancelled().await;
    }

    /// Waits until the server has stopped, whoever stopped it.
    pub(crate) async fn ended(&self) {
        self.serving.stop.cancelled().await;
        self.serving.halt();
        // A peer that does not read does not hold this up.
        let _ = timeout(LAST_WORDS, self.serving.sessions.wait()).await;
        self.serving.tasks.wait().await;
        if self.listening.stop.is_cancelled() {
            // Bounded: a connection gives its last words a second.
            self.listening.tasks.wait().await;
        }
    }

    fn begin_stop(&self) {
        self.serving.halt();
        self.listening.remove(&self.serving);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.begin_stop();
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut server = f.debug_struct("Server");
        server
            .field("addr", &self.addr)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

/// The connections at an address since it is served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerStats {
    /// How many were accepted.
    pub accepted: u64,
    /// How many were refused, or did not come through the handshake.
    pub refused: u64,
    /// How many of the accepted were cut because the peer broke the protocol.
    pub broken: u64,
    /// How many of the accepted have ended, however they did.
    pub ended: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counts {
    accepted: AtomicU64,
    refused: AtomicU64,
    broken: AtomicU64,
    ended: AtomicU64,
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// What takes the sessions of one kind.
pub(crate) enum Taker {
    /// Each is a link, and its messages go there.
    Sessions(Target),
    /// Each is one half of a duplex link.
    Links(Arc<dyn Links>),
}

/// The receiver of one kind of link.
pub(crate) struct Serving {
    pub(crate) endpoint: Arc<Shared>,
    pub(crate) taker: Taker,
    pub(crate) what: LinkType,
    /// Nothing more is taken.
    pub(crate) stop: CancellationToken,
    /// What is calling the receiver.
    pub(crate) tasks: TaskTracker,
    /// The links that are to be told of the stop.
    pub(crate) sessions: TaskTracker,
}

impl Serving {
    /// Returns a receiver that takes nothing more when `stop` is cancelled.
    pub(crate) fn new(
        endpoint: Arc<Shared>,
        taker: Taker,
        what: LinkType,
        stop: CancellationToken,
    ) -> Self {
        let (tasks, sessions) = (TaskTracker::new(), TaskTracker::new());
        // Nothing else is to be waited for than what is tracked at that moment.
        tasks.close();
        sessions.close();
        Self {
            endpoint,
            taker,
            what,
            stop,
            tasks,
            sessions,
        }
    }

    /// Takes nothing more, and tells all senders.
    fn halt(&self) {
        self.stop.cancel();
        for session in self.endpoint.registry.of(self) {
            session.stop();
        }
    }
}

/// One address that is listened at.
pub(crate) struct Listening {
    pub(crate) endpoint: Arc<Shared>,
    /// The address that was bound.
    pub(crate) bound: ChannelAddr,
    receivers: Mutex<Receivers>,
    pub(crate) stop: CancellationToken,
    pub(crate) tasks: TaskTracker,
    pub(crate) counts: Counts,
    /// The connections that were lost with links on them.
    flaps: Mutex<Flaps>,
}

#[derive(Default)]
struct Receivers {
    by_kind: BTreeMap<LinkKind, Arc<Serving>>,
    is_over: bool,
}

impl Listening {
    pub(crate) fn new(endpoint: Arc<Shared>, bound: ChannelAddr) -> Arc<Self> {
        let stop = endpoint.servers.child_token();
        let tasks = TaskTracker::new();
        tasks.close();
        Arc::new(Self {
            endpoint,
            bound,
            receivers: Mutex::default(),
            stop,
            tasks,
            counts: Counts::default(),
            flaps: Mutex::default(),
        })
    }

    /// Adds the receiver of a kind that has none, unless nothing is served here any more.
    pub(crate) fn add(&self, serving: &Arc<Serving>) -> bool {
        let mut receivers = self.lock();
        if receivers.is_over || receivers.by_kind.contains_key(&serving.what.kind) {
            return false;
        }
        receivers.by_kind.insert(serving.what.kind, serving.clone());
        true
    }

    /// Removes a receiver; without any, the address is not listened at any more.
    fn remove(&self, serving: &Arc<Serving>) {
        let is_over = {
            let mut receivers = self.lock();
            let is_there = receivers
                .by_kind
                .get(&serving.what.kind)
                .is_some_and(|there| Arc::ptr_eq(there, serving));
            if is_there {
                receivers.by_kind.remove(&serving.what.kind);
            }
            receivers.is_over |= receivers.by_kind.is_empty();
            receivers.is_over
        };
        if is_over {
            self.endpoint.forget_listening(self);
            self.stop.cancel();
        }
    }

    /// Returns the receiver of a kind.
    fn receiver(&self, kind: LinkKind) -> Result<Arc<Serving>, RefusalCode> {
        let receivers = self.lock();
        if let Some(serving) = receivers.by_kind.get(&kind) {
            return Ok(serving.clone());
        }
        let other = receivers.by_kind.keys().min().copied();
        Err(other.map_or(RefusalCode::Busy, RefusalCode::Kind))
    }

    /// Accepts connections until nothing is served here any more. The listener goes with this.
    pub(crate) async fn accept(self: Arc<Self>, mut listener: Listener) {
        let accepting = async {
            let mut pauses = Pauses::new();
            loop {
                match listener.accept().await {
                    Ok(incoming) => {
                        pauses.accepted();
                        self.begin(incoming);
                    }
                    Err(error) => {
                        if let Some(pause) = pauses.after(&error) {
                            sleep(pause).await;
                        }
                    }
                }
            }
        };
        select! {
            biased;
            () = self.until_over() => {}
            () = accepting => {}
        }
    }

    /// Waits until nothing is served here any more, and forgets sessions whose lifetime is over.
    pub(crate) async fn until_over(&self) {
        let lifetime = self.endpoint.limits.session_lifetime.max(LEAST_LIFETIME);
        loop {
            select! {
                biased;
                () = self.stop.cancelled() => break,
                () = sleep(lifetime / EXPIRIES) => self.endpoint.registry.expire(lifetime),
            }
        }
        let left: Vec<_> = self.lock().by_kind.values().cloned().collect();
        left.iter().for_each(|serving| serving.halt());
    }

    /// Starts the task of a connection, if there is room for another handshake.
    pub(crate) fn begin(self: &Arc<Self>, incoming: Incoming) {
        let Ok(permit) = self.endpoint.handshakes.clone().try_acquire_owned() else {
            count(&self.counts.refused);
            incoming.turn_away(&Answer::Refused(RefusalCode::Busy).encode());
            return;
        };
        let task = connection::run(self.clone(), incoming, permit);
        self.endpoint.spawn(self.tasks.track_future(task));
    }

    /// Records that a connection was lost with links on it, and says so if that is news.
    fn on_loss(&self, end: &End) {
        let told = self.flaps().on_loss(Instant::now());
        if let Some(Told { flaps, total }) = told {
            tracing::info!(at = %self.bound, flaps, total, %end, "connections were lost");
        }
    }

    fn flaps(&self) -> MutexGuard<'_, Flaps> {
        self.flaps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Receivers> {
        self.receivers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let told = self.flaps().rest();
        if let Some(Told { flaps, total }) = told {
            tracing::info!(at = %self.bound, flaps, total, "connections were lost");
        }
    }
}
