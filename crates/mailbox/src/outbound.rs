//! One envelope on a link, until its outcome is known. Without success it goes back to its sender.

use std::sync::Weak;

use hypermesh_channel::{Outcome, Parcel};
use hypermesh_wire::{Any, EncodeError, Headers, Payload, TypeKey};

use crate::gateway::{Gateway, Shared};
use crate::limbo::Wait;
use crate::links::cause_of_failure;
use crate::timer::Timed;
use crate::wire_form::{self, BodyPlace};
use crate::{
    Cause, Envelope, EnvelopeHeader, Location, ProcId, RETURNED_PAYLOAD_LIMIT, Undelivered,
};

pub(crate) struct Outbound {
    payload: Payload,
    place: BodyPlace,
    /// The header as the envelope came, before this hop.
    header: EnvelopeHeader,
    key: TypeKey,
    headers: Headers,
    /// A gateway that has ended has nobody to tell.
    gateway: Weak<Shared>,
}

impl Outbound {
    /// Encodes `envelope` for one more network hop, or gives it back and tells why not.
    #[expect(
        clippy::result_large_err,
        reason = "the envelope moves back as it moved in"
    )]
    pub(crate) fn new(
        envelope: Envelope,
        gateway: Weak<Shared>,
    ) -> Result<Self, (Envelope, EncodeError)> {
        let header = envelope.header;
        let hop = EnvelopeHeader {
            ttl: header.ttl.saturating_sub(1),
            ..header
        };
        let (payload, place) = match wire_form::seal(&envelope, hop) {
            Ok(sealed) => sealed,
            Err(error) => return Err((envelope, error)),
        };
        Ok(Self {
            payload,
            place,
            header,
            key: envelope.key(),
            headers: envelope.headers,
            gateway,
        })
    }

    /// Tells the sender that the message was not delivered, or perhaps not.
    fn bounce(self, cause: Cause) {
        let Some(gateway) = Gateway::upgrade(&self.gateway) else {
            return;
        };
        let Self {
            payload,
            place,
            header,
            key,
            headers,
            ..
        } = self;
        let message = wire_form::without_header(payload, place);
        let size = message.len() as u64;
        let returned = size <= RETURNED_PAYLOAD_LIMIT.get().as_u64();
        let payload = returned.then(|| Any::wire(key, message));
        gateway.tell(Undelivered {
            header,
            key,
            headers,
            cause,
            payload,
            size: Some(size),
        });
    }

    /// Makes an envelope of it again, as it was.
    pub(crate) fn into_envelope(self) -> Envelope {
        let Self {
            payload,
            place,
            header,
            key,
            headers,
            ..
        } = self;
        let body = Any::wire(key, wire_form::without_header(payload, place));
        Envelope {
            header,
            to: Location::NONE,
            headers,
            body,
        }
    }
}

/// An envelope that may or may not have been delivered.
pub(crate) struct Doubtful {
    outbound: Outbound,
    /// What is known, if nothing better is.
    cause: Cause,
}

impl Doubtful {
    /// Returns the proc that it was for.
    pub(crate) fn proc(&self) -> ProcId {
        self.outbound.header.dst.actor.proc
    }

    /// Returns the gateway that sent it, if that has not ended.
    fn gateway(&self) -> Option<Gateway> {
        Gateway::upgrade(&self.outbound.gateway)
    }

    /// Tells the sender why its receiver does not have it, or that nothing is known.
    pub(crate) fn bounce(self, death: Option<Cause>) {
        self.outbound.bounce(death.unwrap_or(self.cause));
    }
}

impl Timed for Wait<Doubtful> {
    fn on_deadline(&self) {
        if let Some(gateway) = self.look(|first| first.gateway()) {
            gateway.end_doubt(self);
        }
    }
}

impl Parcel for Outbound {
    fn payload(&self) -> &Payload {
        &self.payload
    }

    fn complete(self, outcome: Outcome) {
        match outcome {
            Outcome::Acked => {}
            Outcome::Failed(reason) => self.bounce(cause_of_failure(&reason)),
            Outcome::Unknown(reason) => {
                if let Some(gateway) = Gateway::upgrade(&self.gateway) {
                    let cause = Cause::Unknown(reason.to_string().into());
                    gateway.doubt(Doubtful {
                        outbound: self,
                        cause,
                    });
                }
            }
        }
    }
}
