//! How long accepting pauses while the system has nothing to accept a connection with. Holds no socket and no clock.
//!
//! # Invariants
//!
//! - **INV-1**: the pauses double from 10 ms to 1 s, until a connection is accepted.
//! - **INV-2**: what is wrong is said once, and once more when it is over.

use std::{io, time::Duration};

const FIRST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_secs(1);

/// The pauses of one listener.
#[derive(Debug)]
pub(super) struct Pauses {
    next: Duration,
    /// How often accepting failed since it worked.
    failed: u32,
}

impl Pauses {
    pub(super) fn new() -> Self {
        Self {
            next: FIRST,
            failed: 0,
        }
    }

    /// Records that a connection was accepted.
    pub(super) fn accepted(&mut self) {
        if self.failed > 0 {
            tracing::warn!(failed = self.failed, "a server accepts connections again");
            *self = Self::new();
        }
    }

    /// Records that accepting failed, and returns how long to pause. Errors that say nothing about the next connection
    /// are passed over.
    pub(super) fn after(&mut self, error: &io::Error) -> Option<Duration> {
        if is_about_one_connection(error) {
            return None;
        }
        if self.failed == 0 {
            tracing::warn!(%error, "a server cannot accept connections");
        } else {
            tracing::debug!(%error, "a server still cannot accept connections");
        }
        self.failed = self.failed.saturating_add(1);
        let pause = self.next;
        self.next = (2 * pause).min(LONGEST);
        Some(pause)
    }
}

/// Returns whether an error of accepting says nothing about the next connection.
fn is_about_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{
        ConnectionAborted, ConnectionReset, Interrupted, InvalidInput, NotConnected,
    };
    // The last two: the options of a socket whose peer is gone already.
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionReset | Interrupted | InvalidInput | NotConnected
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scarce() -> io::Error {
        nix::errno::Errno::EMFILE.into()
    }

    #[test]
    fn inv1_pauses_double_until_a_connection_is_accepted() {
        let mut pauses = Pauses::new();
        let mut total = Duration::ZERO;
        let mut attempts = 0;
        while total < Duration::from_secs(10) {
            total += pauses.after(&scarce()).unwrap();
            attempts += 1;
        }
        assert_eq!(attempts, 16);
        assert_eq!(pauses.after(&scarce()), Some(LONGEST));
        pauses.accepted();
        assert_eq!(pauses.after(&scarce()), Some(FIRST));
    }

    #[test]
    fn a_connection_that_is_gone_already_makes_no_pause() {
        let mut pauses = Pauses::new();
        assert_eq!(pauses.after(&io::ErrorKind::ConnectionAborted.into()), None);
        assert_eq!(pauses.after(&scarce()), Some(FIRST));
    }
}
