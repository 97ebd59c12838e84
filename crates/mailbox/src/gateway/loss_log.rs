//! The log of what could not be delivered, which a burst cannot flood.
//!
//! # Invariants
//!
//! - **INV-1**: a kind of cause writes at most [`LINES`] lines in each [`WINDOW`].
//! - **INV-2**: what was not written is counted in the next line of its kind.
//! - **INV-3**: memory is bounded by the number of kinds, which is fixed.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::Undelivered;

/// How many lines one kind of cause writes in a window.
const LINES: u32 = 10;

const WINDOW: Duration = Duration::from_secs(1);

/// The log of one gateway.
#[derive(Debug, Default)]
pub(crate) struct LossLog {
    budget: Mutex<LineBudget>,
}

impl LossLog {
    /// Writes a line about a message of the actor that people call `sender`, unless there were too many.
    pub(crate) fn note(&self, sender: &str, undelivered: &Undelivered) {
        let kind = undelivered.cause.kind();
        let more = {
            // Nothing that can panic runs under the lock.
            let mut budget = self.budget.lock().unwrap_or_else(PoisonError::into_inner);
            budget.note(kind, Instant::now())
        };
        let Some(more) = more else { return };
        let (receiver, cause) = (&undelivered.header.dst, &undelivered.cause);
        tracing::warn!(sender, %receiver, %cause, more, "a message was not delivered");
    }
}

/// The rule: which lines are written. Holds no clock.
#[derive(Debug, Default)]
struct LineBudget {
    kinds: Vec<Kind>,
}

#[derive(Debug)]
struct Kind {
    name: &'static str,
    since: Instant,
    written: u32,
    /// How many were not written since the last line.
    unwritten: u64,
}

impl LineBudget {
    /// Returns whether to write a line for a loss of this kind, and how many were not written before it.
    fn note(&mut self, name: &'static str, now: Instant) -> Option<u64> {
        let idx = self.kinds.iter().position(|kind| kind.name == name);
        let idx = idx.unwrap_or_else(|| {
            self.kinds.push(Kind {
                name,
                since: now,
                written: 0,
                unwritten: 0,
            });
            self.kinds.len() - 1
        });
        let kind = &mut self.kinds[idx];
        if WINDOW <= now.saturating_duration_since(kind.since) {
            (kind.since, kind.written) = (now, 0);
        }
        if LINES <= kind.written {
            kind.unwritten += 1;
            return None;
        }
        kind.written += 1;
        Some(std::mem::take(&mut kind.unwritten))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Notes `n` losses of one kind at one moment, and returns what was written.
    fn burst(budget: &mut LineBudget, name: &'static str, now: Instant, n: usize) -> Vec<u64> {
        (0..n).filter_map(|_| budget.note(name, now)).collect()
    }

    #[test]
    fn inv1_and_inv3_a_million_losses_in_a_second_write_ten_lines_of_each_kind() {
        let (mut budget, start) = (LineBudget::default(), Instant::now());
        let mut written = 0;
        for thousandth in 0..1000 {
            let now = start + WINDOW / 1000 * thousandth;
            written += burst(&mut budget, "no_route", now, 1000).len();
            written += burst(&mut budget, "port_gone", now, 1000).len();
        }
        assert_eq!((written, budget.kinds.len()), (20, 2));
    }

    #[test]
    fn inv2_what_was_not_written_is_counted_in_the_next_line() {
        let (mut budget, start) = (LineBudget::default(), Instant::now());
        assert_eq!(burst(&mut budget, "no_route", start, 25), [0; 10]);
        assert_eq!(burst(&mut budget, "decode", start, 1), [0]);
        let next = burst(&mut budget, "no_route", start + WINDOW, 2);
        assert_eq!(next, [15, 0]);
    }
}
