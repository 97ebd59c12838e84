//! The system calls about processes that neither std nor nix offers as safe functions.
//!
//! This is the only module of the crate with `unsafe` in it.
#![allow(
    unsafe_code,
    reason = "pidfds, the set-up between fork and exec, and an inherited descriptor have no safe form"
)]

use std::{
    io,
    mem::zeroed,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
        unix::{net::UnixStream, process::CommandExt},
    },
    process::Command,
};

use nix::{
    errno::Errno,
    fcntl::{FcntlArg, FdFlag, fcntl},
    libc,
    sys::{
        prctl,
        signal::{SigHandler, SigSet, SigmaskHow, Signal, killpg, sigprocmask},
        socket::{AddressFamily, SockaddrLike, SockaddrStorage, getsockname},
    },
    unistd::{Pid, getpgrp, getppid},
};

use crate::children::ExitStatus;

/// The signals whose dispositions a launcher may have changed and that `exec` would hand on.
const RESET: [Signal; 7] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTERM,
    Signal::SIGPIPE,
    Signal::SIGCHLD,
    Signal::SIGUSR1,
];

/// What a descriptor number, named by the bootstrap marker, is in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Descriptor {
    /// Nothing is open under this number.
    Closed,
    /// A unix socket that survived `exec`: it was handed to this process.
    Inherited,
    /// A unix socket that would not survive `exec`: this process opened or claimed it itself.
    Own,
    /// Something that is not a unix socket.
    Other,
}

/// Opens a descriptor for the process `pid`, which must be an unreaped child of the caller.
pub(crate) fn pidfd_open(pid: Pid) -> io::Result<OwnedFd> {
    // SAFETY: the call takes two integers and touches no memory of ours.
    let result = unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) };
    let fd = RawFd::try_from(Errno::result(result)?).expect("the kernel's descriptors fit i32");
    // SAFETY: the kernel has just made `fd` for this caller, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Sends `signal` to the process behind `pidfd`; one that has ended is no error.
pub(crate) fn pidfd_send_signal(pidfd: BorrowedFd<'_>, signal: Signal) -> io::Result<()> {
    let no_info: *const libc::siginfo_t = std::ptr::null();
    // SAFETY: a null siginfo is allowed and asks for the one that kill(2) would send.
    let result = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_raw_fd(),
            signal as libc::c_int,
            no_info,
            0,
        )
    };
    match Errno::result(result) {
        Ok(_) | Err(Errno::ESRCH) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// Returns whether the child behind `pidfd` is still this process's to reap, ended or not.
pub(crate) fn is_unreaped(pidfd: BorrowedFd<'_>) -> bool {
    waitid(pidfd, libc::WEXITED | libc::WNOHANG | libc::WNOWAIT).is_ok()
}

/// Reaps the child behind `pidfd`, which has ended, and returns how.
pub(crate) fn reap(pidfd: BorrowedFd<'_>) -> ExitStatus {
    match waitid(pidfd, libc::WEXITED | libc::WNOHANG) {
        Ok(Some(status)) => status,
        // Someone else in this process reaped it: that it ended is all that is known.
        Ok(None) | Err(_) => ExitStatus::Unknown,
    }
}

/// Calls waitid(2), which nix offers too, but not for children killed by a real-time signal.
fn waitid(pidfd: BorrowedFd<'_>, options: libc::c_int) -> io::Result<Option<ExitStatus>> {
    loop {
        // SAFETY: a siginfo of zeros is a valid value.
        let mut info: libc::siginfo_t = unsafe { zeroed() };
        let id = libc::id_t::try_from(pidfd.as_raw_fd()).expect("a descriptor is not negative");
        // SAFETY: `info` lives through the call and is the caller's alone.
        let result = unsafe { libc::waitid(libc::P_PIDFD, id, &raw mut info, options) };
        match Errno::result(result) {
            Err(Errno::EINTR) => continue,
            Err(errno) => return Err(errno.into()),
            Ok(_) => {}
        }
        // SAFETY: waitid fills these fields, or leaves them zero where nothing has ended.
        let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
        return Ok((pid != 0).then_some(match info.si_code {
            libc::CLD_EXITED => ExitStatus::Code(status),
            libc::CLD_KILLED | libc::CLD_DUMPED => ExitStatus::Signal {
                signal: status,
                core: info.si_code == libc::CLD_DUMPED,
            },
            _ => ExitStatus::Unknown,
        }));
    }
}

/// Arms `command` so that what it starts dies with the calling thread, leads a process group of its
/// own, has the default signal handling, and inherits `control`.
///
/// `control` must stay open until the command has been spawned, and `launcher` be this process.
pub(crate) fn arm(command: &mut Command, control: &OwnedFd, launcher: Pid) {
    let control = control.as_raw_fd();
    let set_up = move || -> io::Result<()> {
        prctl::set_pdeathsig(Signal::SIGKILL)?;
        // The launcher may have died before the line above took effect.
        if getppid() != launcher {
            return Err(Errno::ESRCH.into());
        }
        // SAFETY: the number was duplicated by fork and nothing in this child closes it.
        let control = unsafe { BorrowedFd::borrow_raw(control) };
        fcntl(control, FcntlArg::F_SETFD(FdFlag::empty()))?;
        for signal in RESET {
            // SAFETY: the default disposition runs no code of ours.
            unsafe { nix::sys::signal::signal(signal, SigHandler::SigDfl) }?;
        }
        sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)?;
        Ok(())
    };
    command.process_group(0);
    // SAFETY: the closure runs between fork and exec; it makes system calls only, allocates
    // nothing and takes no lock.
    unsafe { command.pre_exec(set_up) };
}

/// Duplicates `fd` to the first free number from `lowest` on; the copy is closed by `exec`.
pub(crate) fn duplicate_from(fd: BorrowedFd<'_>, lowest: RawFd) -> io::Result<OwnedFd> {
    let fd = fcntl(fd, FcntlArg::F_DUPFD_CLOEXEC(lowest))?;
    // SAFETY: the kernel has just made `fd` for this caller, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Returns what the descriptor number `fd` is.
pub(crate) fn describe(fd: RawFd) -> Descriptor {
    if fd < 0 {
        return Descriptor::Closed;
    }
    // SAFETY: the number is used for two queries that fail with EBADF if nothing is open there, and
    // not kept.
    let fd = unsafe { BorrowedFd::borrow_raw(fd) };
    let Ok(flags) = fcntl(fd, FcntlArg::F_GETFD) else {
        return Descriptor::Closed;
    };
    let is_unix = getsockname::<SockaddrStorage>(fd.as_raw_fd())
        .is_ok_and(|name| name.family() == Some(AddressFamily::Unix));
    if !is_unix {
        Descriptor::Other
    } else if FdFlag::from_bits_truncate(flags).contains(FdFlag::FD_CLOEXEC) {
        Descriptor::Own
    } else {
        Descriptor::Inherited
    }
}

/// Takes the socket that was handed to this process under the number `fd`, and closes it to the
/// programs that this process starts.
///
/// The caller has seen it as [`Descriptor::Inherited`].
pub(crate) fn adopt(fd: RawFd) -> io::Result<UnixStream> {
    // SAFETY: the descriptor survived `exec`, so no value of this program owns it; the flag set
    // below makes every later look say `Own`.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    fcntl(fd.as_fd(), FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    Ok(UnixStream::from(fd))
}

/// Kills this process's own group, with it this process, without running anything on the way out.
pub(crate) fn kill_own_group() -> ! {
    // The launcher made this process a group leader before it ran, so the group holds nobody else's.
    _ = killpg(getpgrp(), Signal::SIGKILL);
    // SAFETY: `_exit` ends the process; nothing after it needs to hold.
    unsafe { libc::_exit(1) }
}
