//! Whether the two ends of a connection take turns. Holds no socket or clock.
//!
//! # Invariants
//!
//! - **INV-1**: it is a conversation after 64 turns in a row, each of them short, soon after the one before, and with
//!   something heard in between: to begin and to end one costs some calls of the system.
//! - **INV-2**: two writes in a row that are no turns end it.

use std::time::{Duration, Instant};

/// Nobody says more than this at once.
const SHORT: usize = 4 << 10;

/// The answer comes, and what is said to it, within this time. Where it takes longer the processor has more to do than to
/// wait for the answer: one of many that were asked at once, say.
const SOON: Duration = Duration::from_micros(150);

/// After so many turns there is another one to come.
const TURNS: u8 = 64;

/// What one end knows of it.
#[derive(Debug)]
pub(super) struct Conversation {
    /// When it said something, and what had been heard until then.
    last: Instant,
    heard: u32,
    /// How many turns there were, up to a bound. A write that is none leaves none of them, or half of them in a conversation.
    turns: u8,
}

impl Conversation {
    /// Begins where `heard` was heard and nothing said.
    pub(super) fn new(heard: u32, now: Instant) -> Self {
        Self {
            last: now,
            heard,
            turns: 0,
        }
    }

    /// Records that `len` bytes were said, after `heard` was heard, and returns whether it is a conversation.
    pub(super) fn say(&mut self, len: usize, heard: u32, now: Instant) -> bool {
        let is_turn = len <= SHORT && heard != self.heard && now < self.last + SOON;
        (self.last, self.heard) = (now, heard);
        self.turns = if is_turn {
            (self.turns + 1).min(2 * TURNS)
        } else if self.turns < TURNS {
            0
        } else {
            self.turns / 2
        };
        TURNS <= self.turns
    }

    /// Ends it.
    pub(super) fn end(&mut self) {
        self.turns = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two ends that take turns.
    struct Talk {
        conversation: Conversation,
        heard: u32,
        now: Instant,
    }

    impl Talk {
        fn new() -> Self {
            let now = Instant::now();
            // What is heard is counted around the end of the numbers.
            let heard = u32::MAX - 3;
            Self {
                conversation: Conversation::new(heard, now),
                heard,
                now,
            }
        }

        /// This end says `len` bytes after so many were heard and such a time.
        fn say(&mut self, len: usize, heard: u32, after: Duration) -> bool {
            self.heard = self.heard.wrapping_add(heard);
            self.now += after;
            self.conversation.say(len, self.heard, self.now)
        }

        /// So many turns.
        fn take_turns(&mut self, count: u8) -> Vec<bool> {
            (0..count).map(|_| self.say(SHORT, 1, SOON / 2)).collect()
        }
    }

    #[test]
    fn inv1_it_is_one_after_many_turns() {
        let mut talk = Talk::new();
        assert_eq!(talk.take_turns(TURNS - 1), [false; TURNS as usize - 1]);
        assert_eq!(talk.take_turns(99), [true; 99]);
    }

    #[test]
    fn inv1_what_is_long_or_late_or_heard_by_nobody_is_no_turn() {
        for (len, heard, after) in [
            (SHORT + 1, 1, SOON / 2),
            (SHORT, 1, SOON),
            (SHORT, 0, SOON / 2),
        ] {
            let mut talk = Talk::new();
            assert!((0..200).all(|_| !talk.say(len, heard, after)));
            // Nor are turns with such a one between them enough.
            talk.take_turns(TURNS - 1);
            assert!(!talk.say(len, heard, after));
            assert!(talk.take_turns(TURNS - 1).iter().all(|is_one| !is_one));
            assert_eq!(talk.take_turns(1), [true]);
        }
    }

    #[test]
    fn inv2_two_writes_that_are_no_turns_end_it() {
        let mut talk = Talk::new();
        talk.take_turns(2 * TURNS);
        assert!(talk.say(1, 0, SOON / 2));
        assert!(!talk.say(1, 0, SOON / 2));
        assert_eq!(talk.take_turns(1), [false]);
        talk.take_turns(2 * TURNS);
        talk.conversation.end();
        assert_eq!(talk.take_turns(1), [false]);
    }
}
