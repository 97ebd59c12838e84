//! What was posted on each link, what became of it, and what was delivered.

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock, Mutex, MutexGuard},
};

use bytes::Bytes;
use hypermesh_channel::{FailReason, Outcome, Parcel, Payload, Refusal, UnknownReason};

/// What messages are filled with; a message begins somewhere in it, after its two numbers.
static FILLING: LazyLock<Bytes> = LazyLock::new(|| {
    // The period is a prime, so that a piece in a wrong place differs.
    let byte = |at: u32| (at % 251) as u8;
    (0..4 << 20).map(byte).collect()
});

/// The bytes of the two numbers at the start of a message.
pub(super) const NUMBERS: usize = 16;

/// All links of a seed. A clone is the same ledger.
#[derive(Clone)]
pub(super) struct Ledger {
    state: Arc<Mutex<State>>,
    gateways: Gateways,
}

/// What there is on the ways of the links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gateways {
    None,
    /// They have room for what receivers let wait.
    Roomy,
    Tight,
}

#[derive(Default)]
struct State {
    links: Vec<Link>,
    /// Messages of no bytes at all, which say nothing of their link.
    empty: Empty,
}

#[derive(Default)]
struct Empty {
    acked: usize,
    unknown: usize,
    delivered: usize,
}

#[derive(Default)]
struct Link {
    messages: Vec<Message>,
    /// The number of the message after the last one that was delivered.
    next: usize,
    /// The lengths of the parcels that have no outcome.
    held: BTreeMap<usize, u64>,
}

/// One message.
struct Message {
    len: usize,
    outcome: Option<Outcome>,
    is_delivered: bool,
    /// Nobody is told its outcome.
    is_silent: bool,
}

impl Ledger {
    pub(super) fn new(gateways: Gateways) -> Self {
        let state = Arc::default();
        Self { state, gateways }
    }

    /// Returns the number of a new link.
    pub(super) fn link(&self) -> usize {
        let mut state = self.lock();
        state.links.push(Link::default());
        state.links.len() - 1
    }

    /// Returns the next parcel of a link, with so many bytes, or the numbers if those are more; or none.
    pub(super) fn parcel(&self, link: usize, len: usize, is_awaited: bool) -> Numbered {
        let number = self.enter(link, len, false);
        let payload = if len == 0 {
            Payload::default()
        } else {
            payload(link, number, len)
        };
        Numbered {
            ledger: self.clone(),
            link,
            number,
            payload,
            is_awaited,
        }
    }

    /// Returns the number of the next message of a typed link.
    pub(super) fn silent(&self, link: usize, len: usize) -> usize {
        self.enter(link, len, true)
    }

    fn enter(&self, link: usize, len: usize, is_silent: bool) -> usize {
        let messages = &mut self.lock().links[link].messages;
        messages.push(Message {
            len,
            outcome: None,
            is_delivered: false,
            is_silent,
        });
        messages.len() - 1
    }

    /// Records that a parcel is posted.
    pub(super) fn posting(&self, parcel: &Numbered) {
        let link = &mut self.lock().links[parcel.link];
        link.held.insert(parcel.number, parcel.payload.len() as u64);
    }

    /// Returns how many parcels of a link have no outcome, and how many bytes those of at most `max` bytes
    /// have: of a longer one the link holds nothing.
    pub(super) fn held(&self, link: usize, max: u64) -> (usize, u64) {
        let held = &self.lock().links[link].held;
        (held.len(), held.values().filter(|len| **len <= max).sum())
    }

    /// Records the outcome of a message (INV-2).
    pub(super) fn complete(&self, link: usize, number: usize, outcome: Outcome) {
        self.check_reason(&outcome);
        let mut state = self.lock();
        let State { links, empty } = &mut *state;
        let message = &mut links[link].messages[number];
        let before = message.outcome.replace(outcome.clone());
        assert_eq!(before, None, "INV-2: {link}/{number} again {outcome:?}");
        if message.is_silent {
            return;
        }
        match outcome {
            _ if message.len == 0 => match outcome {
                Outcome::Acked => empty.acked += 1,
                Outcome::Unknown(_) => empty.unknown += 1,
                Outcome::Failed(_) => {}
            },
            Outcome::Acked => {
                assert!(message.is_delivered, "INV-2: {link}/{number} acknowledged");
            }
            Outcome::Failed(reason) => {
                assert!(
                    !message.is_delivered,
                    "INV-2: {link}/{number} failed: {reason}"
                );
            }
            Outcome::Unknown(_) => {}
        }
        links[link].held.remove(&number);
    }

    /// Records a message that a receiver got, and returns its link (INV-1).
    pub(super) fn deliver(&self, payload: &Payload) -> Option<usize> {
        let bytes = &payload.body;
        if bytes.is_empty() {
            self.lock().empty.delivered += 1;
            return None;
        }
        let number = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize;
        let (link, number) = (number(0), number(8));
        let filling = &bytes[NUMBERS..];
        assert!(
            filling == self::filling(number, filling.len()),
            "{link}/{number} is spoilt"
        );
        let parts = payload.parts.iter().map(|part| part.len());
        self.deliver_numbered(link, number, bytes.len() + parts.sum::<usize>());
        Some(link)
    }

    /// Records a message of so many bytes that a receiver got (INV-1).
    pub(super) fn deliver_numbered(&self, link: usize, number: usize, len: usize) {
        let mut state = self.lock();
        let link_state = &mut state.links[link];
        assert!(
            link_state.next <= number,
            "INV-1: {link}/{number}, not {}",
            link_state.next
        );
        link_state.next = number + 1;
        let message = &mut link_state.messages[number];
        message.is_delivered = true;
        assert_eq!(message.len, len, "{link}/{number} is cut");
        if let Some(Outcome::Failed(reason)) = &message.outcome {
            panic!("INV-2: {link}/{number} had failed: {reason}");
        }
    }

    /// Returns how many messages of a link were delivered.
    pub(super) fn n_delivered(&self, link: usize) -> usize {
        let messages = &self.lock().links[link].messages;
        messages
            .iter()
            .filter(|message| message.is_delivered)
            .count()
    }

    /// Checks that everything is known (INV-2).
    pub(super) fn check_end(&self) {
        let state = self.lock();
        for (i, link) in state.links.iter().enumerate() {
            for (number, message) in link.messages.iter().enumerate() {
                let Message {
                    outcome,
                    is_delivered,
                    ..
                } = message;
                assert!(
                    outcome.is_some() || message.is_silent,
                    "INV-2: {i}/{number} is open"
                );
                if message.len == 0 && !message.is_silent {
                    continue;
                }
                match outcome {
                    Some(Outcome::Acked) => {
                        assert!(is_delivered, "INV-2: {i}/{number} acknowledged");
                    }
                    Some(Outcome::Failed(_)) => {
                        assert!(!is_delivered, "INV-2: {i}/{number} failed");
                    }
                    _ => {}
                }
            }
        }
        let Empty {
            acked,
            unknown,
            delivered,
        } = state.empty;
        let is_right = (acked..=acked + unknown).contains(&delivered);
        assert!(
            is_right,
            "INV-2: {delivered} empty messages, {acked} to {unknown} more"
        );
    }

    /// Checks that a link did not end for a reason that is nobody's fault here (INV-7).
    fn check_reason(&self, outcome: &Outcome) {
        let is_wrong = match outcome {
            // Of the two receivers of a node one stops before the other.
            Outcome::Failed(FailReason::Refused(Refusal::Kind { .. })) => false,
            // A gateway did not reach the next hop for all the time that there was.
            Outcome::Failed(FailReason::Refused(Refusal::NextHop)) => {
                self.gateways == Gateways::None
            }
            Outcome::Failed(FailReason::Refused(Refusal::Busy)) => self.gateways != Gateways::Tight,
            Outcome::Failed(reason) => matches!(
                reason,
                FailReason::Stalled | FailReason::Protocol(_) | FailReason::Refused(_)
            ),
            Outcome::Unknown(reason) => *reason == UnknownReason::Stalled,
            Outcome::Acked => false,
        };
        assert!(!is_wrong, "INV-7: {outcome:?}");
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

/// A parcel that reports its outcome to the ledger.
pub(super) struct Numbered {
    ledger: Ledger,
    link: usize,
    number: usize,
    payload: Payload,
    is_awaited: bool,
}

impl Parcel for Numbered {
    fn payload(&self) -> &Payload {
        &self.payload
    }

    fn is_awaited(&self) -> bool {
        self.is_awaited
    }

    fn complete(self, outcome: Outcome) {
        self.ledger.complete(self.link, self.number, outcome);
    }
}

/// Returns a message of so many bytes, some of them in parts.
fn payload(link: usize, number: usize, len: usize) -> Payload {
    let rest = len - NUMBERS;
    // Of every third message a half is two parts.
    let in_parts = if number.is_multiple_of(3) {
        rest / 2
    } else {
        0
    };
    let mut body = Vec::with_capacity(len - in_parts);
    body.extend((link as u64).to_le_bytes());
    body.extend((number as u64).to_le_bytes());
    body.extend_from_slice(&filling(number, rest - in_parts));
    let (first, second) = (in_parts / 3, in_parts - in_parts / 3);
    let parts = if in_parts == 0 {
        Vec::new()
    } else {
        vec![filling(number, first), filling(number, second)]
    };
    Payload {
        body: body.into(),
        parts: parts.into_iter().collect(),
    }
}

pub(super) fn filling(number: usize, len: usize) -> Bytes {
    let start = number % 251;
    FILLING.slice(start..start + len)
}
