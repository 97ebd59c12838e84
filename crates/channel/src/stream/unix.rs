//! A connected unix socket that asks the system for news of what is needed, and of nothing else.
//!
//! The system tells whoever watches a unix socket for writability each time the peer has read
//! something. A runtime that watches every socket for both directions is so woken once more for each
//! message, for nothing. Here a socket is watched for input; for room only while a write waits for it.
//!
//! But in a conversation, in which each end says something short and waits for the answer, that news comes just
//! before the answer does: the processor that is woken by it is awake when the answer comes, which takes less
//! time than the waking. So while this end writes and hears in turns its sockets are watched for room, too.
//!
//! # Invariants
//!
//! - **INV-1**: whoever waits for room is registered before the write that found none, or asks the system
//!   anew after it: no news is lost.
//! - **INV-2**: nobody is woken because the peer has read, unless a write waits or the ends take turns.

#![allow(
    unsafe_code,
    reason = "a socket is registered with a promise that it stays the same one, and read into memory that nobody cleared"
)]

use std::{
    io::{self, IoSlice, Write},
    mem,
    net::Shutdown,
    os::{
        fd::{AsRawFd, RawFd},
        unix::net::UnixStream,
    },
    sync::Arc,
    task::{Context, Poll, ready},
    time::Instant,
};

use super::{Heard, conversation::Conversation, read_now};
use nix::{
    libc::MSG_NOSIGNAL,
    sys::socket::{getsockopt, sockopt::PeerCredentials},
};
use socket2::SockRef;
use tokio::io::{Interest, ReadBuf, unix::AsyncFd};

/// What the system is asked to keep of what is written and not read.
const SEND_BUFFER: usize = 512 << 10;

/// A connected socket, in one piece.
#[derive(Debug)]
pub(crate) struct Unix {
    socket: UnixStream,
}

impl Unix {
    /// Takes the socket from a runtime that watches it for both directions.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub(crate) fn new(stream: tokio::net::UnixStream) -> io::Result<Self> {
        let socket = stream.into_std()?;
        // The two ends take fewer turns than with what the system gives, and a small message does not wait behind much.
        SockRef::from(&socket).set_send_buffer_size(SEND_BUFFER)?;
        Ok(Self { socket })
    }

    /// Returns the user of the other end.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub(crate) fn peer_user(&self) -> io::Result<u32> {
        Ok(getsockopt(&self.socket, PeerCredentials)?.uid())
    }

    /// Writes what fits at once.
    ///
    /// # Errors
    ///
    /// What the system says; also if nothing fits.
    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        (&self.socket).write(bytes)
    }

    /// Returns the two halves.
    ///
    /// # Errors
    ///
    /// What the system says about watching the socket.
    pub(crate) fn split(self, heard: &Heard) -> io::Result<(UnixReader, UnixWriter)> {
        let socket = Arc::new(watch(self.socket, Interest::READABLE)?);
        let writer = UnixWriter {
            socket: socket.clone(),
            room: None,
            heard: heard.clone(),
            conversation: Conversation::new(heard.count(), Instant::now()),
        };
        let reader = UnixReader {
            socket,
            heard: heard.clone(),
            glances: false,
        };
        Ok((reader, writer))
    }
}

/// Has the runtime watch `socket`.
fn watch(socket: UnixStream, interest: Interest) -> io::Result<AsyncFd<UnixStream>> {
    // SAFETY: the descriptor is owned by the stream, which gives the same one for all its life, is moved
    // into the registration, and is never taken out or replaced there.
    Ok(unsafe { AsyncFd::register_with_interest(socket, interest) }?)
}

/// The reading half.
#[derive(Debug)]
pub(crate) struct UnixReader {
    socket: Arc<AsyncFd<UnixStream>>,
    heard: Heard,
    /// Whether the next read does not wait for news.
    glances: bool,
}

impl UnixReader {
    pub(crate) fn socket(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    /// Has the next read look for what is there, whether the runtime knows of it or not.
    pub(crate) fn glance(&mut self) {
        self.glances = true;
    }

    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if mem::take(&mut self.glances)
            && let Some(read) = read_now(SockRef::from(self.socket.get_ref()), buffer)
        {
            self.heard.add();
            return Poll::Ready(read);
        }
        loop {
            let mut ready = ready!(self.socket.poll_read_ready(cx))?;
            // SAFETY: nothing but the system writes to it, and that takes nothing back which was initialized.
            let room = unsafe { buffer.unfilled_mut() };
            let len = room.len();
            match SockRef::from(ready.get_inner()).recv(room) {
                Ok(n) => {
                    // Less than there was room for: there is no more, and news will come of what comes.
                    if 0 < n && n < len {
                        ready.clear_ready();
                    }
                    // SAFETY: the system has written the first `n` bytes.
                    unsafe { buffer.assume_init(n) };
                    buffer.advance(n);
                    self.heard.add();
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready.clear_ready(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

/// The writing half. When it goes, the other end reads the end of the stream.
#[derive(Debug)]
pub(crate) struct UnixWriter {
    socket: Arc<AsyncFd<UnixStream>>,
    /// The socket once more, watched for room: from a write that did not fit to one that did, and in a conversation.
    room: Option<Box<AsyncFd<UnixStream>>>,
    /// Of this and all other connections: the answer may come over another one.
    heard: Heard,
    conversation: Conversation,
}

impl UnixWriter {
    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let len: usize = slices.iter().map(|slice| slice.len()).sum();
        loop {
            // Taken before the write: only what was true before it is not any more after it.
            let room = match &self.room {
                Some(room) => Some(ready!(room.poll_write_ready(cx))?),
                None => None,
            };
            let socket = SockRef::from(self.socket.get_ref());
            let written = match slices {
                [one] => socket.send_with_flags(one, MSG_NOSIGNAL),
                slices => socket.send_vectored_with_flags(slices, MSG_NOSIGNAL),
            };
            match (&written, room) {
                (Err(error), _) if error.kind() == io::ErrorKind::Interrupted => {}
                (Err(error), room) if error.kind() == io::ErrorKind::WouldBlock => match room {
                    Some(mut room) => room.clear_ready(),
                    None => _ = self.watch()?,
                },
                _ => {
                    self.settle(&written, len);
                    return Poll::Ready(written);
                }
            }
        }
    }

    /// Ends a conversation in which nothing is said any more.
    pub(crate) fn relax(&mut self) {
        self.conversation.end();
        self.room = None;
    }

    pub(crate) fn shut_down(&self) -> io::Result<()> {
        self.socket.get_ref().shutdown(Shutdown::Write)
    }

    /// Ends the watch for room after a write of `len` bytes that was taken whole, or begins one in a conversation.
    fn settle(&mut self, written: &io::Result<usize>, len: usize) {
        if written.as_ref().is_ok_and(|n| *n == len) {
            let heard = self.heard.count();
            if self.conversation.say(len, heard, Instant::now()) {
                if self.room.is_none() {
                    // It was written all the same; without a watch the conversation goes on.
                    _ = self.watch();
                }
            } else {
                self.room = None;
            }
        }
    }

    /// Begins to watch for room. The system tells at once if there is some.
    fn watch(&mut self) -> io::Result<&AsyncFd<UnixStream>> {
        let socket = self.socket.get_ref().try_clone()?;
        let room = watch(socket, Interest::WRITABLE)?;
        Ok(self.room.insert(Box::new(room)))
    }
}

impl Drop for UnixWriter {
    fn drop(&mut self) {
        // A socket that is not connected any more has ended already.
        _ = self.shut_down();
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, task::Waker};

    use super::*;

    fn pair() -> (UnixWriter, UnixReader) {
        let (near, far) = tokio::net::UnixStream::pair().unwrap();
        let split = |stream| Unix::new(stream).unwrap().split(&Heard::default()).unwrap();
        (split(near).1, split(far).0)
    }

    async fn write(writer: &mut UnixWriter, len: usize) -> usize {
        let piece = vec![7; len];
        let written = poll_fn(|cx| writer.poll_write(cx, &[IoSlice::new(&piece)]));
        written.await.unwrap()
    }

    #[tokio::test]
    async fn inv2_room_is_watched_from_a_write_that_did_not_fit_to_one_that_did() {
        let (mut writer, mut reader) = pair();
        let written = write(&mut writer, 4 * SEND_BUFFER).await;
        assert!(written < 4 * SEND_BUFFER);
        let mut cx = Context::from_waker(Waker::noop());
        assert!(
            writer
                .poll_write(&mut cx, &[IoSlice::new(&[7])])
                .is_pending()
        );
        assert!(writer.room.is_some());
        let mut memory = vec![0; written];
        let mut buffer = ReadBuf::new(&mut memory);
        while 0 < buffer.remaining() {
            poll_fn(|cx| reader.poll_read(cx, &mut buffer))
                .await
                .unwrap();
        }
        assert_eq!(write(&mut writer, 1).await, 1);
        assert!(writer.room.is_none());
    }

    #[tokio::test]
    async fn inv2_room_is_watched_in_a_conversation_until_nothing_is_said_any_more() {
        let (mut writer, _reader) = pair();
        let now = Instant::now();
        writer.conversation = Conversation::new(0, now);
        for heard in 1..=200 {
            writer.conversation.say(1, heard, now);
        }
        writer.heard.add();
        assert_eq!(write(&mut writer, 1).await, 1);
        assert!(writer.room.is_some());
        writer.relax();
        assert!(writer.room.is_none());
        assert_eq!(write(&mut writer, 1).await, 1);
        assert!(writer.room.is_none());
    }
}
