//! One envelope on a link, until its outcome is known. Without success it goes back to its sender.

use std::sync::Weak;

use hypermesh_channel::{Outcome, Parcel};
use hypermesh_wire::{Any, EncodeError, Headers, Payload, TypeKey};

use crate::gateway::{Gateway, Shared};
use crate::links::cause_of_failure;
use crate::wire_form::{self, BodyPlace};
use crate::{Cause, Envelope, EnvelopeHeader, Location, RETURNED_PAYLOAD_LIMIT, Undelivered};

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
    /// Encodes `envelope` for one more network hop.
    pub(crate) fn new(envelope: &Envelope, gateway: Weak<Shared>) -> Result<Self, EncodeError> {
        let header = envelope.header;
        let hop = EnvelopeHeader {
            ttl: header.ttl.saturating_sub(1),
            ..header
        };
        let (payload, place) = wire_form::seal(envelope, hop)?;
        let (key, headers) = (envelope.key(), envelope.headers.clone());
        Ok(Self {
            payload,
            place,
            header,
            key,
            headers,
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

impl Parcel for Outbound {
    fn payload(&self) -> &Payload {
        &self.payload
    }

    fn complete(self, outcome: Outcome) {
        match outcome {
            Outcome::Acked => {}
            Outcome::Failed(reason) => self.bounce(cause_of_failure(&reason)),
            Outcome::Unknown(reason) => self.bounce(Cause::Unknown(reason.to_string().into())),
        }
    }
}
