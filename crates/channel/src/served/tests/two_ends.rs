//! A log and a state with bytes between them: what comes in pieces, in any order of the two directions, over
//! connections that break anywhere.

use proptest::prelude::*;

use super::{
    wire::{Wire, read},
    *,
};
use crate::{
    log::{Body, Bounds, Log, Message},
    outcome::{FailReason, Outcome, UnknownReason},
};

const WINDOW: Credit = Credit { seq: 8, load: 300 };
const BOUNDS: Bounds = Bounds {
    messages: 20,
    bytes: 8 << 20,
};

#[derive(Clone, Debug)]
enum Step {
    Push(usize, bool),
    Reject,
    /// The sender hands out about so much, and asks or not.
    Fill(usize, bool),
    Write(usize),
    ToReceiver(usize),
    Finish,
    Pause(usize),
    Resume,
    Consume,
    Say,
    ToSender(usize),
    /// The connection is lost, and the receiver notices or not.
    Cut(bool),
    /// The receiver reads what is left of the connection before.
    Late(usize),
    Connect,
    /// The receiver is another one from now on, if it is not connected.
    Forget,
}

fn any_step() -> impl Strategy<Value = Step> {
    let len = prop_oneof![
        8 => Just(0usize),
        16 => Just(50usize),
        16 => 8usize..100,
        4 => 1000usize..5000,
        2 => 70_000usize..80_000,
        1 => Just((1 << 20) + 300_000),
    ];
    let some = || prop_oneof![3 => 1usize..60, 2 => 1usize..2000, 3 => Just(usize::MAX)];
    prop_oneof![
        10 => (len, any::<bool>()).prop_map(|(len, asks)| Step::Push(len, asks)),
        1 => Just(Step::Reject),
        8 => (some(), any::<bool>()).prop_map(|(budget, asks)| Step::Fill(budget, asks)),
        8 => some().prop_map(Step::Write),
        8 => some().prop_map(Step::ToReceiver),
        6 => Just(Step::Finish),
        4 => (0usize..4).prop_map(Step::Pause),
        2 => Just(Step::Resume),
        4 => Just(Step::Consume),
        6 => Just(Step::Say),
        6 => some().prop_map(Step::ToSender),
        3 => any::<bool>().prop_map(Step::Cut),
        1 => some().prop_map(Step::Late),
        4 => Just(Step::Connect),
        1 => Just(Step::Forget),
    ]
}

struct Ends {
    log: Log<u64>,
    lens: Vec<Option<usize>>,
    outcomes: Vec<Option<Outcome>>,
    /// The largest message that the receiver takes.
    max: u64,
    limits: Limits,
    receiver: Receiver,
    /// Whether the receiver knows the session, and on which connection it is.
    knows: bool,
    place: Place,
    wire: Option<Wire>,
    before: Option<Wire>,
    forgot: bool,
}

/// Which connection the receiver uses.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Nowhere,
    Wire,
    /// The one before.
    Before,
}

impl Ends {
    fn new(max: u64, has_queue: bool) -> Self {
        let limits = limits(WINDOW.seq as usize, WINDOW.load);
        Self {
            log: Log::new(SESSION, BOUNDS),
            lens: Vec::new(),
            outcomes: Vec::new(),
            max,
            receiver: Receiver::new(0, &limits, has_queue),
            limits,
            knows: false,
            place: Place::Nowhere,
            wire: None,
            before: None,
            forgot: false,
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Push(len, asks) => self.push(len, asks),
            Step::Reject => {
                if !self.log.is_full() {
                    let seq = self.lens.len() as u64;
                    self.log.reject(FailReason::Closed);
                    self.log.keep(seq);
                    self.lens.push(None);
                    self.outcomes.push(None);
                }
            }
            Step::Fill(budget, asks) => self.fill(budget, asks),
            Step::Write(count) => {
                if let Some(wire) = &mut self.wire {
                    wire.write(count);
                }
            }
            Step::ToReceiver(count) => self.receiver_reads(count),
            Step::Finish => self.receiver.finish(),
            Step::Pause(taken) => self.receiver.pause(taken),
            Step::Resume => self.receiver.resume(),
            Step::Consume => self.receiver.consume(),
            Step::Say => self.say(),
            Step::ToSender(count) => self.sender_reads(count),
            Step::Cut(is_noticed) => self.cut(is_noticed),
            Step::Late(count) => self.late(count),
            Step::Connect => self.connect(),
            Step::Forget => {
                if self.place == Place::Nowhere && self.knows {
                    self.forgot = true;
                    self.knows = false;
                    self.receiver.active = None;
                    self.receiver.paused = None;
                }
            }
        }
        self.check();
    }

    fn push(&mut self, len: usize, asks: bool) {
        if self.log.is_full() {
            return;
        }
        let seq = self.lens.len() as u64;
        let payload = numbered(seq, len);
        let message = Message {
            body: Body::Shared(&payload.body),
            parts: &payload.parts,
            asks,
        };
        self.log.push(&message);
        self.log.keep(seq);
        self.lens.push(Some(payload.len()));
        self.outcomes.push(None);
    }

    fn fill(&mut self, budget: usize, asks: bool) {
        let Some(wire) = self.wire.as_mut().filter(|wire| wire.is_open) else {
            return;
        };
        let begin = (wire.image.pushed(), self.log.sent());
        let more = self.log.take(budget, &mut wire.image);
        if asks && !more && self.log.ask() {
            let ask = Header::control(Kind::Ask, SESSION, 0);
            wire.image.copy(&ask.encode());
        }
        wire.fills.push(begin);
    }

    fn connect(&mut self) {
        if self.wire.is_some() {
            return;
        }
        let open = Open {
            id: SessionId([1; 16]),
            kind: LinkKind::PARCELS,
            incarnation: Incarnation::from_wire(1),
            acked: self.log.acked(),
            sent: self.log.sent(),
            advertised: None,
            turn: 1,
            layout: 0,
            roams: false,
            path: Vec::new(),
        };
        let mut wire = Wire::new(self.max);
        let body = open.encode();
        let header = Header::control(Kind::Open, SESSION, body.len());
        wire.image.copy(&header.encode());
        wire.image.copy(&body);
        self.wire = Some(wire);
    }

    fn cut(&mut self, is_noticed: bool) {
        let Some(mut wire) = self.wire.take() else {
            return;
        };
        let written = wire.image.pushed() - wire.image.len() as u64;
        for &(begin, sent) in wire.fills.iter().rev() {
            if written <= begin {
                self.log.unsend(sent);
            }
        }
        wire.to_sender.clear();
        if self.place == Place::Wire {
            self.place = Place::Before;
            self.before = Some(wire);
            if is_noticed {
                self.receiver.state.reset();
                self.place = Place::Nowhere;
            }
        }
    }

    fn late(&mut self, count: usize) {
        if self.place == Place::Before
            && let Some(wire) = &mut self.before
        {
            let is_end = wire.to_receiver.len() <= count;
            let listener = read(&mut wire.demux_there, &mut wire.to_receiver, count);
            self.received(listener);
            if is_end {
                self.receiver.state.reset();
                self.place = Place::Nowhere;
            }
        }
    }

    fn receiver_reads(&mut self, count: usize) {
        if let Some(wire) = &mut self.wire {
            let listener = read(&mut wire.demux_there, &mut wire.to_receiver, count);
            self.received(listener);
        }
    }

    fn received(&mut self, listener: Listener) {
        // The runs come as runs, and between them the rest, so that their order is kept.
        let mut runs = listener.runs.into_iter();
        let mut in_run = 0;
        for heard in listener.heard {
            if in_run > 0 {
                in_run -= 1;
                continue;
            }
            let turn = match heard {
                Heard::Message(_, seq, asks, payload) => {
                    let run = runs.as_slice().first();
                    if run.is_some_and(|run| run.first_seq(0) as u32 == seq) {
                        let run = runs.next().unwrap();
                        in_run = run.messages() - 1;
                        self.receiver.state.on_run(run)
                    } else {
                        let kind = if asks { Kind::DataAsk } else { Kind::Data };
                        let header = Header {
                            kind,
                            ..void(seq.into(), 0)
                        };
                        self.receiver.state.on_message(header, payload)
                    }
                }
                Heard::TooLarge(_, seq, len) => {
                    let header = Header {
                        kind: Kind::Data,
                        ..void(seq.into(), 0)
                    };
                    self.receiver.state.on_refused(header, len, Nack::TOO_LARGE)
                }
                Heard::Control(header, body) => match header.kind {
                    Kind::Void => self.receiver.state.on_void(header),
                    Kind::Ask => {
                        self.receiver.is_scheduled |= self.receiver.state.on_ask();
                        continue;
                    }
                    Kind::Open => {
                        self.opened_there(&Open::decode(&body).unwrap());
                        continue;
                    }
                    kind => panic!("{kind:?} is not sent"),
                },
            };
            self.receiver.take(turn.expect("no rule is broken"));
        }
    }

    fn opened_there(&mut self, open: &Open) {
        if !self.knows {
            self.knows = true;
            self.receiver.state = State::new(open.sent, &self.limits);
            if let Some(queue) = &mut self.receiver.queue {
                queue.clear();
            }
        }
        self.place = Place::Wire;
        self.receiver.open(open.sent, open.acked);
    }

    fn say(&mut self) {
        if self.place != Place::Wire || !self.receiver.is_scheduled {
            return;
        }
        let mut image = Image::default();
        assert!(!self.receiver.fill(&mut image));
        let slices = image.slices();
        if let Some(wire) = &mut self.wire {
            slices
                .iter()
                .for_each(|slice| wire.to_sender.extend(&slice[..]));
        }
    }

    fn sender_reads(&mut self, count: usize) {
        let Some(wire) = &mut self.wire else {
            return;
        };
        let listener = read(&mut wire.demux_here, &mut wire.to_sender, count);
        for heard in listener.heard {
            let Heard::Control(header, body) = heard else {
                panic!("a receiver sends no messages");
            };
            let mut done = Vec::new();
            match header.kind {
                Kind::Opened => {
                    let opened = Opened::decode(&body).unwrap();
                    let ack = opened.ack;
                    if opened.resumed {
                        self.log
                            .on_resumed(ack.next, ack.credit, &mut done)
                            .unwrap();
                    } else {
                        let reason = UnknownReason::SessionLost;
                        self.log.on_fresh(reason, ack.credit, &mut done);
                    }
                    wire.is_open = true;
                }
                Kind::Ack => {
                    let ack = Ack::decode(&body).unwrap();
                    self.log.on_credit(ack.credit);
                    self.log.on_ack(ack.next, &mut done).unwrap();
                }
                Kind::Nack => {
                    let nack = Nack::decode(&body).unwrap();
                    self.log.on_nack(nack, FailReason::RefusedTooLarge).unwrap();
                }
                kind => panic!("{kind:?} is not said"),
            }
            for (seq, outcome) in done {
                let before = self.outcomes[seq as usize].replace(outcome);
                assert_eq!(before, None, "message {seq} has one outcome");
            }
        }
    }

    /// What holds at all times.
    fn check(&self) {
        let delivered = &self.receiver.delivered;
        assert!(
            delivered.is_sorted_by(|a, b| a < b),
            "once and in order: {delivered:?}"
        );
        for (seq, outcome) in self.outcomes.iter().enumerate() {
            let is_there = delivered.binary_search(&(seq as u64)).is_ok();
            match outcome {
                Some(Outcome::Acked) => assert!(is_there, "message {seq} was delivered"),
                Some(Outcome::Failed(_)) => assert!(!is_there, "message {seq} was not delivered"),
                Some(Outcome::Unknown(_)) => assert!(self.forgot, "message {seq} is known"),
                None => {}
            }
        }
        let held = self.receiver.state.held();
        let longest = self.lens.iter().flatten().max().copied().unwrap_or(0) as u64;
        assert!(held.seq <= WINDOW.seq, "{held:?}");
        assert!(held.load < WINDOW.load + longest.max(1), "{held:?}");
    }

    /// Lets everything happen that can, until every message has its outcome.
    fn come_to_rest(mut self) {
        for _ in 0..500 {
            if self.log.is_empty() {
                return self.check_outcomes();
            }
            self.step(Step::Connect);
            self.step(Step::Fill(usize::MAX, false));
            self.step(Step::Write(usize::MAX));
            self.step(Step::ToReceiver(usize::MAX));
            self.step(Step::Resume);
            while self.receiver.active.is_some() {
                self.step(Step::Finish);
            }
            if let Some(queue) = &self.receiver.queue {
                for _ in 0..queue.len() {
                    self.step(Step::Consume);
                }
            }
            if std::mem::take(&mut self.receiver.is_late) {
                self.receiver.is_scheduled |= self.receiver.state.has_unsaid();
            }
            self.step(Step::Say);
            self.step(Step::ToSender(usize::MAX));
        }
        panic!(
            "it comes to rest: {:?} of {} messages",
            self.log.acked(),
            self.lens.len()
        );
    }

    fn check_outcomes(&self) {
        let count = |is: fn(&Outcome) -> bool| {
            let outcomes = self.outcomes.iter().flatten();
            outcomes.filter(|outcome| is(outcome)).count() as u64
        };
        let tally = self.log.tally();
        assert_eq!(count(|o| matches!(o, Outcome::Failed(_))), tally.failed);
        assert_eq!(count(|o| matches!(o, Outcome::Unknown(_))), tally.unknown);
        let acked = count(|o| *o == Outcome::Acked);
        assert_eq!(acked + tally.failed + tally.unknown, self.lens.len() as u64);
        for (len, outcome) in self.lens.iter().zip(&self.outcomes) {
            let fails = len.is_none_or(|len| self.max < len as u64);
            let is_acked = *outcome == Some(Outcome::Acked);
            assert!(self.forgot || is_acked != fails, "{len:?}: {outcome:?}");
        }
    }
}

fn run_steps(steps: Vec<Step>, max: u64, has_queue: bool) {
    let mut ends = Ends::new(max, has_queue);
    for step in steps {
        ends.step(step);
    }
    ends.come_to_rest();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn every_message_arrives_once_and_in_order_or_its_sender_knows(
        steps in proptest::collection::vec(any_step(), 1..200),
        max in prop_oneof![3 => Just(u64::MAX), 1 => Just(50u64)],
        has_queue in any::<bool>(),
    ) {
        run_steps(steps, max, has_queue);
    }
}

/// Sends a message, which is taken by a receiver that forgets then, and begins anew over connections of which the
/// first does not carry the answer back.
#[test]
fn a_new_session_is_new_until_the_sender_knows() {
    let all = usize::MAX;
    let there = [
        Step::Connect,
        Step::Write(all),
        Step::ToReceiver(all),
        Step::Say,
    ];
    let sends = [
        Step::ToSender(all),
        Step::Push(10, false),
        Step::Fill(all, false),
    ];
    let taken = [Step::Write(all), Step::Cut(true), Step::Forget];
    let unheard = [Step::Cut(true)];
    let steps = there
        .iter()
        .chain(&sends)
        .chain(&taken)
        .chain(&there)
        .chain(&unheard);
    let mut ends = Ends::new(u64::MAX, false);
    steps.cloned().for_each(|step| ends.step(step));
    assert!(ends.forgot);
    let log = ends.log.acked();
    assert_eq!(log, 0);
    there.into_iter().for_each(|step| ends.step(step));
    ends.step(Step::ToSender(all));
    assert_eq!(
        ends.outcomes,
        [Some(Outcome::Unknown(UnknownReason::SessionLost))]
    );
}
