//! A connected socket of any transport, in two halves.
//!
//! The halves keep the rules of `AsyncRead` and `AsyncWrite` whatever waker they are polled with: a poll with
//! one that does nothing asks what can be done at once, and the next poll, with another one, waits. What a
//! write took is sent without another call, as long as the other half is read; `poll_flush` waits for it.

mod conversation;
mod glance;
mod heard;
mod tcp;
#[cfg(test)]
mod tests;
mod unix;

use std::{
    io::{self, IoSlice},
    os::fd::RawFd,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, tcp::OwnedWriteHalf},
};

#[cfg(feature = "sim")]
use crate::sim::{SimReader, SimStream, SimWriter};
use crate::{
    identity::PeerIdentity,
    image::Image,
    pipe::{PipeEnd, PipeReader, PipeWriter},
    tls::{TlsReader, TlsStream, TlsWriter},
};

pub(crate) use glance::{Glance, Glances};
pub(crate) use heard::Heard;
use tcp::TcpReader;
pub(crate) use unix::Unix;
use unix::{UnixReader, UnixWriter};

/// An idle TCP connection is probed after this time, and so often, before it counts as lost.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(15);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVE_PROBES: u32 = 3;
/// So many bytes may wait in a TCP socket before they are sent; more would only wait there in place of here, where another
/// session still comes before them.
#[cfg(target_os = "linux")]
const UNSENT: u32 = 256 << 10;

/// So many bytes may have come over a TCP connection inside one machine before they are read; the system has as much again for
/// its own needs. More would wait there in place of here, and not be in a cache any more when it is read. Over a network the
/// system finds out what is on its way at one time, which may be more.
const UNREAD: usize = 512 << 10;

/// A connected socket.
#[derive(Debug)]
pub(crate) enum Stream {
    Tcp(TcpStream),
    Unix(Unix),
    Pipe(PipeEnd),
    Tls(TlsStream),
    #[cfg(feature = "sim")]
    Sim(SimStream),
}

/// Sets a connected TCP socket up to send small messages at once, to notice when the other machine is gone, and to keep little
/// that nobody has read if there is no other machine.
///
/// # Errors
///
/// What the system says about the options.
pub(crate) fn set_up(socket: &TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_IDLE)
        .with_interval(KEEPALIVE_INTERVAL)
        .with_retries(KEEPALIVE_PROBES);
    let (near, far) = (socket.local_addr()?.ip(), socket.peer_addr()?.ip());
    let socket = SockRef::from(socket);
    if near == far || far.is_loopback() {
        socket.set_recv_buffer_size(UNREAD)?;
    }
    #[cfg(target_os = "linux")]
    socket.set_tcp_notsent_lowat(UNSENT)?;
    socket.set_tcp_keepalive(&keepalive)
}

impl Stream {
    /// Returns the stream of a TCP socket, which is set up.
    ///
    /// # Errors
    ///
    /// What the system says about the options.
    pub(crate) fn tcp(stream: TcpStream) -> io::Result<Self> {
        set_up(&stream)?;
        Ok(Self::Tcp(stream))
    }

    /// Returns who the other end has proved to be; nobody proves anything over plain TCP.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub(crate) fn identity(&self) -> io::Result<Option<PeerIdentity>> {
        Ok(match self {
            Self::Tcp(_) | Self::Pipe(_) => None,
            Self::Unix(stream) => Some(PeerIdentity::User(stream.peer_user()?)),
            Self::Tls(stream) => Some(PeerIdentity::Key(stream.peer())),
            #[cfg(feature = "sim")]
            Self::Sim(_) => None,
        })
    }

    /// Returns the user of the other end if that is another one than ours. Only unix sockets know it.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub(crate) fn foreign_user(&self) -> io::Result<Option<u32>> {
        let Some(PeerIdentity::User(user)) = self.identity()? else {
            return Ok(None);
        };
        Ok((user != nix::unistd::geteuid().as_raw()).then_some(user))
    }

    /// Writes what fits at once, in the clear; for a last word that nothing waits for.
    ///
    /// # Errors
    ///
    /// What the system says; also if nothing fits, and over TLS.
    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_write(bytes),
            Self::Unix(stream) => stream.try_write(bytes),
            Self::Pipe(_) => Err(io::ErrorKind::WouldBlock.into()),
            Self::Tls(_) => Err(io::ErrorKind::Unsupported.into()),
            #[cfg(feature = "sim")]
            Self::Sim(_) => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// Returns the two halves.
    ///
    /// # Errors
    ///
    /// What the system says about watching the socket.
    pub(crate) fn split(self, heard: &Heard) -> io::Result<(Reader, Writer)> {
        Ok(match self {
            Self::Tcp(stream) => {
                let (reader, writer) = stream.into_split();
                (Reader::Tcp(TcpReader::new(reader)), Writer::Tcp(writer))
            }
            Self::Unix(stream) => {
                let (reader, writer) = stream.split(heard)?;
                (Reader::Unix(reader), Writer::Unix(writer))
            }
            Self::Pipe(end) => {
                let (reader, writer) = end.split();
                (Reader::Pipe(reader), Writer::Pipe(writer))
            }
            Self::Tls(stream) => {
                let (reader, writer) = stream.split();
                (Reader::Tls(reader), Writer::Tls(writer))
            }
            #[cfg(feature = "sim")]
            Self::Sim(stream) => {
                let (reader, writer) = stream.split();
                (Reader::Sim(reader), Writer::Sim(writer))
            }
        })
    }
}

/// The reading half of a socket.
#[derive(Debug)]
pub(crate) enum Reader {
    Tcp(TcpReader),
    Unix(UnixReader),
    Pipe(PipeReader),
    Tls(TlsReader),
    #[cfg(feature = "sim")]
    Sim(SimReader),
}

impl Reader {
    /// Reads some of what the peer has announced: at least as much as there is room for.
    pub(crate) fn poll_read_announced(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(half) => {
                let announced = buffer.remaining();
                half.poll_read(cx, buffer, announced)
            }
            other => Pin::new(other).poll_read(cx, buffer),
        }
    }

    /// Returns its socket, if it can be looked at.
    pub(crate) fn socket(&self) -> Option<RawFd> {
        match self {
            Self::Tcp(half) => Some(half.socket()),
            Self::Unix(half) => Some(half.socket()),
            // They are told of what comes by whoever wrote it, or read ahead.
            _ => None,
        }
    }

    /// Has the next read look for what is there, whether the runtime knows of it or not.
    pub(crate) fn glance(&mut self) {
        match self {
            Self::Tcp(half) => half.glance(),
            Self::Unix(half) => half.glance(),
            // They have no socket to be looked at.
            _ => {}
        }
    }

    /// Has a read of what was announced look for whatever is there, however little.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub(crate) fn look(&mut self) -> io::Result<()> {
        match self {
            Self::Tcp(half) => half.look(),
            // They always do.
            _ => Ok(()),
        }
    }
}

impl AsyncRead for Reader {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(half) => half.poll_read(cx, buffer, 1),
            Self::Unix(half) => half.poll_read(cx, buffer),
            Self::Pipe(half) => Pin::new(half).poll_read(cx, buffer),
            Self::Tls(half) => half.poll_read(cx, buffer),
            #[cfg(feature = "sim")]
            Self::Sim(half) => Pin::new(half).poll_read(cx, buffer),
        }
    }
}

/// Reads what is there; `None` if there is nothing.
#[allow(
    unsafe_code,
    reason = "a socket is read into memory that nobody cleared"
)]
fn read_now(socket: SockRef<'_>, buffer: &mut ReadBuf<'_>) -> Option<io::Result<()>> {
    // SAFETY: nothing but the system writes to it, and that takes nothing back which was initialized.
    let room = unsafe { buffer.unfilled_mut() };
    match socket.recv(room) {
        Ok(n) => {
            // SAFETY: the system has written the first `n` bytes.
            unsafe { buffer.assume_init(n) };
            buffer.advance(n);
            Some(Ok(()))
        }
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
            ) =>
        {
            None
        }
        Err(error) => Some(Err(error)),
    }
}

/// The writing half of a socket. When it goes, the other end reads the end of the stream.
#[derive(Debug)]
pub(crate) enum Writer {
    Tcp(OwnedWriteHalf),
    Unix(UnixWriter),
    Pipe(PipeWriter),
    Tls(TlsWriter),
    #[cfg(feature = "sim")]
    Sim(SimWriter),
}

/// So much a simulated socket takes at once.
#[cfg(feature = "sim")]
const SIM_WRITE: usize = 64 << 10;

impl Writer {
    /// Gives up what is kept because a peer answered soon.
    pub(crate) fn relax(&mut self) {
        if let Self::Unix(half) = self {
            half.relax();
        }
    }

    /// Writes some of `image`, and returns how many bytes.
    pub(crate) fn poll_write_image(
        &mut self,
        cx: &mut Context<'_>,
        image: &Image,
    ) -> Poll<io::Result<usize>> {
        if let Self::Pipe(pipe) = self
            && let Some(bytes) = image.first()
        {
            let len = bytes.len();
            return pipe.poll_write_bytes(cx, &bytes).map_ok(|()| len);
        }
        #[cfg(feature = "sim")]
        if let Self::Sim(half) = self
            && let Some(bytes) = image.first()
        {
            // It would take all of it, and a socket takes what it has room for.
            let len = bytes.len().min(SIM_WRITE);
            let piece = bytes.slice(..len);
            return half.poll_write_bytes(cx, &piece).map_ok(|()| len);
        }
        match image.slices().as_slice() {
            // The system has less to do for one piece that is not in a list.
            [one] => Pin::new(self).poll_write(cx, one),
            slices => Pin::new(self).poll_write_vectored(cx, slices),
        }
    }
}

impl AsyncWrite for Writer {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(half) => Pin::new(half).poll_write(cx, bytes),
            Self::Unix(half) => half.poll_write(cx, &[IoSlice::new(bytes)]),
            Self::Pipe(half) => Pin::new(half).poll_write(cx, bytes),
            Self::Tls(half) => half.poll_write(cx, &[IoSlice::new(bytes)]),
            #[cfg(feature = "sim")]
            Self::Sim(half) => Pin::new(half).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(half) => Pin::new(half).poll_write_vectored(cx, slices),
            Self::Unix(half) => half.poll_write(cx, slices),
            Self::Pipe(half) => Pin::new(half).poll_write_vectored(cx, slices),
            Self::Tls(half) => half.poll_write(cx, slices),
            #[cfg(feature = "sim")]
            Self::Sim(half) => Pin::new(half).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(half) => Pin::new(half).poll_flush(cx),
            Self::Unix(_) | Self::Pipe(_) => Poll::Ready(Ok(())),
            Self::Tls(half) => half.poll_flush(cx),
            #[cfg(feature = "sim")]
            Self::Sim(half) => Pin::new(half).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(half) => Pin::new(half).poll_shutdown(cx),
            Self::Unix(half) => Poll::Ready(half.shut_down()),
            Self::Pipe(half) => Pin::new(half).poll_shutdown(cx),
            Self::Tls(half) => half.poll_shutdown(cx),
            #[cfg(feature = "sim")]
            Self::Sim(half) => Pin::new(half).poll_shutdown(cx),
        }
    }
}
