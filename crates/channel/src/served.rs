//! A session at the end that serves it: checks the order, delivers, acknowledges and gives credit.
//!
//! # Invariants
//!
//! - **INV-1**: each message is given to the receiver once and in order, over however many connections.
//! - **INV-2**: only what the receiver took is acknowledged, and only that counts when the session is resumed.
//! - **INV-3**: one thread at a time delivers. A connection that takes the session over is answered when the one
//!   before it delivers nothing any more.
//! - **INV-4**: what waits here was within the credit, but for one message; so is what a connection puts together for it,
//!   of which that is known when its first frame begins.
//! - **INV-5**: the receiver is not called while the lock is held.
//! - **INV-6**: of two openings of the session the later one counts, whichever comes first.

mod faults;
mod part;
mod refusals;
mod state;
#[cfg(test)]
mod tests;

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use hypermesh_wire::Payload;
use tokio::{select, time::Instant};
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::{
    attachment::Attachment,
    carried::{Carried, Wish},
    demux::Run,
    frame::{FrameError, Header, Kind, Nack},
    handshake::{LinkKind, RefusalCode},
    identity::PeerIdentity,
    image::Image,
    incarnation::{Incarnation, SessionId},
    open::{Open, Opened},
    outcome::ProtocolError,
    outlet::Outlet,
    rx::{Arrived, RxQueue},
    server::Serving,
    sink::{Peer, Sink, Taken, hand_over, tell_lost},
    warnings::Cause,
};
pub(crate) use part::Part;
use state::{State, Turn};

/// Where the messages of a session go.
#[derive(Clone)]
pub(crate) enum Target {
    Queue(Arc<RxQueue>),
    Sink(Arc<dyn Sink>),
}

/// One session that is received.
pub(crate) struct Served {
    pub(crate) id: SessionId,
    part: Part,
    pub(crate) kind: LinkKind,
    /// Whether it may come over connections of others.
    roams: bool,
    /// The turn of the opening that counts.
    turn: AtomicU64,
    /// The endpoint that opened it.
    pub(crate) incarnation: Incarnation,
    pub(crate) attachment: Attachment,
    serving: Arc<Serving>,
    target: Target,
    peer: Peer,
    state: Mutex<State>,
    /// While a connection carries the session, whoever stops the server waits for its last word.
    present: Mutex<Option<TaskTrackerToken>>,
}

/// Messages that were received, in one of the ways they come.
enum Batch {
    Run(Run),
    Payloads(Vec<Payload>),
    /// One number without a message, of so many bytes.
    Void(u64),
}

impl Served {
    pub(crate) fn new(
        open: &Open,
        identity: Option<PeerIdentity>,
        serving: Arc<Serving>,
        target: Target,
        part: Part,
    ) -> Self {
        let endpoint = &serving.endpoint;
        let peer = Peer {
            incarnation: open.incarnation,
            advertised: open.advertised.clone(),
            identity,
            session: endpoint.next_connection(),
        };
        let state = State::new(open.sent, &endpoint.limits);
        Self {
            id: open.id,
            part,
            kind: open.kind,
            roams: open.roams,
            turn: AtomicU64::new(0),
            incarnation: open.incarnation,
            attachment: Attachment::default(),
            serving,
            target,
            peer,
            state: Mutex::new(state),
            present: Mutex::default(),
        }
    }

    /// Goes on over the connection of `outlet`, where the session has `number`, and returns the one before; not if it
    /// was opened later over another one.
    pub(crate) fn take_over(
        &self,
        open: &Open,
        number: u32,
        outlet: &Arc<Outlet>,
    ) -> Result<Option<Arc<Outlet>>, RefusalCode> {
        let mut state = self.lock();
        // INV-6, under the lock.
        if open.turn < self.turn.load(Ordering::Relaxed) {
            return Err(RefusalCode::Busy);
        }
        self.turn.store(open.turn, Ordering::Relaxed);
        let replaced = self.attachment.replace(outlet);
        state.begin(number, open.sent, open.acked);
        self.set_present(true);
        Ok(replaced)
    }

    /// Answers on the connection that it goes on over.
    pub(crate) fn answer(self: &Arc<Self>) {
        self.attachment.schedule(self.clone(), true);
    }

    /// Returns who opened it, as far as the transport proves that.
    pub(crate) fn identity(&self) -> Option<PeerIdentity> {
        self.peer.identity
    }

    /// Returns the receiver that the session is for.
    pub(crate) fn serving(&self) -> &Arc<Serving> {
        &self.serving
    }

    /// Returns since when no connection carries the session.
    pub(crate) fn detached_since(&self) -> Option<Instant> {
        self.lock().detached
    }

    /// Returns whether messages of it wait in the queue of its receiver.
    pub(crate) fn has_waiting(&self) -> bool {
        self.lock().has_waiting()
    }

    /// Records that so much of what waited in the queue was received by the program.
    pub(crate) fn consumed(self: &Arc<Self>, messages: u64, load: u64) {
        let is_due = self.lock().on_consumed(messages, load);
        if is_due {
            self.attachment.schedule(self.clone(), false);
        }
    }

    /// Gives `batch` to the receiver, and what has come meanwhile.
    fn pump(self: &Arc<Self>, mut batch: Batch) {
        loop {
            let next = match (&self.target, batch) {
                (_, Batch::Void(load)) => self.lock().commit(1, load, true),
                (Target::Queue(queue), batch) => {
                    let (messages, load) = batch.size();
                    self.push(queue, batch);
                    self.lock().commit(messages, load, false)
                }
                (Target::Sink(sink), batch) => {
                    let mut payloads = batch.into_payloads();
                    let (messages, load) = size(&payloads);
                    match hand_over(&**sink, &self.peer, &mut payloads) {
                        Taken::All => self.lock().commit(messages, load, true),
                        Taken::Some(taken) => {
                            let left = size(&payloads).1;
                            let goes_on = self.lock().pause(taken as u64, load - left);
                            if let Some(epoch) = goes_on {
                                self.wait_for_sink(epoch, payloads);
                            }
                            None
                        }
                        Taken::Panicked(panic) => {
                            self.on_panic(&panic);
                            self.lock().fail();
                            None
                        }
                    }
                }
            };
            match next {
                Some(held) => batch = held,
                None => return,
            }
        }
    }

    /// Puts a batch into the queue of a typed receiver.
    fn push(self: &Arc<Self>, queue: &RxQueue, batch: Batch) {
        match batch {
            Batch::Run(run) => queue.push(Arrived::run(run, self.clone())),
            Batch::Payloads(payloads) => {
                for payload in payloads {
                    queue.push(Arrived::payload(payload, self.clone()));
                }
            }
            Batch::Void(_) => {}
        }
    }

    /// Delivers the rest when the sink is ready, on a task of the server.
    fn wait_for_sink(self: &Arc<Self>, epoch: u64, left: Vec<Payload>) {
        let session = self.clone();
        let stop = self.serving.stop.clone();
        let task = async move {
            let Target::Sink(sink) = &session.target else {
                return;
            };
            select! {
                biased;
                () = stop.cancelled() => return,
                () = sink.ready(&session.peer) => {}
            }
            // Otherwise another connection carries the session, and what is left comes again.
            if session.lock().resume_turn(epoch) {
                session.pump(Batch::Payloads(left));
                session.after_delivery(true);
            }
        };
        self.serving
            .endpoint
            .spawn(self.serving.tasks.track_future(task));
    }

    /// Says what is to be said after something was delivered.
    fn after_delivery(self: &Arc<Self>, asked: bool) -> Wish {
        let wish = self.lock().wish(asked);
        match wish {
            None => {
                self.attachment.schedule(self.clone(), true);
                Wish::None
            }
            Some(wish) => wish,
        }
    }

    fn take_turn(self: &Arc<Self>, turn: Turn) -> Wish {
        match turn {
            Turn::Deliver(batch) => {
                // Whoever stops the server waits for the end of this.
                let _delivering = self.serving.tasks.token();
                self.pump(batch);
                self.after_delivery(false)
            }
            Turn::Held => Wish::None,
            Turn::Repeated => {
                self.attachment.schedule(self.clone(), true);
                Wish::None
            }
        }
    }

    /// Stops using `connection`, and returns whether it was the session's.
    fn detach(&self, connection: u64) -> bool {
        let mut state = self.lock();
        let was_current = self.attachment.detach(connection);
        if was_current {
            state.reset();
            state.detached = Some(Instant::now());
            self.set_present(false);
        }
        was_current
    }

    /// Returns the state, if what comes over `connection` for `number` counts. As another opening takes the session over
    /// under the same lock, nothing of this one comes after that.
    fn lock_for(&self, connection: u64, number: u32) -> Option<MutexGuard<'_, State>> {
        let state = self.lock();
        let is_at = self.attachment.is_at(connection) && state.number() == number;
        (is_at && !state.is_stopped()).then_some(state)
    }

    fn set_present(&self, is_present: bool) {
        let token = is_present.then(|| self.serving.sessions.token());
        *self.present.lock().unwrap_or_else(PoisonError::into_inner) = token;
    }

    fn tell_lost(&self) {
        if let Target::Sink(sink) = &self.target
            && let Some(panic) = tell_lost(&**sink, &self.peer)
        {
            self.on_panic(&panic);
        }
    }

    /// Says that the sink panicked, with that text.
    fn on_panic(&self, panic: &str) {
        if let Some(left_out) = self.serving.endpoint.warnings.admit(Cause::Panicked) {
            tracing::error!(peer = %self.peer, panic, left_out, "a sink panicked");
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Carried for Served {
    fn fill(self: Arc<Self>, connection: u64, _: usize, image: &mut Image) -> bool {
        let endpoint = &self.serving.endpoint;
        let (is_over, goes_on) = {
            let mut state = self.lock();
            if !self.attachment.begin_fill(connection) {
                return false;
            }
            if let Some((number, resumed, ack)) = state.answer(image) {
                let opened = Opened {
                    incarnation: endpoint.incarnation,
                    resumed,
                    ack,
                    max_message: endpoint.limits.message,
                    advertised: endpoint.advertised(),
                };
                let body = opened.encode();
                image.copy(&Header::control(Kind::Opened, number, body.len()).encode());
                image.copy(&body);
            }
            (state.say(image), state.goes_on_elsewhere())
        };
        if is_over && goes_on {
            self.on_lost(connection);
        } else if is_over {
            self.on_last_word(connection);
        }
        false
    }

    fn on_run(self: Arc<Self>, connection: u64, run: Run) -> Result<Wish, ProtocolError> {
        let Some(mut state) = self.lock_for(connection, run.session()) else {
            return Ok(Wish::None);
        };
        let turn = state.on_run(run)?;
        drop(state);
        Ok(self.take_turn(turn))
    }

    fn on_begin(self: Arc<Self>, connection: u64, header: Header) -> Result<bool, ProtocolError> {
        let Some(mut state) = self.lock_for(connection, header.session) else {
            return Ok(false);
        };
        let is_taken = state.on_begin(header)?;
        drop(state);
        if !is_taken {
            self.attachment.schedule(self.clone(), true);
        }
        Ok(is_taken)
    }

    fn on_message(
        self: Arc<Self>,
        connection: u64,
        header: Header,
        payload: Payload,
    ) -> Result<Wish, ProtocolError> {
        let Some(mut state) = self.lock_for(connection, header.session) else {
            return Ok(Wish::None);
        };
        let turn = state.on_message(header, payload)?;
        drop(state);
        Ok(self.take_turn(turn))
    }

    fn on_too_large(
        self: Arc<Self>,
        connection: u64,
        header: Header,
        len: u64,
    ) -> Result<Wish, ProtocolError> {
        let Some(mut state) = self.lock_for(connection, header.session) else {
            return Ok(Wish::None);
        };
        let turn = state.on_refused(header, len, Nack::TOO_LARGE)?;
        drop(state);
        Ok(self.take_turn(turn))
    }

    fn on_control(
        self: Arc<Self>,
        connection: u64,
        header: Header,
        _: &Bytes,
    ) -> Result<Wish, ProtocolError> {
        if header.kind == Kind::Close {
            return Ok(self.on_close(connection, header.session));
        }
        let Some(mut state) = self.lock_for(connection, header.session) else {
            return Ok(Wish::None);
        };
        match header.kind {
            Kind::Ask => {
                let is_due = state.on_ask();
                drop(state);
                if is_due {
                    self.attachment.schedule(self.clone(), true);
                }
                Ok(Wish::None)
            }
            Kind::Void => {
                let turn = state.on_void(header)?;
                drop(state);
                Ok(self.take_turn(turn))
            }
            Kind::Lost if self.roams => {
                // A gateway has lost the peer, who may come again.
                drop(state);
                self.clone().on_lost(connection);
                Ok(Wish::Leave)
            }
            kind => Err(FrameError::Kind(kind as u8).into()),
        }
    }

    fn on_fault(
        self: Arc<Self>,
        connection: u64,
        error: ProtocolError,
    ) -> Result<Wish, ProtocolError> {
        {
            let mut state = self.lock();
            if !self.attachment.is_at(connection) {
                return Err(error);
            }
            let goes_on = state.on_fault();
            // The connection of a session that roams may be that of a gateway, who is not to blame, nor what else it
            // carries; and one whose session is over has other sessions.
            if goes_on && !self.roams {
                return Err(error);
            }
            state.break_off(goes_on);
        }
        if let Some(left_out) = self.serving.endpoint.warnings.admit(Cause::Broken) {
            tracing::warn!(peer = %self.peer, %error, left_out, "a peer broke the protocol");
        }
        self.attachment.schedule(self.clone(), true);
        Ok(Wish::None)
    }

    fn on_coming(self: Arc<Self>, connection: u64) {
        if self.attachment.is_at(connection) {
            self.lock().on_coming();
            self.attachment.schedule(self.clone(), true);
        }
    }

    fn on_ack_time(self: Arc<Self>, connection: u64) {
        if self.attachment.is_at(connection) && self.lock().has_unsaid() {
            self.attachment.schedule(self.clone(), true);
        }
    }

    fn on_tick(self: Arc<Self>, connection: u64) -> Wish {
        if !self.attachment.is_at(connection) {
            // It has ended, or another connection carries it.
            return Wish::Leave;
        }
        if self.lock().on_tick() {
            self.attachment.schedule(self.clone(), true);
        }
        Wish::None
    }

    fn on_lost(self: Arc<Self>, connection: u64) {
        if self.detach(connection) {
            if self.lock().is_stopped() && !self.is_forth() {
                self.forget();
            }
            self.tell_lost();
        }
    }
}

impl Batch {
    fn size(&self) -> (u64, u64) {
        match self {
            Self::Run(run) => (run.messages(), run.load()),
            Self::Payloads(payloads) => size(payloads),
            Self::Void(load) => (1, *load),
        }
    }

    fn into_payloads(self) -> Vec<Payload> {
        match self {
            Self::Run(run) => run.into_payloads(),
            Self::Payloads(payloads) => payloads,
            Self::Void(_) => Vec::new(),
        }
    }
}

fn size(payloads: &[Payload]) -> (u64, u64) {
    let load = payloads.iter().map(|payload| payload.len() as u64).sum();
    (payloads.len() as u64, load)
}
