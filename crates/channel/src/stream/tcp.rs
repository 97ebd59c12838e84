//! The reading half of a TCP socket, which is not woken for each segment of a long message.
//!
//! # Invariants
//!
//! - **INV-1**: while a read waits, the system wakes it at the latest when everything is there that was announced.
//! - **INV-2**: after [`look`](TcpReader::look) it wakes it for whatever is there: over a slow network that is how a peer is
//!   seen to live while it sends a long message.

#![allow(
    unsafe_code,
    reason = "no library has the option of a socket for how much is to be there before it is told of"
)]

use std::{
    io, mem,
    os::fd::{AsRawFd, RawFd},
    pin::Pin,
    task::{Context, Poll, ready},
};

use super::read_now;
use nix::libc;
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, ReadBuf},
    net::{TcpStream, tcp::OwnedReadHalf},
};

/// Of so many bytes the system tells at once.
const MANY: usize = 128 << 10;

/// The reading half.
#[derive(Debug)]
pub(crate) struct TcpReader {
    half: OwnedReadHalf,
    /// How many bytes have to be there before the system tells.
    least: usize,
    /// Whether whatever is there is looked for, until something was.
    looks: bool,
    /// Whether the next read does not wait for news.
    glances: bool,
}

impl TcpReader {
    pub(crate) fn new(half: OwnedReadHalf) -> Self {
        Self {
            half,
            least: 1,
            looks: false,
            glances: false,
        }
    }

    /// Has a read that waits look for whatever is there, however little.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub(crate) fn look(&mut self) -> io::Result<()> {
        self.looks = true;
        self.wait_for(1)
    }

    pub(crate) fn socket(&self) -> RawFd {
        self.half.as_ref().as_raw_fd()
    }

    /// Has the next read look for what is there, whether the runtime knows of it or not.
    pub(crate) fn glance(&mut self) {
        self.glances = true;
    }

    /// Reads what is there, or waits for some of `announced` bytes which will come.
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
        announced: usize,
    ) -> Poll<io::Result<()>> {
        if mem::take(&mut self.glances)
            && let Some(read) = read_now(SockRef::from(self.half.as_ref()), buffer)
        {
            self.looks = false;
            return Poll::Ready(read);
        }
        let is_long = MANY <= announced;
        let read = if is_long {
            self.poll_more(cx, buffer)
        } else {
            Pin::new(&mut self.half).poll_read(cx, buffer)
        };
        if read.is_pending() {
            // INV-1. Who waits is registered: the system looks at once, and tells of what is there.
            self.wait_for(if is_long && !self.looks { MANY } else { 1 })?;
        } else {
            self.looks = false;
        }
        read
    }

    /// Reads as long as something is there. That there was less than fits says that there is no more, but of a long
    /// message more has come until that is handled: to wait for the news of it costs more than to look.
    fn poll_more(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let socket: &TcpStream = self.half.as_ref();
        loop {
            ready!(socket.poll_read_ready(cx))?;
            match socket.try_read_buf(buffer) {
                Ok(_) => return Poll::Ready(Ok(())),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// Has the system tell when so many bytes are there; it looks at once.
    fn wait_for(&mut self, least: usize) -> io::Result<()> {
        if least != self.least {
            set_least(self.half.as_ref(), least)?;
            self.least = least;
        }
        Ok(())
    }
}

fn set_least(socket: &TcpStream, least: usize) -> io::Result<()> {
    let least = least as libc::c_int;
    // SAFETY: the descriptor is open, and the value lives as long as the call and is as long as is said.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_RCVLOWAT,
            (&raw const least).cast(),
            size_of_val(&least) as libc::socklen_t,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
