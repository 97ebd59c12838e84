//! The right, and the duty, to answer one message.

mod sink;
mod stream;
mod streaming;

use std::any::Any;
use std::fmt;
use std::mem;
use std::sync::Arc;

use hypermesh_wire::Message;

pub use self::sink::{ReplySink, SinkError};
pub use self::stream::ReplyStream;
pub(crate) use self::streaming::StreamHeader;
pub use self::streaming::Streaming;
use crate::ask::{self, Asked, Callee, Question, running};
use crate::call_error::CallError;
use crate::cell::AnyCell;
use crate::reply_header::ReplyHeader;

/// The right to answer one message, once.
///
/// A handler that cannot answer at once takes it as its third argument and keeps it. Dropping it
/// unanswered tells the caller [`CallError::NoReply`], or the exit of the actor if that is why.
///
/// # Examples
///
/// ```
/// use hypermesh_actor::{Cx, ReplyTo, Result, actor};
///
/// struct Wait;
/// struct Door { waiting: Vec<ReplyTo<()>> }
///
/// #[actor]
/// impl Door {
///     #[handler(local)]
///     fn wait(&mut self, _cx: &Cx<'_, Self>, _: Wait, reply: ReplyTo<()>) {
///         self.waiting.push(reply);
///     }
/// }
/// ```
pub struct ReplyTo<R>(Slot<R>);

/// Two words, as it sits in the queue beside every message.
enum Slot<R> {
    /// The sender does not wait for a reply.
    Nobody,
    /// The caller is in this proc.
    Here(Arc<ask::Slot<R>>),
    /// The caller is elsewhere.
    There(Box<There<R>>),
}

struct There<R> {
    header: ReplyHeader,
    callee: Arc<dyn AnyCell>,
    /// What the caller says about its question.
    question: Option<Arc<Question>>,
    /// How many values of a stream may be on their way; 0 for a plain answer.
    window: u32,
    /// Knows how to encode an `R`, which a handler for local messages need not.
    send: SendReply<R>,
}

/// Sends a reply; with a second header one that comes back there if nobody takes it.
type SendReply<R> =
    fn(&ReplyHeader, &Arc<dyn AnyCell>, Result<R, CallError>, back: Option<&ReplyHeader>);

const _: () = assert!(size_of::<ReplyTo<u64>>() <= 16);

impl<R> ReplyTo<R> {
    /// Returns a slot whose reply nobody wants.
    #[doc(hidden)]
    pub fn nobody() -> Self {
        Self(Slot::Nobody)
    }

    /// Returns the slot of a question to `callee` that is asked now, and where its reply comes out.
    /// Of a stream, `window` values may be on their way.
    pub(crate) fn here(callee: Arc<dyn AnyCell>, window: u32) -> (Self, Arc<ask::Slot<R>>) {
        let question = match (Question::new(Callee::Here(callee)), window) {
            (question, 0) => question,
            (question, _) => question.open_ended(),
        };
        let slot = Arc::new(ask::Slot::new(question, window));
        (Self(Slot::Here(slot.clone())), slot)
    }

    /// Returns the slot of a message that `callee` got from another proc.
    pub(crate) fn there(
        header: ReplyHeader,
        callee: Arc<dyn AnyCell>,
        question: Option<Arc<Question>>,
        window: u32,
    ) -> Self
    where
        R: Message,
    {
        let send: SendReply<R> = |header, callee, result, back| {
            let core = callee.core();
            header.reply::<R>(core.proc().gateway(), core.id(), result, back);
        };
        Self(Slot::There(Box::new(There {
            header,
            callee,
            question,
            window,
            send,
        })))
    }

    /// Answers the message with `value`. Does nothing if nobody waits any more.
    #[inline]
    pub fn send(self, value: R) {
        // Most messages are told, not asked.
        if !matches!(self.0, Slot::Nobody) {
            self.complete(Ok(value));
        }
    }

    /// Tells the caller why there is no value.
    pub fn refuse(self, error: CallError) {
        self.complete(Err(error));
    }

    /// Tells whether somebody may still want the reply.
    pub fn is_wanted(&self) -> bool {
        match &self.0 {
            Slot::Nobody => false,
            Slot::Here(slot) => slot.is_wanted(),
            Slot::There(_) => true,
        }
    }

    /// Returns on whose behalf a handler runs that got this slot.
    #[doc(hidden)]
    pub fn behalf(&self) -> Behalf
    where
        R: Send + 'static,
    {
        Behalf(match &self.0 {
            Slot::Nobody => None,
            Slot::Here(slot) => Some(slot.clone()),
            Slot::There(there) => match &there.question {
                Some(question) => Some(question.clone()),
                None => None,
            },
        })
    }

    fn complete(mut self, result: Result<R, CallError>) {
        match mem::replace(&mut self.0, Slot::Nobody) {
            Slot::Nobody => {}
            Slot::Here(slot) => {
                if !slot.answer(result)
                    && let Some(callee) = slot.question().callee_cell()
                {
                    callee.core().proc().count_late_reply();
                }
            }
            Slot::There(there) => (there.send)(&there.header, &there.callee, result, None),
        }
    }
}

impl<R> Drop for ReplyTo<R> {
    #[inline]
    fn drop(&mut self) {
        match &self.0 {
            Slot::Nobody => {}
            // The caller asks the callee's cell for the reason.
            Slot::Here(slot) => slot.lose(),
            Slot::There(there) => {
                let error = there.callee.core().lost_reply();
                (there.send)(&there.header, &there.callee, Err(error), None);
            }
        }
    }
}

impl<R> fmt::Debug for ReplyTo<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Slot::Nobody => "ReplyTo(nobody)",
            Slot::Here(_) => "ReplyTo(here)",
            Slot::There(_) => "ReplyTo(elsewhere)",
        })
    }
}

/// On whose behalf a handler runs: the question that it answers, if it was asked.
#[doc(hidden)]
pub struct Behalf(Option<Arc<dyn Asked>>);

impl Behalf {
    /// Calls `function`, which must not panic, on this behalf.
    pub(crate) fn answering<T>(&mut self, function: impl FnOnce() -> T) -> T {
        running::answering(&mut self.0, function)
    }
}

/// A slot whose type is not known: it travels beside an envelope that stays in its proc.
pub(crate) trait AnyReply: Send {
    /// Tells the caller why there is no value.
    fn refuse_any(self: Box<Self>, error: CallError);

    fn into_any(self: Box<Self>) -> Box<dyn Any + Send>;
}

impl<R: Send + 'static> AnyReply for ReplyTo<R> {
    fn refuse_any(self: Box<Self>, error: CallError) {
        self.refuse(error);
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any + Send> {
        self
    }
}

/// A type of argument by which a handler replies by hand.
#[diagnostic::on_unimplemented(
    message = "the third argument of a handler is a `ReplyTo<R>`, not `{Self}`"
)]
#[doc(hidden)]
pub trait ReplySlot {
    /// What the caller gets.
    type Reply: Send + 'static;
}

impl<R: Send + 'static> ReplySlot for ReplyTo<R> {
    type Reply = R;
}
