//! The receiving half of a duplex link, at either end: what receives, and the session that it receives from.
//!
//! # Invariants
//!
//! - **INV-1**: it takes nothing after it was stopped; the session is opened and closed again on each connection that
//!   comes all the same, so that the other end learns of it.
//! - **INV-2**: what goes forth is over at the serving end when the dialling end says so, and not before: a link that the
//!   dialling end opens again is never taken for a new one.
//! - **INV-3**: the way back is another session when the serving end has begun anew. The receiver goes on with it.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    carried::Carried,
    endpoint::Shared,
    handshake::{LinkType, RefusalCode},
    identity::PeerIdentity,
    news::News,
    open::Open,
    outlet::Outlet,
    registry::Place,
    rx::RxQueue,
    served::{Part, Served, Target},
    server::{LAST_WORDS, Serving, Taker},
};

/// How long it may take to tell the other end that nothing more is taken.
const LAST_WORD: Duration = Duration::from_millis(500);

/// Which end of the link receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// The one that serves: it takes what goes forth.
    Serving,
    /// The one that dialled: it takes what comes back.
    Dialling,
}

/// The receiving half of one link.
pub(crate) struct Receiving {
    side: Side,
    queue: Arc<RxQueue>,
    serving: Arc<Serving>,
    state: Mutex<State>,
    /// Told when there is something to look at.
    news: Arc<News>,
}

#[derive(Default)]
struct State {
    session: Option<Arc<Served>>,
    /// What the session counts as, once there is one.
    place: Option<Place>,
    stopped: Option<Instant>,
    is_over: bool,
    ends_with_sender: bool,
}

impl Receiving {
    /// Returns a half that takes nothing more when `stop` is cancelled.
    pub(crate) fn new(
        side: Side,
        endpoint: &Arc<Shared>,
        what: LinkType,
        stop: CancellationToken,
        news: Arc<News>,
    ) -> Arc<Self> {
        let queue = Arc::new(RxQueue::default());
        let taker = Taker::Sessions(Target::Queue(queue.clone()));
        let serving = Serving::new(endpoint.clone(), taker, what, stop);
        Arc::new(Self {
            side,
            queue,
            serving: Arc::new(serving),
            state: Mutex::default(),
            news,
        })
    }

    /// Goes on over the connection of `outlet`, where the session has `number`.
    pub(crate) fn carry(
        self: &Arc<Self>,
        open: &Open,
        identity: Option<PeerIdentity>,
        number: u32,
        outlet: &Arc<Outlet>,
    ) -> Result<Arc<Served>, RefusalCode> {
        self.serving.what.check(open.kind, open.layout)?;
        if open.roams || !open.path.is_empty() {
            return Err(RefusalCode::HopLimit);
        }
        let session = self.session_of(open, identity, outlet.connection)?;
        if self.lock().stopped.is_some() {
            // INV-1
            session.clone().stop();
        }
        let replaced = session.take_over(open, number, outlet)?;
        session.answer();
        // What the end of a connection drops is not dropped under a lock.
        drop(replaced);
        Ok(session)
    }

    /// Returns the session that is opened over `connection`.
    fn session_of(
        self: &Arc<Self>,
        open: &Open,
        identity: Option<PeerIdentity>,
        connection: u64,
    ) -> Result<Arc<Served>, RefusalCode> {
        let endpoint = &self.serving.endpoint;
        let mut state = self.lock();
        if state.place.is_none() {
            let place = endpoint.registry.place(endpoint);
            state.place = Some(place.ok_or(RefusalCode::Busy)?);
        }
        if let Some(session) = &state.session
            && (session.id, session.incarnation) == (open.id, open.incarnation)
        {
            return Ok(session.clone());
        }
        let link = Arc::downgrade(self);
        let part = match self.side {
            Side::Serving => Part::Forth(link),
            Side::Dialling => Part::Back(link),
        };
        let target = Target::Queue(self.queue.clone());
        let session = Served::new(open, identity, self.serving.clone(), target, part);
        let session = Arc::new(session);
        let before = state.session.replace(session.clone());
        drop(state);
        if let Some(before) = before {
            // INV-3
            before.on_lost(connection);
        }
        Ok(session)
    }

    /// Returns the session that it receives from, once there is one.
    pub(crate) fn session(&self) -> Option<Arc<Served>> {
        self.lock().session.clone()
    }

    /// Returns what is told when there is something to look at.
    pub(crate) fn news(&self) -> &Arc<News> {
        &self.news
    }

    /// Takes nothing more, and tells the other end.
    pub(crate) fn stop(&self) {
        let session = {
            let mut state = self.lock();
            state.stopped.get_or_insert_with(Instant::now);
            // Nobody has to be told.
            state.is_over |= self.side == Side::Dialling && state.session.is_none();
            state.session.clone()
        };
        self.serving.stop.cancel();
        if let Some(session) = session {
            session.stop();
        }
        self.news.notify_one();
    }

    /// Takes nothing more, because the link has ended.
    pub(crate) fn end(&self) {
        self.stop();
        let session = {
            let mut state = self.lock();
            state.is_over = true;
            state.session.clone()
        };
        if let Some(session) = session.filter(|_| self.side == Side::Serving) {
            // Nobody waits for the last word of the other end.
            session.attachment.leave();
        }
        self.news.notify_one();
    }

    /// From now on it ends with the other direction.
    pub(crate) fn end_with_sender(&self) {
        self.lock().ends_with_sender = true;
    }

    /// Learns that the other direction has ended.
    pub(crate) fn on_sender_ended(&self) {
        let is_end = {
            let state = self.lock();
            state.ends_with_sender && state.stopped.is_none()
        };
        if is_end {
            self.stop();
        }
    }

    /// Learns that its session is over.
    pub(crate) fn on_over(&self) {
        {
            let mut state = self.lock();
            state.stopped.get_or_insert_with(Instant::now);
            state.is_over = true;
        }
        self.serving.stop.cancel();
        self.news.notify_one();
    }

    /// Returns whether it needs its connection no more.
    pub(crate) fn is_over(&self) -> bool {
        let state = self.lock();
        // INV-2
        state.is_over
            || self.side == Side::Dialling
                && state
                    .stopped
                    .is_some_and(|stopped| LAST_WORD <= stopped.elapsed())
    }

    /// Returns whether messages wait to be received by the program.
    pub(crate) fn has_waiting(&self) -> bool {
        self.session().is_some_and(|session| session.has_waiting())
    }

    /// Returns when it will be over at the latest, once that is known.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let state = self.lock();
        let stopped = state.stopped.filter(|_| !state.is_over)?;
        let last = stopped + LAST_WORD;
        // The other direction may live on long after that.
        (Instant::now() < last).then_some(last)
    }

    /// Waits until the peer was told that nothing more is taken, if it reads.
    pub(crate) async fn told(&self) {
        // A peer that does not read does not hold this up.
        let _ = timeout(LAST_WORDS, self.serving.sessions.wait()).await;
        self.serving.tasks.wait().await;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a program has of the receiving half of a link, which stops when this is dropped.
pub(crate) struct Receiver(pub(crate) Arc<Receiving>);

impl Receiver {
    pub(crate) fn queue(&self) -> &Arc<RxQueue> {
        &self.0.queue
    }

    /// Takes nothing more, and waits until the other end was told.
    pub(crate) async fn stop(&self) {
        self.0.stop();
        self.0.told().await;
    }

    /// Waits until nothing more comes, whoever ended it.
    pub(crate) async fn ended(&self) {
        self.0.serving.stop.cancelled().await;
        self.stop().await;
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.0.stop();
        self.0.queue.clear();
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("kind", &self.0.serving.what.kind)
            .finish_non_exhaustive()
    }
}
