//! What a connection says for itself: whether it is alive, and which sessions it does not carry.
//!
//! # Invariants
//!
//! - **INV-1**: what waits to be said is bounded: a peer that makes this end answer and does not read is cut.

mod pulse;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::time::{Duration, Instant};

use crate::{
    attachment::Attachment,
    carried::{Carried, Wish},
    endpoint::Shared,
    frame::{FrameError, HEADER_LEN, Header, Kind},
    handshake::RefusalCode,
    image::Image,
    open::encode_refused,
    outcome::ProtocolError,
    outlet::Outlet,
    stream::Glance,
    warnings::{Cause, Warnings},
};
use pulse::{Beat, Pulse};

/// More answers than these do not wait.
const MAX_ANSWERS: usize = 1024;

/// The connection itself, as session 0.
pub(crate) struct Heart {
    attachment: Attachment,
    outlet: Arc<Outlet>,
    warnings: Arc<Warnings>,
    state: Mutex<State>,
}

struct State {
    pulse: Pulse,
    due: Instant,
    /// Whether a question is to be said.
    asks: bool,
    /// Frames to be said.
    answers: Vec<u8>,
    count: usize,
}

impl Heart {
    /// Returns the heart of a connection of `endpoint`, with this outlet.
    pub(crate) fn new(outlet: &Arc<Outlet>, endpoint: &Shared) -> Arc<Self> {
        let heart = Self {
            attachment: Attachment::default(),
            outlet: outlet.clone(),
            warnings: endpoint.warnings.clone(),
            state: Mutex::new(State {
                pulse: Pulse::default(),
                due: Instant::now() + endpoint.limits.ping_interval,
                asks: false,
                answers: Vec::new(),
                count: 0,
            }),
        };
        heart.attachment.attach(outlet);
        Arc::new(heart)
    }

    /// Returns with whom it is looked for what has come.
    pub(crate) fn glance(&self) -> &Glance {
        &self.outlet.glance
    }

    /// Returns when the next tick is.
    pub(crate) fn due(&self) -> Instant {
        self.lock().due
    }

    /// Records that the peer said something.
    pub(crate) fn heard(&self) {
        self.lock().pulse.heard();
    }

    /// Records that the time of the tick has come, and returns whether the peer counts as gone.
    pub(crate) fn tick(self: &Arc<Self>, interval: Duration, max_missed: u32) -> bool {
        let now = Instant::now();
        let mut state = self.lock();
        let late = now.saturating_duration_since(state.due);
        state.due = now + interval;
        // A question waits behind what was written before, and so does its answer; a peer that takes what is
        // written is there.
        if self.outlet.take_moved() {
            state.pulse.heard();
        }
        let beat = state.pulse.tick(late, max_missed);
        // One that still waits to be said is as good as two.
        state.asks = true;
        drop(state);
        match beat {
            Beat::Gone => return true,
            Beat::Starved => {
                if let Some(left_out) = self.warnings.admit(Cause::Starved) {
                    tracing::warn!(
                        ?late,
                        left_out,
                        "this process was stopped or starved; its peers are not blamed"
                    );
                }
            }
            Beat::Ask => {}
        }
        self.attachment.schedule(self.clone(), true);
        // What an idle connection writes is this, and it is written.
        self.outlet.relax();
        false
    }

    /// Tells the peer that a session is refused.
    pub(crate) fn refuse(
        self: &Arc<Self>,
        session: u32,
        code: RefusalCode,
    ) -> Result<(), ProtocolError> {
        let body = encode_refused(code);
        self.say(Header::control(Kind::Refused, session, body.len()), &body)
    }

    fn say(self: &Arc<Self>, header: Header, body: &[u8]) -> Result<(), ProtocolError> {
        let mut state = self.lock();
        if MAX_ANSWERS <= state.count {
            return Err(ProtocolError::Flood);
        }
        state.count += 1;
        state.answers.reserve(HEADER_LEN + body.len());
        state.answers.extend(header.encode());
        state.answers.extend(body);
        drop(state);
        self.attachment.schedule(self.clone(), true);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Carried for Heart {
    fn fill(self: Arc<Self>, connection: u64, _: usize, image: &mut Image) -> bool {
        if self.attachment.begin_fill(connection) {
            let mut state = self.lock();
            state.count = 0;
            image.copy(&std::mem::take(&mut state.answers));
            if std::mem::take(&mut state.asks) {
                image.copy(&Header::control(Kind::Ping, 0, 0).encode());
            }
        }
        false
    }

    fn on_control(
        self: Arc<Self>,
        _: u64,
        header: Header,
        _: &Bytes,
    ) -> Result<Wish, ProtocolError> {
        match header.kind {
            Kind::Ping => self.say(Header::control(Kind::Pong, 0, 0), &[])?,
            // That something came is what it says.
            Kind::Pong => {}
            kind => return Err(FrameError::Kind(kind as u8).into()),
        }
        Ok(Wish::None)
    }

    fn on_tick(self: Arc<Self>, _: u64) -> Wish {
        Wish::None
    }

    fn on_lost(self: Arc<Self>, connection: u64) {
        self.attachment.detach(connection);
    }
}
