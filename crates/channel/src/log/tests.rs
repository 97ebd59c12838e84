//! The log: scripts, and a comparison with a model that keeps everything.

mod model;

use super::*;
use crate::{
    frame::{CHUNK_ABOVE, CHUNK_LEN, split_next},
    image::Image,
};

/// Runs a script on a log and checks what is written down: what is handed out, outcomes, and errors.
///
/// A small letter is a message of 10 bytes with that name, a capital one a message that is rejected. `t` hands out all
/// that the credit allows, and writes the numbers; `k2` acknowledges two messages, `n1` refuses message 1, `c3,15`
/// gives credit for 3 messages and while fewer than 15 bytes have come, `r2` resumes after two messages, `f` begins a
/// fresh session with credit for everything, `u1` takes back that more than one message was handed out, `m5` allows 5
/// bytes, `e` ends, and `E2` ends after the peer said that it took two.
#[track_caller]
fn check(script: &str, expected: &str) {
    let bounds = Bounds {
        messages: 100,
        bytes: 1000,
    };
    let mut log = Log::new(1, bounds);
    let mut written = Vec::new();
    let all = Credit {
        seq: 100,
        load: 1000,
    };
    log.on_credit(all);
    if script.starts_with('c') {
        log.credit = Credit::default();
    }
    for step in script.split_whitespace() {
        let mut done = Done::new();
        let (name, rest) = step.split_at(1);
        let numbers: Vec<u64> = rest.split(',').filter_map(|n| n.parse().ok()).collect();
        let name = name.chars().next().unwrap();
        let result = match name {
            't' => {
                let mut image = Image::default();
                assert!(!log.take(usize::MAX, &mut image));
                written.extend(seqs(&image).into_iter().map(|seq| format!("{seq}")));
                Ok(())
            }
            'k' => log.on_ack(numbers[0], &mut done),
            'n' => {
                let (seq, code) = (numbers[0], 9);
                log.on_nack(Nack { seq, code }, FailReason::RefusedMessage(code))
            }
            'c' => {
                let (seq, load) = (numbers[0], numbers[1]);
                log.on_credit(Credit { seq, load });
                Ok(())
            }
            'r' => log.on_resumed(numbers[0], all, &mut done),
            'f' => {
                log.on_fresh(UnknownReason::PeerRestarted, all, &mut done);
                Ok(())
            }
            'u' => {
                log.unsend(numbers[0]);
                Ok(())
            }
            'm' => {
                log.limit(numbers[0]);
                Ok(())
            }
            'e' | 'E' => {
                let is_said = name == 'E';
                if is_said {
                    log.on_ack(numbers[0], &mut done).unwrap();
                }
                log.on_end(
                    &FailReason::Closed,
                    UnknownReason::Closed,
                    is_said,
                    &mut done,
                );
                Ok(())
            }
            'A'..='Z' => {
                log.reject(FailReason::TooLarge { len: 2, max: 1 });
                log.keep(name);
                Ok(())
            }
            _ => {
                log.push(&message(&[7; 10], &[]));
                log.keep(name);
                Ok(())
            }
        };
        let mark = |outcome| match outcome {
            Outcome::Acked => '+',
            Outcome::Failed(FailReason::TooLarge { .. } | FailReason::RefusedMessage(_)) => '!',
            Outcome::Failed(_) => '-',
            Outcome::Unknown(_) => '?',
        };
        let done = done.into_iter();
        written.extend(done.map(|(name, outcome)| format!("{name}{}", mark(outcome))));
        if let Err(error) = result {
            written.push(format!("({error})"));
        }
    }
    assert_eq!(written.join(" "), expected, "{script}");
}

fn message<'a>(body: &'a [u8], parts: &'a [Bytes]) -> Message<'a> {
    Message {
        body: Body::Borrowed(body),
        parts,
        asks: false,
    }
}

/// Returns the numbers of the short messages in an image.
fn seqs(image: &Image) -> Vec<u32> {
    let slices = image.slices();
    let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
    let mut rest = &bytes[..];
    let mut seqs: Vec<u32> = Vec::new();
    loop {
        if let Some((len, behind)) = split_next(rest) {
            seqs.push(seqs.last().expect("a message in front of it") + 1);
            rest = &behind[len..];
            continue;
        }
        let Some(head) = rest.first_chunk() else {
            return seqs;
        };
        let header = Header::decode(head).unwrap();
        seqs.push(header.seq);
        let body = if header.kind == Kind::Void {
            0
        } else {
            header.len
        };
        rest = &rest[HEADER_LEN + body as usize..];
    }
}

#[test]
fn inv1_an_ack_completes_all_before_it() {
    check("a b d t k2", "0 1 2 a+ b+");
    check("a b d t k1 k3", "0 1 2 a+ b+ d+");
}

#[test]
fn a_repeated_or_lower_ack_changes_nothing() {
    check("a b d t k2 k2 k1 k0", "0 1 2 a+ b+");
}

#[test]
fn inv4_what_was_not_handed_out_cannot_be_acknowledged_or_refused() {
    let beyond = "(the peer acknowledged 2 messages, and 1 were written)";
    check("a t b k2", &format!("0 {beyond}"));
    check("a t b n1", &format!("0 {beyond}"));
    check("a t b r2", &format!("0 {beyond}"));
    check("a b t u1 k2", &format!("0 1 {beyond}"));
    let back = "(the peer goes on at message 0, and has acknowledged 1)";
    check("a t k1 r0", &format!("0 a+ {back}"));
}

#[test]
fn inv6_what_was_not_acknowledged_is_handed_out_again_in_order() {
    check("a b d t k1 r1 t", "0 1 2 a+ 1 2");
    check("a b d t r2 t", "0 1 2 a+ b+ 2");
    check("a b t r0 d t r0 t", "0 1 0 1 2 0 1 2");
}

#[test]
fn an_ack_of_what_waits_to_be_sent_again_saves_it() {
    check("a b d t r0 k2 t k3", "0 1 2 a+ b+ 2 d+");
}

#[test]
fn inv2_a_peer_that_knows_nothing_leaves_unknown_what_it_was_sent() {
    check("a b t d f t k3", "0 1 a? b? 2 d+");
    check("a b t u1 f t k2", "0 1 a? 1 b+");
    check("a b t k1 f", "0 1 a+ b?");
}

#[test]
fn inv3_what_is_rejected_fails_in_its_turn() {
    check("B", "");
    check("a B d t k1 k3", "0 1 2 a+ B! d+");
    check("a B d t f", "0 1 2 a? B! d?");
    check("a B d t u1 f t k3", "0 1 2 a? 1 2 B! d+");
    check("a B d t e", "0 1 2 a? B! d?");
}

#[test]
fn a_refused_message_fails_and_those_beside_it_do_not() {
    check("a b d t n1 k3", "0 1 2 a+ b! d+");
    check("a b d t n1 r3", "0 1 2 a+ b! d+");
    check("a b d t n1 f", "0 1 2 a? b! d?");
    check("a b t k2 n1", "0 1 a+ b+");
}

#[test]
fn inv2_an_end_says_what_may_have_been_delivered() {
    check("a b t d k1 e", "0 1 a+ b? d-");
    check("a b t d E1", "0 1 a+ b- d-");
    check("a b e", "a- b-");
}

#[test]
fn inv5_nothing_is_begun_beyond_the_credit() {
    check("c0,0 a b t", "");
    check("c1,100 a b t c2,100 t", "0 1");
    check("c9,1 a b t", "0");
    check("c9,10 a b t c9,11 t", "0 1");
    check("c9,11 a b d t", "0 1");
    check("c2,20 a b t", "0 1");
}

#[test]
fn inv5_a_message_without_bytes_needs_credit_too() {
    check("c9,10 a B t", "0");
    check("c9,10 a B t c9,11 t", "0 1");
}

#[test]
fn credit_never_goes_back() {
    check("c2,50 c1,10 a b t", "0 1");
}

#[test]
fn a_smaller_limit_fails_what_was_not_taken_in_its_turn() {
    check("a b m5 t k2", "0 1 a! b!");
    check("a t f b d m5 t k3", "0 a? 1 2 b! d!");
    check("a b t r0 m5 t k2", "0 1 0 1 a! b!");
}

#[test]
fn a_smaller_limit_leaves_alone_what_was_handed_out_before_in_the_same_memory() {
    check("c1,100 a b d t k1 r1 m5 t k3", "0 a+ 1 2 b! d!");
    check("c1,100 a b d t f m5 t k3", "0 a? 1 2 b! d!");
}

#[test]
fn inv7_a_log_is_full_at_its_bounds() {
    let (messages, bytes) = (2, 100);
    let mut log = Log::new(1, Bounds { messages, bytes });
    log.push(&message(&[0; 10], &[]));
    log.keep(());
    assert!(!log.is_full());
    log.push(&message(&[0; 10], &[]));
    log.keep(());
    assert!(log.is_full());
    let mut log = Log::new(1, Bounds { messages, bytes });
    log.push(&message(&[0; 200], &[]));
    log.keep(());
    assert!(log.is_full());
}

#[test]
fn a_message_of_many_bytes_is_handed_out_from_where_it_lies() {
    let body = Bytes::from(vec![1; 40 << 10]);
    let part = Bytes::from(vec![2; INLINE_PART]);
    let mut log = Log::new(
        1,
        Bounds {
            messages: 9,
            bytes: 1 << 30,
        },
    );
    let parts = [part.clone()];
    let message = Message {
        body: Body::Shared(&body),
        parts: &parts,
        asks: false,
    };
    log.push(&message);
    log.keep(());
    log.on_credit(Credit { seq: 1, load: 1 });
    let mut image = Image::default();
    log.take(usize::MAX, &mut image);
    let slices = image.slices();
    assert_eq!(slices[1].as_ptr(), body.as_ptr());
    assert_eq!(slices[2].as_ptr(), part.as_ptr());
}
