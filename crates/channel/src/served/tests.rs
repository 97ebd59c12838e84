//! The receiving end of a session: scripts, a comparison with a model, and both ends together.

mod model;
mod receiver;
mod two_ends;
mod wire;

use std::collections::VecDeque;

use super::{state::*, *};
use crate::{
    demux::{
        Demux,
        property::{Heard, Listener},
    },
    frame::{Ack, Credit},
    incarnation::SessionId,
    settings::Limits,
};

use receiver::{Receiver, Said};

const SESSION: u32 = 3;

/// Returns the limits of a receiver with such a window.
fn limits(messages: usize, bytes: u64) -> Limits {
    Limits {
        receiver_queue_messages: messages,
        receiver_queue_bytes: bytes,
        ..Limits::default()
    }
}

/// Returns a message of `len` bytes that tells its number: by its first bytes, or by its empty parts.
fn numbered(seq: u64, len: usize) -> Payload {
    if len == 0 {
        return Payload {
            body: Bytes::new(),
            parts: std::iter::repeat_n(Bytes::new(), seq as usize + 1).collect(),
        };
    }
    let mut body = seq.to_le_bytes().to_vec();
    body.resize(len.max(8), seq as u8);
    Payload {
        body: body.into(),
        parts: Default::default(),
    }
}

/// Returns the number of a message from [`numbered`], and checks the rest of it.
fn number_of(payload: &Payload) -> u64 {
    let seq = match payload.body.first_chunk() {
        Some(seq) => u64::from_le_bytes(*seq),
        None => payload.parts.len() as u64 - 1,
    };
    assert_eq!(
        *payload,
        numbered(seq, payload.len()),
        "message {seq} is whole"
    );
    seq
}

/// The frame of a message that a run is made of.
fn frame(seq: u64, payload: &Payload, asks: bool) -> Vec<u8> {
    let header = Header {
        kind: if asks { Kind::DataAsk } else { Kind::Data },
        parts: payload.parts.len() as u32,
        len: payload.body.len() as u32,
        session: SESSION,
        seq: seq as u32,
    };
    let table = vec![0; 4 * payload.parts.len()];
    [&header.encode()[..], &table, &payload.body].concat()
}

/// Returns the run of these messages, each with its number and length.
fn run(messages: impl IntoIterator<Item = (u64, usize)>) -> Run {
    let mut listener = Listener::default();
    let frames = messages
        .into_iter()
        .map(|(seq, len)| frame(seq, &numbered(seq, len), false));
    let bytes: Vec<u8> = frames.flatten().collect();
    Demux::new(u64::MAX)
        .feed(&bytes, None, &mut listener)
        .unwrap();
    listener.runs.remove(0)
}

fn void(seq: u64, len: u32) -> Header {
    Header {
        len,
        seq: seq as u32,
        ..Header::control(Kind::Void, SESSION, 0)
    }
}

fn opened(resumed: bool, ack: Ack) -> Opened {
    Opened {
        incarnation: Incarnation::from_wire(1),
        resumed,
        ack,
        max_message: u64::MAX,
        advertised: None,
    }
}

/// Returns a receiver with a window of 10 messages and 100 bytes that has answered the first open.
fn receiver() -> Receiver {
    let mut receiver = Receiver::new(0, &limits(10, 100), false);
    receiver.open(0, 0);
    let credit = Credit { seq: 10, load: 100 };
    let (is_over, ack) = (false, Ack { next: 0, credit });
    let opened = Some((false, ack));
    let said = receiver.say();
    assert_eq!((said.opened, said.is_over), (opened, is_over));
    receiver
}

impl Receiver {
    /// Gives it messages of 8 bytes with these numbers.
    #[track_caller]
    fn comes(&mut self, seqs: std::ops::Range<u64>) {
        let turn = self.state.on_run(run(seqs.map(|seq| (seq, 8)))).unwrap();
        self.take(turn);
    }

    fn refuse(&mut self, seq: u64) -> Result<(), ProtocolError> {
        let header = Header {
            kind: Kind::Data,
            ..void(seq, 10)
        };
        let turn = self.state.on_refused(header, 10, Nack::TOO_LARGE)?;
        self.take(turn);
        Ok(())
    }
}

#[test]
fn inv1_what_came_before_is_not_delivered_again_and_acknowledged_again() {
    let mut receiver = receiver();
    receiver.comes(0..3);
    receiver.finish();
    receiver.say();
    receiver.comes(1..3);
    assert!(receiver.is_scheduled);
    assert_eq!(receiver.say().ack.map(|ack| ack.next), Some(3));
    receiver.comes(2..5);
    receiver.finish();
    assert_eq!(receiver.delivered, [0, 1, 2, 3, 4]);
}

#[test]
fn inv1_a_gap_breaks_the_protocol() {
    let mut receiver = receiver();
    let (expected, found) = (0, 1);
    let gap = ProtocolError::Gap { expected, found };
    assert_eq!(
        receiver.state.on_run(run([(1, 8)])).err(),
        Some(gap.clone())
    );
    assert_eq!(receiver.state.on_void(void(1, 0)).err(), Some(gap.clone()));
    assert_eq!(receiver.refuse(1), Err(gap));
    let error = receiver.state.on_run(run([(0, 8), (2, 8)])).err();
    assert!(matches!(error, Some(ProtocolError::Gap { .. })));
}

#[test]
fn inv2_only_what_was_taken_is_acknowledged() {
    let mut receiver = receiver();
    receiver.comes(0..3);
    receiver.comes(3..5);
    receiver.pause(2);
    receiver.wish(true);
    assert_eq!(receiver.say().ack.map(|ack| ack.next), Some(2));
    receiver.open(100, 0);
    let said = receiver.say();
    assert_eq!(said.opened.map(|(_, ack)| ack.next), Some(2));
    receiver.resume();
    receiver.comes(2..5);
    receiver.finish();
    assert_eq!(receiver.delivered, [0, 1, 2, 3, 4]);
}

#[test]
fn inv3_the_answer_waits_for_the_delivery_of_the_connection_before() {
    let mut receiver = receiver();
    receiver.comes(0..2);
    receiver.comes(2..4);
    receiver.open(100, 0);
    assert_eq!(receiver.say(), Said::default());
    receiver.finish();
    assert!(receiver.active.is_none() && receiver.is_scheduled);
    assert_eq!(receiver.say().opened.map(|(_, ack)| ack.next), Some(2));
    receiver.comes(2..4);
    receiver.finish();
    assert_eq!(receiver.delivered, [0, 1, 2, 3]);
}

#[test]
fn inv3_what_waits_when_a_connection_is_lost_is_not_delivered_after_it() {
    let mut receiver = receiver();
    receiver.comes(0..2);
    receiver.comes(2..4);
    receiver.state.reset();
    // A reader of the lost connection that comes too late.
    receiver.comes(4..5);
    receiver.finish();
    assert!(receiver.active.is_none());
    receiver.open(100, 0);
    assert_eq!(receiver.say().opened.map(|(_, ack)| ack.next), Some(2));
}

#[test]
fn inv3_what_waits_when_a_sink_pauses_too_late_is_not_delivered_after_it() {
    let mut receiver = receiver();
    receiver.comes(0..2);
    receiver.state.reset();
    receiver.comes(2..3);
    receiver.pause(1);
    assert!(receiver.paused.is_none(), "the rest comes again");
    receiver.open(100, 0);
    receiver.say();
    receiver.comes(1..2);
    receiver.finish();
    assert!(receiver.active.is_none());
    assert_eq!(receiver.delivered, [0, 1]);
}

#[test]
fn inv3_a_pause_of_a_connection_before_does_not_end_the_pause_of_this_one() {
    let mut receiver = receiver();
    receiver.comes(0..2);
    receiver.pause(0);
    let (before, _) = receiver.paused.take().unwrap();
    receiver.open(100, 0);
    receiver.say();
    receiver.comes(0..2);
    receiver.pause(0);
    assert!(!receiver.state.resume_turn(before));
    receiver.resume();
    receiver.finish();
    assert_eq!(receiver.delivered, [0, 1]);
}

#[test]
fn inv4_more_than_the_credit_breaks_the_protocol() {
    let mut receiver = receiver();
    let credit = Some(ProtocolError::Credit);
    assert_eq!(
        receiver
            .state
            .on_run(run((0..11).map(|seq| (seq, 8))))
            .err(),
        credit
    );
    let large = || run([(0, 100), (1, 8)]);
    assert_eq!(receiver.state.on_run(large()).err(), credit);
    // One message may begin within the credit and end beyond it.
    let turn = receiver.state.on_run(run([(0, 99), (1, 8)])).unwrap();
    receiver.take(turn);
    assert_eq!(receiver.state.on_void(void(2, 0)).err(), credit);
}

#[test]
fn a_refused_message_uses_up_its_number() {
    let mut receiver = receiver();
    receiver.comes(0..1);
    receiver.finish();
    receiver.refuse(1).unwrap();
    receiver.finish();
    receiver.comes(2..3);
    receiver.finish();
    let said = receiver.say();
    assert_eq!((said.nacks, said.ack.unwrap().next), (vec![1], 3));
    assert_eq!(receiver.delivered, [0, 2]);
    assert!(receiver.say().nacks.is_empty());
}

#[test]
fn a_refusal_that_the_peer_may_not_have_read_is_said_before_the_answer() {
    let mut receiver = receiver();
    for seq in 0..2 {
        receiver.refuse(seq).unwrap();
        receiver.finish();
    }
    assert_eq!(receiver.say().nacks, [0, 1]);
    receiver.refuse(2).unwrap();
    receiver.finish();
    receiver.open(100, 1);
    let said = receiver.say();
    assert_eq!((said.nacks, said.opened.unwrap().1.next), (vec![1, 2], 3));
}

#[test]
fn a_refusal_of_what_was_not_taken_is_forgotten_with_the_connection() {
    let mut receiver = receiver();
    receiver.comes(0..1);
    receiver.refuse(1).unwrap();
    receiver.open(100, 0);
    receiver.finish();
    assert!(receiver.say().nacks.is_empty());
}

#[test]
fn refusals_are_remembered_no_longer_than_the_peer_can_miss_them() {
    let limits = limits(4, 1000);
    let mut receiver = Receiver::new(0, &limits, false);
    receiver.open(0, 0);
    receiver.say();
    for seq in 0..100 {
        receiver.refuse(seq).unwrap();
        receiver.finish();
        receiver.say();
    }
    receiver.open(100, 0);
    assert_eq!(receiver.say().nacks, [96, 97, 98, 99]);
}

#[test]
fn a_peer_that_does_not_read_its_refusals_is_cut() {
    let mut receiver = Receiver::new(0, &limits(10_000, 1 << 20), false);
    receiver.open(0, 0);
    receiver.say();
    let mut refused = 0;
    let error = loop {
        match receiver.refuse(refused) {
            Ok(()) => receiver.finish(),
            Err(error) => break error,
        }
        refused += 1;
    };
    assert_eq!((error, refused), (ProtocolError::Flood, 1024));
}

/// Delivers messages of `len` bytes one by one and checks how many there are when an acknowledgement is due.
#[track_caller]
fn check_due(len: usize, expected: u64) {
    let mut receiver = Receiver::new(0, &limits(100_000, 1 << 30), false);
    receiver.open(0, 0);
    receiver.say();
    let due = (0..).find(|&seq| {
        let turn = receiver.state.on_run(run([(seq, len)])).unwrap();
        receiver.take(turn);
        receiver.finish();
        receiver.is_scheduled
    });
    assert_eq!(due, Some(expected - 1));
}

#[test]
fn an_acknowledgement_is_due_when_enough_was_taken() {
    check_due(10, 256);
    check_due(40 << 10, 26);
}

#[test]
fn an_acknowledgement_that_nobody_asked_for_waits_for_the_time() {
    let mut receiver = receiver();
    receiver.comes(0..1);
    receiver.finish();
    assert!(receiver.is_late && !receiver.is_scheduled);
    assert!(receiver.state.has_unsaid());
}

#[test]
fn a_question_is_answered_when_everything_before_it_is_taken() {
    let mut receiver = receiver();
    assert!(!receiver.state.on_ask());
    receiver.comes(0..2);
    receiver.comes(2..3);
    assert!(!receiver.state.on_ask());
    receiver.finish();
    assert!(!receiver.is_scheduled);
    receiver.finish();
    assert!(receiver.is_scheduled);
    assert_eq!(receiver.say().ack.map(|ack| ack.next), Some(3));
    assert!(!receiver.state.on_ask());
}

#[test]
fn credit_comes_back_when_a_quarter_of_the_window_was_received() {
    let mut receiver = Receiver::new(0, &limits(8, 1000), true);
    receiver.open(0, 0);
    receiver.say();
    receiver.comes(0..4);
    receiver.finish();
    receiver.say();
    receiver.consume();
    assert!(!receiver.is_scheduled);
    receiver.consume();
    assert!(receiver.is_scheduled);
    let credit = Credit {
        seq: 10,
        load: 1016,
    };
    assert_eq!(receiver.say().ack.map(|ack| ack.credit), Some(credit));
}

#[test]
fn credit_for_a_sink_does_not_wait_for_the_time() {
    let mut receiver = Receiver::new(0, &limits(8, 1000), false);
    receiver.open(0, 0);
    receiver.say();
    receiver.comes(0..1);
    receiver.finish();
    assert!(!receiver.is_scheduled);
    receiver.comes(1..2);
    receiver.finish();
    assert!(receiver.is_scheduled);
}

#[test]
fn inv1_what_waits_behind_a_pause_is_not_delivered_to_the_next_connection() {
    let mut receiver = receiver();
    receiver.comes(0..2);
    receiver.comes(2..4);
    receiver.pause(1);
    receiver.open(100, 0);
    assert_eq!(receiver.say().opened.map(|(_, ack)| ack.next), Some(1));
    receiver.resume();
    assert!(
        receiver.active.is_none(),
        "INV-3: the pause was of another connection"
    );
    receiver.comes(1..3);
    receiver.finish();
    assert!(receiver.active.is_none());
    assert_eq!(receiver.delivered, [0, 1, 2]);
}

#[test]
fn a_receiver_that_stops_says_what_it_took_when_it_is_done() {
    let mut receiver = receiver();
    receiver.comes(0..2);
    receiver.state.stop();
    assert_eq!(receiver.say(), Said::default());
    receiver.finish();
    let said = receiver.say();
    assert!(said.is_over);
    assert_eq!(said.ack.map(|ack| ack.next), Some(2));
}

#[test]
fn a_receiver_that_takes_nothing_says_so_at_each_tick() {
    let mut receiver = receiver();
    assert!(!receiver.state.on_tick());
    receiver.comes(0..2);
    receiver.pause(0);
    receiver.say();
    assert!(receiver.state.on_tick());
    assert_eq!(receiver.say().ack.map(|ack| ack.next), Some(0));
}
