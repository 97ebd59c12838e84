//! Since when a peer that has something to acknowledge has not done so. Holds no socket, clock or task.
//!
//! # Invariants
//!
//! - **INV-1**: the time begins with an acknowledgement, or when something is handed to the connection and all before it
//!   is acknowledged.
//! - **INV-2**: as long as the end of what was handed out at that time is not written, each byte that the connection
//!   writes begins the time anew: a slow connection is not taken for a peer that does nothing.
//! - **INV-3**: what is handed out later does not: a peer that reads and acknowledges nothing is found out when the first
//!   of it is written.

use tokio::time::{Duration, Instant};

/// The time that the peer is given.
#[derive(Debug)]
pub(super) struct Stall {
    since: Instant,
    mark: Mark,
    /// Whether the mark was not written when it was looked at.
    was_slow: bool,
    /// Up to where the connection had written then.
    written: u64,
    /// Up to where the connection was filled last.
    filled: u64,
}

/// What has to be written before the peer can acknowledge anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    /// The end of it is not handed to the connection.
    Begun,
    /// The connection has to write so many bytes.
    At(u64),
    /// It is written.
    Written,
}

impl Stall {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            since: now,
            mark: Mark::Begun,
            was_slow: false,
            written: 0,
            filled: 0,
        }
    }

    /// Records that something was handed to the connection, which has then been given `filled` bytes: `is_first` if all
    /// before it was acknowledged, and `is_whole` if no message is left in the middle.
    pub(super) fn on_fill(&mut self, first: Option<Instant>, is_whole: bool, filled: u64) {
        self.filled = filled;
        if let Some(now) = first {
            self.begin(now);
        }
        // INV-3: not if it is set.
        if is_whole && self.mark == Mark::Begun {
            self.mark = Mark::At(filled);
        }
    }

    /// Records an acknowledgement; `is_news` says that it was of something, and `is_whole` is as for a fill.
    pub(super) fn on_ack(&mut self, is_news: bool, is_whole: bool, now: Instant) {
        self.since = now;
        if is_news {
            self.begin(now);
            if is_whole {
                self.mark = Mark::At(self.filled);
            }
        }
    }

    /// Returns whether nothing was acknowledged for `limit`, on a connection that has written so many bytes. To be asked
    /// again and again.
    pub(super) fn is_over(&mut self, written: u64, limit: Duration, now: Instant) -> bool {
        let moved = self.written < written;
        self.written = written;
        match self.mark {
            Mark::At(end) if end <= written => {
                self.mark = Mark::Written;
                if self.was_slow {
                    self.since = now;
                }
                return false;
            }
            Mark::Begun | Mark::At(_) => {
                self.was_slow = true;
                if moved {
                    // INV-2
                    self.since = now;
                }
            }
            Mark::Written => {}
        }
        limit <= now - self.since
    }

    fn begin(&mut self, now: Instant) {
        self.since = now;
        self.mark = Mark::Begun;
        self.was_slow = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(30);
    const TICK: Duration = Duration::from_secs(5);

    /// A script, one tick each, of what happens between two of them: each `f` fills 100 bytes, and each `F` fills as many
    /// of a message that goes on; `w` writes 10 bytes; `a` is an acknowledgement with news, and `r` one without. Returns
    /// after how many ticks the peer is given up.
    fn ticks(script: &[&str]) -> Option<usize> {
        let mut now = Instant::now();
        let mut stall = Stall::new(now);
        let (mut filled, mut written, mut has_unacked, mut is_whole) = (0, 0, false, true);
        for (i, steps) in script.iter().enumerate() {
            for step in steps.chars() {
                match step {
                    'f' | 'F' => {
                        filled += 100;
                        is_whole = step == 'f';
                        stall.on_fill((!has_unacked).then_some(now), is_whole, filled);
                        has_unacked = true;
                    }
                    'a' => stall.on_ack(true, is_whole, now),
                    'r' => stall.on_ack(false, is_whole, now),
                    _ => written = filled.min(written + 10),
                }
            }
            now += TICK;
            if has_unacked && stall.is_over(written, LIMIT, now) {
                return Some(i + 1);
            }
        }
        None
    }

    /// A script that begins so, and goes on so for a long time.
    #[track_caller]
    fn check(begin: &[&str], then: &str, expected: Option<usize>) {
        let script: Vec<_> = begin.iter().copied().chain([then; 100]).collect();
        assert_eq!(ticks(&script), expected, "{begin:?} {then}");
    }

    #[test]
    fn inv1_a_peer_has_30_seconds_for_what_was_written() {
        check(&["fwwwwwwwwww"], "", Some(6));
        check(&["fwwwwwwwwww", "", "", "a"], "", Some(9));
        check(&["fwwwwwwwwww", "", "", "r"], "", Some(9));
        check(&[], "fwwwwwwwwwwa", None);
    }

    #[test]
    fn inv2_what_is_written_slowly_is_waited_for() {
        // It is written with the tenth, and has 30 s from then on.
        check(&["fw"], "w", Some(16));
        // A connection on which nothing is written any more.
        check(&["fw", "w"], "", Some(8));
        check(&["f"], "", Some(6));
    }

    #[test]
    fn inv2_a_message_that_is_not_handed_out_to_its_end_is_waited_for() {
        let mut script = vec!["Fw"; 50];
        script.push("f");
        // 500 of the 5100 bytes are written by now. Then it has 30 s.
        script.extend(["wwwwwwwwww"; 60]);
        assert_eq!(ticks(&script), Some(51 + 46 + 6));
    }

    #[test]
    fn inv3_a_peer_that_reads_and_acknowledges_nothing_is_found_out() {
        check(&["fwwwwwwwwww"], "fwwwwwwwwww", Some(6));
        check(&["fw"], "fwww", Some(10));
        // From the last thing that it acknowledged on.
        check(&["fwwwwwwwwww", "fwwa"], "fwwwww", Some(10));
    }
}
