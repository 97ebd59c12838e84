//! What the code that the macros generate refers to. Not part of the public API.

pub use hypermesh_mailbox::macro_support::*;

pub use crate::actor::{Accepts, Actor, Handler, HandlerReturn, Referable};
pub use crate::answer::{OnError, answer, answer_by_hand, answer_now, answer_now_by_hand};
pub use crate::cx::Cx;
pub use crate::error::Error;
pub use crate::exit::{Departure, Exit, Mode};
pub use crate::failure::Failure;
pub use crate::incoming::{Incoming, Opened};
pub use crate::protocol::{Protocol, ProtocolOf};
pub use crate::registry::SpawnEntry;
pub use crate::reply::{ReplySlot, ReplyTo};
pub use crate::supervision::{ChildEvent, Directive};
pub use hypermesh_mailbox::Undelivered;

/// The result of a handler that returns nothing.
pub fn done() -> Result<(), Error> {
    Ok(())
}

/// Fails to compile, at the place of the call, for a type that is no message for an actor.
pub fn assert_sendable<M: Send + 'static>() {}
