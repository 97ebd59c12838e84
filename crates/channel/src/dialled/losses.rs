//! How often a session may be lost while its connection stays. Holds no socket, clock or task.
//!
//! # Invariants
//!
//! - **INV-1**: a receiver may give the session up [`MAX_GIVEN_UP`] times without a message that it acknowledged in
//!   between, and no more.
//! - **INV-2**: an overrun says nothing of the receiver, and is no such time: a gateway could not pass on as fast as it
//!   got. The session goes on until nothing was acknowledged for the patience that a link has without a connection.
//! - **INV-3**: what the receiver says when it resumes counts as what it acknowledges.

use tokio::time::{Duration, Instant};

/// So often the peer may give a session up in vain.
const MAX_GIVEN_UP: u32 = 3;

/// The losses of one session.
#[derive(Debug, Default)]
pub(super) struct Losses {
    given_up: u32,
    /// When the first of the overruns was.
    overrun: Option<Instant>,
    /// How many acknowledgements with news there were when this was last looked at.
    progress: u64,
}

impl Losses {
    /// Records that the receiver gave the session up after so many acknowledgements with news, and returns whether it
    /// goes on.
    pub(super) fn on_given_up(&mut self, progress: u64) -> bool {
        self.look(progress);
        self.given_up = self.given_up.saturating_add(1);
        self.given_up <= MAX_GIVEN_UP
    }

    /// Records that a gateway was given more than it keeps, and returns whether the session goes on.
    pub(super) fn on_overrun(&mut self, progress: u64, patience: Duration, now: Instant) -> bool {
        self.look(progress);
        now - *self.overrun.get_or_insert(now) < patience
    }

    fn look(&mut self, progress: u64) {
        if self.progress != progress {
            *self = Self {
                progress,
                ..Self::default()
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    /// A script of losses that are given up (`g`) or overruns (`o`), of acknowledgements with news (`a`), and of times of
    /// 10 s (`t`), and which of the losses are the end.
    #[track_caller]
    fn check(script: &str, expected: &str) {
        let mut losses = Losses::default();
        let (mut progress, mut now) = (0, Instant::now());
        let mut found = String::new();
        for step in script.chars() {
            let goes_on = match step {
                'a' => {
                    progress += 1;
                    continue;
                }
                't' => {
                    now += PATIENCE / 6;
                    continue;
                }
                'g' => losses.on_given_up(progress),
                _ => losses.on_overrun(progress, PATIENCE, now),
            };
            found.push(if goes_on { '.' } else { 'x' });
        }
        assert_eq!(found, expected, "{script}");
    }

    #[test]
    fn inv1_the_fourth_time_in_vain_is_the_end() {
        check("gggg", "...x");
        check("gggagggg", "......x");
        check("gtttttttggg", "...x");
    }

    #[test]
    fn inv2_overruns_have_their_time() {
        check(&"o".repeat(100), &".".repeat(100));
        check("ototototototo", "......x");
        check("otttttaototttttto", "...x");
        check("oooogggg", ".......x");
    }
}
