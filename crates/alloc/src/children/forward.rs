//! The launcher's own stderr as a place for children's lines, written to without ever waiting.
//!
//! # Invariants
//!
//! - **INV-1**: no call waits for whoever reads this process's stderr.
//! - **INV-2**: at most `MAX_PENDING` bytes wait; lines beyond that are dropped, and their number
//!   is told in the stream once it moves again.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
        unix::fs::{FileTypeExt, OpenOptionsExt},
    },
};

use nix::{
    fcntl::OFlag,
    sys::socket::{MsgFlags, send},
};

/// The most bytes that wait for the reader of this process's stderr.
const MAX_PENDING: usize = 64 * 1024;

/// Where children's lines go.
#[derive(Debug)]
pub(super) struct Forward {
    to: Option<Target>,
    pending: Vec<u8>,
    n_dropped: u64,
}

/// This process's stderr by its kind, since there is no one way not to wait.
#[derive(Debug)]
enum Target {
    /// A pipe or a terminal, opened a second time: the flag that makes a write return instead of
    /// waiting is then ours alone.
    Reopened(File),
    /// A socket, where each write says that it does not wait.
    Socket(OwnedFd),
    /// A regular file, where a write does not wait.
    File(File),
}

impl Forward {
    /// Returns the forward to this process's stderr, or to nowhere if `enabled` is false or there
    /// is no stderr that can be written to without waiting.
    pub(super) fn new(enabled: bool) -> Self {
        let to = if enabled { Target::stderr().ok() } else { None };
        Self {
            to,
            pending: Vec::new(),
            n_dropped: 0,
        }
    }

    /// Takes one line of the child called `label`.
    pub(super) fn line(&mut self, label: &str, line: &str) {
        if self.to.is_none() {
            return;
        }
        // Room for the line, its label, the brackets, a blank and the line end.
        let len = label.len() + line.len() + 4;
        if MAX_PENDING < self.pending.len() + len {
            self.n_dropped += 1;
            return;
        }
        self.pending
            .extend_from_slice(format!("[{label}] {line}\n").as_bytes());
    }

    /// Returns the descriptor to wait for, if something is pending.
    pub(super) fn waits_for(&self) -> Option<BorrowedFd<'_>> {
        let target = self.to.as_ref().filter(|_| !self.pending.is_empty())?;
        Some(match target {
            Target::Reopened(file) | Target::File(file) => file.as_fd(),
            Target::Socket(socket) => socket.as_fd(),
        })
    }

    /// Writes what can be written now.
    pub(super) fn flush(&mut self) {
        while let Some(target) = self.to.as_mut()
            && !self.pending.is_empty()
        {
            match target.write(&self.pending) {
                Ok(n) => _ = self.pending.drain(..n),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // Nobody reads any more: that is no reason to disturb the children.
                Err(_) => self.to = None,
            }
            if self.pending.is_empty() && self.n_dropped != 0 {
                let n_dropped = std::mem::take(&mut self.n_dropped);
                let text =
                    format!("[hypermesh] {n_dropped} lines of child processes were dropped\n");
                self.pending.extend_from_slice(text.as_bytes());
            }
        }
    }
}

impl Target {
    fn stderr() -> io::Result<Self> {
        let stderr = io::stderr();
        let own = File::from(stderr.as_fd().try_clone_to_owned()?);
        let kind = own.metadata()?.file_type();
        if kind.is_socket() {
            return Ok(Self::Socket(own.into()));
        }
        if !kind.is_fifo() && !kind.is_char_device() {
            return Ok(Self::File(own));
        }
        let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        OpenOptions::new()
            .append(true)
            .custom_flags(flags.bits())
            .open("/proc/self/fd/2")
            .map(Self::Reopened)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Reopened(file) | Self::File(file) => file.write(bytes),
            Self::Socket(socket) => {
                let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
                Ok(send(socket.as_raw_fd(), bytes, flags)?)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Read, os::unix::net::UnixStream};

    use super::*;

    fn over_a_socket() -> (Forward, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let to = Some(Target::Socket(ours.into()));
        (
            Forward {
                to,
                pending: Vec::new(),
                n_dropped: 0,
            },
            theirs,
        )
    }

    #[test]
    fn inv1_and_inv2_a_reader_that_stops_costs_lines_but_never_a_wait() {
        let (mut forward, mut reader) = over_a_socket();
        let line = "z".repeat(1000);
        // More than the socket and the buffer hold together: without INV-1 this would hang.
        for _ in 0..2000 {
            forward.line("w.0", &line);
            forward.flush();
        }
        assert!(forward.pending.len() <= MAX_PENDING);
        assert!(0 < forward.n_dropped);

        reader.set_nonblocking(true).unwrap();
        let mut text = Vec::new();
        while forward.waits_for().is_some() {
            _ = reader.read_to_end(&mut text);
            forward.flush();
        }
        _ = reader.read_to_end(&mut text);
        let text = String::from_utf8(text).unwrap();
        assert!(text.starts_with("[w.0] zzz"));
        assert!(
            text.trim_end()
                .ends_with("lines of child processes were dropped")
        );
    }

    #[test]
    fn a_reader_that_is_gone_is_forgotten() {
        let (mut forward, reader) = over_a_socket();
        drop(reader);
        forward.line("w.0", "hello");
        forward.flush();
        assert!(forward.waits_for().is_none());
    }
}
