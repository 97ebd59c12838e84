//! What each end of one connection knows about its messages. Holds no socket, clock or task.
//!
//! # Invariants
//!
//! - **INV-1**: every parcel that [`Sending`] takes leaves it once: with an outcome, or given back to
//!   be sent on another connection.
//! - **INV-2**: a parcel is given back, or `Failed`, only if the peer cannot have it: its frame was not
//!   written to the end, or the peer said that it took no more.
//! - **INV-3**: outcomes come in the order of posting.
//! - **INV-4**: the peer can acknowledge what was written, and nothing else.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use crate::outcome::{FailReason, Outcome, Parcel, ProtocolError, UnknownReason, complete};

/// So many messages are acknowledged at once, whoever asks.
const ACK_MESSAGES: u64 = 256;
/// So many bytes are acknowledged at once, whoever asks.
const ACK_BYTES: u64 = 1 << 20;

/// The sending end of one connection: what was handed to the socket and has no outcome.
#[derive(Debug)]
pub(crate) struct Sending<P: Parcel> {
    entries: VecDeque<Entry<P>>,
    /// The frames and bytes that were handed to the socket since the connection began.
    framed: Position,
    /// The bytes that the socket took.
    written: u64,
    /// The frames that the peer acknowledged.
    acked: u64,
    /// The frames that the peer was asked to acknowledge.
    asked: u64,
}

#[derive(Debug)]
struct Entry<P> {
    parcel: P,
    /// Where the connection is after this parcel.
    end: Position,
    /// Why there is no frame of it, if there is none.
    failed: Option<FailReason>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Position {
    frames: u64,
    bytes: u64,
}

impl<P: Parcel> Sending<P> {
    pub(crate) fn new() -> Self {
        Self {
            entries: VecDeque::new(),
            framed: Position::default(),
            written: 0,
            acked: 0,
            asked: 0,
        }
    }

    /// Returns whether every parcel has its outcome.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Takes a parcel whose frame of `len` bytes was handed to the socket.
    pub(crate) fn push(&mut self, parcel: P, len: u64) {
        self.framed.frames += 1;
        self.framed.bytes += len;
        self.entries.push_back(Entry {
            parcel,
            end: self.framed,
            failed: None,
        });
    }

    /// Returns whether there is something that the peer was not asked to acknowledge. Then a question of
    /// `len` bytes is to be handed to the socket.
    pub(crate) fn ask(&mut self, len: u64) -> bool {
        let is_due = self.asked.max(self.acked) < self.framed.frames;
        if is_due {
            self.asked = self.framed.frames;
            self.framed.bytes += len;
        }
        is_due
    }

    /// Takes a parcel that cannot be sent, and waits for the outcomes of those before it (INV-3).
    pub(crate) fn push_failed(
        &mut self,
        parcel: P,
        reason: FailReason,
        done: &mut impl FnMut(P, Outcome),
    ) {
        self.entries.push_back(Entry {
            parcel,
            end: self.framed,
            failed: Some(reason),
        });
        self.settle(done);
    }

    /// Records that the socket took `bytes` more.
    pub(crate) fn on_written(&mut self, bytes: u64) {
        self.written += bytes;
    }

    /// Records that the peer delivered the first `count` messages. A number that was reached before
    /// changes nothing.
    ///
    /// # Errors
    ///
    /// If `count` is more than was written (INV-4); then nothing changes.
    pub(crate) fn on_ack(
        &mut self,
        count: u64,
        done: &mut impl FnMut(P, Outcome),
    ) -> Result<(), ProtocolError> {
        if count <= self.acked {
            return Ok(());
        }
        let written = self.written_frames();
        if written < count {
            return Err(ProtocolError::Ack {
                acked: count,
                written,
            });
        }
        self.acked = count;
        self.settle(done);
        Ok(())
    }

    /// Records that the peer delivered the first `count` messages and takes no more.
    ///
    /// # Errors
    ///
    /// As [`on_ack`](Self::on_ack).
    pub(crate) fn on_peer_closed(
        &mut self,
        count: u64,
        done: &mut impl FnMut(P, Outcome),
    ) -> Result<(), ProtocolError> {
        self.on_ack(count, done)?;
        // INV-2: the peer said so.
        for entry in self.entries.drain(..) {
            let reason = entry.failed.unwrap_or(FailReason::PeerClosed);
            done(entry.parcel, Outcome::Failed(reason));
        }
        Ok(())
    }

    /// Records that the connection is lost, and returns the parcels of which no whole frame was
    /// written, in order: they may be sent on another connection.
    pub(crate) fn on_lost(&mut self, done: &mut impl FnMut(P, Outcome)) -> VecDeque<P> {
        let written = self.written_entries();
        let rest = self.entries.split_off(written);
        for entry in self.entries.drain(..) {
            let outcome = match entry.failed {
                None => Outcome::Unknown(UnknownReason::ConnectionLost),
                Some(reason) => Outcome::Failed(reason),
            };
            done(entry.parcel, outcome);
        }
        rest.into_iter().map(|entry| entry.parcel).collect()
    }

    /// Gives every parcel its last outcome: nothing more is written or read.
    pub(crate) fn on_end(&mut self, why: &FailReason, done: &mut impl FnMut(P, Outcome)) {
        let written = self.written_entries();
        for (i, entry) in self.entries.drain(..).enumerate() {
            let outcome = match entry.failed {
                Some(reason) => Outcome::Failed(reason),
                None if i < written => Outcome::Unknown(UnknownReason::Closed),
                None => Outcome::Failed(why.clone()),
            };
            done(entry.parcel, outcome);
        }
    }

    /// Hands out what is acknowledged, and what failed right behind it.
    fn settle(&mut self, done: &mut impl FnMut(P, Outcome)) {
        while self
            .entries
            .front()
            .is_some_and(|entry| entry.end.frames <= self.acked)
        {
            let Some(Entry { parcel, failed, .. }) = self.entries.pop_front() else {
                break;
            };
            done(parcel, failed.map_or(Outcome::Acked, Outcome::Failed));
        }
    }

    /// Returns how many of the entries were written to the end.
    fn written_entries(&self) -> usize {
        self.entries
            .partition_point(|entry| entry.end.bytes <= self.written)
    }

    /// Returns how many frames of this connection were written to the end.
    fn written_frames(&self) -> u64 {
        match self.written_entries().checked_sub(1) {
            Some(last) => self.entries[last].end.frames,
            None => self.acked,
        }
    }
}

/// A link whose task was dropped, with its runtime for example, still gives every outcome (INV-1).
impl<P: Parcel> Drop for Sending<P> {
    fn drop(&mut self) {
        self.on_end(&FailReason::Closed, &mut complete);
    }
}

/// The receiving end of one connection: how much was delivered, and how much of that was said.
#[derive(Debug, Default)]
pub(crate) struct Receiving {
    delivered: u64,
    acked: u64,
    bytes: u64,
}

impl Receiving {
    /// Returns the number of messages that were delivered.
    pub(crate) fn delivered(&self) -> u64 {
        self.delivered
    }

    /// Records that `messages` of `bytes` in all were delivered.
    pub(crate) fn on_delivered(&mut self, messages: u64, bytes: u64) {
        self.delivered += messages;
        self.bytes += bytes;
    }

    /// Returns whether something was delivered and not acknowledged.
    pub(crate) fn has_unsaid(&self) -> bool {
        self.acked < self.delivered
    }

    /// Returns the number to acknowledge now, if there is `reason` to or enough has come since the last
    /// time.
    pub(crate) fn ack_due(&mut self, reason: bool) -> Option<u64> {
        let unsaid = self.delivered - self.acked;
        let due = reason || ACK_MESSAGES <= unsaid || ACK_BYTES <= self.bytes;
        if unsaid == 0 || !due {
            return None;
        }
        self.acked = self.delivered;
        self.bytes = 0;
        Some(self.delivered)
    }
}
