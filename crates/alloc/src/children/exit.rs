//! How a child process ended, and what it said last.

use std::fmt;

use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ExitStatus {
    /// It exited with this code.
    Code(i32),
    /// A signal ended it.
    Signal {
        /// The number of the signal.
        signal: i32,
        /// Whether the kernel wrote a core dump.
        core: bool,
    },
    /// It is gone, and someone else in this process took the kernel's account of it.
    Unknown,
}

impl fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal { signal, core } => {
                write!(f, "killed by {}", SignalName(signal))?;
                if core {
                    f.write_str(", core dumped")
                } else {
                    Ok(())
                }
            }
            Self::Unknown => f.write_str("ended in an unknown way"),
        }
    }
}

/// A signal's number that prints with its name, `SIGKILL (9)`.
pub(crate) struct SignalName(pub(crate) i32);

impl fmt::Display for SignalName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Signal::try_from(self.0) {
            Ok(signal) => write!(f, "{} ({})", signal.as_str(), self.0),
            Err(_) => write!(f, "signal {}", self.0),
        }
    }
}

/// The facts about a child that has ended and was reaped.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExitFacts {
    /// How it ended.
    pub status: ExitStatus,
    /// The last lines that it wrote to its stderr.
    pub stderr_tail: String,
    /// Whether its owner had asked for the end.
    pub requested: bool,
    /// Whether the stop ladder had come to its last rung, because the child obeyed neither the
    /// drain request nor SIGTERM in time.
    pub escalated: bool,
}

impl fmt::Display for ExitFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status)?;
        if self.escalated {
            f.write_str(" after it ignored the requests to stop")?;
        }
        match &*self.stderr_tail {
            "" => Ok(()),
            tail => write!(f, "; its last output:\n{tail}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_names_the_code_or_the_signal() {
        let check = |status: ExitStatus, text: &str| assert_eq!(status.to_string(), text);
        check(ExitStatus::Code(7), "exit code 7");
        check(
            ExitStatus::Signal {
                signal: 9,
                core: false,
            },
            "killed by SIGKILL (9)",
        );
        check(
            ExitStatus::Signal {
                signal: 6,
                core: true,
            },
            "killed by SIGABRT (6), core dumped",
        );
        check(
            ExitStatus::Signal {
                signal: 40,
                core: false,
            },
            "killed by signal 40",
        );
    }
}
