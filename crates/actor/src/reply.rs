//! The right, and the duty, to answer one message.

use std::fmt;
use std::mem;
use std::sync::Arc;

use hypermesh_wire::Message;
use tokio::sync::oneshot;

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
    /// The caller is in this process and holds a handle.
    Local(oneshot::Sender<Result<R, CallError>>),
    /// The caller holds a ref.
    Remote(Box<Remote<R>>),
}

struct Remote<R> {
    header: ReplyHeader,
    callee: Arc<dyn AnyCell>,
    /// Knows how to encode an `R`, which a handler for local messages need not.
    send: fn(&ReplyHeader, &Arc<dyn AnyCell>, Result<R, CallError>),
}

const _: () = assert!(size_of::<ReplyTo<u64>>() <= 16);

impl<R> ReplyTo<R> {
    /// Returns a slot whose reply nobody wants.
    #[doc(hidden)]
    pub fn nobody() -> Self {
        Self(Slot::Nobody)
    }

    /// Returns a slot, and where its reply comes out.
    pub(crate) fn local() -> (Self, oneshot::Receiver<Result<R, CallError>>) {
        let (sender, receiver) = oneshot::channel();
        (Self(Slot::Local(sender)), receiver)
    }

    /// Returns the slot of a message that `callee` got by a ref.
    pub(crate) fn remote(header: ReplyHeader, callee: Arc<dyn AnyCell>) -> Self
    where
        R: Message,
    {
        let send = |header: &ReplyHeader, callee: &Arc<dyn AnyCell>, result| {
            let core = callee.core();
            header.reply::<R>(core.proc().gateway(), core.id(), result);
        };
        Self(Slot::Remote(Box::new(Remote {
            header,
            callee,
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
            Slot::Local(sender) => !sender.is_closed(),
            Slot::Remote(_) => true,
        }
    }

    fn complete(mut self, result: Result<R, CallError>) {
        match mem::replace(&mut self.0, Slot::Nobody) {
            Slot::Nobody => {}
            // The caller may be gone; then nobody misses the reply.
            Slot::Local(sender) => _ = sender.send(result),
            Slot::Remote(remote) => (remote.send)(&remote.header, &remote.callee, result),
        }
    }
}

impl<R> Drop for ReplyTo<R> {
    #[inline]
    fn drop(&mut self) {
        // A local caller sees that the slot is gone, and asks the callee's cell for the reason.
        if let Slot::Remote(remote) = &self.0 {
            let error = remote.callee.core().lost_reply();
            (remote.send)(&remote.header, &remote.callee, Err(error));
        }
    }
}

impl<R> fmt::Debug for ReplyTo<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Slot::Nobody => "ReplyTo(nobody)",
            Slot::Local(_) => "ReplyTo(local)",
            Slot::Remote(_) => "ReplyTo(remote)",
        })
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
