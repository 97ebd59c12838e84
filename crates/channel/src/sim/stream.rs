//! A connection of a simulated network, in two halves, with the interface of the halves of a pipe.

use std::{
    io, mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

use super::{
    connection::{Side, Turn},
    fabric::{Fabric, State},
};
use crate::pipe::copy_part;

/// A connection between two nodes of a simulated network. Dropping it is dropping both halves.
#[derive(Debug)]
pub struct SimStream {
    reader: SimReader,
    writer: SimWriter,
}

impl SimStream {
    pub(super) fn new(fabric: &Arc<Fabric>, number: u64, side: Side) -> Self {
        let half = || Half {
            fabric: fabric.clone(),
            number,
            side,
            timer: None,
        };
        Self {
            reader: SimReader {
                half: half(),
                rest: Bytes::new(),
            },
            writer: SimWriter { half: half() },
        }
    }

    /// Returns the number of the connection in the trace, the same at both ends.
    pub fn number(&self) -> u64 {
        self.reader.half.number
    }

    /// Returns the two halves.
    pub fn split(self) -> (SimReader, SimWriter) {
        (self.reader, self.writer)
    }
}

/// The reading half of a connection. When it goes, the other end's writer gets
/// [`BrokenPipe`](io::ErrorKind::BrokenPipe), as soon as the news has arrived there.
#[derive(Debug)]
pub struct SimReader {
    half: Half,
    /// What a copying read left of a piece.
    rest: Bytes,
}

impl SimReader {
    /// Returns the next bytes that arrived; an empty piece is the end of the stream. What was written at once
    /// may arrive in several pieces.
    ///
    /// # Errors
    ///
    /// [`ConnectionReset`](io::ErrorKind::ConnectionReset) if a fault ended the connection.
    pub fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        if !self.rest.is_empty() {
            return Poll::Ready(Ok(mem::take(&mut self.rest)));
        }
        self.half.poll(cx, State::poll_read)
    }
}

/// Reads at most one piece, and copies it.
impl AsyncRead for SimReader {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let piece = ready!(this.poll_chunk(cx))?;
        this.rest = copy_part(piece, buffer);
        Poll::Ready(Ok(()))
    }
}

impl Drop for SimReader {
    fn drop(&mut self) {
        let Half {
            fabric,
            number,
            side,
            ..
        } = &self.half;
        fabric.act(|state, now| state.drop_reader(*number, *side, now));
    }
}

/// The writing half of a connection. When it goes, the reader at the other end reads the end of the
/// stream after all that was written.
#[derive(Debug)]
pub struct SimWriter {
    half: Half,
}

impl SimWriter {
    /// Writes the whole of `piece`, however long it is, without copying it, if less than 256 KiB and 1024
    /// segments of this direction are written and not read. `Pending` has written nothing. An empty
    /// piece is nothing to read.
    ///
    /// A write that returns `Ok` was taken; it does not say that the bytes arrive.
    ///
    /// # Errors
    ///
    /// [`ConnectionReset`](io::ErrorKind::ConnectionReset) if a fault ended the connection,
    /// [`BrokenPipe`](io::ErrorKind::BrokenPipe) if the reader is gone or this half was shut down.
    pub fn poll_write_bytes(
        &mut self,
        cx: &mut Context<'_>,
        piece: &Bytes,
    ) -> Poll<io::Result<()>> {
        ready!(self.half.poll(cx, State::poll_room))?;
        self.half.write(piece);
        Poll::Ready(Ok(()))
    }
}

/// Copies what it writes.
impl AsyncWrite for SimWriter {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let half = &mut self.get_mut().half;
        let n_free = ready!(half.poll(cx, State::poll_room))?;
        let piece = Bytes::copy_from_slice(&bytes[..bytes.len().min(n_free)]);
        half.write(&piece);
        Poll::Ready(Ok(piece.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let half = &self.half;
        half.fabric
            .act(|state, now| state.shut(half.number, half.side, now));
        Poll::Ready(Ok(()))
    }
}

impl Drop for SimWriter {
    fn drop(&mut self) {
        let Half {
            fabric,
            number,
            side,
            ..
        } = &self.half;
        fabric.act(|state, now| state.drop_writer(*number, *side, now));
    }
}

/// One half of one side of a connection, and when to look again.
#[derive(Debug)]
struct Half {
    fabric: Arc<Fabric>,
    number: u64,
    side: Side,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Half {
    /// Polls, now and whenever there may be something.
    fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        poll: impl Fn(&mut State, u64, Side, Instant, &Context<'_>) -> Turn<T>,
    ) -> Poll<io::Result<T>> {
        loop {
            let (number, side) = (self.number, self.side);
            let turn = self
                .fabric
                .act(|state, now| poll(state, number, side, now, cx));
            match turn {
                Turn::Done(result) => return Poll::Ready(result),
                Turn::Wait(None) => return Poll::Pending,
                Turn::Wait(Some(at)) => ready!(self.poll_timer(at, cx)),
            }
        }
    }

    fn poll_timer(&mut self, at: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if timer.deadline() != at {
            timer.as_mut().reset(at);
        }
        timer.as_mut().poll(cx)
    }

    fn write(&self, piece: &Bytes) {
        if !piece.is_empty() {
            self.fabric
                .act(|state, now| state.write(self.number, self.side, piece, now));
        }
    }
}
