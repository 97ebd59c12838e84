//! What a connection says for itself: whether it is alive, and which sessions it does not carry.
//!
//! # Invariants
//!
//! - **INV-1**: what waits to be said is bounded: a peer that makes this end answer and does not read is cut.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::time::{Duration, Instant};

use crate::{
    attachment::Attachment,
    carried::{Carried, Wish},
    frame::{FrameError, HEADER_LEN, Header, Kind},
    handshake::RefusalCode,
    image::Image,
    open::encode_refused,
    outcome::ProtocolError,
    outlet::Outlet,
};

/// More answers than these do not wait.
const MAX_ANSWERS: usize = 1024;
/// A tick that is so much late tells of this process, and not of the peer.
const STARVED: Duration = Duration::from_secs(1);

/// The connection itself, as session 0.
pub(crate) struct Heart {
    attachment: Attachment,
    outlet: Arc<Outlet>,
    state: Mutex<State>,
}

struct State {
    /// Pings that were answered by nothing at all.
    missed: u32,
    /// Whether something was read since the last tick.
    heard: bool,
    due: Instant,
    /// Frames to be said.
    answers: Vec<u8>,
    count: usize,
}

impl Heart {
    /// Returns the heart of the connection with this outlet.
    pub(crate) fn new(outlet: &Arc<Outlet>, interval: Duration) -> Arc<Self> {
        let heart = Self {
            attachment: Attachment::default(),
            outlet: outlet.clone(),
            state: Mutex::new(State {
                missed: 0,
                heard: false,
                due: Instant::now() + interval,
                answers: Vec::new(),
                count: 0,
            }),
        };
        heart.attachment.attach(outlet);
        Arc::new(heart)
    }

    /// Returns when the next tick is.
    pub(crate) fn due(&self) -> Instant {
        self.lock().due
    }

    /// Records that the peer said something.
    pub(crate) fn heard(&self) {
        let mut state = self.lock();
        state.heard = true;
        state.missed = 0;
    }

    /// Records that the time of the tick has come, and returns whether the peer counts as gone.
    pub(crate) fn tick(self: &Arc<Self>, interval: Duration, max_missed: u32) -> bool {
        let now = Instant::now();
        let mut state = self.lock();
        let late = now.saturating_duration_since(state.due);
        state.due = now + interval;
        // A question waits behind what was written before, and so does its answer; a peer that takes what is
        // written is there.
        let has_moved = self.outlet.take_moved();
        if std::mem::take(&mut state.heard) || has_moved {
            state.missed = 0;
            return false;
        }
        if STARVED < late {
            tracing::warn!(
                ?late,
                "this process was stopped or starved; its peers are not blamed"
            );
            return false;
        }
        if max_missed <= state.missed {
            return true;
        }
        state.missed += 1;
        drop(state);
        // A peer that is asked too often has not answered, and that is counted.
        let _ = self.say(Header::control(Kind::Ping, 0, 0), &[]);
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
