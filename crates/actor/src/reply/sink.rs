//! The end of a stream of replies that a handler writes into.
//!
//! # Invariants
//!
//! - **INV-1**: a value is sent only when there is credit for it; a value that is not sent comes back.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use hypermesh_mailbox::{Mailbox, PortReceiver};
use hypermesh_wire::Named;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::streaming::{Far, Frame, StreamNote, Streaming, Values};
use super::{ReplyTo, Slot, There};
use crate::ask::{self, after, timer};
use crate::call_error::CallError;
use crate::cell::{AnyCell, Core};
use crate::error::Error;
use crate::failure::{Failure, Phase};
use crate::pending::PendingCall;
use crate::reply_header::ReplyHeader;
use crate::settings::CALL_TIMEOUT;

/// The most values of one stream that may be on their way, whatever a reader elsewhere asks for.
const MAX_WINDOW: u32 = 65_536;

/// The end of a stream of replies that a handler writes into.
///
/// A sink that is dropped without [`finish`](Self::finish) or [`fail`](Self::fail) ends the stream with
/// an error: [`CallError::NoReply`], or [`CallError::Exited`] if the actor is ending.
///
/// It can outlive its handler: move it into a child actor, or keep it.
///
/// # Examples
///
/// ```
/// use hypermesh_actor::{Cx, ReplyTo, Result, Streaming, actor};
///
/// struct Count(u64);
/// struct Counter;
///
/// #[actor]
/// impl Counter {
///     #[handler(local)]
///     async fn count(
///         &mut self,
///         _cx: &Cx<'_, Self>,
///         Count(to): Count,
///         reply: ReplyTo<Streaming<u64>>,
///     ) -> Result<()> {
///         let mut sink = reply.stream();
///         for n in 0..to {
///             sink.send(n).await?;
///         }
///         sink.finish();
///         Ok(())
///     }
/// }
/// ```
pub struct ReplySink<T: Send + 'static>(End<T>);

enum End<T: Send + 'static> {
    /// Nobody asked for a stream.
    Nobody,
    Here(Here<T>),
    There(Box<FarSink<T>>),
}

struct Here<T> {
    values: mpsc::Sender<T>,
    end: Arc<OnceLock<Result<(), CallError>>>,
    callee: Arc<dyn AnyCell>,
}

struct FarSink<T: Send + 'static> {
    there: Box<There<Streaming<T>>>,
    notes: PortReceiver<Result<StreamNote, CallError>>,
    /// Where frames that nobody takes, and the death of the reader's proc, are told.
    back: ReplyHeader,
    credit: u64,
    /// How long a silence is too long, and when it is. Twice as long each time, so that probes which a
    /// slow reader has not read do not fill its port.
    silence: Duration,
    probe_at: Instant,
    /// Why nobody reads any more.
    closed: Option<CallError>,
    _pending: PendingCall,
}

/// Error of [`ReplySink::send`]: nobody reads the stream any more. It gives the value back.
#[derive(thiserror::Error)]
#[error("nobody reads the stream any more")]
pub struct SinkError<T> {
    /// The value that was not sent.
    pub value: T,
    /// What went wrong, if the reader did not just stop reading.
    #[source]
    pub reason: Option<CallError>,
}

impl<T> fmt::Debug for SinkError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SinkError")
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}

impl<T: Send + 'static> ReplyTo<Streaming<T>> {
    /// Begins the stream, and returns the end to write into.
    ///
    /// If the message was told, nobody reads. If it was asked by `ask`, the caller is told that the
    /// answer is a stream, and nobody reads.
    pub fn stream(mut self) -> ReplySink<T> {
        ReplySink(match std::mem::replace(&mut self.0, Slot::Nobody) {
            Slot::Nobody => End::Nobody,
            Slot::Here(slot) => begin_here(&slot),
            Slot::There(there) => begin_there(there),
        })
    }
}

impl<T: Send + 'static> ReplySink<T> {
    /// Sends `value`, and waits while the reader has no room for it.
    ///
    /// There is no deadline: a reader may take its time. Its end, that of its proc and the loss of the
    /// way to it end the wait. `Ok` means sent, not read.
    ///
    /// # Errors
    ///
    /// [`SinkError`] when nobody reads any more; it gives `value` back.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, `value` is dropped with it and was not sent.
    pub async fn send(&mut self, value: T) -> Result<(), SinkError<T>> {
        match &mut self.0 {
            End::Nobody => Err(SinkError {
                value,
                reason: None,
            }),
            End::Here(here) => match here.values.send(value).await {
                Ok(()) => Ok(()),
                Err(mpsc::error::SendError(value)) => Err(SinkError {
                    value,
                    reason: None,
                }),
            },
            End::There(there) => there.send(value).await,
        }
    }

    /// Waits until nobody reads any more.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing.
    pub async fn closed(&mut self) {
        match &mut self.0 {
            End::Nobody => {}
            End::Here(here) => here.values.closed().await,
            End::There(there) => while there.note().await {},
        }
    }

    /// Ends the stream: there are no more values. The reader gets all that were sent before.
    pub fn finish(self) {
        self.end(Ok(()));
    }

    /// Ends the stream with an error of the handler, which the reader gets after all that was sent. The
    /// actor goes on.
    pub fn fail(self, error: impl Into<Error>) {
        let error = error.into();
        let Some(core) = self.core() else { return };
        let failure = Failure::of_error(Phase::Handler, core.id(), core.label(), &error);
        self.end(Err(CallError::Handler(failure)));
    }

    fn core(&self) -> Option<&Core> {
        match &self.0 {
            End::Nobody => None,
            End::Here(here) => Some(here.callee.core()),
            End::There(there) => Some(there.there.callee.core()),
        }
    }

    fn end(mut self, result: Result<(), CallError>) {
        match std::mem::replace(&mut self.0, End::Nobody) {
            End::Nobody => {}
            // Before the channel is dropped.
            End::Here(here) => _ = here.end.set(result),
            End::There(there) => there.end(result),
        }
    }
}

impl<T: Send + 'static> Drop for ReplySink<T> {
    fn drop(&mut self) {
        // A reader in this proc asks the callee's cell for the reason.
        if let End::There(there) = std::mem::replace(&mut self.0, End::Nobody) {
            let lost = there.there.callee.core().lost_reply();
            there.end(Err(lost));
        }
    }
}

impl<T: Send + 'static> FarSink<T> {
    async fn send(&mut self, value: T) -> Result<(), SinkError<T>> {
        self.take_notes();
        while self.credit == 0 && self.note().await {}
        if let Some(reason) = &self.closed {
            let reason = Some(reason.clone()).filter(|reason| *reason != CallError::Closed);
            return Err(SinkError { value, reason });
        }
        // INV-1
        self.credit -= 1;
        self.post(Ok(Far::Value(value)));
        Ok(())
    }

    /// Takes what the reader has said so far.
    fn take_notes(&mut self) {
        while self.closed.is_none() {
            match self.notes.try_recv() {
                Ok(Some(note)) => self.take(note),
                Ok(None) => return,
                Err(_) => self.closed = Some(CallError::NoReply),
            }
        }
    }

    /// Waits for the next note; false if nobody reads any more.
    async fn note(&mut self) -> bool {
        if self.closed.is_some() {
            return false;
        }
        let note = loop {
            let silence = timer(self.probe_at, Some(&self.there.callee));
            tokio::select! {
                note = self.notes.recv() => break note,
                () = silence => {
                    // The reader may have gone without a word. If so, this comes back.
                    self.post(Ok(Far::Probe));
                    self.silence = self.silence.saturating_mul(2);
                    self.probe_at = after(self.silence);
                }
            }
        };
        match note {
            Ok(note) => self.take(note),
            // The callee itself has ended.
            Err(_) => self.closed = Some(CallError::NoReply),
        }
        self.closed.is_none()
    }

    fn take(&mut self, note: Result<StreamNote, CallError>) {
        self.silence = CALL_TIMEOUT.get();
        self.probe_at = after(self.silence);
        match note {
            Ok(StreamNote::Credit(more)) => {
                self.credit = (self.credit + u64::from(more)).min(u64::from(MAX_WINDOW));
            }
            Ok(StreamNote::Cancel) => self.closed = Some(CallError::Closed),
            Err(error) => self.closed = Some(error),
        }
    }

    fn end(self, result: Result<(), CallError>) {
        if self.closed.is_none() {
            self.post(result.map(|()| Far::End));
        }
    }

    fn post(&self, frame: Result<Far<T>, CallError>) {
        let There {
            header,
            callee,
            send,
            ..
        } = &*self.there;
        let frame = frame.map(|frame| Streaming(Frame::There(frame)));
        send(header, callee, frame, Some(&self.back));
    }
}

fn begin_here<T: Send + 'static>(slot: &ask::Slot<Streaming<T>>) -> End<T> {
    let Some((window, callee)) = usize::try_from(slot.window())
        .ok()
        .filter(|window| *window != 0)
        .zip(slot.question().callee_cell())
    else {
        slot.answer(Err(not_asked_for()));
        return End::Nobody;
    };
    let (values, receiver) = mpsc::channel(window);
    let end = Arc::new(OnceLock::new());
    // If nobody waits any more, the receiver is dropped, and the sink learns it.
    slot.answer(Ok(Streaming(Frame::Here(Values {
        values: receiver,
        end: end.clone(),
        callee: callee.clone(),
    }))));
    End::Here(Here {
        values,
        end,
        callee: callee.clone(),
    })
}

fn begin_there<T: Send + 'static>(there: Box<There<Streaming<T>>>) -> End<T> {
    if there.window == 0 || there.header.ordinal.is_some() {
        let There {
            header,
            callee,
            send,
            ..
        } = &*there;
        send(header, callee, Err(not_asked_for()), None);
        return End::Nobody;
    }
    let window = there.window.min(MAX_WINDOW);
    let core = there.callee.core();
    let mailbox: &Mailbox = core.mailbox();
    // A note for each half of the window, and one for each value that comes back.
    let (handle, notes) = mailbox.open_bounded_port(window as usize + 64);
    let port = handle.bind();
    let back = ReplyHeader {
        port: port.id(),
        location: port.location().clone(),
        key: <Result<StreamNote, CallError> as Named>::KEY,
        ordinal: None,
    };
    let reader = there.header.port.actor.proc;
    let pending = core.proc().expect_reply(reader, back.clone());
    let sink = FarSink {
        there,
        notes,
        back,
        credit: u64::from(window),
        silence: CALL_TIMEOUT.get(),
        probe_at: after(CALL_TIMEOUT.get()),
        closed: None,
        _pending: pending,
    };
    sink.post(Ok(Far::Started(port)));
    End::There(Box::new(sink))
}

fn not_asked_for() -> CallError {
    CallError::BadReply("the answer is a stream: ask for it by `stream`".to_owned())
}

impl<T: Send + 'static> fmt::Debug for ReplySink<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            End::Nobody => "ReplySink(nobody)",
            End::Here(_) => "ReplySink(here)",
            End::There(_) => "ReplySink(elsewhere)",
        })
    }
}
