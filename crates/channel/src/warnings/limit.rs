//! Which lines of one cause are written: few, with counts of those left out. Holds no clock.
//!
//! # Invariants
//!
//! - **INV-1**: in no time of [`WINDOW`], wherever it begins, more than [`MAX_LINES`] lines are written.
//! - **INV-2**: each line that is left out is counted once: by the next one that is written, or by [`LogLimit::rest`].

use std::collections::VecDeque;

use tokio::time::{Duration, Instant};

/// So many lines are written in one window.
const MAX_LINES: usize = 10;
/// How long a line counts.
const WINDOW: Duration = Duration::from_secs(60);

/// What limits the lines of one cause in the log: at most 10 are written within any 60 s, and each says how many were left out since
/// the one before.
///
/// For what a peer can cause as often as it likes. It takes at most 160 bytes beside itself, however many lines there would be.
///
/// # Examples
///
/// ```
/// use hypermesh_channel::LogLimit;
/// use tokio::time::{Duration, Instant};
///
/// let (mut limit, now) = (LogLimit::default(), Instant::now());
/// let lines = (0..1_000_000).filter(|_| limit.admit(now).is_some());
/// assert_eq!(lines.count(), 10);
/// assert_eq!(limit.admit(now + Duration::from_secs(60)), Some(999_990));
/// ```
#[derive(Clone, Debug, Default)]
pub struct LogLimit {
    /// When the last lines were written, at most [`MAX_LINES`] of them.
    written: VecDeque<Instant>,
    left_out: u64,
}

impl LogLimit {
    /// Returns whether a line may be written now, and if so how many were left out since the last one; a line that may not be
    /// written is counted. `now` does not go back.
    pub fn admit(&mut self, now: Instant) -> Option<u64> {
        let is_full = self.written.len() == MAX_LINES;
        let first = self.written.front().filter(|_| is_full);
        if first.is_some_and(|first| now.saturating_duration_since(*first) < WINDOW) {
            // INV-1
            self.left_out = self.left_out.saturating_add(1);
            return None;
        }
        if is_full {
            self.written.pop_front();
        }
        self.written.push_back(now);
        Some(self.rest())
    }

    /// Returns how many lines were left out since the last one that was written, to be told now.
    pub fn rest(&mut self) -> u64 {
        std::mem::take(&mut self.left_out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Wants as many lines as `n` says, one each `pause`; returns when each was written and how many it says were left out, and the
    /// rest.
    fn lines(n: u32, pause: Duration) -> (Vec<(Duration, u64)>, u64) {
        let mut limit = LogLimit::default();
        let begin = Instant::now();
        let times = (0..n).map(|i| i * pause);
        let lines = times
            .filter_map(|time| Some((time, limit.admit(begin + time)?)))
            .collect();
        let rest = limit.rest();
        assert_eq!(limit.rest(), 0);
        (lines, rest)
    }

    #[test]
    fn inv1_no_window_has_more_lines_wherever_it_begins() {
        for pause in [0, 1, 100, 999, 5_999, 6_000, 6_001, 59_999] {
            let (lines, _) = lines(2000, Duration::from_millis(pause));
            let too_many = lines
                .windows(MAX_LINES + 1)
                .find(|lines| lines[MAX_LINES].0 - lines[0].0 < WINDOW);
            assert_eq!(too_many, None, "{pause}");
            assert!(MAX_LINES <= lines.len(), "{pause}");
        }
        // Those that come seldom are all written.
        let (lines, rest) = lines(2000, WINDOW / MAX_LINES as u32);
        assert_eq!((lines.len(), rest), (2000, 0));
    }

    #[test]
    fn inv2_each_line_that_is_left_out_is_counted_once() {
        for (n, pause) in [(9, 0), (10, 0), (11, 0), (2000, 0), (2000, 10), (2000, 500)] {
            let (lines, rest) = lines(n, Duration::from_millis(pause));
            let left_out: u64 = lines.iter().map(|line| line.1).sum();
            let all = lines.len() as u64 + left_out + rest;
            assert_eq!(all, u64::from(n), "{n} {pause}");
        }
    }
}
