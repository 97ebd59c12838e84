//! The refusals of single messages that the sending end may not have read.
//!
//! # Invariants
//!
//! - **INV-1**: a refusal is kept until the sending end has shown that it has read it, so that it can be said again on
//!   another connection, and it is said before its message counts as taken.
//! - **INV-2**: at most a window of refusals is kept.

use std::collections::VecDeque;

use crate::{
    frame::{Header, Kind, Nack},
    image::Image,
    outcome::ProtocolError,
};

/// More refusals than these do not wait to be said: the peer does not read.
const MAX_UNSAID: usize = 1024;

/// The refusals of one session, in order.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    kept: VecDeque<Nack>,
    /// How many of them, from the end, were not said on this connection.
    unsaid: usize,
}

impl Refusals {
    /// Checks that another refusal may wait to be said.
    pub(super) fn check(&self) -> Result<(), ProtocolError> {
        if self.unsaid < MAX_UNSAID {
            Ok(())
        } else {
            Err(ProtocolError::Flood)
        }
    }

    /// Adds a refusal, which comes after all others; `window` messages may be on their way.
    pub(super) fn push(&mut self, nack: Nack, window: u64) {
        // INV-2: who sends this message has read credit for it, and with it all refusals a window before.
        let is_known = |known: &Nack| known.seq.saturating_add(window) <= nack.seq;
        while self.kept.front().is_some_and(is_known) {
            self.kept.pop_front();
        }
        self.unsaid = self.unsaid.min(self.kept.len());
        self.kept.push_back(nack);
        self.unsaid += 1;
    }

    /// Forgets those of messages below `acked`: the sending end knows their outcome.
    pub(super) fn forget_below(&mut self, acked: u64) {
        let known = self.kept.partition_point(|nack| nack.seq < acked);
        self.kept.drain(..known);
        self.unsaid = self.unsaid.min(self.kept.len());
    }

    /// Forgets those of messages from `next` on, which come again.
    pub(super) fn forget_from(&mut self, next: u64) {
        while self.kept.back().is_some_and(|nack| next <= nack.seq) {
            self.kept.pop_back();
            self.unsaid = self.unsaid.saturating_sub(1);
        }
    }

    /// Frames all of them, for another connection.
    pub(super) fn say_all(&mut self, number: u32, image: &mut Image) {
        self.unsaid = self.kept.len();
        self.say(number, image);
    }

    /// Frames those that were not said.
    pub(super) fn say(&mut self, number: u32, image: &mut Image) {
        let said = self.kept.len() - self.unsaid;
        for nack in self.kept.range(said..) {
            image.copy(&Header::control(Kind::Nack, number, Nack::LEN).encode());
            let mut body = [0; Nack::LEN];
            nack.put(&mut &mut body[..]);
            image.copy(&body);
        }
        self.unsaid = 0;
    }
}
