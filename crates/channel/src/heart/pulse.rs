//! When a peer counts as gone: the rule of the pings. Holds no socket, clock or task.
//!
//! # Invariants
//!
//! - **INV-1**: each tick but the last one asks the peer, whether or not it was heard of: how long a silent peer is
//!   believed does not depend on when it fell silent.
//! - **INV-2**: an interval that began with a question and in which nothing was heard is a miss. So many misses in a row
//!   as are allowed are the end, and nothing else is; what is heard makes them none.
//! - **INV-3**: an interval whose tick comes much too late tells of this process: it is no miss.

use std::time::Duration;

/// A tick that is so much late tells of this process, and not of the peer.
const STARVED: Duration = Duration::from_secs(1);

/// What is known about whether a peer is there.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    /// Questions in a row that were answered by nothing at all.
    missed: u32,
    /// Whether a question was asked at the last tick.
    asked: bool,
    /// Whether something was heard since the last tick.
    heard: bool,
}

/// What a tick comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beat {
    /// The peer is to be asked.
    Ask,
    /// The same, and this process had no time to hear it: that is to be said.
    Starved,
    /// The peer is gone.
    Gone,
}

impl Pulse {
    /// Records that something came from the peer, or that it took something.
    pub(super) fn heard(&mut self) {
        self.heard = true;
    }

    /// Records that the time of a tick has come, and that it came `late`; the peer may miss less than `max_missed`
    /// questions in a row.
    pub(super) fn tick(&mut self, late: Duration, max_missed: u32) -> Beat {
        let was_asked = std::mem::replace(&mut self.asked, true);
        if std::mem::take(&mut self.heard) {
            self.missed = 0;
        } else if STARVED < late {
            // INV-3
            return Beat::Starved;
        } else if was_asked {
            // INV-2
            self.missed += 1;
        }
        if max_missed <= self.missed {
            Beat::Gone
        } else {
            Beat::Ask
        }
    }
}

#[cfg(test)]
mod tests {
    use hypermesh_testkit::Rng;

    use super::*;

    /// A script of what is heard (`h`), ticks (`t`) and late ticks (`l`), and what the ticks come to: a question (`?`),
    /// one of a starved process (`!`), the end (`x`).
    #[track_caller]
    fn check(script: &str, expected: &str) {
        assert_eq!(beats(script, 3), expected, "{script}");
    }

    fn beats(script: &str, max_missed: u32) -> String {
        let mut pulse = Pulse::default();
        let mut beats = String::new();
        for step in script.chars() {
            let late = match step {
                'h' => {
                    pulse.heard();
                    continue;
                }
                't' => STARVED,
                _ => 2 * STARVED,
            };
            beats.push(match pulse.tick(late, max_missed) {
                Beat::Ask => '?',
                Beat::Starved => '!',
                Beat::Gone => 'x',
            });
        }
        beats
    }

    #[test]
    fn inv1_a_peer_is_asked_at_each_tick() {
        check("tt", "??");
        check("hthhthtt", "????");
        check("lt", "!?");
    }

    #[test]
    fn inv2_three_intervals_without_an_answer_are_the_end() {
        check("tttt", "???x");
        check("htttt", "???x");
        check("hthttt", "????");
        check("hthtttt", "????x");
        check("ttthtttt", "??????x");
    }

    #[test]
    fn inv3_what_a_starved_process_has_not_heard_is_no_miss() {
        check("tllllll", "?!!!!!!");
        check("ttltt", "??!?x");
        check("ttlhttt", "??!???");
    }

    /// The same from the whole past: the intervals that count, from the last one back to the one in which something was
    /// heard.
    fn model(past: &str, max_missed: u32) -> char {
        let mut intervals: Vec<_> = past.split_inclusive(['t', 'l']).collect();
        let last = intervals[intervals.len() - 1];
        if last == "l" {
            return '!';
        }
        // Nobody was asked at the beginning of the first one.
        intervals.remove(0);
        let since = intervals.iter().rev().take_while(|at| !at.starts_with('h'));
        let missed = since.filter(|at| **at == "t").count();
        if max_missed as usize <= missed {
            'x'
        } else {
            '?'
        }
    }

    #[test]
    fn each_tick_is_what_the_past_says() {
        let mut rng = Rng::new(1);
        for max_missed in [1, 2, 3, 5] {
            for _ in 0..2_000 {
                let len = 1 + rng.below(20);
                let script: String = (0..len)
                    .map(|_| ["t", "t", "t", "h", "l"][rng.below(5) as usize])
                    .collect();
                let found = beats(&script, max_missed);
                let ends = script.match_indices(['t', 'l']).map(|(at, _)| at + 1);
                let expected: String = ends.map(|end| model(&script[..end], max_missed)).collect();
                assert_eq!(found, expected, "{script}");
            }
        }
    }
}
