//! Random calls of a state, beside a model that knows the whole stream of messages.

use proptest::prelude::*;

use super::*;

const WINDOW: Credit = Credit { seq: 7, load: 120 };
/// The number of the first message, near the end of what a header can say.
const FIRST: u64 = u32::MAX as u64 - 10;

/// A call. All messages are those of the stream; `back` of those that are sent came before.
#[derive(Clone, Debug)]
enum Step {
    Send {
        back: u64,
        count: u64,
    },
    /// A message is left out.
    Gap(u64),
    /// More than the credit allows.
    Beyond,
    Finish,
    Pause(usize),
    Resume,
    Consume,
    Ask,
    Say,
    /// The peer reads what was said.
    Read,
    /// The connection is lost, and noticed.
    Lose,
    /// The peer opens the session over a new connection.
    Open,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        10 => (0u64..3, 1u64..6).prop_map(|(back, count)| Step::Send { back, count }),
        1 => (1u64..4).prop_map(Step::Gap),
        1 => Just(Step::Beyond),
        8 => Just(Step::Finish),
        3 => (0usize..3).prop_map(Step::Pause),
        3 => Just(Step::Resume),
        4 => Just(Step::Consume),
        1 => Just(Step::Ask),
        6 => Just(Step::Say),
        6 => Just(Step::Read),
        1 => Just(Step::Lose),
        2 => Just(Step::Open),
    ]
}

/// What the stream has at a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Item {
    Short(usize),
    Long(usize),
    Void(u32),
    Refused(u64),
}

fn item(seq: u64) -> Item {
    match seq % 11 {
        3 => Item::Void(0),
        5 => Item::Long(60),
        7 => Item::Refused(30),
        8 => Item::Void(20),
        n => Item::Short(8 + n as usize),
    }
}

/// The bytes of the messages from the first one up to `seq`.
fn load_before(seq: u64) -> u64 {
    let load = |seq| match item(seq) {
        Item::Short(len) | Item::Long(len) => len as u64,
        Item::Void(len) => len.into(),
        Item::Refused(len) => len,
    };
    (FIRST..seq).map(load).sum()
}

fn is_within(credit: Credit, seq: u64) -> bool {
    seq < credit.seq && load_before(seq) < credit.load
}

struct Model {
    receiver: Receiver,
    next: u64,
    taken: u64,
    /// What is delivered, and what waits behind it: up to which number.
    active: Option<u64>,
    held: VecDeque<u64>,
    /// Whether the delivery is of a connection that is gone.
    is_stale: bool,
    is_paused: bool,
    /// Whether a connection carries the session, and the answer was said there.
    is_attached: bool,
    is_open: bool,
    told: Ack,
    read: Ack,
    /// The refusals that were said on this connection, and which the peer needs.
    said: Vec<u64>,
    needed: u64,
}

impl Model {
    fn new(has_queue: bool) -> Self {
        let limits = limits(WINDOW.seq as usize, WINDOW.load);
        let nothing = Ack {
            next: FIRST,
            credit: Credit::default(),
        };
        Self {
            receiver: Receiver::new(FIRST, &limits, has_queue),
            next: FIRST,
            taken: FIRST,
            active: None,
            held: VecDeque::new(),
            is_stale: false,
            is_paused: false,
            is_attached: false,
            is_open: false,
            told: nothing,
            read: nothing,
            said: Vec::new(),
            needed: FIRST,
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Send { back, count } => {
                if self.is_open {
                    self.send(self.next - back.min(self.next - FIRST), count);
                }
            }
            Step::Gap(by) => {
                let (expected, found) = (self.next, self.next + by);
                let gap = ProtocolError::Gap { expected, found };
                assert_eq!(self.receive(found, 1).map(|_| ()), Err(gap));
            }
            Step::Beyond => {
                let count = (0..)
                    .find(|n| !is_within(self.told.credit, self.next + n))
                    .unwrap();
                // Not in one call, if what is between is not of one kind.
                if count == 0 {
                    let result = self.receive(self.next, 1).map(|_| ());
                    assert_eq!(result, Err(ProtocolError::Credit), "INV-4");
                }
            }
            Step::Finish => {
                self.receiver.finish();
                self.finished();
            }
            Step::Pause(count) => self.pause(count),
            Step::Resume => {
                self.receiver.resume();
                if std::mem::take(&mut self.is_paused) {
                    assert!(self.receiver.active.is_some());
                }
            }
            Step::Consume => self.receiver.consume(),
            Step::Ask => {
                self.receiver.is_scheduled |= self.receiver.state.on_ask();
            }
            Step::Say => {
                if self.is_attached {
                    self.say();
                }
            }
            Step::Read => {
                if self.is_open {
                    self.read = self.told;
                }
            }
            Step::Lose => {
                self.receiver.state.reset();
                self.lose();
                self.is_attached = false;
            }
            Step::Open => {
                self.receiver.open(self.next, self.read.next);
                self.lose();
                self.needed = self.read.next;
                self.is_attached = true;
            }
        }
        self.check();
    }

    /// Gives the state the messages from `seq` on, as one run if they are short.
    fn receive(&mut self, seq: u64, count: u64) -> Result<(Turn, u64), ProtocolError> {
        let header = void(seq, 0);
        let state = &mut self.receiver.state;
        let turn = match item(seq) {
            Item::Short(_) => {
                let shorts = (seq..seq + count).map_while(|seq| match item(seq) {
                    Item::Short(len) => Some((seq, len)),
                    _ => None,
                });
                let run = run(shorts);
                let end = seq + run.messages();
                return state.on_run(run).map(|turn| (turn, end));
            }
            Item::Long(len) => state.on_message(
                Header {
                    kind: Kind::Data,
                    ..header
                },
                numbered(seq, len),
            ),
            Item::Void(len) => state.on_void(void(seq, len)),
            Item::Refused(len) => {
                let header = Header {
                    kind: Kind::Data,
                    ..header
                };
                state.on_refused(header, len, Nack::TOO_LARGE)
            }
        };
        turn.map(|turn| (turn, seq + 1))
    }

    fn send(&mut self, mut seq: u64, count: u64) {
        let end = seq + count;
        while seq < end {
            let allowed = (seq..end).take_while(|&seq| is_within(self.read.credit, seq));
            let count = allowed.count() as u64;
            if count == 0 {
                return;
            }
            let (turn, after) = self.receive(seq, count).expect("within the rules");
            match &turn {
                Turn::Repeated => assert!(after <= self.next),
                Turn::Deliver(_) => {
                    assert!(self.active.is_none() && !self.is_paused && self.next < after);
                    self.active = Some(after);
                    self.is_stale = false;
                }
                Turn::Held => {
                    assert!((self.active.is_some() || self.is_paused) && self.next < after);
                    self.held.push_back(after);
                }
            }
            self.next = self.next.max(after);
            self.receiver.take(turn);
            seq = after;
        }
    }

    fn finished(&mut self) {
        let Some(after) = (!self.is_paused).then(|| self.active.take()).flatten() else {
            return;
        };
        self.taken = after;
        self.active = self.held.pop_front();
        if self.active.is_none() {
            self.next = self.taken;
        }
    }

    fn pause(&mut self, count: usize) {
        let pauses = self.receiver.queue.is_none()
            && match &self.receiver.active {
                None | Some(Batch::Void(_)) => false,
                Some(batch) => (count as u64) < batch.size().0,
            };
        self.receiver.pause(count);
        if !pauses {
            return self.finished();
        }
        // The numbers of a batch of messages have no gaps.
        let end = self.active.expect("the receiver has a batch");
        self.taken = self.taken.max(FIRST) + count as u64;
        if self.is_stale {
            self.active = None;
            self.held.clear();
            self.next = self.taken;
        } else {
            assert_eq!(self.receiver.paused.is_some(), self.taken < end);
            self.is_paused = true;
        }
    }

    fn lose(&mut self) {
        self.held.clear();
        self.is_stale = true;
        self.is_open = false;
        if self.is_paused || self.active.is_none() {
            self.is_paused = false;
            self.active = None;
            self.next = self.taken;
        }
        self.said.clear();
    }

    fn say(&mut self) {
        let had_answer = self.is_open;
        let said = self.receiver.say();
        if let Some((_, ack)) = said.opened {
            assert!(
                !had_answer && (self.active.is_none() || self.is_paused),
                "INV-3"
            );
            self.is_open = true;
            self.told = ack;
        }
        self.said.extend(said.nacks);
        if let Some(ack) = said.ack {
            self.told = ack;
        }
        if said.opened.is_some() || said.ack.is_some() {
            assert_eq!(self.told.next, self.taken, "INV-2");
            let refused = |seq: &u64| matches!(item(*seq), Item::Refused(_));
            for seq in (self.needed..self.taken).filter(refused) {
                assert!(
                    self.said.contains(&seq),
                    "{seq} is counted, and said to be refused"
                );
            }
            let waiting: VecDeque<u64> = self.receiver.queue.clone().unwrap_or_default();
            let load = load_before(self.taken) - waiting.iter().sum::<u64>() + WINDOW.load;
            let seq = self.taken - waiting.len() as u64 + WINDOW.seq;
            assert_eq!(self.told.credit, Credit { seq, load });
        }
    }

    fn check(&self) {
        let is_data = |seq: &u64| matches!(item(*seq), Item::Short(_) | Item::Long(_));
        let expected: Vec<u64> = (FIRST..self.taken).filter(is_data).collect();
        assert_eq!(self.receiver.delivered, expected, "INV-1");
        let is_calling = self.active.is_some() && !self.is_paused;
        assert_eq!(self.receiver.active.is_some(), is_calling);
        let held = self.receiver.state.held();
        assert!(
            held.seq <= WINDOW.seq && held.load < WINDOW.load + 60,
            "INV-4: {held:?}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_state_does_what_the_model_does(
        steps in proptest::collection::vec(any_step(), 1..200),
        has_queue in any::<bool>(),
    ) {
        let mut model = Model::new(has_queue);
        let begin = [Step::Open, Step::Say, Step::Read];
        for step in begin.into_iter().chain(steps) {
            model.step(step);
        }
    }
}
