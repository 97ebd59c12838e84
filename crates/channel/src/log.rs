//! What the sending end of a session has accepted and the peer has not acknowledged. Holds no socket,
//! clock or task.
//!
//! Messages are framed when they are accepted, one behind the other in few pieces of memory. What a connection
//! writes are those pieces; what the next connection sends again are the same ones.
//!
//! # Invariants
//!
//! - **INV-1**: every parcel leaves once, with an outcome.
//! - **INV-2**: a message is `Failed` only if no byte of it was handed to a connection, or the peer said that it
//!   was not taken.
//! - **INV-3**: outcomes come in the order of acceptance.
//! - **INV-4**: `acked <= sent <= end`: the peer can acknowledge what was handed out, and nothing else.
//! - **INV-5**: no message is begun beyond the credit: its sequence number is below the credit's, and so is what
//!   was sent before it.
//! - **INV-6**: after a reconnect what is handed out first is the first message that was not acknowledged.
//! - **INV-7**: at most the allowed number of messages and bytes are held, and one message more.

mod outgoing;
mod piece;
mod room;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, VecDeque},
    mem,
};

use bytes::{BufMut, Bytes, BytesMut};

use crate::{
    frame::{Credit, HEADER_LEN, Header, Kind, NEXT_LEN, Nack, data_len, encode_next},
    outcome::{FailReason, Outcome, ProtocolError, UnknownReason},
};
use piece::{Piece, put_table};
use room::Room;

/// Longer bodies and parts are sent from where they lie; shorter ones are copied behind each other.
pub(crate) const INLINE_BODY: usize = 16 << 10;
/// The same for parts.
pub(crate) const INLINE_PART: usize = 512;

/// One part of so many is a good part of what may be held.
const ROOM: u64 = 4;

/// A place in the sequence of messages: how many, and how many bytes of content, come before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) seq: u64,
    pub(crate) load: u64,
}

/// How much a log may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
}

impl Bounds {
    /// Returns where a log is full of which nothing is held before `seq` and `load`.
    fn after(self, seq: u64, load: u64) -> Mark {
        Mark {
            seq: seq.saturating_add(self.messages),
            load: load.saturating_add(self.bytes),
        }
    }
}

/// How many messages have an outcome that is not success.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) failed: u64,
    pub(crate) unknown: u64,
}

/// The parcels that have an outcome now, in order; to be completed when no lock is held.
pub(crate) type Done<P> = Vec<(P, Outcome)>;

/// A message to be accepted.
pub(crate) struct Message<'a> {
    pub(crate) body: Body<'a>,
    pub(crate) parts: &'a [Bytes],
    /// Whether the peer is asked to acknowledge it at once.
    pub(crate) asks: bool,
}

impl Message<'_> {
    /// Returns the bytes of the body and the parts.
    pub(crate) fn len(&self) -> u64 {
        let parts: u64 = self.parts.iter().map(|part| part.len() as u64).sum();
        self.body.bytes().len() as u64 + parts
    }
}

/// The body of a message.
pub(crate) enum Body<'a> {
    /// It is copied.
    Borrowed(&'a [u8]),
    /// It is copied if it is short.
    Shared(&'a Bytes),
}

impl Body<'_> {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Borrowed(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }

    fn to_bytes(&self) -> Bytes {
        match self {
            Self::Borrowed(bytes) => Bytes::copy_from_slice(bytes),
            Self::Shared(bytes) => (*bytes).clone(),
        }
    }
}

/// The messages of one direction of a session.
#[derive(Debug)]
pub(crate) struct Log<P> {
    session: u32,
    bounds: Bounds,
    pieces: VecDeque<Piece>,
    /// The number of the first of them, since the beginning.
    first_piece: u64,
    /// Where the first piece begins.
    start: Mark,
    /// Short messages behind the last piece.
    tail: BytesMut,
    /// Whether it ends with a message, which the next one may follow.
    has_last: bool,
    room: Room,
    /// Where the tail ends.
    end: Mark,
    cursor: Cursor,
    acked: u64,
    /// Where the log is full, if nothing more is acknowledged.
    full: Mark,
    sent: u64,
    asked: u64,
    /// The load before the first message of the session as the peer knows it.
    base: u64,
    credit: Credit,
    parcels: VecDeque<(u64, P)>,
    rejected: BTreeMap<u64, FailReason>,
    tally: Tally,
}

/// Up to where the pieces are handed to the connection.
#[derive(Clone, Copy, Debug, Default)]
struct Cursor {
    piece: u64,
    /// The bytes of the piece that are handed out.
    offset: usize,
    /// The next message; the one that is begun, if the offset is inside of it.
    at: Mark,
}

impl<P> Log<P> {
    pub(crate) fn new(session: u32, bounds: Bounds) -> Self {
        Self {
            session,
            bounds,
            full: bounds.after(0, 0),
            pieces: VecDeque::new(),
            first_piece: 0,
            start: Mark::default(),
            tail: BytesMut::new(),
            has_last: false,
            room: Room::new(),
            end: Mark::default(),
            cursor: Cursor::default(),
            acked: 0,
            sent: 0,
            asked: 0,
            base: 0,
            credit: Credit::default(),
            parcels: VecDeque::new(),
            rejected: BTreeMap::new(),
            tally: Tally::default(),
        }
    }

    /// Returns how many messages were ever accepted.
    pub(crate) fn accepted(&self) -> u64 {
        self.end.seq
    }

    /// Returns how many bytes they had.
    pub(crate) fn load(&self) -> u64 {
        self.end.load
    }

    /// Returns the sequence number of the first message without an outcome.
    pub(crate) fn acked(&self) -> u64 {
        self.acked
    }

    /// Returns the number of messages that a peer may have.
    pub(crate) fn sent(&self) -> u64 {
        self.sent
    }

    /// Returns whether every message has its outcome.
    pub(crate) fn is_empty(&self) -> bool {
        self.acked == self.end.seq
    }

    /// Returns whether the peer is to acknowledge something.
    pub(crate) fn has_unacked(&self) -> bool {
        self.acked < self.sent
    }

    /// Returns how many messages ended without success.
    pub(crate) fn tally(&self) -> Tally {
        self.tally
    }

    /// Returns the messages and bytes that are held.
    pub(crate) fn held(&self) -> Mark {
        Mark {
            seq: self.end.seq - self.acked,
            load: self.end.load - self.start.load,
        }
    }

    /// Returns whether no further message is accepted (INV-7).
    pub(crate) fn is_full(&self) -> bool {
        debug_assert_eq!(self.full, self.bounds.after(self.acked, self.start.load));
        self.full.seq <= self.end.seq || self.full.load <= self.end.load
    }

    /// Returns whether a good part of what may be held is free: whoever waits for room is told then, so that messages come
    /// many at once.
    pub(crate) fn has_room(&self) -> bool {
        let (held, bounds) = (self.held(), self.bounds);
        held.seq <= bounds.messages - bounds.messages.div_ceil(ROOM)
            && held.load <= bounds.bytes - bounds.bytes.div_ceil(ROOM)
    }

    /// Accepts a message, which is within the limits. The log is not full.
    #[inline]
    pub(crate) fn push(&mut self, message: &Message<'_>) {
        if !self.push_next(message) {
            self.push_any(message);
        }
    }

    /// Accepts a short message that follows another one, for which there is room: most are that. Returns whether it is.
    #[inline]
    fn push_next(&mut self, message: &Message<'_>) -> bool {
        let bytes = message.body.bytes();
        let is_next = self.has_last
            && message.parts.is_empty()
            && !message.asks
            && bytes.len() <= INLINE_BODY
            && NEXT_LEN + bytes.len() <= self.tail.capacity() - self.tail.len();
        if is_next {
            self.tail.extend_from_slice(&encode_next(bytes.len()));
            self.tail.extend_from_slice(bytes);
            self.end.seq += 1;
            self.end.load += bytes.len() as u64;
        }
        is_next
    }

    fn push_any(&mut self, message: &Message<'_>) {
        let Message { body, parts, asks } = message;
        let bytes = body.bytes();
        let kind = if *asks { Kind::DataAsk } else { Kind::Data };
        let header = Header {
            kind,
            parts: u32::try_from(parts.len()).expect("the parts were counted before"),
            len: u32::try_from(bytes.len()).expect("the length was checked before"),
            session: self.session,
            seq: self.end.seq as u32,
        };
        let load = message.len();
        let is_short =
            bytes.len() <= INLINE_BODY && parts.iter().all(|part| part.len() < INLINE_PART);
        if is_short {
            self.reserve(data_len(bytes.len(), parts.iter().map(Bytes::len)) as usize);
            self.tail.extend_from_slice(&header.encode());
            put_table(&mut self.tail, parts);
            self.tail.extend_from_slice(bytes);
            parts.iter().for_each(|part| self.tail.put_slice(part));
            self.has_last = true;
        } else {
            self.close_tail();
        }
        self.end.seq += 1;
        self.end.load += load;
        if !is_short {
            let shared = INLINE_BODY < bytes.len();
            self.reserve(HEADER_LEN + 4 * parts.len() + if shared { 0 } else { bytes.len() });
            self.tail.extend_from_slice(&header.encode());
            put_table(&mut self.tail, parts);
            let body = shared.then(|| body.to_bytes());
            if !shared {
                self.tail.put_slice(bytes);
            }
            let segments = body.into_iter().chain(parts.iter().cloned()).collect();
            let head = self.tail.split().freeze();
            self.pieces
                .push_back(Piece::single(head, segments, self.end));
        }
    }

    /// Takes a message that is not sent, and fails in its turn for `reason`: a void takes its place.
    pub(crate) fn reject(&mut self, reason: FailReason) {
        self.reserve(HEADER_LEN);
        let header = Header {
            seq: self.end.seq as u32,
            ..Header::control(Kind::Void, self.session, 0)
        };
        self.tail.put_slice(&header.encode());
        self.has_last = false;
        self.rejected.insert(self.end.seq, reason);
        self.end.seq += 1;
    }

    /// Takes the parcel of the message that was accepted last.
    pub(crate) fn keep(&mut self, parcel: P) {
        self.parcels.push_back((self.end.seq - 1, parcel));
    }

    /// Records that `sent` was the number of messages handed out before some that no connection has written.
    pub(crate) fn unsend(&mut self, sent: u64) {
        self.sent = self.sent.min(sent).max(self.acked);
    }

    /// Returns whether there is something that the peer was not asked to acknowledge. Then it is asked now.
    pub(crate) fn ask(&mut self) -> bool {
        let is_due = self.asked.max(self.acked) < self.sent;
        self.asked = self.asked.max(self.sent);
        is_due
    }

    /// Records that all messages below `next` were taken. A number that was reached before changes nothing.
    ///
    /// # Errors
    ///
    /// If `next` is beyond what was handed out (INV-4); then nothing changes.
    pub(crate) fn on_ack(&mut self, next: u64, done: &mut Done<P>) -> Result<(), ProtocolError> {
        if self.sent < next {
            return Err(ProtocolError::Ack {
                acked: next,
                written: self.sent,
            });
        }
        if next <= self.acked {
            return Ok(());
        }
        self.acked = next;
        while let Some((seq, parcel)) = self.pop_parcel(next) {
            let outcome = match self.rejected.remove(&seq) {
                Some(reason) => Outcome::Failed(reason),
                None => Outcome::Acked,
            };
            self.tally.failed += u64::from(outcome != Outcome::Acked);
            done.push((parcel, outcome));
        }
        // Those of messages that nobody waits for.
        while let Some(entry) = self
            .rejected
            .first_entry()
            .filter(|entry| *entry.key() < next)
        {
            entry.remove();
            self.tally.failed += 1;
        }
        if self.cursor.at.seq < next {
            // What was to be sent again has arrived the first time.
            self.seek(next);
        }
        self.trim();
        Ok(())
    }

    /// Records how much the peer takes. Less than it said before changes nothing.
    pub(crate) fn on_credit(&mut self, credit: Credit) {
        self.credit.seq = self.credit.seq.max(credit.seq);
        let load = self.base.saturating_add(credit.load);
        self.credit.load = self.credit.load.max(load);
    }

    /// Records that the peer refused one message for `reason`.
    ///
    /// # Errors
    ///
    /// If that message was not handed out (INV-4).
    pub(crate) fn on_nack(&mut self, nack: Nack, reason: FailReason) -> Result<(), ProtocolError> {
        if self.sent <= nack.seq {
            return Err(ProtocolError::Ack {
                acked: nack.seq.saturating_add(1),
                written: self.sent,
            });
        }
        if self.acked <= nack.seq {
            self.rejected.insert(nack.seq, reason);
        }
        Ok(())
    }

    /// Records that another connection carries the session on: the peer has all messages below `next`.
    ///
    /// # Errors
    ///
    /// As [`on_ack`](Self::on_ack), and if `next` is below what was acknowledged.
    pub(crate) fn on_resumed(
        &mut self,
        next: u64,
        credit: Credit,
        done: &mut Done<P>,
    ) -> Result<(), ProtocolError> {
        if next < self.acked {
            return Err(ProtocolError::Resume {
                next,
                acked: self.acked,
            });
        }
        self.on_ack(next, done)?;
        self.asked = next;
        self.seek(next);
        self.on_credit(credit);
        Ok(())
    }

    /// Records that the peer knows nothing of the session: whatever was handed out has the outcome `Unknown` for
    /// `reason`, and the rest is for the new session.
    pub(crate) fn on_fresh(&mut self, reason: UnknownReason, credit: Credit, done: &mut Done<P>) {
        let sent = self.sent;
        let mut failed = 0;
        while let Some((seq, parcel)) = self.pop_parcel(sent) {
            let outcome = match self.rejected.remove(&seq) {
                Some(reason) => Outcome::Failed(reason),
                None => Outcome::Unknown(reason),
            };
            failed += u64::from(matches!(outcome, Outcome::Failed(_)));
            done.push((parcel, outcome));
        }
        self.count_failed(failed);
        let kept = self.rejected.split_off(&sent);
        let nobodys = mem::replace(&mut self.rejected, kept).len() as u64;
        self.count_failed(nobodys);
        self.tally.unknown += (sent - self.acked).saturating_sub(failed + nobodys);
        self.acked = sent;
        self.asked = sent;
        self.seek(sent);
        self.base = self.cursor.at.load;
        self.credit = Credit {
            seq: credit.seq,
            load: self.base.saturating_add(credit.load),
        };
        self.trim();
    }

    /// Gives every message its last outcome: nothing more is sent.
    ///
    /// `peer_took_no_more` says that the peer has told what it took (INV-2).
    pub(crate) fn on_end(
        &mut self,
        why: &FailReason,
        unknown: UnknownReason,
        peer_took_no_more: bool,
        done: &mut Done<P>,
    ) {
        let sent = if peer_took_no_more {
            self.acked
        } else {
            self.sent
        };
        let voids = self.rejected.range(self.acked..sent).count() as u64;
        for (seq, parcel) in self.parcels.drain(..) {
            let outcome = match self.rejected.remove(&seq) {
                Some(reason) => Outcome::Failed(reason),
                None if seq < sent => Outcome::Unknown(unknown),
                None => Outcome::Failed(why.clone()),
            };
            done.push((parcel, outcome));
        }
        self.tally.unknown += sent - self.acked - voids;
        self.tally.failed += self.end.seq - sent + voids;
        self.rejected = BTreeMap::new();
        self.acked = self.end.seq;
        self.sent = self.end.seq;
        self.pieces = VecDeque::new();
        self.first_piece = 0;
        self.tail = BytesMut::new();
        self.room = Room::new();
        self.has_last = false;
        self.start = self.end;
        self.full = self.bounds.after(self.acked, self.start.load);
        self.cursor = Cursor {
            piece: 0,
            offset: 0,
            at: self.end,
        };
    }

    /// Makes those of the messages that the present connection was not handed and that have more than `max` bytes
    /// fail in their turn; a void takes the place of each. The peer has just said that it did not take them (INV-2).
    pub(crate) fn limit(&mut self, max: u64) {
        self.close_tail();
        let first = self.cursor.at.seq + u64::from(self.is_inside());
        let from = (self.cursor.piece - self.first_piece) as usize;
        let mut at = match from.checked_sub(1) {
            Some(before) => self.pieces[before].end,
            None => self.start,
        };
        for piece in self.pieces.range_mut(from..) {
            for (seq, len) in piece.limit(self.session, at, first, max) {
                self.rejected.insert(seq, FailReason::TooLarge { len, max });
            }
            at = piece.end;
        }
        // The frames of its piece are not where they were.
        self.seek(self.cursor.at.seq);
    }

    /// Gives memory back that is kept for the next messages, if there were none.
    pub(crate) fn relax(&mut self) {
        if self.is_empty() && self.tail.is_empty() {
            self.tail = BytesMut::new();
            self.room = Room::new();
            self.pieces.shrink_to_fit();
            self.parcels.shrink_to_fit();
        }
    }

    /// Forgets the pieces that were acknowledged as a whole.
    fn trim(&mut self) {
        while self.first_piece < self.cursor.piece {
            match self.pieces.front() {
                Some(piece) if piece.end.seq <= self.acked => self.start = piece.end,
                _ => break,
            }
            self.pieces.pop_front();
            self.first_piece += 1;
        }
        self.full = self.bounds.after(self.acked, self.start.load);
    }

    fn count_failed(&mut self, messages: u64) {
        self.tally.failed += messages;
    }

    /// Takes the next parcel of the messages below `seq`.
    fn pop_parcel(&mut self, seq: u64) -> Option<(u64, P)> {
        if self.parcels.front()?.0 < seq {
            self.parcels.pop_front()
        } else {
            None
        }
    }

    /// Makes a piece of the short messages at the end.
    fn close_tail(&mut self) {
        if !self.tail.is_empty() {
            let bytes = self.tail.split().freeze();
            self.has_last = false;
            self.pieces.push_back(Piece::run(bytes, self.end));
        }
    }

    fn reserve(&mut self, len: usize) {
        if self.tail.capacity() - self.tail.len() < len {
            // What lies there stays there: nothing is copied to have it all in one piece.
            self.close_tail();
            self.tail = self.room.next(len, mem::take(&mut self.tail));
        }
    }
}
