//! An envelope in the queue of an actor. Dropped unread, it goes back to its sender.

use std::sync::Arc;

use hypermesh_mailbox::{Cause, Envelope};
use hypermesh_wire::TypeKey;

use crate::cell::AnyCell;
use crate::reply_header::ReplyHeader;

/// An envelope in the queue of an actor.
///
/// It can be lost in many ways: the actor stops, is killed, or its runtime goes away. Whatever happens,
/// the destructor answers it or bounces it, so that its sender hears of it.
pub(crate) struct Mail {
    envelope: Option<Envelope>,
    receiver: Arc<dyn AnyCell>,
}

impl Mail {
    pub(crate) fn new(envelope: Envelope, receiver: Arc<dyn AnyCell>) -> Self {
        Self {
            envelope: Some(envelope),
            receiver,
        }
    }

    /// Returns the key of the message's type.
    pub(crate) fn key(&self) -> TypeKey {
        self.envelope
            .as_ref()
            .map(Envelope::key)
            .expect("only `into_envelope` takes it out")
    }

    /// Takes the envelope out; what becomes of it is up to the caller.
    pub(crate) fn into_envelope(mut self) -> Envelope {
        self.envelope
            .take()
            .expect("it is there until this call, which takes the mail")
    }

    /// Sends the envelope back with `cause`.
    pub(crate) fn bounce(self, cause: Cause) {
        let gateway = self.receiver.core().proc().gateway().clone();
        gateway.bounce(self.into_envelope(), cause);
    }
}

impl Drop for Mail {
    fn drop(&mut self) {
        let Some(envelope) = self.envelope.take() else {
            return;
        };
        let core = self.receiver.core();
        // A caller gets the exit as such; only who did not ask for a reply gets a bounce.
        match ReplyHeader::of(&envelope.headers) {
            Some(header) => header.refuse(core.proc().gateway(), core.id(), core.lost_reply()),
            None => core.proc().gateway().bounce(envelope, core.gone()),
        }
    }
}
