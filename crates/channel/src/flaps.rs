//! Which losses of connections are told: few lines with counts, in place of a line each. Holds no clock.
//!
//! # Invariants
//!
//! - **INV-1**: of losses that follow one another within [`QUIET`] the first is told, and then each time four times as
//!   many as before: of a thousand, five.
//! - **INV-2**: each loss is counted in one line, if the rest is told at the end.
//! - **INV-3**: a loss after a quiet time is told at once.

use tokio::time::{Duration, Instant};

/// After so long without a loss the next one is news.
const QUIET: Duration = Duration::from_secs(3600);
/// The number that is told grows by this from line to line.
const GROWTH: u64 = 4;

/// The losses at one address.
#[derive(Debug, Default)]
pub(crate) struct Flaps {
    total: u64,
    untold: u64,
    /// How many are told together next.
    next: u64,
    last: Option<Instant>,
}

/// What a line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    /// The losses since the line before.
    pub(crate) flaps: u64,
    /// All there were.
    pub(crate) total: u64,
}

impl Flaps {
    /// Records a loss, and returns what is to be told now.
    pub(crate) fn on_loss(&mut self, now: Instant) -> Option<Told> {
        let before = self.last.replace(now);
        if before.is_none_or(|before| QUIET <= now - before) {
            // INV-3
            self.next = 1;
        }
        self.total = self.total.saturating_add(1);
        self.untold += 1;
        if self.untold < self.next {
            return None;
        }
        self.next = self.next.saturating_mul(GROWTH);
        self.rest()
    }

    /// Returns what was not told, to be told now.
    pub(crate) fn rest(&mut self) -> Option<Told> {
        let flaps = std::mem::take(&mut self.untold);
        let total = self.total;
        (flaps > 0).then_some(Told { flaps, total })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Loses as many connections as `n` says, one each `pause`; returns how many each line tells.
    fn lines(n: u64, pause: Duration) -> Vec<u64> {
        let mut flaps = Flaps::default();
        let mut now = Instant::now();
        let mut told = Vec::new();
        for _ in 0..n {
            told.extend(flaps.on_loss(now));
            now += pause;
        }
        told.extend(flaps.rest());
        assert_eq!(flaps.rest(), None);
        assert_eq!(told.last().map(|told| told.total), Some(n));
        told.iter().map(|told| told.flaps).collect()
    }

    #[test]
    fn inv1_a_thousand_losses_are_few_lines() {
        let expected = [1, 4, 16, 64, 256, 659];
        assert_eq!(lines(1000, Duration::ZERO), expected);
        assert_eq!(lines(1000, QUIET / 2), expected);
    }

    #[test]
    fn inv2_each_loss_is_counted_once() {
        for n in 1..2000 {
            assert_eq!(lines(n, Duration::ZERO).iter().sum::<u64>(), n);
        }
    }

    #[test]
    fn inv3_a_loss_after_a_quiet_time_is_told_at_once() {
        assert_eq!(lines(3, QUIET), [1, 1, 1]);
        let mut flaps = Flaps::default();
        let now = Instant::now();
        let told = [0, 1, 2, 3 + 3600, 4 + 3600].map(|second| {
            let told = flaps.on_loss(now + Duration::from_secs(second));
            told.map(|told| told.flaps)
        });
        assert_eq!(told, [Some(1), None, None, Some(3), None]);
    }
}
