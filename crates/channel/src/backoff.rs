//! How long to wait before the next attempt to connect. Holds no clock and no source of randomness.
//!
//! # Invariants
//!
//! - **INV-1**: the pauses double from 1 ms to 1 s, each a tenth longer or shorter at most, so that
//!   many links to one peer do not all try at the same moment.
//! - **INV-2**: only a connection that lived for a second brings the first pause back.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_secs(1);
const LIVED: Duration = Duration::from_secs(1);

/// The pauses of one link.
#[derive(Debug)]
pub(crate) struct Backoff {
    next: Duration,
    random: u64,
}

impl Backoff {
    /// Returns the pauses of a link; `seed` decides how they differ from those of other links.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            next: FIRST,
            random: seed,
        }
    }

    /// Returns the next pause.
    pub(crate) fn pause(&mut self) -> Duration {
        let pause = self.next;
        self.next = (2 * pause).min(LONGEST);
        // INV-1: from 0.9 to 1.1.
        pause.mul_f64(0.9 + 0.2 * self.fraction())
    }

    /// Records that a connection lived for `time`.
    pub(crate) fn connection_lived(&mut self, time: Duration) {
        if LIVED <= time {
            self.next = FIRST;
        }
    }

    /// Returns a number from 0 to 1, by the generator called splitmix.
    fn fraction(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        mixed as f64 / u64::MAX as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inv1_at_most_22_attempts_fall_into_10_seconds() {
        for seed in 0..1000 {
            let mut backoff = Backoff::new(seed);
            let mut time = Duration::ZERO;
            let mut attempts = 0;
            while time <= Duration::from_secs(10) {
                attempts += 1;
                let pause = backoff.pause();
                assert!(
                    attempts > 1 || pause < Duration::from_millis(2),
                    "seed {seed}"
                );
                assert!(pause <= LONGEST.mul_f64(1.1), "seed {seed}");
                time += pause;
            }
            assert!((15..=22).contains(&attempts), "seed {seed}: {attempts}");
        }
    }

    #[test]
    fn inv1_links_with_different_seeds_pause_differently() {
        let capped = |seed| {
            let mut backoff = Backoff::new(seed);
            (0..20).map(|_| backoff.pause()).last().unwrap().as_millis()
        };
        let distinct: std::collections::HashSet<_> = (0..1000).map(capped).collect();
        assert!(distinct.len() > 100, "{}", distinct.len());
    }

    #[test]
    fn inv1_ten_thousand_links_do_not_all_try_at_the_same_moment() {
        const LINKS: u64 = 10_000;
        // All of them have lost the same peer at the same moment; each is followed for twenty seconds.
        let mut per_window = vec![0; 2_000];
        for seed in 0..LINKS {
            let mut backoff = Backoff::new(seed);
            let mut time = Duration::ZERO;
            let mut pause = backoff.pause();
            while time + pause < Duration::from_secs(20) {
                time += pause;
                if LONGEST.mul_f64(0.9) <= pause {
                    per_window[time.as_millis() as usize / 10] += 1;
                }
                pause = backoff.pause();
            }
        }
        let most = per_window.iter().max().unwrap();
        assert!(*most < LINKS / 10, "{most} in 10 ms");
    }

    #[test]
    fn inv2_a_short_connection_does_not_bring_the_first_pause_back() {
        let mut backoff = Backoff::new(0);
        (0..5).for_each(|_| _ = backoff.pause());
        backoff.connection_lived(Duration::from_millis(999));
        assert!(backoff.pause() > Duration::from_millis(20));
        backoff.connection_lived(Duration::from_secs(1));
        assert!(backoff.pause() < Duration::from_millis(2));
    }
}
