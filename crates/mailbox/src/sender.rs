//! The two seams of this layer: who takes an envelope, and on whose behalf one is sent.

use hypermesh_wire::Headers;

use crate::{ActorId, Envelope, Gateway};

/// Whoever takes envelopes: a proc, a relay, a gateway.
///
/// This is the one seam between the layers. An envelope that was taken is delivered, or its sender is
/// told by a bounce ([`Gateway::bounce`]); nothing is dropped in silence.
pub trait MailboxSender: Send + Sync + 'static {
    /// Takes `envelope`. Never blocks; called on whatever thread the envelope comes from.
    fn post(&self, envelope: Envelope);
}

/// On whose behalf a message is sent: the sender that bounces go back to, and its gateway.
pub trait SendContext {
    /// Returns the actor that sends.
    fn sender(&self) -> ActorId;

    /// Returns the gateway that the message leaves by.
    fn gateway(&self) -> &Gateway;

    /// Adds what every message sent in this context carries, such as the ordinal in a cast.
    fn stamp(&self, headers: &mut Headers) {
        _ = headers;
    }
}

impl<C: SendContext + ?Sized> SendContext for &C {
    fn sender(&self) -> ActorId {
        (**self).sender()
    }

    fn gateway(&self) -> &Gateway {
        (**self).gateway()
    }

    fn stamp(&self, headers: &mut Headers) {
        (**self).stamp(headers);
    }
}
