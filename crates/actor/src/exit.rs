//! How an actor ended.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// How an actor ended. It is set once and never changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Exit {
    /// It was told to stop; queued messages went back to their senders.
    Stopped,
    /// It was told to drain, and handled everything queued before that.
    Drained,
    /// It was killed, or its runtime went away.
    Killed,
    /// It failed.
    Failed(Failure),
}

impl Exit {
    /// Tells whether the actor failed. Being stopped, drained or killed on request is no failure.
    pub fn is_failure(&self) -> bool {
        matches!(self, Self::Failed(_))
    }

    /// Returns the failure, if it is one.
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Failed(failure) => Some(failure),
            Self::Stopped | Self::Drained | Self::Killed => None,
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped => f.write_str("stopped"),
            Self::Drained => f.write_str("drained"),
            Self::Killed => f.write_str("killed"),
            Self::Failed(failure) => failure.fmt(f),
        }
    }
}

/// How an actor is asked to end. A later, harsher request overrides a milder one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Mode {
    /// Handle what is queued now, then end.
    Drain,
    /// Finish the current handler, give the queued messages back, then end.
    Stop,
    /// End now: the current handler is dropped at its next await and no hook runs.
    Kill,
}

impl Mode {
    /// Returns the exit of an actor that ended by this request and nothing else.
    pub(crate) fn exit(self) -> Exit {
        match self {
            Self::Drain => Exit::Drained,
            Self::Stop => Exit::Stopped,
            Self::Kill => Exit::Killed,
        }
    }
}

/// What the hook `on_stop` decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Departure {
    /// The actor ends as it was asked to.
    Now,
    /// The actor goes on until [`Cx::exit`](crate::Cx::exit), a harsher request or the deadline.
    Later,
}

/// Where an actor is in its life. It only ever moves forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum Status {
    /// The actor has an id and a queue; its task has not begun.
    Created,
    /// Its value is being made, or `init` runs.
    Initializing,
    /// It handles messages.
    Running,
    /// It was asked to end or it failed; children, cleanup and ports are being ended.
    Stopping,
    /// It ended; the exit is known.
    Exited,
}

impl Status {
    pub(crate) fn of(byte: u8) -> Self {
        match byte {
            0 => Self::Created,
            1 => Self::Initializing,
            2 => Self::Running,
            3 => Self::Stopping,
            _ => Self::Exited,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Created => "created",
            Self::Initializing => "initializing",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Exited => "exited",
        })
    }
}
