//! The start of one child: descriptors, fork, exec.

use std::{
    io,
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::net::UnixStream,
    },
    process::{ChildStderr, Stdio},
};

use nix::{
    fcntl::{FcntlArg, OFlag, fcntl},
    sys::signal::{Signal, killpg},
    unistd::{Pid, getpid},
};

use super::{
    child::{ChildSpec, StartError},
    control::Control,
};
use crate::{
    bootstrap::{MARKER_VARIABLE, Marker},
    kernel,
};

/// The lowest number for a descriptor that a child inherits: above those that shells and wrapper
/// scripts use by number.
const LOWEST_FD: i32 = 10;

/// What the launcher holds of a child that runs.
#[derive(Debug)]
pub(super) struct Spawned {
    pub(super) pid: Pid,
    pub(super) pidfd: OwnedFd,
    /// Our end of the control socket, with the boot frame on its way.
    pub(super) control: Control,
    /// The read end of its stderr; does not wait.
    pub(super) stderr: ChildStderr,
}

/// Forks and executes; the child will die with the calling thread.
pub(super) fn spawn(spec: &ChildSpec) -> Result<Spawned, StartError> {
    let at = |step: &'static str| {
        let program = spec.command.program.clone();
        move |source: io::Error| StartError {
            program,
            step,
            source,
        }
    };
    let boot = spec.boot.to_frame();
    let boot =
        boot.map_err(|error| at("cannot encode what it is to be told")(io::Error::other(error)))?;
    let (control, theirs) = control_pair().map_err(at("cannot make its control socket"))?;
    let launcher = getpid();
    let marker = Marker {
        fd: theirs.as_raw_fd(),
        launcher: launcher.as_raw().unsigned_abs(),
    };

    let mut command = spec.command.to_command();
    command.env(MARKER_VARIABLE, marker.to_string());
    command
        .stdin(Stdio::null())
        .stdout(Stdio::inherit())
        .stderr(Stdio::piped());
    kernel::arm(&mut command, &theirs, launcher);
    let mut child = command.spawn().map_err(at("the system refused"))?;
    drop(theirs);

    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a pid of the kernel fits i32"));
    let watched = kernel::pidfd_open(pid).and_then(|pidfd| {
        let stderr = child
            .stderr
            .take()
            .ok_or_else(|| io::Error::other("it has no stderr pipe"))?;
        fcntl(stderr.as_fd(), FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        Ok((pidfd, stderr))
    });
    match watched {
        Ok((pidfd, stderr)) => {
            let mut control = Control::new(control);
            control.post(&boot);
            Ok(Spawned {
                pid,
                pidfd,
                control,
                stderr,
            })
        }
        Err(error) => {
            // It cannot be watched, so it must not be left: it is unreaped, the number is its own.
            _ = killpg(pid, Signal::SIGKILL);
            _ = child.wait();
            Err(at("cannot watch it")(error))
        }
    }
}

/// Returns our end, and the child's under a number that no standard stream and no shell uses.
fn control_pair() -> io::Result<(UnixStream, OwnedFd)> {
    let (ours, theirs) = UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    let theirs = kernel::duplicate_from(theirs.as_fd(), LOWEST_FD)?;
    Ok((ours, theirs))
}
