//! The sending half of a session: what a program posts on, and what the connection takes from it.
//!
//! # Invariants
//!
//! - **INV-1**: no parcel is completed, and nobody woken, while the lock is held.
//! - **INV-2**: after the end nothing is accepted any more, and every parcel has its outcome.
//! - **INV-3**: messages are handed to a connection only after its peer has opened the session there.

mod room;
mod stall;
mod state;

use std::{
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Notify, watch},
    time::{Instant, timeout_at},
};

use crate::{
    attachment::Attachment,
    carried::Carried,
    frame::{Ack, Header, Kind, Nack},
    image::Image,
    link::{CloseReport, LinkStats, LinkStatus},
    log::{Body, Done, Message},
    news::News,
    outcome::{CloseReason, FailReason, Parcel, ProtocolError, UnknownReason, complete},
    settings::Limits,
};
use stall::Stall;
pub(crate) use state::Remote;
use state::{Stage, State};

/// The sending half of one session.
pub(crate) struct Sender<P: Parcel> {
    state: Mutex<State<P>>,
    /// The number of the session on its connections.
    number: u32,
    /// Told when there is room again, and at the end.
    room: Notify,
    /// Whether there was room a moment ago, for those who ask without the lock.
    has_room: AtomicBool,
    /// Told when messages got their outcome, and at the end.
    progress: Notify,
    /// How many wait for the outcomes of what is on its way.
    flushing: AtomicUsize,
    has_ended: AtomicBool,
    status: watch::Sender<LinkStatus>,
    /// Told what whoever keeps the session connected has to know.
    news: Arc<News>,
}

impl<P: Parcel> Sender<P> {
    pub(crate) fn new(number: u32, limits: &Limits, news: Arc<News>) -> Self {
        let status = LinkStatus::Connecting {
            attempt: 1,
            last_error: None,
        };
        let state = State::new(number, limits);
        Self {
            state: Mutex::new(state),
            number,
            room: Notify::new(),
            has_room: AtomicBool::new(true),
            progress: Notify::new(),
            flushing: AtomicUsize::new(0),
            has_ended: AtomicBool::new(false),
            status: watch::Sender::new(status),
            news,
        }
    }

    /// Accepts a message, or returns the reason why not.
    pub(crate) fn push(
        &self,
        message: &Message<'_>,
        session: &(impl Fn() -> Arc<dyn Carried> + ?Sized),
        attachment: &Attachment,
    ) -> Result<(), FailReason> {
        let mut state = self.lock();
        if !state.accepts(message)
            && let Some(reason) = state.refusal(message)
        {
            return Err(reason);
        }
        state.log.push(message);
        self.schedule(state, session, attachment);
        Ok(())
    }

    /// Accepts a parcel, or gives it back with the reason. One of a wrong size is accepted `in_turn`, to fail after
    /// those before it.
    pub(crate) fn push_parcel(
        &self,
        parcel: P,
        in_turn: bool,
        session: &(impl Fn() -> Arc<dyn Carried> + ?Sized),
        attachment: &Attachment,
    ) -> Result<(), (P, FailReason)> {
        let payload = parcel.payload();
        let message = Message {
            body: Body::Shared(&payload.body),
            parts: &payload.parts,
            asks: parcel.is_awaited(),
        };
        let mut state = self.lock();
        match state.refusal(&message) {
            None => state.log.push(&message),
            Some(reason) if in_turn && reason.is_about_size() => state.log.reject(reason),
            Some(reason) => {
                drop(state);
                return Err((parcel, reason));
            }
        }
        state.log.keep(parcel);
        self.schedule(state, session, attachment);
        Ok(())
    }

    /// Has the connection write what was accepted.
    fn schedule(
        &self,
        mut state: MutexGuard<'_, State<P>>,
        session: &(impl Fn() -> Arc<dyn Carried> + ?Sized),
        attachment: &Attachment,
    ) {
        if state.log.is_full() {
            self.has_room.store(false, Ordering::Relaxed);
        }
        if attachment.is_scheduled() {
            return;
        }
        let is_open = state.is_open;
        let now = is_open && state.writes_now();
        drop(state);
        if is_open {
            attachment.schedule(session(), now);
        } else {
            self.news.notify_one();
        }
    }

    /// Hands out what is to be written, and returns whether there is more.
    pub(crate) fn fill(&self, budget: usize, image: &mut Image) -> (bool, Option<u64>) {
        let mut state = self.lock();
        if !state.is_open {
            return (false, None);
        }
        let sent = state.log.sent();
        let had_unacked = state.log.has_unacked();
        let begin = image.pushed();
        let more = state.log.take(budget, image);
        if begin < image.pushed() {
            let is_whole = !state.log.is_inside();
            let first = (!had_unacked).then(Instant::now);
            state.stall.on_fill(first, is_whole, image.pushed());
        }
        let is_closing = matches!(state.stage, Stage::Closing(_));
        if (is_closing || self.is_flushing()) && !more && state.log.ask() {
            image.copy(&Header::control(Kind::Ask, self.number, 0).encode());
        }
        (more, Some(sent))
    }

    /// Returns whether the close is to be said now.
    pub(crate) fn is_drained(&self) -> bool {
        let state = self.lock();
        state.stage != Stage::Open && state.log.is_empty() && state.finished.is_none()
    }

    /// Takes an acknowledgement, and returns whether more may be written now.
    pub(crate) fn on_ack(&self, ack: Ack) -> Result<bool, ProtocolError> {
        self.change(|state, done| {
            state.wrote = None;
            let acked = state.log.acked();
            state.log.on_credit(ack.credit);
            state.log.on_ack(ack.next, done)?;
            let (is_news, is_whole) = (acked < ack.next, !state.log.is_inside());
            state.stall.on_ack(is_news, is_whole, Instant::now());
            state.progress += u64::from(is_news);
            Ok(state.is_open && (state.log.is_ready() || state.is_drained()))
        })
    }

    /// Takes the refusal of one message.
    pub(crate) fn on_nack(&self, nack: Nack) -> Result<(), ProtocolError> {
        let reason = match nack.code {
            Nack::TOO_LARGE => FailReason::RefusedTooLarge,
            code => FailReason::RefusedMessage(code),
        };
        self.lock().log.on_nack(nack, reason)
    }

    /// Records that the peer opened the session on the present connection, and took everything below `next` in a
    /// session that it knew; or nothing in a new one.
    pub(crate) fn on_opened(
        &self,
        resumed: bool,
        ack: Ack,
        max_message: u64,
        remote: Remote,
    ) -> Result<(), ProtocolError> {
        self.change(|state, done| {
            if state.finished.is_some() {
                // Whatever the peer has taken, the messages have their outcomes.
                return Ok(());
            }
            let before = state.remote.incarnation;
            let is_same = before == remote.incarnation;
            if resumed {
                if before.is_some() && !is_same {
                    return Err(ProtocolError::Resume {
                        next: ack.next,
                        acked: state.log.acked(),
                    });
                }
                let acked = state.log.acked();
                state.log.on_resumed(ack.next, ack.credit, done)?;
                state.progress += u64::from(acked < ack.next);
            } else {
                let reason = if is_same {
                    UnknownReason::SessionLost
                } else {
                    UnknownReason::PeerRestarted
                };
                state.log.on_fresh(reason, ack.credit, done);
            }
            state.limit(max_message);
            state.is_open = true;
            state.openings += 1;
            state.waiting = None;
            state.stall = Stall::new(Instant::now());
            state.remote = remote;
            Ok(())
        })?;
        self.set_status(LinkStatus::Active);
        Ok(())
    }

    /// Records that no connection carries the session.
    pub(crate) fn on_lost(&self) {
        let mut state = self.lock();
        state.is_open = false;
        state.wrote = None;
    }

    /// See [`Log::unsend`].
    pub(crate) fn unsend(&self, sent: u64) {
        self.lock().log.unsend(sent);
    }

    /// Returns what a new connection tells the peer: what is acknowledged, and what was handed out.
    pub(crate) fn positions(&self) -> (u64, u64) {
        let state = self.lock();
        (state.log.acked(), state.log.sent())
    }

    /// Returns whether the peer has acknowledged nothing for `limit` though it could, on a connection that has written
    /// so many bytes.
    pub(crate) fn is_stalled(&self, written: u64, limit: Duration) -> bool {
        let mut state = self.lock();
        state.log.relax();
        let is_over = state.stall.is_over(written, limit, Instant::now());
        state.is_open && state.log.has_unacked() && is_over
    }

    /// Ends the sending half: every message gets its last outcome. Does nothing the second time.
    ///
    /// `peer_took` is what the peer said that it has taken, if it takes no more.
    pub(crate) fn end(&self, reason: CloseReason, unknown: UnknownReason, peer_took: Option<u64>) {
        let done = {
            let mut state = self.lock();
            if state.finished.is_some() {
                return;
            }
            let mut done = Done::new();
            let is_said = match peer_took {
                Some(next) => state.log.on_ack(next, &mut done).is_ok(),
                None => false,
            };
            let why = FailReason::from(reason.clone());
            state.log.on_end(&why, unknown, is_said, &mut done);
            state.finished = Some(reason.clone());
            state.is_open = false;
            self.has_room.store(false, Ordering::Relaxed);
            done
        };
        // Whoever learns of a failure below finds the link closed, and may make another one.
        self.set_status(LinkStatus::Closed(reason));
        self.tell(done);
        self.has_ended.store(true, Ordering::Release);
        self.progress.notify_waiters();
        self.room.notify_waiters();
        self.news.notify_one();
    }

    /// Accepts nothing any more, and goes on until `deadline`, or an earlier one that was given before.
    pub(crate) fn close(&self, deadline: Instant) {
        let mut state = self.lock();
        state.stage = match state.stage {
            Stage::Open => Stage::Closing(deadline),
            Stage::Closing(earlier) => Stage::Closing(earlier.min(deadline)),
        };
        self.has_room.store(false, Ordering::Relaxed);
        drop(state);
        self.room.notify_waiters();
        self.news.notify_one();
    }

    /// Waits for the end.
    pub(crate) async fn ended(&self) {
        self.progress_until(|| self.has_ended.load(Ordering::Acquire))
            .await;
    }

    /// Returns whether the sending half has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::Acquire)
    }

    /// Has the peer asked for acknowledgements at once, until the result is dropped.
    pub(crate) fn wait_for_acks(&self) -> Flushing<'_> {
        self.flushing.fetch_add(1, Ordering::AcqRel);
        Flushing(&self.flushing)
    }

    /// Returns how many messages were ever accepted.
    pub(crate) fn accepted(&self) -> u64 {
        self.lock().log.accepted()
    }

    /// Waits until the first `count` messages have an outcome, and returns how many have none at `deadline`.
    pub(crate) async fn wait_for(&self, count: u64, deadline: Instant) -> usize {
        let open = || {
            if self.has_ended() {
                0
            } else {
                count.saturating_sub(self.lock().log.acked())
            }
        };
        // At the deadline, what is open then is the answer.
        let _ = timeout_at(deadline, self.progress_until(|| open() == 0)).await;
        usize::try_from(open()).unwrap_or(usize::MAX)
    }

    /// Returns when the session is to be ended without success, if nothing happens before: `patience` is how
    /// long a message may wait for a connection.
    pub(crate) fn deadline(&self, patience: Option<Duration>) -> Option<Instant> {
        let mut state = self.lock();
        if state.finished.is_some() {
            // What is left to do is to tell the peer, which takes the time that it takes.
            return None;
        }
        let closing = match state.stage {
            Stage::Open => None,
            Stage::Closing(deadline) => Some(deadline),
        };
        let Some(patience) = patience else {
            return closing;
        };
        if state.log.is_empty() {
            state.waiting = None;
            return closing;
        }
        let waiting = *state.waiting.get_or_insert_with(Instant::now);
        let give_up = waiting + patience;
        Some(closing.map_or(give_up, |closing| closing.min(give_up)))
    }

    /// Returns whether the deadline of the close has come, or there is nothing to wait for.
    pub(crate) fn is_close_over(&self, is_connected: bool) -> bool {
        let state = self.lock();
        match state.stage {
            Stage::Open => false,
            Stage::Closing(deadline) => {
                deadline <= Instant::now() || !is_connected && state.log.is_empty()
            }
        }
    }

    /// Returns how often the peer acknowledged something that it had not before.
    pub(crate) fn progress(&self) -> u64 {
        self.lock().progress
    }

    /// Returns whether there is a message without an outcome.
    pub(crate) fn has_work(&self) -> bool {
        !self.lock().log.is_empty()
    }

    pub(crate) fn report(&self) -> CloseReport {
        let tally = self.lock().log.tally();
        CloseReport {
            failed: tally.failed,
            unknown: tally.unknown,
        }
    }

    pub(crate) fn stats(&self) -> LinkStats {
        let state = self.lock();
        let log = &state.log;
        LinkStats {
            messages: log.accepted(),
            bytes: log.load(),
            reconnects: state.openings.saturating_sub(1),
            unacked: log.sent() - log.acked(),
            queued: log.accepted() - log.sent(),
        }
    }

    pub(crate) fn status(&self) -> &watch::Sender<LinkStatus> {
        &self.status
    }

    /// Records the state of the link; a closed one stays so.
    pub(crate) fn set_status(&self, status: LinkStatus) {
        self.status.send_if_modified(|current| {
            let changes = !current.is_closed() && *current != status;
            if changes {
                *current = status;
            }
            changes
        });
    }

    pub(crate) fn remote(&self) -> Remote {
        self.lock().remote.clone()
    }

    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    /// Changes the state, and completes what got its outcome by that.
    fn change<T>(&self, change: impl FnOnce(&mut State<P>, &mut Done<P>) -> T) -> T {
        let mut done = Done::new();
        let (result, has_room, has_progress) = {
            let mut state = self.lock();
            let had_room = state.log.has_room();
            let acked = state.log.acked();
            let result = change(&mut state, &mut done);
            let has_room = !had_room && state.log.has_room();
            if has_room && state.end().is_none() {
                self.has_room.store(true, Ordering::Relaxed);
            }
            (result, has_room, acked < state.log.acked())
        };
        self.tell(done);
        if has_progress {
            self.progress.notify_waiters();
        }
        if has_room {
            self.room.notify_waiters();
        }
        result
    }

    fn tell(&self, done: Done<P>) {
        for (parcel, outcome) in done {
            complete(parcel, outcome);
        }
    }

    fn is_flushing(&self) -> bool {
        self.flushing.load(Ordering::Acquire) != 0
    }

    async fn progress_until(&self, is_there: impl Fn() -> bool) {
        loop {
            let mut progress = pin!(self.progress.notified());
            // Registered before the look, so that no progress is missed.
            progress.as_mut().enable();
            if is_there() {
                return;
            }
            progress.await;
        }
    }

    /// A panic under the lock is impossible but for a lack of memory; the data stays usable.
    fn lock(&self) -> MutexGuard<'_, State<P>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody waits for outcomes, until this is dropped.
pub(crate) struct Flushing<'a>(&'a AtomicUsize);

impl Drop for Flushing<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A sender that is dropped, with its runtime for example, still gives every outcome (INV-2).
impl<P: Parcel> Drop for Sender<P> {
    fn drop(&mut self) {
        self.end(CloseReason::Closed, UnknownReason::Closed, None);
    }
}
