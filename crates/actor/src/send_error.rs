//! Why a message was not queued; it is given back.

use std::fmt;

use hypermesh_mailbox::ActorId;

/// Error of `tell`: the message was not queued and is given back.
#[non_exhaustive]
pub enum SendError<M> {
    /// The actor is ending, or has ended.
    Closed {
        /// The message that was not sent.
        message: M,
        /// The actor that did not take it.
        actor: ActorId,
        /// How the actor ended, once that is known.
        exit: Option<crate::exit::Exit>,
    },
    /// The queue of the actor holds as many messages as it may.
    Full {
        /// The message that was not sent.
        message: M,
        /// The actor that did not take it.
        actor: ActorId,
    },
}

impl<M> SendError<M> {
    /// Returns the message that was not sent.
    pub fn into_message(self) -> M {
        match self {
            Self::Closed { message, .. } | Self::Full { message, .. } => message,
        }
    }
}

impl<M> fmt::Display for SendError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed {
                actor,
                exit: Some(exit),
                ..
            } => write!(f, "actor {actor} is gone: {exit}"),
            Self::Closed {
                actor, exit: None, ..
            } => {
                write!(f, "actor {actor} is ending and takes no more messages")
            }
            Self::Full { actor, .. } => write!(f, "the queue of actor {actor} is full"),
        }
    }
}

impl<M> fmt::Debug for SendError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<M> std::error::Error for SendError<M> {}
