//! Anything that can send and receive: a handler's context or a client.

use std::sync::Arc;

use hypermesh_mailbox::{ActorId, Mailbox, SendContext};

use crate::cell::AnyCell;
use crate::env::EnvVars;
use crate::proc::Proc;

/// Anything that can send and receive: the context of a handler ([`Cx`](crate::Cx)), a client
/// ([`Instance`](crate::Instance)), or a reference to one.
///
/// Only this crate implements it.
pub trait Actor: SendContext + Send + Sync {
    /// Returns the proc that this lives on.
    fn proc(&self) -> &Proc;

    /// Returns the mailbox, which opens ports.
    fn mailbox(&self) -> &Mailbox;

    /// Returns who this is.
    fn actor_id(&self) -> ActorId;

    /// Returns the shared part of this actor.
    #[doc(hidden)]
    fn caller(&self) -> Caller;

    /// Returns what is passed on to whatever is spawned from here.
    fn env(&self) -> EnvVars {
        self.caller().0.core().env()
    }
}

/// The shared part of whoever sends a question.
#[doc(hidden)]
pub struct Caller(pub(crate) Arc<dyn AnyCell>);

impl<C: Actor + ?Sized> Actor for &C {
    fn proc(&self) -> &Proc {
        (**self).proc()
    }

    fn mailbox(&self) -> &Mailbox {
        (**self).mailbox()
    }

    fn actor_id(&self) -> ActorId {
        (**self).actor_id()
    }

    fn caller(&self) -> Caller {
        (**self).caller()
    }
}
