//! An envelope in the queue of an actor. Dropped unread, it goes back to its sender.

use std::sync::Arc;

use hypermesh_mailbox::{Cause, Envelope, QueueCharge};
use hypermesh_wire::{Named, Payload, TypeKey};
use tokio::time::Instant;

use crate::ask::QuestionHeader;
use crate::call_error::CallError;
use crate::cell::AnyCell;
use crate::reply::AnyReply;
use crate::reply_header::ReplyHeader;

/// An envelope in the queue of an actor.
///
/// It can be lost in many ways: the actor stops, is killed, or its runtime goes away. Whatever happens,
/// the destructor answers it or bounces it, so that its sender hears of it.
pub(crate) struct Mail {
    envelope: Option<Envelope>,
    /// The right to answer a question of this proc. Questions of others have a header.
    reply: Option<Box<dyn AnyReply>>,
    /// When a question of another proc came, which is what its limit counts from.
    arrived: Option<Instant>,
    receiver: Arc<dyn AnyCell>,
    /// Counts the bytes of the envelope while it waits.
    _charge: QueueCharge,
    /// What it counts for among the bytes that wait for the receiver.
    bytes: usize,
}

impl Mail {
    /// Returns the mail of `envelope`, whose [`weight`](Self::weight) the receiver has taken in.
    pub(crate) fn new(
        envelope: Envelope,
        reply: Option<Box<dyn AnyReply>>,
        receiver: Arc<dyn AnyCell>,
    ) -> Self {
        let charge = receiver.core().proc().gateway().charge(&envelope);
        let asked = envelope.headers.get(<QuestionHeader as Named>::KEY);
        Self {
            arrived: asked.map(|_| Instant::now()),
            bytes: Self::weight(&envelope),
            envelope: Some(envelope),
            reply,
            receiver,
            _charge: charge,
        }
    }

    /// Returns the bytes that `envelope` takes in the queue: of a value that was not encoded, those of the
    /// envelope alone.
    pub(crate) fn weight(envelope: &Envelope) -> usize {
        size_of::<Envelope>() + envelope.body.payload().map_or(0, Payload::len)
    }

    /// Returns the key of the message's type.
    pub(crate) fn key(&self) -> TypeKey {
        self.envelope
            .as_ref()
            .map(Envelope::key)
            .expect("only `into_envelope` takes it out")
    }

    /// Takes the envelope out; what becomes of it is up to the caller.
    pub(crate) fn into_envelope(self) -> Envelope {
        self.into_parts().0
    }

    /// Takes the envelope out, with the right to answer it and when it came if it was asked.
    pub(crate) fn into_parts(mut self) -> (Envelope, Option<Box<dyn AnyReply>>, Option<Instant>) {
        let envelope = self.envelope.take();
        let envelope = envelope.expect("it is there until this call, which takes the mail");
        (envelope, self.reply.take(), self.arrived)
    }

    /// Sends the envelope back with `cause`.
    pub(crate) fn bounce(self, cause: Cause) {
        let receiver = self.receiver.clone();
        let (envelope, reply, _) = self.into_parts();
        send_back(envelope, reply, &receiver, cause);
    }
}

/// Sends an envelope that `receiver` got back with `cause`, or tells the caller who waits for `reply`.
pub(crate) fn send_back(
    envelope: Envelope,
    reply: Option<Box<dyn AnyReply>>,
    receiver: &Arc<dyn AnyCell>,
    cause: Cause,
) {
    match reply {
        Some(reply) => reply.refuse_any(CallError::from(cause)),
        None => receiver.core().proc().gateway().bounce(envelope, cause),
    }
}

impl Drop for Mail {
    fn drop(&mut self) {
        self.receiver.core().mail_bytes().give_back(self.bytes);
        let Some(envelope) = self.envelope.take() else {
            return;
        };
        if self.reply.is_some() {
            // Dropped with the mail, which tells the caller.
            return;
        }
        let core = self.receiver.core();
        // A caller gets the exit as such; only who did not ask for a reply gets a bounce.
        match ReplyHeader::of(&envelope.headers) {
            Some(header) => header.refuse(core.proc().gateway(), core.id(), core.lost_reply()),
            None => core.proc().gateway().bounce(envelope, core.gone()),
        }
    }
}
