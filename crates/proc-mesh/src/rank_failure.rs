//! Why a rank gave no reply.

use std::time::Duration;

use hypermesh_alloc::actor::mailbox::Cause;
use hypermesh_alloc::actor::{CallError, Exit, Failure};
use serde::{Deserialize, Serialize};

/// Why one rank of a call or a reduction gave no value.
///
/// Its text has the cause in it: it is shown in one line for many ranks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum RankFailure {
    /// The handler failed or panicked.
    #[error("the handler failed: {0}")]
    Handler(Failure),
    /// The actor ended before it replied.
    #[error("the actor exited before it replied: {0}")]
    Exited(Exit),
    /// The proc of the rank died; the text says how.
    #[error("the proc died: {0}")]
    ProcDied(String),
    /// The message did not reach the actor.
    #[error("the message was not delivered: {0}")]
    Undeliverable(Cause),
    /// No reply came in time.
    #[error("no reply within {0:?}")]
    Deadline(Duration),
    /// The handler dropped its right to reply, or a reply that could not be folded was dropped.
    #[error("there is no reply")]
    NoReply,
    /// The caller is this actor itself, and would wait for itself.
    #[error("the caller would wait for itself")]
    WouldDeadlock,
    /// The reply cannot be read; the text says why.
    #[error("the reply cannot be read: {0}")]
    BadReply(String),
}

impl From<CallError> for RankFailure {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Handler(failure) => RankFailure::Handler(failure),
            CallError::Exited(exit) => RankFailure::Exited(exit),
            CallError::Closed => RankFailure::Exited(Exit::Stopped),
            CallError::Full => RankFailure::Undeliverable(Cause::QueueFull),
            CallError::NoReply => RankFailure::NoReply,
            CallError::Deadline(within) => RankFailure::Deadline(within),
            CallError::Undeliverable(cause) => RankFailure::Undeliverable(cause),
            CallError::ProcDied(why) => RankFailure::ProcDied(why),
            CallError::WouldDeadlock(_) => RankFailure::WouldDeadlock,
            CallError::BadReply(text) => RankFailure::BadReply(text),
            other => RankFailure::BadReply(other.to_string()),
        }
    }
}
