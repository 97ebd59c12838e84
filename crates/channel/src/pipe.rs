//! Two ends of a byte stream in memory, which hands over what was written without copying it.
//!
//! # Invariants
//!
//! - **INV-1**: bytes are read in the order in which they were written, each once; the end of the stream
//!   is read after all of them.
//! - **INV-2**: of one direction, less than `capacity` bytes and [`MAX_PIECES`] pieces wait, before the last
//!   piece that was taken. That one may be longer.
//! - **INV-3**: the waker of the last poll that returned `Pending` is woken, and only that one.
//! - **INV-4**: no waker is called or dropped, and no piece dropped, while the lock is held.
//! - **INV-5**: a direction that is empty holds no more than [`KEPT_ROOM`] places for pieces.

use std::{
    collections::VecDeque,
    io, mem,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How many pieces may wait in one direction: many small ones are bounded too.
const MAX_PIECES: usize = 1024;

/// An emptied direction does not keep more places for pieces than this.
const KEPT_ROOM: usize = 16;

/// Returns the two ends of a stream. In each direction, a writer waits while `capacity` bytes (at least
/// one) or [`MAX_PIECES`] pieces are not read yet.
pub(crate) fn pair(capacity: usize) -> (PipeEnd, PipeEnd) {
    let (one, other) = (Direction::new(capacity), Direction::new(capacity));
    let near = PipeEnd::new(one.clone(), other.clone());
    (near, PipeEnd::new(other, one))
}

/// One end of a stream. Dropping it is dropping both halves.
#[derive(Debug)]
pub(crate) struct PipeEnd {
    reader: PipeReader,
    writer: PipeWriter,
}

impl PipeEnd {
    fn new(incoming: Arc<Direction>, outgoing: Arc<Direction>) -> Self {
        let reader = PipeReader {
            direction: incoming,
            rest: Bytes::new(),
        };
        let writer = PipeWriter {
            direction: outgoing,
        };
        Self { reader, writer }
    }

    /// Returns the two halves.
    pub(crate) fn split(self) -> (PipeReader, PipeWriter) {
        (self.reader, self.writer)
    }
}

/// The reading half of an end. When it goes, what was not read is dropped, and the writer on the other
/// side gets [`BrokenPipe`](io::ErrorKind::BrokenPipe).
#[derive(Debug)]
pub(crate) struct PipeReader {
    direction: Arc<Direction>,
    /// What a copying read left of a piece.
    rest: Bytes,
}

impl PipeReader {
    /// Returns the next piece, as it was written; an empty one is the end of the stream.
    ///
    /// # Errors
    ///
    /// None; it returns what sockets return.
    pub(crate) fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        if !self.rest.is_empty() {
            return Poll::Ready(Ok(mem::take(&mut self.rest)));
        }
        let mut state = self.direction.lock();
        if let Some(piece) = state.pop() {
            let writer = state.writer_to_wake(self.direction.capacity);
            drop(state);
            wake(writer);
            return Poll::Ready(Ok(piece));
        }
        if state.is_ended {
            return Poll::Ready(Ok(Bytes::new()));
        }
        let replaced = register(&mut state.reader, cx);
        drop(state);
        drop(replaced);
        Poll::Pending
    }
}

/// Reads the rest of one piece at most, and copies it.
impl AsyncRead for PipeReader {
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

impl Drop for PipeReader {
    fn drop(&mut self) {
        let mut state = self.direction.lock();
        state.is_reader_gone = true;
        state.used = 0;
        let unread = mem::take(&mut state.pieces);
        let wakers = (state.writer.take(), state.reader.take());
        drop(state);
        drop(unread);
        wake(wakers.0);
    }
}

/// The writing half of an end. When it goes, the reader on the other side reads the end of the stream
/// after all that was written.
#[derive(Debug)]
pub(crate) struct PipeWriter {
    direction: Arc<Direction>,
}

impl PipeWriter {
    /// Writes the whole of `piece`, however long it is, without copying it, if anything is free.
    /// `Pending` has written nothing. An empty piece is nothing to read.
    ///
    /// A write that returns `Ok` was taken; it does not say that the other side reads it.
    ///
    /// # Errors
    ///
    /// [`BrokenPipe`](io::ErrorKind::BrokenPipe) if the reader is gone or this half was shut down.
    pub(crate) fn poll_write_bytes(
        &mut self,
        cx: &mut Context<'_>,
        piece: &Bytes,
    ) -> Poll<io::Result<()>> {
        let mut state = match self.direction.poll_room(cx) {
            Poll::Ready(Ok((state, _))) => state,
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Pending => return Poll::Pending,
        };
        if piece.is_empty() {
            return Poll::Ready(Ok(()));
        }
        state.push(piece.clone());
        let reader = state.reader.take();
        drop(state);
        wake(reader);
        Poll::Ready(Ok(()))
    }

    /// Ends the stream: the reader gets the end after all that was written. It may be called again.
    pub(crate) fn shut_down(&mut self) {
        let mut state = self.direction.lock();
        state.is_ended = true;
        let wakers = (state.reader.take(), state.writer.take());
        drop(state);
        wake(wakers.0);
    }
}

/// Copies what it writes.
impl AsyncWrite for PipeWriter {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let n_free = match this.direction.poll_room(cx) {
            Poll::Ready(Ok((_, n_free))) => n_free,
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Pending => return Poll::Pending,
        };
        // What is free now remains so: nobody else writes.
        let piece = Bytes::copy_from_slice(&bytes[..bytes.len().min(n_free)]);
        this.poll_write_bytes(cx, &piece).map_ok(|()| piece.len())
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().shut_down();
        Poll::Ready(Ok(()))
    }
}

impl Drop for PipeWriter {
    fn drop(&mut self) {
        self.shut_down();
    }
}

/// What is written and not yet read in one direction, which has one writer and one reader.
#[derive(Debug)]
struct Direction {
    capacity: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    pieces: VecDeque<Bytes>,
    /// The bytes of the pieces.
    used: usize,
    /// The writer is gone or shut down.
    is_ended: bool,
    is_reader_gone: bool,
    /// Who waits for a piece, and for room.
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Direction {
    fn new(capacity: usize) -> Arc<Self> {
        Arc::new(Self {
            capacity: capacity.max(1),
            state: Mutex::default(),
        })
    }

    /// Waits for room, and returns how many bytes are free (INV-2).
    fn poll_room(&self, cx: &mut Context<'_>) -> Poll<io::Result<(MutexGuard<'_, State>, usize)>> {
        let mut state = self.lock();
        if state.is_reader_gone || state.is_ended {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if state.used < self.capacity && state.pieces.len() < MAX_PIECES {
            let n_free = self.capacity - state.used;
            return Poll::Ready(Ok((state, n_free)));
        }
        let replaced = register(&mut state.writer, cx);
        drop(state);
        drop(replaced);
        Poll::Pending
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn push(&mut self, piece: Bytes) {
        self.used += piece.len();
        self.pieces.push_back(piece);
    }

    fn pop(&mut self) -> Option<Bytes> {
        let piece = self.pieces.pop_front()?;
        self.used -= piece.len();
        if self.pieces.is_empty() && KEPT_ROOM < self.pieces.capacity() {
            self.pieces = VecDeque::new();
        }
        Some(piece)
    }

    /// Returns who waits for room, once half of it is free: he is not woken for each piece. A reader that
    /// waits has emptied the pipe, so the two never wait for each other.
    fn writer_to_wake(&mut self, capacity: usize) -> Option<Waker> {
        let has_room = self.used <= capacity / 2 && self.pieces.len() <= MAX_PIECES / 2;
        if has_room { self.writer.take() } else { None }
    }
}

/// Copies what fits of `piece`, and returns the rest.
pub(crate) fn copy_part(mut piece: Bytes, buffer: &mut ReadBuf<'_>) -> Bytes {
    let n_read = piece.len().min(buffer.remaining());
    buffer.put_slice(&piece[..n_read]);
    piece.advance(n_read);
    piece
}

/// Makes the waker of `cx` the one to wake (INV-3), and returns the one that it replaces, to be dropped
/// without the lock.
pub(crate) fn register(slot: &mut Option<Waker>, cx: &Context<'_>) -> Option<Waker> {
    match slot {
        Some(waker) if waker.will_wake(cx.waker()) => None,
        _ => slot.replace(cx.waker().clone()),
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

#[cfg(test)]
mod tests;
