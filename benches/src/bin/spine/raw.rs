//! The baselines that need processes and nothing of ours: sockets and fork, exec, exit.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::PAYLOAD;
use crate::role::Role;

/// Child processes that echo over one unix socket each.
pub(crate) struct Echoes {
    peers: Vec<(UnixStream, Child)>,
}

impl Echoes {
    /// Starts `n` children.
    pub(crate) fn start(n: usize) -> io::Result<Self> {
        let mut peers = Vec::with_capacity(n);
        for _ in 0..n {
            let (ours, theirs) = UnixStream::pair()?;
            let stdin = Stdio::from(OwnedFd::from(theirs));
            peers.push((ours, Role::Echo.start(stdin, Stdio::null())?));
        }
        Ok(Self { peers })
    }

    /// Returns the mean time of one round: the payload to each child, then the echo of each.
    pub(crate) fn round(&mut self, n_rounds: u32) -> io::Result<Duration> {
        let sent = [7; PAYLOAD];
        let mut seen = [0; PAYLOAD];
        let start = Instant::now();
        for _ in 0..n_rounds {
            for (socket, _) in &mut self.peers {
                socket.write_all(&sent)?;
            }
            for (socket, _) in &mut self.peers {
                socket.read_exact(&mut seen)?;
                assert_eq!(seen, sent, "the echo is not what was sent");
            }
        }
        Ok(start.elapsed() / n_rounds)
    }

    /// Ends the children and waits for them.
    pub(crate) fn stop(self) -> io::Result<()> {
        for (socket, mut child) in self.peers {
            // The end of the stream is the end of the child.
            drop(socket);
            child.wait()?;
        }
        Ok(())
    }
}

/// Is such a child.
pub(crate) fn echo() -> io::Result<()> {
    let mut socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut buffer = [0; PAYLOAD];
    loop {
        match socket.read(&mut buffer)? {
            0 => return Ok(()),
            n => socket.write_all(&buffer[..n])?,
        }
    }
}

/// Returns the time of fork, exec and exit of this program, `n` times one after the other.
pub(crate) fn fork_exec_exit(n: usize) -> io::Result<Duration> {
    let start = Instant::now();
    for _ in 0..n {
        let status = Role::Exit.start(Stdio::null(), Stdio::null())?.wait()?;
        assert!(
            status.success(),
            "a process that does nothing ended with {status}"
        );
    }
    Ok(start.elapsed())
}
