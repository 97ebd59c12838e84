//! One accepted connection: reads messages, gives them to the sink, acknowledges them.
//!
//! # Invariants
//!
//! - **INV-1**: a link has one connection that delivers. A new one answers after the old one has
//!   ended, so that nothing of the old one arrives behind what came over the new one.
//! - **INV-2**: only what the sink took is acknowledged.

use std::{
    future::poll_fn,
    io, mem,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::BufMut;
use hypermesh_wire::Payload;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf},
    select,
    sync::OwnedSemaphorePermit,
    task::yield_now,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    Live, Serving, count,
    greeting::{self, GreetingError},
};
use crate::{
    decoder::Decoder,
    frame::{CONTROL_LEN, Control, FrameError},
    handshake::{Accepted, Answer, Hello, RefusalCode},
    session::Receiving,
    sink::{Peer, Taken, hand_over, tell_lost},
    stream::{Reader, Stream, Writer},
};

/// So much is read at once, on the stack; an idle connection holds no memory for what may come.
const SMALL_READ: usize = 4 << 10;
/// So much is read at once while much arrives, unless it goes straight into the memory of a large message.
const LARGE_READ: usize = 64 << 10;
/// How long the last words of a connection may take.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error("the peer ended it")]
    Peer,
    #[error("the server stopped")]
    Stopped,
    #[error("a newer connection of the link took its place")]
    Replaced,
    #[error("a sink panicked: {0}")]
    Panicked(String),
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Frame(#[from] FrameError),
}

/// The task of a connection, from its handshake to its end.
pub(super) async fn run(serving: Arc<Serving>, stream: Stream, permit: OwnedSemaphorePermit) {
    let foreign_user = stream.foreign_user();
    let (mut reader, mut writer) = match stream.split() {
        Ok(halves) => halves,
        Err(error) => {
            tracing::warn!(%error, "an accepted connection cannot be watched");
            return;
        }
    };
    let limit = serving.endpoint.limits.handshake_timeout;
    let greet = async {
        if let Some(user) = foreign_user? {
            return Err(GreetingError::ForeignUser(user));
        }
        let hello = greeting::read(&mut reader, serving.kind).await?;
        let connections = serving.endpoint.connections.clone();
        let slot = connections
            .try_acquire_owned()
            .map_err(|_| GreetingError::Busy)?;
        let place = Place::take(serving.clone(), &hello).await?;
        let accepted = Accepted {
            incarnation: serving.endpoint.incarnation,
            max_message: serving.endpoint.limits.message,
            advertised: serving.endpoint.advertised(),
        };
        writer
            .write_all(&Answer::Accepted(accepted).encode())
            .await?;
        Ok((hello, slot, place))
    };
    let greeted = select! {
        biased;
        () = serving.stop.cancelled() => return,
        greeted = timeout(limit, greet) => greeted.unwrap_or(Err(GreetingError::Timeout)),
    };
    let (hello, _slot, place) = match greeted {
        Ok(greeted) => greeted,
        Err(error) => {
            tracing::debug!(%error, "a connection was refused");
            count(&serving.counts.refused);
            if let Some(code) = error.refusal() {
                refuse(&mut reader, &mut writer, code).await;
            }
            return;
        }
    };
    drop(permit);
    count(&serving.counts.accepted);
    let peer = Peer {
        incarnation: hello.incarnation,
        advertised: hello.advertised,
        connection: place.connection,
    };
    Connection::new(&serving, peer, reader, writer)
        .run(&place.stop)
        .await;
    count(&serving.counts.ended);
}

/// Tells the peer why it is refused, and gives it time to read that.
async fn refuse(reader: &mut Reader, writer: &mut Writer, code: RefusalCode) {
    let answer = Answer::Refused(code).encode();
    let talk = async {
        writer.write_all(&answer).await?;
        drain(reader, writer).await
    };
    // A peer that does not listen is told nothing, and has its second.
    let _ = timeout(LAST_WORDS, talk).await;
}

/// Ends the stream, and reads what still comes until the peer ends it too: a socket that is closed
/// with unread input may take back what was written last.
async fn drain(reader: &mut Reader, writer: &mut Writer) -> io::Result<()> {
    writer.shutdown().await?;
    let mut buffer = vec![0; LARGE_READ];
    while reader.read(&mut buffer).await? != 0 {}
    Ok(())
}

/// The place of a link's one connection (INV-1), until it is dropped.
struct Place {
    serving: Arc<Serving>,
    hello: Hello,
    connection: u64,
    /// Told when the connection is to end.
    stop: CancellationToken,
    ended: CancellationToken,
}

impl Place {
    /// Takes the place, and waits until the connection that had it has ended.
    async fn take(serving: Arc<Serving>, hello: &Hello) -> Result<Self, GreetingError> {
        let connection = serving.endpoint.next_connection();
        let stop = serving.stop.child_token();
        let ended = CancellationToken::new();
        let live = Live {
            connection,
            stop: stop.clone(),
            ended: ended.clone(),
        };
        let before = serving.replace(hello.link, live);
        let place = Self {
            serving,
            hello: hello.clone(),
            connection,
            stop,
            ended,
        };
        if let Some(before) = before {
            before.stop.cancel();
            select! {
                () = before.ended.cancelled() => {}
                // Still another connection came while this one waited.
                () = place.stop.cancelled() => return Err(GreetingError::Occupied),
            }
        }
        Ok(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.serving.forget(self.hello.link, self.connection);
        self.ended.cancel();
    }
}

/// An accepted connection at work.
struct Connection<'a> {
    serving: &'a Serving,
    peer: Peer,
    reader: Reader,
    writer: Writer,
    decoder: Decoder,
    /// Where much is read into, while much arrives.
    large: Vec<u8>,
    receiving: Receiving,
    /// What was received and not taken by the sink.
    batch: Vec<Payload>,
    /// Whether the sender wants to hear what was taken, as soon as that is all of the batch.
    asked: bool,
    replies: Replies,
}

impl<'a> Connection<'a> {
    fn new(serving: &'a Serving, peer: Peer, reader: Reader, writer: Writer) -> Self {
        Self {
            serving,
            peer,
            reader,
            writer,
            decoder: Decoder::new(serving.endpoint.limits.message),
            large: Vec::new(),
            receiving: Receiving::default(),
            batch: Vec::new(),
            asked: false,
            replies: Replies::default(),
        }
    }

    async fn run(mut self, stop: &CancellationToken) {
        let end = match self.work(stop).await {
            Ok(never) => match never {},
            Err(end) => end,
        };
        tell_lost(&*self.serving.sink, &self.peer);
        let peer = &self.peer;
        match &end {
            // Nobody is cut off in the middle by his own will.
            End::Frame(FrameError::Cut) => tracing::debug!(%peer, "a connection was lost"),
            End::Frame(error) => {
                count(&self.serving.counts.broken);
                tracing::warn!(%peer, %error, "a peer broke the protocol");
            }
            End::Panicked(panic) => tracing::error!(%peer, panic, "a sink panicked"),
            end => tracing::debug!(%peer, %end, "a connection ended"),
        }
        if let End::Stopped = end {
            // The peer may be gone: then there is nobody to say good-bye to.
            let _ = timeout(LAST_WORDS, self.say_closed()).await;
        }
    }

    async fn work(&mut self, stop: &CancellationToken) -> Result<std::convert::Infallible, End> {
        let mut stopped = pin!(stop.cancelled());
        let delay = self.serving.endpoint.limits.ack_delay;
        let mut ack_time = pin!(sleep(delay));
        loop {
            let had_unsaid = self.receiving.has_unsaid();
            select! {
                biased;
                () = &mut stopped => return Err(self.stopped()),
                result = self.replies.finish(&mut self.writer), if !self.replies.is_empty() => {
                    result?;
                    continue;
                }
                result = read(&mut self.reader, &mut self.decoder, &mut self.batch, &mut self.large) => result?,
                () = &mut ack_time, if had_unsaid => {
                    self.acknowledge(true)?;
                    continue;
                }
            }
            self.asked |= self.decoder.take_asked();
            while !self.batch.is_empty() {
                if self.deliver()? {
                    break;
                }
                // What was taken is acknowledged now, however long the pause is.
                self.acknowledge(true)?;
                select! {
                    biased;
                    () = &mut stopped => return Err(self.stopped()),
                    result = self.replies.finish(&mut self.writer), if !self.replies.is_empty() => result?,
                    () = self.serving.sink.ready(&self.peer) => yield_now().await,
                }
            }
            let asked = mem::take(&mut self.asked);
            self.acknowledge(asked)?;
            if !had_unsaid && self.receiving.has_unsaid() {
                ack_time.as_mut().reset(Instant::now() + delay);
            }
        }
    }

    fn stopped(&self) -> End {
        if self.serving.stop.is_cancelled() {
            End::Stopped
        } else {
            End::Replaced
        }
    }

    /// Gives the batch to the sink, and returns whether it took all.
    fn deliver(&mut self) -> Result<bool, End> {
        let len = |batch: &[Payload]| {
            batch
                .iter()
                .map(|message| message.len() as u64)
                .sum::<u64>()
        };
        let (messages, bytes) = (self.batch.len(), len(&self.batch));
        match hand_over(&*self.serving.sink, &self.peer, &mut self.batch) {
            Taken::All => {
                self.receiving.on_delivered(messages as u64, bytes);
                Ok(true)
            }
            Taken::Some(taken) => {
                let bytes = bytes.saturating_sub(len(&self.batch));
                self.receiving.on_delivered(taken as u64, bytes);
                Ok(false)
            }
            Taken::Panicked(panic) => Err(End::Panicked(panic)),
        }
    }

    fn acknowledge(&mut self, reason: bool) -> io::Result<()> {
        if let Some(count) = self.receiving.ack_due(reason) {
            self.replies.set(Control::Ack(count));
            self.replies.write(&mut self.writer)?;
        }
        Ok(())
    }

    /// Tells the peer that the server stopped, and how many messages it took (INV-2).
    async fn say_closed(&mut self) -> io::Result<()> {
        self.replies
            .set(Control::Closed(self.receiving.delivered()));
        self.replies.finish(&mut self.writer).await?;
        drain(&mut self.reader, &mut self.writer).await
    }
}

/// Reads once, and appends the messages that are complete to `batch`.
///
/// Nothing is lost if the future is dropped.
async fn read(
    reader: &mut Reader,
    decoder: &mut Decoder,
    batch: &mut Vec<Payload>,
    large: &mut Vec<u8>,
) -> Result<(), End> {
    if let Some((bytes, missing)) = decoder.direct() {
        let room = missing.min(bytes.capacity() - bytes.len());
        let n = reader.read_buf(&mut bytes.limit(room)).await?;
        if n == 0 {
            return Err(FrameError::Cut.into());
        }
        return Ok(decoder.direct_done(batch)?);
    }
    poll_fn(|cx| {
        if large.is_empty() {
            let mut small = [0; SMALL_READ];
            let n = ready!(poll_feed(cx, reader, decoder, batch, &mut small))?;
            if n == SMALL_READ {
                *large = vec![0; LARGE_READ];
            }
        } else if ready!(poll_feed(cx, reader, decoder, batch, large))? <= SMALL_READ {
            *large = Vec::new();
        }
        Poll::Ready(Ok(()))
    })
    .await
}

/// Reads once by way of `buffer`, and returns how much that was.
fn poll_feed(
    cx: &mut Context<'_>,
    reader: &mut Reader,
    decoder: &mut Decoder,
    batch: &mut Vec<Payload>,
    buffer: &mut [u8],
) -> Poll<Result<usize, End>> {
    let mut buffer = ReadBuf::new(buffer);
    ready!(Pin::new(reader).poll_read(cx, &mut buffer))?;
    if buffer.filled().is_empty() {
        let end = decoder.end().map_or_else(End::from, |()| End::Peer);
        return Poll::Ready(Err(end));
    }
    decoder.feed(buffer.filled(), batch)?;
    Poll::Ready(Ok(buffer.filled().len()))
}

/// What is said to the sender: the newest number replaces one that was not yet begun.
#[derive(Debug, Default)]
struct Replies {
    bytes: [u8; CONTROL_LEN],
    /// What is not written of `bytes`.
    left: usize,
    next: Option<Control>,
}

impl Replies {
    fn set(&mut self, control: Control) {
        self.next = Some(control);
    }

    fn is_empty(&self) -> bool {
        self.left == 0 && self.next.is_none()
    }

    /// Writes everything. Nothing is lost if the future is dropped.
    async fn finish(&mut self, writer: &mut Writer) -> io::Result<()> {
        while !self.is_empty() {
            writer.writable().await?;
            self.write(writer)?;
        }
        Ok(())
    }

    /// Writes what the socket takes at once.
    fn write(&mut self, writer: &mut Writer) -> io::Result<()> {
        loop {
            if self.left == 0 {
                let Some(control) = self.next.take() else {
                    return Ok(());
                };
                self.bytes = control.encode();
                self.left = CONTROL_LEN;
            }
            match writer.try_write(&self.bytes[CONTROL_LEN - self.left..]) {
                Ok(n) => self.left -= n,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }
}
