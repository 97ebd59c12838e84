//! The rule of a connection, as scripts.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use hypermesh_wire::Payload;

use super::*;

/// A parcel with the name of one letter. It writes its own outcome when it is completed by a drop.
struct Letter {
    name: char,
    payload: Payload,
    log: Arc<Mutex<String>>,
}

impl Parcel for Letter {
    fn payload(&self) -> &Payload {
        &self.payload
    }

    fn complete(self, outcome: Outcome) {
        note(&mut self.log.lock().unwrap(), self.name, &outcome);
    }
}

/// Writes `a+` for acked, `a-` for failed as the link or peer is closed, `a!` for too large, `a?` for
/// unknown.
fn note(log: &mut String, name: char, outcome: &Outcome) {
    let mark = match outcome {
        Outcome::Acked => '+',
        Outcome::Failed(FailReason::TooLarge { .. }) => '!',
        Outcome::Failed(_) => '-',
        Outcome::Unknown(_) => '?',
    };
    write!(log, "{name}{mark} ").unwrap();
}

/// Runs a script on a connection whose frames have 10 bytes, and checks what is logged: outcomes,
/// what is given back after a loss, errors.
///
/// `q` asks the peer for acks, in 8 bytes, and logs whether there was something to ask for. Another small letter is a parcel that is sent, a capital one that is too large to be sent; `w25` says
/// that the socket took 25 bytes, `k2` acks 2 frames, `c2` is a close of the peer after 2, `L` loses
/// the connection, `E` ends the link, `D` drops it.
#[track_caller]
fn check(script: &str, expected: &str) {
    let log = Arc::new(Mutex::new(String::new()));
    let mut sending = Sending::new();
    for step in script.split_whitespace() {
        let number = || step[1..].parse::<u64>().unwrap();
        let name = step.chars().next().unwrap();
        let letter = || Letter {
            name,
            payload: Payload::default(),
            log: log.clone(),
        };
        let mut outcomes = String::new();
        let mut done = |letter: Letter, outcome| note(&mut outcomes, letter.name, &outcome);
        let result = match name {
            'w' => {
                sending.on_written(number());
                Ok(())
            }
            'k' => sending.on_ack(number(), &mut done),
            'c' => sending.on_peer_closed(number(), &mut done),
            'L' => {
                let back = sending.on_lost(&mut done);
                back.iter()
                    .for_each(|letter| write!(outcomes, "{}< ", letter.name).unwrap());
                Ok(())
            }
            'E' => {
                sending.on_end(&FailReason::Closed, &mut done);
                Ok(())
            }
            'q' => {
                write!(outcomes, "{} ", if sending.ask(8) { "asked" } else { "-" }).unwrap();
                Ok(())
            }
            'D' => {
                sending = Sending::new();
                Ok(())
            }
            'A'..='Z' => {
                sending.push_failed(letter(), FailReason::TooLarge { len: 2, max: 1 }, &mut done);
                Ok(())
            }
            _ => {
                sending.push(letter(), 10);
                Ok(())
            }
        };
        let mut log = log.lock().unwrap();
        log.push_str(&outcomes);
        if let Err(error) = result {
            write!(log, "({error}) ").unwrap();
        }
    }
    assert_eq!(log.lock().unwrap().trim_end(), expected, "{script}");
    sending.on_end(&FailReason::Closed, &mut |_, _| ());
}

#[test]
fn an_ack_completes_all_before_it() {
    check("a b d w30 k2", "a+ b+");
    check("a b d w30 k1 k3", "a+ b+ d+");
}

#[test]
fn a_repeated_or_lower_ack_changes_nothing() {
    check("a b d w30 k2 k2 k1 k0", "a+ b+");
}

#[test]
fn inv4_an_ack_of_what_was_not_written_breaks_the_protocol() {
    check(
        "a b w19 k2",
        "(the peer acknowledged 2 messages, and 1 were written)",
    );
    check(
        "k1",
        "(the peer acknowledged 1 messages, and 0 were written)",
    );
    check(
        "a w10 k1 k2",
        "a+ (the peer acknowledged 2 messages, and 1 were written)",
    );
    check(
        "a w10 c2",
        "(the peer acknowledged 2 messages, and 1 were written)",
    );
}

#[test]
fn inv2_a_loss_gives_back_what_was_not_written_to_the_end() {
    check("a b d w15 L", "a? b< d<");
    check("a b w20 k1 L", "a+ b?");
    check("a b L", "a< b<");
    check("L", "");
}

#[test]
fn inv3_what_cannot_be_sent_waits_for_what_was_posted_before() {
    check("B", "B!");
    check("a B d w20 k1", "a+ B!");
    check("a B d w20 k2", "a+ B! d+");
    check("a B d w20 L", "a? B! d?");
    check("a B d w10 L", "a? B! d<");
    check("a B w5 L", "a< B<");
}

#[test]
fn inv2_a_close_of_the_peer_fails_what_it_did_not_take() {
    check("a b d w30 c1", "a+ b- d-");
    check("a B d w20 c0", "a- B! d-");
}

#[test]
fn inv2_an_end_of_the_link_says_what_may_have_been_delivered() {
    check("a b d w25 k1 E", "a+ b? d-");
    check("a B w10 E", "a? B!");
}

#[test]
fn inv1_a_dropped_connection_completes_its_parcels() {
    check("a b w15 D", "a? b-");
}

#[test]
fn a_question_is_for_what_was_not_asked_for_and_not_acked() {
    check("q", "-");
    check("a q q b q", "asked - asked");
    check("a w10 k1 q b q", "a+ - asked");
    check("A q", "A! -");
}

#[test]
fn a_question_has_its_place_among_the_frames() {
    check("a q b w27 L", "asked a? b<");
    check("a q b w28 L", "asked a? b?");
    check(
        "a q b w27 k2",
        "asked (the peer acknowledged 2 messages, and 1 were written)",
    );
}

/// Delivers messages one by one, each of `bytes`, with more input waiting, and checks when an ack is
/// due.
#[track_caller]
fn check_acks(bytes: u64, first_due: u64) {
    let mut receiving = Receiving::default();
    let due = (1..).find(|_| {
        receiving.on_delivered(1, bytes);
        receiving.ack_due(false).is_some()
    });
    assert_eq!(due, Some(first_due));
}

#[test]
fn an_ack_is_due_when_enough_came() {
    check_acks(10, 256);
    check_acks(300 << 10, 4);
    check_acks(2 << 20, 1);
}

#[test]
fn an_ack_is_due_for_a_reason_when_something_is_unsaid() {
    let mut receiving = Receiving::default();
    assert_eq!(receiving.ack_due(true), None);
    receiving.on_delivered(3, 30);
    assert_eq!(receiving.ack_due(false), None);
    assert_eq!(receiving.ack_due(true), Some(3));
    assert_eq!(receiving.ack_due(true), None);
    assert_eq!(receiving.delivered(), 3);
}
