//! The end of a stream of replies that the caller reads.
//!
//! # Invariants
//!
//! - **INV-1**: credit is given back for values that were read, never for those that wait to be read.
//! - **INV-2**: an error is the last thing that a stream gives.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::Stream;
use hypermesh_mailbox::{Envelope, FLAG_SILENT, PortReceiver, PortRef};
use tokio::time::Sleep;

use super::streaming::{Far, Frame, StreamNote, Streaming, Values};
use crate::ask::{Ask, after, timer};
use crate::call_error::CallError;
use crate::cell::AnyCell;
use crate::pending::PendingCall;
use crate::reply_header::ReplyHeader;
use crate::settings::CALL_TIMEOUT;

/// The values that a handler answers with, one after the other.
///
/// The message was queued when this was made. An `Err` is the last thing that comes: the handler
/// failed the stream or dropped its end of it, the actor or its proc ended, or a wait took too long.
///
/// The wait for the handler to begin has a deadline: [`CALL_TIMEOUT`] unless
/// [`timeout`](Self::timeout) says otherwise. From then on a value may take as long as it likes unless
/// `timeout` was called: events come when they come.
///
/// Dropping it tells the handler that nobody reads any more.
pub struct ReplyStream<T: Send + 'static> {
    source: Source<T>,
    limit: Option<Duration>,
    timer: Option<Pin<Box<Sleep>>>,
}

enum Source<T: Send + 'static> {
    /// The actor is in this proc and has not begun.
    Asked(Pin<Box<Ask<Streaming<T>>>>),
    /// The actor is in this proc.
    Here {
        values: tokio::sync::mpsc::Receiver<T>,
        end: Arc<OnceLock<Result<(), CallError>>>,
        callee: Arc<dyn AnyCell>,
    },
    /// The actor is in another proc.
    There(Box<FarStream<T>>),
    /// Nothing comes any more.
    Over,
}

struct FarStream<T: Send + 'static> {
    frames: PortReceiver<Result<Streaming<T>, CallError>>,
    reader: Arc<dyn AnyCell>,
    /// Where notes that nobody takes are told.
    back: ReplyHeader,
    /// Where the sink takes notes, once it has begun.
    notes: Option<PortRef<Result<StreamNote, CallError>>>,
    window: u32,
    /// How many values were read since credit was given last.
    taken: u32,
    /// When to see whether a silent sink is still there.
    probe: Option<Pin<Box<Sleep>>>,
    /// How long a silence is too long. Twice as long each time, so that probes which a handler has not
    /// looked at do not fill its port.
    silence: Duration,
    _pending: PendingCall,
}

impl<T: Send + 'static> ReplyStream<T> {
    pub(crate) fn here(ask: Ask<Streaming<T>>) -> Self {
        Self::new(Source::Asked(Box::pin(ask)))
    }

    pub(crate) fn there(
        frames: PortReceiver<Result<Streaming<T>, CallError>>,
        reader: Arc<dyn AnyCell>,
        back: ReplyHeader,
        window: u32,
        pending: PendingCall,
    ) -> Self {
        Self::new(Source::There(Box::new(FarStream {
            frames,
            reader,
            back,
            notes: None,
            window,
            taken: 0,
            probe: None,
            silence: CALL_TIMEOUT.get(),
            _pending: pending,
        })))
    }

    /// Sets how long each wait for the next value, and for the handler to begin, may take. A wait that
    /// takes longer ends the stream with [`CallError::Deadline`].
    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        if let Source::Asked(ask) = &mut self.source {
            ask.as_mut().set_timeout(limit);
        }
        self
    }

    /// Returns the next value; `None` when there are no more.
    ///
    /// # Errors
    ///
    /// [`CallError`] as an item: why there are no more.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, no value is lost.
    pub async fn next(&mut self) -> Option<Result<T, CallError>> {
        poll_fn(|cx| self.poll_value(cx)).await
    }

    fn new(source: Source<T>) -> Self {
        Self {
            source,
            limit: None,
            timer: None,
        }
    }

    fn poll_value(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, CallError>>> {
        let mut next = self.source.poll_next(cx);
        if next.is_pending()
            && let Some(error) = self.poll_limit(cx)
        {
            next = Poll::Ready(Some(Err(error)));
        }
        let next = ready!(next);
        self.timer = None;
        if !matches!(next, Some(Ok(_))) {
            // INV-2
            self.source.end();
        }
        Poll::Ready(next)
    }

    /// Polls the limit of the current wait.
    fn poll_limit(&mut self, cx: &mut Context<'_>) -> Option<CallError> {
        let limit = match (&self.source, self.limit) {
            // An ask has a deadline of its own.
            (Source::Asked(_), _) => return None,
            (_, Some(limit)) => limit,
            (source, None) if !source.has_begun() => CALL_TIMEOUT.get(),
            (_, None) => return None,
        };
        let source = &self.source;
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(timer(after(limit), source.cell())));
        let expired = timer.as_mut().poll(cx).is_ready();
        expired.then_some(CallError::Deadline(limit))
    }
}

impl<T: Send + 'static> Source<T> {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, CallError>>> {
        if let Self::Asked(ask) = self {
            match ready!(ask.as_mut().poll(cx)) {
                Ok(Streaming(Frame::Here(Values {
                    values,
                    end,
                    callee,
                }))) => {
                    *self = Self::Here {
                        values,
                        end,
                        callee,
                    };
                }
                Ok(Streaming(Frame::There(_))) => return Poll::Ready(Some(Err(out_of_turn()))),
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
        match self {
            Self::Here {
                values,
                end,
                callee,
            } => Poll::Ready(match ready!(values.poll_recv(cx)) {
                Some(value) => Some(Ok(value)),
                None => match end.get() {
                    Some(Ok(())) => None,
                    Some(Err(error)) => Some(Err(error.clone())),
                    None => Some(Err(callee.core().lost_reply())),
                },
            }),
            Self::There(there) => there.poll_next(cx),
            Self::Asked(_) | Self::Over => Poll::Ready(None),
        }
    }

    fn has_begun(&self) -> bool {
        match self {
            Self::Asked(_) => false,
            Self::Here { .. } | Self::Over => true,
            Self::There(there) => there.notes.is_some(),
        }
    }

    fn cell(&self) -> Option<&Arc<dyn AnyCell>> {
        match self {
            Self::Asked(ask) => ask.cell(),
            Self::Here { callee, .. } => Some(callee),
            Self::There(there) => Some(&there.reader),
            Self::Over => None,
        }
    }

    /// Nothing is read any more, and the sink has ended or is to learn it.
    fn end(&mut self) {
        if let Self::There(there) = std::mem::replace(self, Self::Over) {
            there.post(StreamNote::Cancel);
        }
    }
}

impl<T: Send + 'static> FarStream<T> {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, CallError>>> {
        loop {
            let received = self.frames.poll_recv(cx);
            if received.is_pending() {
                self.poll_probe(cx);
            } else if self.probe.take().is_some() {
                self.silence = CALL_TIMEOUT.get();
            }
            let frame = match ready!(received) {
                Ok(Ok(Streaming(Frame::There(frame)))) => frame,
                Ok(Ok(Streaming(Frame::Here(_)))) => {
                    return Poll::Ready(Some(Err(out_of_turn())));
                }
                Ok(Err(error)) => return Poll::Ready(Some(Err(error))),
                Err(_) => return Poll::Ready(Some(Err(CallError::NoReply))),
            };
            match frame {
                Far::Started(notes) => self.notes = Some(notes),
                // That it was taken is all that the sink wants to know.
                Far::Probe => {}
                Far::Value(value) => {
                    self.give_credit();
                    return Poll::Ready(Some(Ok(value)));
                }
                Far::End => {
                    // There is nobody to tell.
                    self.notes = None;
                    return Poll::Ready(None);
                }
            }
        }
    }

    /// After a long silence sends a note that comes back if the sink is gone: not every end is heard of.
    fn poll_probe(&mut self, cx: &mut Context<'_>) {
        loop {
            let (due, reader) = (after(self.silence), &self.reader);
            let probe = self
                .probe
                .get_or_insert_with(|| Box::pin(timer(due, Some(reader))));
            if probe.as_mut().poll(cx).is_pending() {
                return;
            }
            self.probe = None;
            self.silence = self.silence.saturating_mul(2);
            self.post(StreamNote::Credit(0));
        }
    }

    /// Gives credit for what was read, once it is half of the window (INV-1).
    fn give_credit(&mut self) {
        self.taken += 1;
        if self.window.div_ceil(2) <= self.taken {
            self.post(StreamNote::Credit(self.taken));
            self.taken = 0;
        }
    }

    fn post(&self, note: StreamNote) {
        let Some(notes) = &self.notes else { return };
        let core = self.reader.core();
        let (to, body) = (notes.location().clone(), Ok::<_, CallError>(note));
        let mut envelope = Envelope::new(notes.id(), to, core.id(), body);
        match note {
            // One that comes back tells that the sink is gone.
            StreamNote::Credit(_) => self.back.stamp(&mut envelope.headers),
            StreamNote::Cancel => envelope.header.flags |= FLAG_SILENT,
        }
        core.proc().gateway().post(envelope);
    }
}

impl<T: Send + 'static> Stream for ReplyStream<T> {
    type Item = Result<T, CallError>;

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<T, CallError>>> {
        self.poll_value(cx)
    }
}

impl<T: Send + 'static> Drop for ReplyStream<T> {
    fn drop(&mut self) {
        self.source.end();
    }
}

/// What a reader is told whose peer does not keep to the protocol.
fn out_of_turn() -> CallError {
    CallError::BadReply("a frame of a stream came out of turn".to_owned())
}

impl<T: Send + 'static> fmt::Debug for ReplyStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.source {
            Source::Asked(_) => "ReplyStream(asked)",
            Source::Here { .. } => "ReplyStream(here)",
            Source::There(_) => "ReplyStream(elsewhere)",
            Source::Over => "ReplyStream(over)",
        })
    }
}
