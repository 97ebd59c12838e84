//! Which path of its route a session takes, and when it tries the next one. Holds no socket, clock or task.
//!
//! # Invariants
//!
//! - **INV-1**: after a path that failed comes the next one, at once; after each round of all paths a pause, which
//!   grows as that of a connector does.
//! - **INV-2**: a session is given up when all paths in a row refuse it for good, and not before.
//! - **INV-3**: of two openings of a session the later one has the higher turn.

use tokio::time::{Duration, Instant};

use crate::backoff::Backoff;

/// A path that led to the peer for so long was a good one.
const LIVED: Duration = Duration::from_secs(1);

/// The course of one session.
#[derive(Debug)]
pub(crate) struct Course {
    n_paths: usize,
    current: usize,
    /// Since a path was a good one.
    failures: usize,
    /// Refusals for good, since a path led to the peer.
    refusals: usize,
    opened: Option<Instant>,
    backoff: Backoff,
    turn: u64,
}

impl Course {
    pub(crate) fn new(n_paths: usize, seed: u64) -> Self {
        Self {
            n_paths,
            current: 0,
            failures: 0,
            refusals: 0,
            opened: None,
            backoff: Backoff::new(seed),
            turn: 0,
        }
    }

    /// Returns the index of the path.
    pub(crate) fn current(&self) -> usize {
        self.current
    }

    /// Returns how many failures there were since a path was a good one.
    pub(crate) fn failures(&self) -> usize {
        self.failures
    }

    /// Returns the turn of the opening that is said now (INV-3).
    pub(crate) fn next_turn(&mut self) -> u64 {
        self.turn += 1;
        self.turn
    }

    /// Records that the peer opened the session.
    pub(crate) fn on_opened(&mut self, now: Instant) {
        self.refusals = 0;
        self.opened = Some(now);
    }

    /// Records that the path failed, and returns after which pause to [`advance`](Self::advance).
    pub(crate) fn on_failure(&mut self, now: Instant) -> Duration {
        if let Some(opened) = self.opened.take() {
            let lived = now - opened;
            self.backoff.connection_lived(lived);
            if LIVED <= lived {
                self.failures = 0;
            }
        }
        self.failures += 1;
        // INV-1
        if self.failures.is_multiple_of(self.n_paths) {
            self.backoff.pause()
        } else {
            Duration::ZERO
        }
    }

    /// Records that the path is refused for good. Returns as [`on_failure`](Self::on_failure) does, or nothing if
    /// all of them are.
    pub(crate) fn on_refusal(&mut self, now: Instant) -> Option<Duration> {
        self.refusals += 1;
        // INV-2
        (self.refusals < self.n_paths).then(|| self.on_failure(now))
    }

    /// Goes on to the next path.
    pub(crate) fn advance(&mut self) {
        self.current = (self.current + 1) % self.n_paths;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A script of failures (`f`), refusals (`r`), openings (`o`) and seconds (`s`), and the paths that are taken: one
    /// with `.` before it after a pause, and `!` for the end.
    #[track_caller]
    fn check(n_paths: usize, script: &str, expected: &str) {
        let mut course = Course::new(n_paths, 1);
        let mut now = Instant::now();
        let mut taken = String::new();
        for step in script.chars() {
            let pause = match step {
                's' => {
                    now += Duration::from_secs(1);
                    continue;
                }
                'o' => {
                    course.on_opened(now);
                    continue;
                }
                'f' => Some(course.on_failure(now)),
                _ => course.on_refusal(now),
            };
            let Some(pause) = pause else {
                taken.push('!');
                break;
            };
            course.advance();
            if !pause.is_zero() {
                taken.push('.');
            }
            taken.push_str(&course.current().to_string());
        }
        assert_eq!(taken, expected);
    }

    #[test]
    fn inv1_each_round_of_paths_is_followed_by_a_pause() {
        check(1, "fff", ".0.0.0");
        check(2, "fffff", "1.01.01");
        check(3, "ffff", "12.01");
    }

    #[test]
    fn inv1_the_pause_grows_until_a_path_was_good_for_a_second() {
        let mut course = Course::new(1, 1);
        let mut now = Instant::now();
        let pauses: Vec<_> = (0..6).map(|_| course.on_failure(now)).collect();
        assert!(pauses.is_sorted(), "{pauses:?}");
        course.on_opened(now);
        assert!(pauses[4] < course.on_failure(now));
        course.on_opened(now);
        now += LIVED;
        assert!(course.on_failure(now) < pauses[1]);
    }

    #[test]
    fn inv1_a_path_that_leads_somewhere_for_a_moment_is_no_good_one() {
        check(2, "ofofof", "1.01");
        check(2, "ofosfof", "10.1");
    }

    #[test]
    fn inv2_the_last_refusal_ends_it() {
        check(1, "r", "!");
        check(2, "rr", "1!");
        check(2, "rfr", "1.0!");
        check(2, "rorr", "1.0!");
    }

    #[test]
    fn inv3_turns_grow() {
        let mut course = Course::new(2, 1);
        assert_eq!([course.next_turn(), course.next_turn()], [1, 2]);
    }
}
