//! What is to be started, and what is told about it.

use std::{fmt, io, path::PathBuf, time::Duration};

use bytes::Bytes;

use super::exit::ExitFacts;
use crate::bootstrap::{Boot, BootstrapCommand, FrameError};

/// The name of one child within its [`Children`](super::Children); never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChildKey(pub(super) u64);

#[cfg(test)]
impl ChildKey {
    /// Returns a key that no child has.
    pub(crate) fn for_test(key: u64) -> Self {
        Self(key)
    }
}

impl fmt::Display for ChildKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "child {}", self.0)
    }
}

/// A child to be started.
#[derive(Clone, Debug)]
pub struct ChildSpec {
    /// The program.
    pub command: BootstrapCommand,
    /// What it is told over the inherited descriptor.
    pub boot: Boot,
    /// What stands in front of its lines on this process's stderr.
    pub label: String,
    /// The time until its first report; a child that is late is killed. `None` waits for ever.
    pub report_within: Option<Duration>,
}

/// What happened to a child.
///
/// Of each key comes exactly one of [`Exited`](Self::Exited) and [`StartFailed`](Self::StartFailed),
/// and it comes last.
#[derive(Debug)]
#[non_exhaustive]
pub enum ChildEvent {
    /// The program runs.
    Started {
        /// Its process id.
        pid: u32,
    },
    /// It sent a report over the inherited descriptor.
    Report(Bytes),
    /// It sent something over that descriptor that is not a report, and is being killed for it.
    Garbled(FrameError),
    /// It has not reported in time, and is being killed for it.
    Overdue,
    /// It has ended and was reaped; nothing of its process group is left.
    Exited(ExitFacts),
    /// It could not be started.
    StartFailed(StartError),
}

/// What the receiver of an event wants to become of the child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may go on.
    Keep,
    /// It is killed, for example because its report makes no sense. Its end does not count as
    /// requested.
    Kill,
}

/// Error of a child process that could not be started.
#[derive(Debug, thiserror::Error)]
#[error("cannot start {program:?}: {step}")]
pub struct StartError {
    /// The program that was to be started.
    pub program: PathBuf,
    /// What failed.
    pub step: &'static str,
    /// What the system said.
    #[source]
    pub source: io::Error,
}
