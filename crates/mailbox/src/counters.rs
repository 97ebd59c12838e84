//! What a gateway counts.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) bounced: Counter,
    pub(crate) dropped: Counter,
    pub(crate) malformed: Counter,
    pub(crate) forged_bounces: Counter,
    pub(crate) refused: Counter,
}

/// What a gateway has counted since it was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GatewayStats {
    /// Messages that could not be delivered and went back to their senders.
    pub bounced: u64,
    /// Bounces that could not be delivered themselves, and messages whose senders did not want to
    /// hear of them.
    pub dropped: u64,
    /// What peers sent that is no envelope.
    pub malformed: u64,
    /// Bounces from peers that tell of messages that nobody here sent.
    pub forged_bounces: u64,
    /// Messages of peers that may not send them, see [`Admission`](crate::Admission).
    pub refused: u64,
    /// How many encoded bytes wait in the queues of this process now, see
    /// [`QUEUED_BYTES_LIMIT`](crate::QUEUED_BYTES_LIMIT).
    pub queued_bytes: u64,
}

impl Counters {
    pub(crate) fn stats(&self, queued_bytes: u64) -> GatewayStats {
        GatewayStats {
            bounced: self.bounced.get(),
            dropped: self.dropped.get(),
            malformed: self.malformed.get(),
            forged_bounces: self.forged_bounces.get(),
            refused: self.refused.get(),
            queued_bytes,
        }
    }
}
