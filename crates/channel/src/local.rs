//! Links inside one process: the numbers of `local:N`, and the task of a link to one of them.
//!
//! The queue, the batches and the outcomes are those of a link over sockets; in place of a socket
//! the task calls the sink.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    fmt, mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use hypermesh_wire::Payload;
use tokio::{select, task::yield_now};
use tokio_util::{
    sync::CancellationToken,
    task::{TaskTracker, task_tracker::TaskTrackerToken},
};

use crate::{
    addr::ChannelAddr,
    endpoint::Shared,
    handshake::{LinkKind, RefusalCode, WIRE_VERSION},
    incarnation::Incarnation,
    link::{LinkCore, LinkStatus, Remote, connection::check, task::sleep_until},
    outcome::{CloseReason, Outcome, Parcel, UnknownReason},
    queue::{Load, Stage},
    sink::{Peer, Sink, Taken, hand_over, tell_lost},
};

/// So many messages are given to the sink at once.
const BATCH: usize = 512;
/// Numbers that the hub chooses begin here, above those that people write.
const FIRST_CHOSEN: u64 = 1 << 32;

/// The numbers under which the endpoints of one process serve `local:N` addresses.
///
/// A clone is the same hub. Endpoints with different hubs do not see each other.
#[derive(Clone, Default)]
pub struct LocalHub(Arc<Mutex<Numbers>>);

#[derive(Default)]
struct Numbers {
    served: HashMap<u64, Arc<LocalPort>>,
    chosen: u64,
}

/// What is served under a number.
pub(crate) struct LocalPort {
    pub(crate) sink: Arc<dyn Sink>,
    pub(crate) kind: LinkKind,
    pub(crate) max_message: u64,
    pub(crate) endpoint: Arc<Shared>,
    pub(crate) stop: CancellationToken,
    /// The links that may be calling the sink.
    pub(crate) callers: TaskTracker,
}

impl LocalHub {
    /// Returns a hub where nothing is served.
    pub fn new() -> Self {
        Self::default()
    }

    /// Serves `port` at `number`, or at a free one if that is 0; or returns `None` if it is taken.
    pub(crate) fn serve(&self, number: u64, port: Arc<LocalPort>) -> Option<LocalNumber> {
        let mut numbers = self.lock();
        let number = if number == 0 {
            numbers.choose()
        } else {
            number
        };
        match numbers.served.entry(number) {
            Entry::Occupied(_) => return None,
            Entry::Vacant(vacant) => _ = vacant.insert(port),
        }
        Some(LocalNumber {
            hub: self.clone(),
            number,
        })
    }

    /// Returns what is served at `number`.
    pub(crate) fn find(&self, number: u64) -> Option<Arc<LocalPort>> {
        let port = self.lock().served.get(&number).cloned();
        port.filter(|port| !port.stop.is_cancelled())
    }

    fn lock(&self) -> MutexGuard<'_, Numbers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for LocalHub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut served: Vec<u64> = self.lock().served.keys().copied().collect();
        served.sort_unstable();
        f.debug_tuple("LocalHub").field(&served).finish()
    }
}

impl Numbers {
    fn choose(&mut self) -> u64 {
        loop {
            let number = FIRST_CHOSEN + self.chosen;
            self.chosen += 1;
            if !self.served.contains_key(&number) {
                return number;
            }
        }
    }
}

/// A number that is served, until this goes.
#[derive(Debug)]
pub(crate) struct LocalNumber {
    hub: LocalHub,
    number: u64,
}

impl LocalNumber {
    pub(crate) fn addr(&self) -> ChannelAddr {
        ChannelAddr::Local(self.number)
    }
}

impl Drop for LocalNumber {
    fn drop(&mut self) {
        let port = self.hub.lock().served.remove(&self.number);
        // The sink is the user's: its drop must not run under the lock.
        drop(port);
    }
}

/// The task of a link to a number. Where it ends, every parcel gets its outcome.
pub(crate) struct LocalTask<P: Parcel> {
    core: Arc<LinkCore<P>>,
    port: Arc<LocalPort>,
    /// Lets the server wait for this link.
    _caller: TaskTrackerToken,
    kind: LinkKind,
    peer: Peer,
    backlog: VecDeque<P>,
    gone: Load,
    batch: Vec<Payload>,
}

impl<P: Parcel> LocalTask<P> {
    pub(crate) fn new(
        core: Arc<LinkCore<P>>,
        port: Arc<LocalPort>,
        endpoint: &Shared,
        kind: LinkKind,
    ) -> Self {
        let peer = Peer {
            incarnation: endpoint.incarnation,
            advertised: endpoint.advertised(),
            connection: port.endpoint.next_connection(),
        };
        Self {
            core,
            _caller: port.callers.token(),
            port,
            kind,
            peer,
            backlog: VecDeque::new(),
            gone: Load::default(),
            batch: Vec::new(),
        }
    }

    pub(crate) async fn run(mut self) {
        let reason = if self.kind == self.port.kind {
            self.core.set_remote(Remote {
                incarnation: Some(self.port.incarnation()),
                advertised: self.port.endpoint.advertised(),
            });
            self.core.set_status(LinkStatus::Active);
            let reason = self.work().await;
            tell_lost(&*self.port.sink, &self.peer);
            reason
        } else {
            let refusal = RefusalCode::Kind(self.port.kind).told_to(self.kind, WIRE_VERSION);
            CloseReason::Refused(refusal)
        };
        self.core.end(reason, mem::take(&mut self.backlog));
    }

    async fn work(&mut self) -> CloseReason {
        loop {
            let stage = self
                .core
                .queue
                .exchange(&mut self.backlog, mem::take(&mut self.gone));
            let deadline = match stage {
                Stage::Killed => return CloseReason::Closed,
                Stage::Closing(_) if self.backlog.is_empty() => return CloseReason::Closed,
                Stage::Closing(deadline) => Some(deadline),
                Stage::Open => None,
            };
            if self.port.stop.is_cancelled() {
                return CloseReason::PeerClosed;
            }
            if self.backlog.is_empty() {
                select! {
                    biased;
                    () = self.core.queue.news(stage, true) => {}
                    () = self.port.stop.cancelled() => return CloseReason::PeerClosed,
                }
                continue;
            }
            if self.deliver() {
                // Nothing here waits for a socket: the other tasks get their turn all the same.
                yield_now().await;
                continue;
            }
            select! {
                biased;
                () = self.core.queue.news(stage, false) => {}
                () = self.port.stop.cancelled() => return CloseReason::PeerClosed,
                () = sleep_until(deadline) => return CloseReason::Closed,
                () = self.port.sink.ready(&self.peer) => yield_now().await,
            }
        }
    }

    /// Gives the next messages to the sink, and returns whether it takes more.
    fn deliver(&mut self) -> bool {
        let max = self.core.max_message.min(self.port.max_message);
        let payloads = self.backlog.iter().map(Parcel::payload).take(BATCH);
        let within_limits = payloads.take_while(|payload| check(payload, max).is_ok());
        self.batch.extend(within_limits.cloned());
        if self.batch.is_empty() {
            let payload = self.backlog.front().map(Parcel::payload);
            if let Some(Err(reason)) = payload.map(|payload| check(payload, max)) {
                self.complete(1, &Outcome::Failed(reason));
            }
            return true;
        }
        let len = self.batch.len();
        let goes_on = match hand_over(&*self.port.sink, &self.peer, &mut self.batch) {
            Taken::All => {
                self.complete(len, &Outcome::Acked);
                true
            }
            Taken::Some(taken) => {
                self.complete(taken, &Outcome::Acked);
                false
            }
            Taken::Panicked(panic) => {
                tracing::error!(peer = %self.peer, panic, "a sink panicked");
                self.complete(len, &Outcome::Unknown(UnknownReason::ConnectionLost));
                true
            }
        };
        self.batch.clear();
        goes_on
    }

    fn complete(&mut self, count: usize, outcome: &Outcome) {
        for parcel in self.backlog.drain(..count) {
            self.gone.add(Load::of(&parcel));
            self.core.complete(parcel, outcome.clone());
        }
        self.core.told();
    }
}

/// A task that did not come to its end, because its runtime was shut down for example.
impl<P: Parcel> Drop for LocalTask<P> {
    fn drop(&mut self) {
        self.core
            .end(CloseReason::Closed, mem::take(&mut self.backlog));
    }
}

impl LocalPort {
    fn incarnation(&self) -> Incarnation {
        self.endpoint.incarnation
    }
}
