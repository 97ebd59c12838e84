//! When a child that shall end gets the next, harder request. Holds no process, clock or timer.
//!
//! # Invariants
//!
//! - **INV-1**: the rungs are climbed upward only, and each is taken at most once.
//! - **INV-2**: a further request can only make the end come earlier.
//! - **INV-3**: each child climbs by its own times, so the end of many costs one deadline.

use std::time::{Duration, Instant};

/// How long a child gets on each rung of the way from a polite request to SIGKILL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ladder {
    /// The time between the request to drain and SIGTERM. Zero skips the request.
    pub drain: Duration,
    /// The time between SIGTERM and SIGKILL. Zero skips SIGTERM.
    pub term: Duration,
}

impl Ladder {
    /// Returns the ladder with one rung, SIGKILL.
    pub const fn kill() -> Self {
        Self {
            drain: Duration::ZERO,
            term: Duration::ZERO,
        }
    }

    /// Returns the time after which even a deaf child has been killed.
    pub fn total(&self) -> Duration {
        self.drain.saturating_add(self.term)
    }
}

/// A request to end, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rung {
    /// Ask over the control socket.
    Drain,
    /// Send SIGTERM to the process group.
    Term,
    /// Send SIGKILL to the process group.
    Kill,
}

/// One child's way up its ladder.
#[derive(Debug)]
pub(super) struct Climb {
    /// The last rung that was taken.
    rung: Option<Rung>,
    /// Whether a softer rung than the last one was taken.
    was_asked: bool,
    term_at: Instant,
    kill_at: Instant,
}

impl Climb {
    /// Returns a climb that begins now; the first rung is that of the first `on_time`.
    pub(super) fn new(ladder: Ladder, now: Instant) -> Self {
        let term_at = later(now, ladder.drain);
        Self {
            rung: None,
            was_asked: false,
            term_at,
            kill_at: later(term_at, ladder.term),
        }
    }

    /// Returns when `on_time` has something to say next.
    pub(super) fn due(&self) -> Option<Instant> {
        match self.rung {
            None | Some(Rung::Drain) => Some(self.term_at),
            Some(Rung::Term) => Some(self.kill_at),
            Some(Rung::Kill) => None,
        }
    }

    /// Returns the rung to take now, if one is due that was not taken before (INV-1).
    pub(super) fn on_time(&mut self, now: Instant) -> Option<Rung> {
        let rung = if self.kill_at <= now {
            Rung::Kill
        } else if self.term_at <= now {
            Rung::Term
        } else {
            Rung::Drain
        };
        if Some(rung) <= self.rung {
            return None;
        }
        self.rung = Some(rung);
        self.was_asked |= rung != Rung::Kill;
        Some(rung)
    }

    /// Takes in a further request to end by `ladder`: whatever comes earlier holds (INV-2).
    pub(super) fn hurry(&mut self, ladder: Ladder, now: Instant) {
        let asked = Self::new(ladder, now);
        self.term_at = self.term_at.min(asked.term_at);
        self.kill_at = self.kill_at.min(asked.kill_at);
    }

    /// Takes in that the child cannot be asked to drain: the time for it is over now.
    pub(super) fn skip_drain(&mut self, now: Instant) {
        if now < self.term_at {
            let term = self.kill_at.saturating_duration_since(self.term_at);
            self.term_at = now;
            self.kill_at = later(now, term);
        }
    }

    /// Returns how long the child has for draining, from `now` on.
    pub(super) fn drain_time(&self, now: Instant) -> Duration {
        self.term_at.saturating_duration_since(now)
    }

    /// Returns whether softer requests were made first and it came to the last rung all the same.
    pub(super) fn has_escalated(&self) -> bool {
        self.was_asked && self.rung == Some(Rung::Kill)
    }
}

/// Returns `start + wait`, or some far future if that is beyond what the clock can say.
fn later(start: Instant, wait: Duration) -> Instant {
    const FAR: Duration = Duration::from_secs(365 * 24 * 3600);
    start + wait.min(FAR)
}

#[cfg(test)]
mod tests;
