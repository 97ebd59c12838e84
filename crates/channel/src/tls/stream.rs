//! A connection that speaks TLS, and its two halves.
//!
//! TLS keeps what it has encrypted and the socket has no room for. A plain socket sends by itself what it
//! took; so that this one does too, the reading half sends what is left as long as somebody reads, and a
//! write or flush does it in any case.
//!
//! # Invariants
//!
//! - **INV-1**: when the socket has room again both halves are woken, whichever of them asked for it: none
//!   takes the news from the other one.

use std::{
    future::poll_fn,
    io::{self, IoSlice},
    pin::{Pin, pin},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Wake, Waker},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    task::unconstrained,
};
use tokio_rustls::rustls::{
    crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256, server::ParsedCertificate,
};

use super::TlsError;
use crate::{identity::KeyHash, stream::set_up};

/// What is below: the socket, and the state of the protocol.
type Secured = tokio_rustls::TlsStream<TcpStream>;

/// A connection after its TLS handshake.
#[derive(Debug)]
pub(crate) struct TlsStream {
    stream: Box<Secured>,
    peer: KeyHash,
}

impl TlsStream {
    /// Returns the connection, with the socket set up as all TCP sockets are.
    pub(super) fn new(stream: Secured) -> Result<Self, TlsError> {
        let (socket, state) = stream.get_ref();
        set_up(socket)?;
        let shown = state.peer_certificates().and_then(|chain| chain.first());
        // Both ends have demanded one and checked it.
        let shown = shown.ok_or(TlsError::PeerCertificate(super::CertificateFault::Missing))?;
        let shown = ParsedCertificate::try_from(shown).map_err(|error| TlsError::from(&error))?;
        let peer = sha256(&shown.subject_public_key_info())?;
        let stream = Box::new(stream);
        Ok(Self { stream, peer })
    }

    /// Returns the hash of the key of the other end.
    pub(crate) fn peer(&self) -> KeyHash {
        self.peer
    }

    /// Returns the two halves.
    pub(crate) fn split(self) -> (TlsReader, TlsWriter) {
        let room = Arc::<Room>::default();
        let waker = Waker::from(room.clone());
        let halves = Halves {
            stream: Mutex::new(*self.stream),
            room,
            waker,
        };
        let halves = Arc::new(halves);
        (TlsReader(halves.clone()), TlsWriter(halves))
    }
}

fn sha256(bytes: &[u8]) -> Result<KeyHash, TlsError> {
    let suite = TLS13_AES_128_GCM_SHA256.tls13();
    let hash = suite.map(|suite| suite.common.hash_provider.hash(bytes));
    let bytes = hash.and_then(|hash| hash.as_ref().try_into().ok());
    bytes
        .map(KeyHash)
        .ok_or_else(|| TlsError::Protocol("the hash is no SHA-256".to_owned()))
}

/// What the two halves share. Each of them holds the lock for the time of one call that does not wait.
#[derive(Debug)]
struct Halves {
    stream: Mutex<Secured>,
    room: Arc<Room>,
    /// Of `room`.
    waker: Waker,
}

impl Halves {
    fn lock(&self) -> MutexGuard<'_, Secured> {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a call that writes to the socket. If there is no room, `cx` is woken when there is (INV-1).
    fn write<T>(
        &self,
        cx: &Context<'_>,
        call: impl FnOnce(Pin<&mut Secured>, &mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        let mut stream = self.lock();
        // Before the call: the room may come in the middle of it.
        keep(&self.room.writer, cx.waker());
        call(Pin::new(&mut stream), &mut Context::from_waker(&self.waker))
    }
}

/// Who is woken when the socket has room.
#[derive(Debug, Default)]
struct Room {
    reader: Mutex<Option<Waker>>,
    writer: Mutex<Option<Waker>>,
}

impl Wake for Room {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        for place in [&self.writer, &self.reader] {
            let waker = place.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }
}

/// Puts `waker` in its place.
fn keep(place: &Mutex<Option<Waker>>, waker: &Waker) {
    let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
    match &mut *place {
        Some(kept) => kept.clone_from(waker),
        None => *place = Some(waker.clone()),
    }
}

/// The reading half. A stream that ends without a word of the peer is an error: somebody cut it.
#[derive(Debug)]
pub(crate) struct TlsReader(Arc<Halves>);

impl TlsReader {
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let halves = &*self.0;
        let mut stream = halves.lock();
        keep(&halves.room.reader, cx.waker());
        if stream.get_ref().1.wants_write() {
            let flushed =
                Pin::new(&mut *stream).poll_flush(&mut Context::from_waker(&halves.waker));
            // Whoever writes next learns of a failure.
            let _: Poll<io::Result<()>> = flushed;
        }
        Pin::new(&mut *stream).poll_read(cx, buffer)
    }
}

/// The writing half. When it goes, it says so to the other end, which then reads the end of the stream.
#[derive(Debug)]
pub(crate) struct TlsWriter(Arc<Halves>);

impl TlsWriter {
    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.0
            .write(cx, |stream, cx| stream.poll_write_vectored(cx, slices))
    }

    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.write(cx, |stream, cx| stream.poll_flush(cx))
    }

    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.write(cx, |stream, cx| stream.poll_shutdown(cx))
    }
}

impl Drop for TlsWriter {
    fn drop(&mut self) {
        // Also when its task has used up its turn. If the socket has no room for the last word, or is not
        // connected any more, nobody gets it.
        let mut last_word = pin!(unconstrained(poll_fn(|cx| self.poll_shutdown(cx))));
        let _ = last_word
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
    }
}
