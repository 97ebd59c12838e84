//! Random calls of a log, beside a model that keeps everything and forgets nothing.

use hypermesh_wire::Payload;
use proptest::prelude::*;

use super::*;
use crate::demux::{
    Demux,
    property::{Heard, Listener},
};

const SESSION: u32 = 1;
const BOUNDS: Bounds = Bounds {
    messages: 30,
    bytes: 4 << 20,
};

/// A call. Numbers that say where are taken modulo what is possible.
#[derive(Clone, Debug)]
enum Step {
    Push {
        body: usize,
        parts: Vec<usize>,
        asks: bool,
        is_awaited: bool,
    },
    Reject,
    Take(usize),
    Ack(u64),
    AckBeyond(u64),
    Nack(u64),
    Credit(u64, u64),
    /// The connection is lost, maybe with something that was not written, and the next one resumes or not.
    Reconnect {
        was_written: bool,
        resumes: bool,
        next: u64,
        limit: Option<u64>,
        credit: (u64, u64),
    },
}

fn any_step() -> impl Strategy<Value = Step> {
    let body = prop_oneof![
        4 => 0usize..100,
        3 => prop_oneof![Just(0usize), Just(50usize)],
        1 => INLINE_BODY - 1..INLINE_BODY + 2,
        1 => 60_000usize..70_000,
        1 => CHUNK_ABOVE as usize - 20..CHUNK_ABOVE as usize + 2,
        1 => Just(5 * CHUNK_LEN + 3),
    ];
    let part = prop_oneof![3 => 0usize..20, 1 => INLINE_PART - 1..INLINE_PART + 2];
    let parts = prop_oneof![2 => Just(Vec::new()), 1 => proptest::collection::vec(part, 0..3)];
    let credit = (
        0u64..6,
        prop_oneof![2 => Just(50u64), 1 => 0u64..100, 1 => 0u64..3_000_000],
    );
    let limit = prop_oneof![4 => Just(None), 1 => (0u64..200).prop_map(Some)];
    prop_oneof![
        8 => (body, parts, any::<bool>(), any::<bool>()).prop_map(
            |(body, parts, asks, is_awaited)| Step::Push { body, parts, asks, is_awaited }
        ),
        1 => Just(Step::Reject),
        6 => prop_oneof![1usize..200, Just(usize::MAX)].prop_map(Step::Take),
        3 => any::<u64>().prop_map(Step::Ack),
        1 => (1u64..5).prop_map(Step::AckBeyond),
        1 => any::<u64>().prop_map(Step::Nack),
        5 => credit.clone().prop_map(|(seq, load)| Step::Credit(seq, load)),
        2 => (any::<bool>(), any::<bool>(), any::<u64>(), limit, credit).prop_map(
            |(was_written, resumes, next, limit, credit)| Step::Reconnect {
                was_written, resumes, next, limit, credit,
            }
        ),
    ]
}

/// A message as the model knows it.
struct Known {
    /// What is sent, or how many bytes the void stands for.
    content: Result<Payload, u64>,
    asks: bool,
    is_awaited: bool,
    is_rejected: bool,
}

impl Known {
    fn load(&self) -> u64 {
        match &self.content {
            Ok(payload) => payload.len() as u64,
            Err(load) => *load,
        }
    }
}

/// The log, and what is known of it.
struct Model {
    log: Log<u64>,
    known: Vec<Known>,
    acked: u64,
    sent: u64,
    /// What the present connection got: the next message that is to come out of it.
    demux: Demux,
    next: u64,
    credit: Credit,
    base: u64,
    tally: Tally,
    succeeded: u64,
}

impl Model {
    fn new() -> Self {
        Self {
            log: Log::new(SESSION, BOUNDS),
            known: Vec::new(),
            acked: 0,
            sent: 0,
            demux: Demux::new(u64::MAX),
            next: 0,
            credit: Credit::default(),
            base: 0,
            tally: Tally::default(),
            succeeded: 0,
        }
    }

    fn load_before(&self, seq: u64) -> u64 {
        self.known[..seq as usize].iter().map(Known::load).sum()
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Push {
                body,
                parts,
                asks,
                is_awaited,
            } => self.push(body, &parts, asks, is_awaited),
            Step::Reject => {
                if !self.log.is_full() {
                    let seq = self.known.len() as u64;
                    self.log.reject(FailReason::Closed);
                    self.log.keep(seq);
                    self.known.push(Known {
                        content: Err(0),
                        asks: false,
                        is_awaited: true,
                        is_rejected: true,
                    });
                }
            }
            Step::Take(budget) => self.take(budget),
            Step::Ack(place) => {
                let next = self.acked + place % (self.next.max(self.acked) - self.acked + 1);
                let mut done = Done::new();
                self.log.on_ack(next, &mut done).unwrap();
                self.settle(next, Outcome::Acked, done);
            }
            Step::AckBeyond(by) => {
                let mut done = Done::new();
                let error = self.log.on_ack(self.sent + by, &mut done).unwrap_err();
                let (acked, written) = (self.sent + by, self.sent);
                assert_eq!(error, ProtocolError::Ack { acked, written });
                assert!(done.is_empty());
            }
            Step::Nack(place) => {
                if self.acked < self.sent {
                    let seq = self.acked + place % (self.sent - self.acked);
                    let nack = Nack { seq, code: 1 };
                    let reason = FailReason::RefusedTooLarge;
                    self.log.on_nack(nack, reason).unwrap();
                    self.known[seq as usize].is_rejected = true;
                }
            }
            Step::Credit(seq, load) => {
                self.credit.seq += seq;
                self.credit.load += load;
                let load = self.credit.load - self.base;
                let seq = self.credit.seq;
                self.log.on_credit(Credit { seq, load });
            }
            Step::Reconnect {
                was_written,
                resumes,
                next,
                limit,
                credit,
            } => {
                self.lose(was_written);
                if resumes {
                    self.resume(next, credit);
                } else {
                    self.begin_anew(credit);
                }
                self.demux = Demux::new(u64::MAX);
                if let Some(max) = limit {
                    self.limit(max);
                }
            }
        }
        self.check();
    }

    fn push(&mut self, body: usize, parts: &[usize], asks: bool, is_awaited: bool) {
        if self.log.is_full() {
            return;
        }
        let seq = self.known.len() as u64;
        let bytes = |len: usize| Bytes::from(vec![seq as u8; len]);
        let payload = Payload {
            body: bytes(body),
            parts: parts.iter().map(|&len| bytes(len)).collect(),
        };
        let message = Message {
            body: Body::Shared(&payload.body),
            parts: &payload.parts,
            asks,
        };
        self.log.push(&message);
        if is_awaited {
            self.log.keep(seq);
        }
        self.known.push(Known {
            content: Ok(payload),
            asks,
            is_awaited,
            is_rejected: false,
        });
    }

    /// Hands out, and compares what comes out at the other end.
    fn take(&mut self, budget: usize) {
        let mut image = Image::default();
        let first = self.sent;
        let more = self.log.take(budget, &mut image);
        assert_eq!(more, self.log.is_ready());
        // One piece of short messages, or one long message in its chunk, may be beyond the budget.
        let len = image.len();
        assert!(len <= budget.saturating_add(2 * room::LAST + CHUNK_ABOVE as usize));
        let mut listener = Listener::default();
        for slice in &image.slices() {
            self.demux.feed(slice, None, &mut listener).unwrap();
        }
        for heard in listener.heard {
            let known = &self.known[self.next as usize];
            let seq = self.next as u32;
            let expected = match &known.content {
                Ok(payload) => Heard::Message(SESSION, seq, known.asks, payload.clone()),
                Err(load) => {
                    let header = Header {
                        len: *load as u32,
                        seq,
                        ..Header::control(Kind::Void, SESSION, 0)
                    };
                    Heard::Control(header, Bytes::new())
                }
            };
            assert!(heard == expected, "INV-6: message {seq} is handed out next");
            self.next += 1;
        }
        let inside = u64::from(self.demux.end().is_err() || self.demux.memory() > 0);
        self.sent = self.sent.max(self.next + inside);
        assert_eq!(self.log.sent(), self.sent);
        for seq in first..self.sent {
            let is_allowed = seq < self.credit.seq && self.load_before(seq) < self.credit.load;
            assert!(is_allowed, "INV-5: message {seq}");
        }
        if !more && self.next < self.known.len() as u64 {
            let has_credit =
                self.next < self.credit.seq && self.load_before(self.next) < self.credit.load;
            assert!(!has_credit, "message {} could be sent", self.next);
        }
    }

    fn lose(&mut self, was_written: bool) {
        let sent = self.log.sent();
        self.log.take(100, &mut Image::default());
        if was_written {
            self.sent = self.log.sent();
        } else {
            self.log.unsend(sent);
        }
    }

    fn resume(&mut self, place: u64, (seq, load): (u64, u64)) {
        let next = self.acked + place % (self.sent - self.acked + 1);
        self.credit.seq = self.credit.seq.max(next + seq);
        let load = self.load_before(next) + load;
        self.credit.load = self.credit.load.max(load);
        let credit = Credit {
            seq: next + seq,
            load: load - self.base,
        };
        let mut done = Done::new();
        self.log.on_resumed(next, credit, &mut done).unwrap();
        self.settle(next, Outcome::Acked, done);
        self.next = next;
    }

    fn begin_anew(&mut self, (seq, load): (u64, u64)) {
        self.base = self.load_before(self.sent);
        self.credit = Credit {
            seq: self.sent + seq,
            load: self.base + load,
        };
        let reason = UnknownReason::PeerRestarted;
        let credit = Credit {
            load,
            ..self.credit
        };
        let mut done = Done::new();
        self.log.on_fresh(reason, credit, &mut done);
        self.settle(self.sent, Outcome::Unknown(reason), done);
        self.next = self.sent;
    }

    fn limit(&mut self, max: u64) {
        self.log.limit(max);
        for known in &mut self.known[self.next as usize..] {
            let load = known.load();
            if known.content.is_ok() && max < load {
                known.content = Err(load);
                known.is_rejected = true;
            }
        }
    }

    /// Compares the outcomes of all messages below `next`, each `outcome` if it was not rejected.
    fn settle(&mut self, next: u64, outcome: Outcome, done: Done<u64>) {
        let mut done = done.into_iter();
        for seq in self.acked..next {
            let known = &self.known[seq as usize];
            if known.is_rejected {
                self.tally.failed += 1;
            } else if outcome == Outcome::Acked {
                self.succeeded += 1;
            } else if matches!(outcome, Outcome::Unknown(_)) {
                self.tally.unknown += 1;
            } else {
                self.tally.failed += 1;
            }
            if known.is_awaited {
                let (parcel, told) = done.next().expect("INV-1: an outcome");
                assert_eq!(parcel, seq, "INV-3");
                let is_failed = matches!(told, Outcome::Failed(_));
                assert!(
                    told == outcome || known.is_rejected && is_failed,
                    "INV-2: {told:?}"
                );
            }
        }
        assert!(done.next().is_none(), "INV-1: no outcome twice");
        self.acked = next;
        self.next = self.next.max(next);
    }

    fn check(&self) {
        let log = &self.log;
        assert_eq!(log.acked(), self.acked);
        assert_eq!(log.sent(), self.sent);
        assert_eq!(log.accepted(), self.known.len() as u64);
        assert!(
            self.acked <= self.sent && self.sent <= log.accepted(),
            "INV-4"
        );
        assert_eq!(log.tally(), self.tally);
        assert_eq!(log.has_unacked(), self.acked < self.sent);
        assert_eq!(log.is_empty(), self.acked == log.accepted());
        let held = log.held();
        assert!(held.seq <= BOUNDS.messages, "INV-7");
        let last = self.known.last().map_or(0, Known::load);
        assert!(held.load < BOUNDS.bytes + last.max(1), "INV-7");
        let unacked = self.load_before(log.accepted()) - self.load_before(self.acked);
        assert!(unacked <= held.load, "what is not acknowledged is held");
        if log.is_empty() {
            assert_eq!((held, log.pieces.len()), (Mark::default(), 0));
        }
    }

    /// Ends the log, and compares the last outcomes.
    fn end(mut self, is_said: bool) {
        let unknown = UnknownReason::Closed;
        let (acked, sent, count) = (self.acked, self.sent, self.known.len() as u64);
        let mut done = Done::new();
        self.log
            .on_end(&FailReason::PeerClosed, unknown, is_said, &mut done);
        let split = if is_said { acked } else { sent };
        let awaited = self.known[acked as usize..split as usize].iter();
        let rest = done.split_off(awaited.filter(|known| known.is_awaited).count());
        self.settle(split, Outcome::Unknown(unknown), done);
        self.settle(count, Outcome::Failed(FailReason::PeerClosed), rest);
        self.sent = count;
        self.check();
        let tally = self.log.tally();
        assert_eq!(tally.failed + tally.unknown + self.succeeded, count);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_log_does_what_the_model_does(
        steps in proptest::collection::vec(any_step(), 1..60),
        is_said in any::<bool>(),
    ) {
        let mut model = Model::new();
        for step in steps {
            model.step(step);
        }
        model.end(is_said);
    }
}
