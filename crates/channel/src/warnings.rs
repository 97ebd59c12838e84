//! What an endpoint warns of: few lines for each cause, however often a peer makes it happen.

mod limit;

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

pub use limit::LogLimit;

/// What is warned of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// A connection did not come through the handshake of its transport, or the system does not let it be watched.
    Refused,
    /// A peer broke the protocol.
    Broken,
    /// Too much waited in a relay.
    Overrun,
    /// A sink panicked.
    Panicked,
    /// This process did not run for long.
    Starved,
}

impl Cause {
    const ALL: [Self; 5] = [
        Self::Refused,
        Self::Broken,
        Self::Overrun,
        Self::Panicked,
        Self::Starved,
    ];
}

/// The limits of the causes, in the order of [`Cause::ALL`].
type Limits = [LogLimit; Cause::ALL.len()];

/// What was warned of. What was left out and not told is told when it goes.
#[derive(Debug, Default)]
pub(crate) struct Warnings(Mutex<Option<Box<Limits>>>);

impl Warnings {
    /// Returns whether a line of that cause may be written now, and if so how many were left out since the last one.
    pub(crate) fn admit(&self, cause: Cause) -> Option<u64> {
        let mut limits = self.lock();
        limits.get_or_insert_default()[cause as usize].admit(Instant::now())
    }

    fn lock(&self) -> MutexGuard<'_, Option<Box<Limits>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Warnings {
    fn drop(&mut self) {
        let limits = self.lock().take();
        for (cause, mut limit) in Cause::ALL
            .into_iter()
            .zip(limits.into_iter().flat_map(|limits| *limits))
        {
            let left_out = limit.rest();
            if left_out > 0 {
                tracing::warn!(?cause, left_out, "warnings were left out");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_has_a_limit_of_its_own() {
        let places: Vec<_> = Cause::ALL.iter().map(|cause| *cause as usize).collect();
        assert_eq!(places, [0, 1, 2, 3, 4]);
    }

    #[tokio::test(start_paused = true)]
    async fn one_cause_leaves_room_for_the_others() {
        let warnings = Warnings::default();
        let written = |cause| (0..100).filter(|_| warnings.admit(cause).is_some()).count();
        for cause in Cause::ALL {
            assert_eq!(written(cause), 10, "{cause:?}");
            assert_eq!(written(cause), 0, "{cause:?}");
        }
        tokio::time::advance(std::time::Duration::from_secs(60)).await;
        assert_eq!(warnings.admit(Cause::Broken), Some(190));
        assert_eq!(warnings.admit(Cause::Broken), Some(0));
    }
}
