//! How a process learns whether it was started as a child: the marker, and the rule about it.
//!
//! The environment is handed on from process to process, so a marker alone says little: a worker's
//! own children see it too. The descriptor that it names is handed on once.
//!
//! # Invariants
//!
//! - **INV-1**: a process with the descriptor is a child, whatever else is true.
//! - **INV-2**: a process that its launcher started directly, but whose descriptor is gone, is never
//!   taken for a launcher.
//! - **INV-3**: a process further down, without the descriptor, is a launcher.

use std::{
    ffi::{OsStr, OsString},
    fmt,
    os::fd::RawFd,
};

use crate::kernel::Descriptor;

/// What this process was started as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// By a person, or by a program that is not ours.
    Launcher,
    /// By a launcher, to be a child; the frames come over this descriptor.
    Child(RawFd),
    /// As a child, and an earlier call has seen to it.
    Claimed,
}

/// The value of the marker variable: the descriptor, and the pid of the launcher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Marker {
    pub(crate) fd: RawFd,
    pub(crate) launcher: u32,
}

impl Marker {
    fn parse(text: &OsStr) -> Option<Self> {
        let (fd, launcher) = text.to_str()?.split_once(':')?;
        let marker = Self {
            fd: fd.parse().ok()?,
            launcher: launcher.parse().ok()?,
        };
        // The first three are the standard streams; we never hand one of them over.
        (3 <= marker.fd).then_some(marker)
    }
}

impl fmt::Display for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.fd, self.launcher)
    }
}

/// Decides what this process is, by the marker in its environment, what the descriptor in it is,
/// and who its parent is.
pub(super) fn role(
    marker: Option<&OsStr>,
    describe: impl FnOnce(RawFd) -> Descriptor,
    parent: u32,
) -> Result<Role, MarkerError> {
    let Some(text) = marker else {
        return Ok(Role::Launcher);
    };
    let Some(marker) = Marker::parse(text) else {
        return Err(MarkerError::Unreadable(text.to_owned()));
    };
    let is_direct = parent == marker.launcher;
    match describe(marker.fd) {
        Descriptor::Inherited => Ok(Role::Child(marker.fd)), // INV-1
        Descriptor::Own if is_direct => Ok(Role::Claimed),
        Descriptor::Closed if is_direct => Err(MarkerError::Closed(marker.fd)), // INV-2
        Descriptor::Other if is_direct => Err(MarkerError::NotASocket(marker.fd)),
        Descriptor::Own | Descriptor::Closed | Descriptor::Other => Ok(Role::Launcher), // INV-3
    }
}

/// Error of a process that was started as a child but cannot find its launcher.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum MarkerError {
    /// The marker is not of the form `descriptor:pid`.
    #[error("the bootstrap marker {0:?} is not of the form `descriptor:pid`")]
    Unreadable(OsString),
    /// The descriptor is not open.
    #[error("the bootstrap descriptor {0} is closed")]
    Closed(RawFd),
    /// The descriptor is something else.
    #[error("the bootstrap descriptor {0} is not a unix socket")]
    NotASocket(RawFd),
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks the role of a process whose launcher was pid 70.
    #[track_caller]
    fn check(
        marker: Option<&str>,
        descriptor: Descriptor,
        parent: u32,
        expected: Result<Role, MarkerError>,
    ) {
        let seen = role(marker.map(OsStr::new), |_| descriptor, parent);
        assert_eq!(
            seen, expected,
            "{marker:?} with a descriptor {descriptor:?} and parent {parent}"
        );
    }

    #[test]
    fn without_a_marker_a_process_is_a_launcher() {
        check(None, Descriptor::Inherited, 70, Ok(Role::Launcher));
    }

    #[test]
    fn inv1_the_descriptor_makes_a_child_also_behind_a_wrapper() {
        check(
            Some("10:70"),
            Descriptor::Inherited,
            70,
            Ok(Role::Child(10)),
        );
        check(
            Some("10:70"),
            Descriptor::Inherited,
            71,
            Ok(Role::Child(10)),
        );
    }

    #[test]
    fn inv2_a_direct_child_without_its_descriptor_is_an_error() {
        check(
            Some("10:70"),
            Descriptor::Closed,
            70,
            Err(MarkerError::Closed(10)),
        );
        check(
            Some("10:70"),
            Descriptor::Other,
            70,
            Err(MarkerError::NotASocket(10)),
        );
        check(Some("10:70"), Descriptor::Own, 70, Ok(Role::Claimed));
    }

    #[test]
    fn inv3_a_grandchild_is_a_launcher() {
        check(Some("10:70"), Descriptor::Closed, 71, Ok(Role::Launcher));
        check(Some("10:70"), Descriptor::Other, 71, Ok(Role::Launcher));
        check(Some("10:70"), Descriptor::Own, 71, Ok(Role::Launcher));
    }

    #[test]
    fn a_marker_that_cannot_be_read_is_an_error() {
        for text in [
            "", "10", "10:", ":70", "x:70", "10:70:1", "-1:70", "2:70", "10:-70", " 10:70",
        ] {
            let expected = Err(MarkerError::Unreadable(text.into()));
            check(Some(text), Descriptor::Closed, 70, expected);
        }
    }

    #[test]
    fn a_marker_prints_as_it_parses() {
        let marker = Marker {
            fd: 10,
            launcher: 70,
        };
        assert_eq!(Marker::parse(OsStr::new(&marker.to_string())), Some(marker));
    }
}
