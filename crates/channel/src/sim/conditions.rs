//! How slow the way between two nodes of a simulated network is.

use std::{num::NonZeroU64, ops::RangeInclusive, time::Duration};

use fastrand::Rng;
use tokio::time::Instant;

/// No latency is longer: a day.
const MAX_LATENCY: Duration = Duration::from_secs(24 * 60 * 60);

/// How slow the way between two nodes is. By default its latency is 1 to 3 ms, and its bandwidth unlimited.
///
/// The timers of tokio count whole milliseconds: what arrives in between is noticed at the next one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SimConditions {
    /// How long bytes take. Each direction of each connection draws its own latency from the range,
    /// once, when it is opened; so a later connection may overtake an earlier one. Of a range whose end
    /// lies before its start, the start holds. More than a day counts as a day.
    pub latency: RangeInclusive<Duration>,
    /// How many bytes pass per second, of all connections in this direction together. `None` is
    /// unlimited.
    pub bandwidth: Option<NonZeroU64>,
}

impl SimConditions {
    /// Returns conditions of that latency and unlimited bandwidth.
    pub fn new(latency: RangeInclusive<Duration>) -> Self {
        Self {
            latency,
            bandwidth: None,
        }
    }

    /// Returns these conditions with that many bytes per second.
    pub fn with_bandwidth(self, bandwidth: NonZeroU64) -> Self {
        Self {
            bandwidth: Some(bandwidth),
            ..self
        }
    }
}

impl Default for SimConditions {
    fn default() -> Self {
        Self::new(Duration::from_millis(1)..=Duration::from_millis(3))
    }
}

/// The way from one node to another.
#[derive(Debug)]
pub(super) struct Path {
    pub(super) conditions: SimConditions,
    /// The conditions were set for this path, and do not follow those of the network.
    pub(super) is_set: bool,
    /// A partition lets nothing through.
    pub(super) is_blocked: bool,
    /// When what was sent before has left.
    free_at: Instant,
}

impl Path {
    pub(super) fn new(conditions: SimConditions, now: Instant) -> Self {
        Self {
            conditions,
            is_set: false,
            is_blocked: false,
            free_at: now,
        }
    }

    pub(super) fn draw_latency(&self, rng: &mut Rng) -> Duration {
        let low = (*self.conditions.latency.start()).min(MAX_LATENCY);
        let high = (*self.conditions.latency.end()).min(MAX_LATENCY);
        // A day has fewer than 2^64 ns.
        let span = high.saturating_sub(low).as_nanos() as u64;
        low + Duration::from_nanos(rng.u64(0..=span))
    }

    /// Takes `n_bytes` after all that was sent before, and returns when the last of them has left.
    pub(super) fn depart(&mut self, now: Instant, n_bytes: usize) -> Instant {
        let Some(bandwidth) = self.conditions.bandwidth else {
            return now;
        };
        let nanos = n_bytes as u128 * 1_000_000_000 / u128::from(bandwidth.get());
        let duration = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        let leaves = self.free_at.max(now).checked_add(duration);
        // Further than the clock counts is as good as that far.
        self.free_at = leaves.unwrap_or(self.free_at);
        self.free_at
    }
}
