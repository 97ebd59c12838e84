//! Why an `ask` got no reply.

use std::time::Duration;

use hypermesh_macros::Message;
use hypermesh_mailbox::Cause;
use serde::{Deserialize, Serialize};

use crate::ask::CallChain;
use crate::exit::Exit;
use crate::failure::Failure;

/// Why an `ask` got no reply. It travels over the wire as it is.
#[derive(Clone, Debug, PartialEq, Message, Serialize, Deserialize, thiserror::Error)]
#[message(serde)]
#[non_exhaustive]
pub enum CallError {
    /// The handler returned an error or panicked.
    #[error("the handler failed")]
    Handler(#[source] Failure),
    /// The actor ended before it replied.
    #[error("the actor exited before it replied: {0}")]
    Exited(Exit),
    /// The actor is ending and takes no more messages.
    #[error("the actor is ending and takes no more messages")]
    Closed,
    /// The queue of the actor holds as many messages as it may.
    #[error("the queue of the actor is full")]
    Full,
    /// The handler dropped its right to reply.
    #[error("the handler did not reply")]
    NoReply,
    /// No reply came in time.
    #[error("no reply within {0:?}")]
    Deadline(Duration),
    /// The message did not reach the actor.
    #[error("the message was not delivered: {0}")]
    Undeliverable(Cause),
    /// The proc of the actor died; the text says how.
    #[error("the proc of the actor died: {0}")]
    ProcDied(String),
    /// The question that the caller was itself asked was over, with whatever it asks on the way.
    #[error("no reply before the end of the first question: {0}")]
    OuterDeadline(CallChain),
    /// The actors wait for each other: the last that is named is the first again.
    ///
    /// An actor that asks itself is told so always; longer cycles are found if the setting
    /// [`CALL_CYCLES`](crate::settings::CALL_CYCLES) says so.
    #[error("the actors would wait for each other: {0}")]
    WouldDeadlock(CallChain),
    /// The reply cannot be read; the text says why.
    #[error("the reply cannot be read: {0}")]
    BadReply(String),
}

impl CallError {
    /// Returns the failure of the actor that was asked, if that is why.
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Handler(failure) | Self::Exited(Exit::Failed(failure)) => Some(failure),
            _ => None,
        }
    }
}

impl From<Cause> for CallError {
    fn from(cause: Cause) -> Self {
        match cause {
            Cause::ProcDied(why) => Self::ProcDied(why.to_string()),
            Cause::QueueFull => Self::Full,
            cause => Self::Undeliverable(cause),
        }
    }
}
