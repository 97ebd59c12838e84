//! What the receiving end of a session knows. Holds no socket, clock or task.

use std::collections::VecDeque;

use hypermesh_wire::Payload;
use tokio::time::Instant;

use super::{Batch, faults::Faults, refusals::Refusals};
use crate::{
    carried::Wish,
    demux::Run,
    frame::{Ack, Credit, Header, Kind, Nack},
    image::Image,
    log::Mark,
    open::LostCode,
    outcome::ProtocolError,
    settings::Limits,
};

/// So many messages, and so many bytes, are acknowledged at once, whoever asks.
const ACK_MESSAGES: u64 = 256;
const ACK_BYTES: u64 = 1 << 20;

/// What is done with messages that came.
pub(super) enum Turn {
    /// They are delivered by who asks, who calls `commit` or `pause` then.
    Deliver(Batch),
    /// They wait until those before them are delivered.
    Held,
    /// They came before.
    Repeated,
}

/// Who delivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Delivery {
    Idle,
    /// The receiver is being called.
    Calling,
    /// The receiver takes no more for now.
    Paused,
}

/// The receiving end of one session.
pub(super) struct State {
    number: u32,
    /// The sequence number that the session began with.
    first: u64,
    window: Credit,
    /// What came: the next sequence number, and the bytes so far.
    next: Mark,
    /// What the receiver took.
    taken: Mark,
    /// What the program has received.
    consumed: Mark,
    told: Ack,
    /// The bytes that were taken and not acknowledged.
    unsaid: u64,
    /// Whether an acknowledgement is to be said, whether or not it is news.
    is_due: bool,
    /// The sender wants to hear when everything so far is taken.
    asked: bool,
    /// The answer to an open, whether it resumed.
    answer: Option<bool>,
    is_open: bool,
    refusals: Refusals,
    delivery: Delivery,
    /// Changes when another connection takes over, or none.
    epoch: u64,
    /// What it was when the receiver was called.
    calling: u64,
    held: VecDeque<Batch>,
    is_stopped: bool,
    /// The last word that is to be said, if the receiver does not stop.
    lost: Option<LostCode>,
    faults: Faults,
    /// Since when no connection carries the session.
    pub(super) detached: Option<Instant>,
}

impl State {
    /// Returns a session whose first message will have the number `first`.
    pub(super) fn new(first: u64, limits: &Limits) -> Self {
        let at = Mark {
            seq: first,
            load: 0,
        };
        Self {
            number: 0,
            window: Credit {
                seq: limits.receiver_queue_messages as u64,
                load: limits.receiver_queue_bytes,
            },
            first,
            next: at,
            taken: at,
            consumed: at,
            told: Ack {
                next: first,
                credit: Credit::default(),
            },
            unsaid: 0,
            is_due: false,
            asked: false,
            answer: None,
            is_open: false,
            refusals: Refusals::default(),
            delivery: Delivery::Idle,
            epoch: 0,
            calling: 0,
            held: VecDeque::new(),
            is_stopped: false,
            lost: None,
            faults: Faults::default(),
            detached: None,
        }
    }

    /// Begins on a connection whose peer has sent the messages below `sent`, and knows the outcome of those below
    /// `acked`; `number` is that of the session there.
    pub(super) fn begin(&mut self, number: u32, sent: u64, acked: u64) {
        // As long as nothing came after the beginning, the peer may not know of it: an answer can be lost.
        let is_unseen = acked < self.first || sent <= self.first;
        let is_new = self.next.seq == self.first && is_unseen;
        self.reset();
        if is_new {
            self.restart(sent);
        }
        self.number = number;
        self.answer = Some(!is_new);
        self.is_open = false;
        self.detached = None;
        self.refusals.forget_below(acked);
    }

    /// Begins with the message `first`, when nothing has come before.
    fn restart(&mut self, first: u64) {
        let at = Mark {
            seq: first,
            load: 0,
        };
        self.first = first;
        (self.next, self.taken, self.consumed) = (at, at, at);
        self.told = Ack {
            next: first,
            credit: Credit::default(),
        };
    }

    /// Returns the number of the session on its connection.
    pub(super) fn number(&self) -> u32 {
        self.number
    }

    /// Records that no connection carries the session, or another one does: what was not taken comes again
    /// (INV-2).
    pub(super) fn reset(&mut self) {
        self.epoch += 1;
        self.held = VecDeque::new();
        self.asked = false;
        self.lost.take_if(|code| *code == LostCode::Path);
        if self.delivery != Delivery::Calling {
            self.go_idle();
        }
    }

    /// Frames the refusals that the peer may have missed, and returns the answer that is to be said now: to whom,
    /// whether it resumes, and where the session is.
    pub(super) fn answer(&mut self, image: &mut Image) -> Option<(u32, bool, Ack)> {
        // INV-3: not before the delivery for the connection before has ended.
        if self.delivery == Delivery::Calling {
            return None;
        }
        let resumed = self.answer.take()?;
        self.is_open = true;
        // The answer counts them as taken.
        self.refusals.say_all(self.number, image);
        self.tell();
        Some((self.number, resumed, self.told))
    }

    /// Frames what is to be said, and returns whether that was the last word.
    pub(super) fn say(&mut self, image: &mut Image) -> bool {
        if !self.is_open {
            return false;
        }
        self.refusals.say(self.number, image);
        if let Some(code) = self.lost {
            let body = code.encode();
            image.copy(&Header::control(Kind::Lost, self.number, body.len()).encode());
            image.copy(&body);
            return true;
        }
        let is_over = self.is_stopped && self.delivery != Delivery::Calling;
        if self.is_due || self.has_unsaid() || is_over {
            let kind = if is_over { Kind::Closed } else { Kind::Ack };
            self.tell();
            let mut frame = [0; 40];
            frame[..16].copy_from_slice(&Header::control(kind, self.number, Ack::LEN).encode());
            self.told.put(&mut &mut frame[16..]);
            image.copy(&frame);
        }
        is_over
    }

    /// Takes messages that came.
    pub(super) fn on_run(&mut self, mut run: Run) -> Result<Turn, ProtocolError> {
        let first = run.first_seq(self.next.seq);
        if !run.is_consecutive() || self.next.seq < first {
            return Err(self.gap(first));
        }
        let known = self.next.seq - first;
        if run.messages() <= known {
            self.is_due = true;
            return Ok(Turn::Repeated);
        }
        run.skip(known);
        self.admit(run.messages(), run.load(), run.last_load())?;
        self.asked |= run.asks();
        Ok(self.turn(Batch::Run(run)))
    }

    /// Checks that a long message may come, before it is there (INV-4), and returns whether it is taken: not if it came
    /// before.
    pub(super) fn on_begin(&mut self, header: Header) -> Result<bool, ProtocolError> {
        let seq = header.full_seq(self.next.seq);
        if self.next.seq < seq {
            return Err(self.gap(seq));
        }
        let is_new = seq == self.next.seq;
        self.is_due |= !is_new;
        let credit = self.told.credit;
        if is_new && (credit.seq <= seq || credit.load <= self.next.load) {
            return Err(ProtocolError::Credit);
        }
        Ok(is_new)
    }

    /// Takes one long message.
    pub(super) fn on_message(
        &mut self,
        header: Header,
        payload: Payload,
    ) -> Result<Turn, ProtocolError> {
        let seq = header.full_seq(self.next.seq);
        if self.next.seq < seq {
            return Err(self.gap(seq));
        }
        if seq < self.next.seq {
            self.is_due = true;
            return Ok(Turn::Repeated);
        }
        let load = payload.len() as u64;
        self.admit(1, load, load)?;
        self.asked |= header.kind == Kind::DataAsk;
        Ok(self.turn(Batch::Payloads(vec![payload])))
    }

    /// Refuses one message of `len` bytes, which uses up its number.
    pub(super) fn on_refused(
        &mut self,
        header: Header,
        len: u64,
        code: u32,
    ) -> Result<Turn, ProtocolError> {
        let seq = header.full_seq(self.next.seq);
        let len = u32::try_from(len).unwrap_or(u32::MAX);
        self.refusals.check()?;
        let turn = self.on_void(Header { len, ..header })?;
        if !matches!(turn, Turn::Repeated) {
            self.refusals.push(Nack { seq, code }, self.window.seq);
        }
        self.is_due = true;
        Ok(turn)
    }

    /// Takes a number without a message.
    pub(super) fn on_void(&mut self, header: Header) -> Result<Turn, ProtocolError> {
        let seq = header.full_seq(self.next.seq);
        if self.next.seq < seq {
            return Err(self.gap(seq));
        }
        if seq < self.next.seq {
            self.is_due = true;
            return Ok(Turn::Repeated);
        }
        let load = header.len.into();
        self.admit(1, load, load)?;
        Ok(self.turn(Batch::Void(load)))
    }

    /// Records that the receiver took what it was given, and returns what has come meanwhile. Without `consumed`
    /// it waits in the receiver's queue.
    pub(super) fn commit(&mut self, messages: u64, load: u64, consumed: bool) -> Option<Batch> {
        self.take(messages, load);
        if consumed {
            self.consumed.seq += messages;
            self.consumed.load += load;
        }
        if self.calling != self.epoch {
            // A late reader of the connection before left it.
            self.held = VecDeque::new();
        }
        let next = self.held.pop_front();
        if next.is_none() {
            self.go_idle();
        }
        next
    }

    /// Records that a sink took `messages` and no more for now. Returns what to give to
    /// [`resume_turn`](Self::resume_turn), unless the rest comes again.
    pub(super) fn pause(&mut self, messages: u64, load: u64) -> Option<u64> {
        self.take(messages, load);
        self.consumed.seq += messages;
        self.consumed.load += load;
        if self.calling != self.epoch {
            self.held = VecDeque::new();
            self.go_idle();
            return None;
        }
        self.delivery = Delivery::Paused;
        Some(self.epoch)
    }

    /// Returns whether the delivery that paused goes on.
    pub(super) fn resume_turn(&mut self, epoch: u64) -> bool {
        let goes_on = self.epoch == epoch && self.delivery == Delivery::Paused;
        if goes_on {
            self.delivery = Delivery::Calling;
        }
        goes_on
    }

    /// Records that the receiver panicked: what it took is not known.
    pub(super) fn fail(&mut self) {
        self.lost = Some(LostCode::GivenUp);
        self.is_due = true;
        self.delivery = Delivery::Idle;
    }

    /// Records that the peer broke the protocol, and returns whether the session goes on over another connection.
    pub(super) fn on_fault(&mut self) -> bool {
        self.faults.on_fault()
    }

    /// Has the peer open the session again by another path, or if it does not go on, never.
    pub(super) fn break_off(&mut self, goes_on: bool) {
        let code = if goes_on {
            LostCode::Path
        } else {
            LostCode::Broken
        };
        self.lost = self.lost.or(Some(code));
    }

    /// Returns whether the last word here is not the last one of the session.
    pub(super) fn goes_on_elsewhere(&self) -> bool {
        self.lost == Some(LostCode::Path)
    }

    /// Returns `None` if something is to be said now.
    pub(super) fn wish(&mut self, now: bool) -> Option<Wish> {
        let unsaid = self.taken.seq - self.told.next;
        let answered = self.asked && self.taken == self.next;
        if answered {
            self.asked = false;
        }
        // A receiver that pauses may take the next message in an hour.
        let now = now || answered || self.delivery == Delivery::Paused;
        let is_due = now && unsaid > 0
            || ACK_MESSAGES <= unsaid
            || ACK_BYTES <= self.unsaid
            || self.is_due
            || self.answer.is_some()
            || self.is_stopped
            || self.lost.is_some()
            || self.credit_is_due();
        if is_due {
            return None;
        }
        Some(if unsaid > 0 {
            Wish::AckLater
        } else {
            Wish::None
        })
    }

    /// Returns whether the answer to a question is to be said now.
    pub(super) fn on_ask(&mut self) -> bool {
        if self.taken != self.next {
            self.asked = true;
            return false;
        }
        self.has_unsaid()
    }

    /// Returns whether nothing more is taken.
    pub(super) fn is_stopped(&self) -> bool {
        self.is_stopped || self.lost.is_some()
    }

    /// Returns whether the program has not received all that was taken.
    pub(super) fn has_waiting(&self) -> bool {
        self.consumed != self.taken
    }

    /// Returns whether something was taken and not acknowledged.
    pub(super) fn has_unsaid(&self) -> bool {
        self.told.next < self.taken.seq || self.credit_is_due()
    }

    /// Returns whether credit is to be given now.
    pub(super) fn on_consumed(&mut self, messages: u64, load: u64) -> bool {
        self.consumed.seq += messages;
        self.consumed.load += load;
        self.credit_is_due()
    }

    /// A receiver that takes nothing for long says so: its sender knows then that it is there.
    pub(super) fn on_tick(&mut self) -> bool {
        self.is_due |= self.delivery == Delivery::Paused;
        self.is_due
    }

    /// So does one to which a message takes long to come.
    pub(super) fn on_coming(&mut self) {
        self.is_due = true;
    }

    pub(super) fn stop(&mut self) {
        self.is_stopped = true;
    }

    /// Says nothing more on the present connection.
    pub(super) fn fall_silent(&mut self) {
        self.is_open = false;
    }

    /// Returns what came and was not received by the program.
    #[cfg(test)]
    pub(super) fn held(&self) -> Mark {
        Mark {
            seq: self.next.seq - self.consumed.seq,
            load: self.next.load - self.consumed.load,
        }
    }

    fn turn(&mut self, batch: Batch) -> Turn {
        if self.delivery == Delivery::Idle {
            self.delivery = Delivery::Calling;
            self.calling = self.epoch;
            Turn::Deliver(batch)
        } else {
            self.held.push_back(batch);
            Turn::Held
        }
    }

    /// Counts messages that came, the last of which has `last` bytes (INV-4). No credit reaches beyond the last
    /// number there is.
    fn admit(&mut self, messages: u64, load: u64, last: u64) -> Result<(), ProtocolError> {
        let credit = self.told.credit;
        let seq = self
            .next
            .seq
            .checked_add(messages)
            .ok_or(ProtocolError::Credit)?;
        let load = self
            .next
            .load
            .checked_add(load)
            .ok_or(ProtocolError::Credit)?;
        if credit.seq < seq || credit.load <= load - last {
            return Err(ProtocolError::Credit);
        }
        self.next = Mark { seq, load };
        Ok(())
    }

    fn take(&mut self, messages: u64, load: u64) {
        self.taken.seq += messages;
        self.taken.load += load;
        self.unsaid += load;
        self.faults.on_progress();
    }

    /// Delivers nothing: what comes next is what was not taken.
    fn go_idle(&mut self) {
        self.delivery = Delivery::Idle;
        self.next = self.taken;
        self.refusals.forget_from(self.next.seq);
    }

    fn tell(&mut self) {
        self.is_due = false;
        self.unsaid = 0;
        self.told = Ack {
            next: self.taken.seq,
            credit: self.credit(),
        };
    }

    fn credit(&self) -> Credit {
        Credit {
            seq: self.consumed.seq.saturating_add(self.window.seq),
            load: self.consumed.load.saturating_add(self.window.load),
        }
    }

    /// A quarter of the window is free and the sender does not know.
    fn credit_is_due(&self) -> bool {
        let (now, told) = (self.credit(), self.told.credit);
        self.window.seq.div_ceil(4) <= now.seq - told.seq
            || self.window.load.div_ceil(4) <= now.load - told.load
    }

    fn gap(&self, seq: u64) -> ProtocolError {
        ProtocolError::Gap {
            expected: self.next.seq,
            found: seq,
        }
    }
}
