//! What a sender is told of a message that could not be delivered.

use std::borrow::Cow;
use std::fmt;

use bytes::BytesMut;
use hypermesh_wire::{Any, Headers, Named, Payload, TypeKey, registry};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Cause, Envelope, EnvelopeHeader, LossPolicy, RETURNED_PAYLOAD_LIMIT};

/// A message that could not be delivered, as its sender gets it back.
///
/// It arrives at the sender's port [`CONTROL_UNDELIVERED`](crate::CONTROL_UNDELIVERED), as a local
/// value: gateways decode it, and have checked that the message was the receiver's own.
#[derive(Debug)]
pub struct Undelivered {
    /// The header of the message.
    pub header: EnvelopeHeader,
    /// The type of the message.
    pub key: TypeKey,
    /// The headers of the message.
    pub headers: Headers,
    /// Why it could not be delivered.
    pub cause: Cause,
    /// The message: inside a process the very value that was sent; across links its encoding, unless
    /// that is larger than [`RETURNED_PAYLOAD_LIMIT`].
    pub payload: Option<Any>,
    /// The size of the encoding in bytes, where one was made.
    pub size: Option<u64>,
}

impl Undelivered {
    /// Returns what the sender of `envelope` is told.
    pub fn new(envelope: Envelope, cause: Cause) -> Self {
        let Envelope {
            header,
            headers,
            body,
            to: _,
        } = envelope;
        let size = body.payload().map(|payload| payload.len() as u64);
        Self {
            header,
            key: body.key(),
            headers,
            cause,
            payload: Some(body),
            size,
        }
    }

    /// Returns what the sender of `envelope` is told if the message itself is consumed meanwhile.
    pub(crate) fn without_payload(envelope: &Envelope, cause: Cause) -> Self {
        Self {
            header: envelope.header,
            key: envelope.key(),
            headers: envelope.headers.clone(),
            cause,
            payload: None,
            size: None,
        }
    }

    /// Returns whether the sender is to fail: it asked for that with
    /// [`LossPolicy::FailSender`], or the fault is its own and was found in its own process: it has
    /// sent what does not encode, or what its receiver does not take.
    ///
    /// What comes over a link never makes the sender fail unless the send asked for that, so that no
    /// peer can end an actor by a forged bounce.
    pub fn fails_sender(&self) -> bool {
        if self.header.loss_policy() == LossPolicy::FailSender {
            return true;
        }
        // What has crossed a link, there or back, is not a value any more.
        let is_at_home = self.payload.as_ref().is_some_and(Any::is_local);
        is_at_home
            && matches!(
                self.cause,
                Cause::NoHandler
                    | Cause::WrongType { .. }
                    | Cause::Encode(_)
                    | Cause::TooLarge { .. }
            )
    }

    /// The encoding of the payload as far as it is returned across a link, and its size.
    fn returned(&self) -> (Option<Cow<'_, Payload>>, Option<u64>) {
        let Some(body) = &self.payload else {
            return (None, self.size);
        };
        let encoded = match body.payload() {
            Some(payload) => Some(Cow::Borrowed(payload)),
            // A value that cannot be encoded can only be told about.
            None => body.encode_after(BytesMut::new()).ok().map(Cow::Owned),
        };
        let size = encoded.as_ref().map(|payload| payload.len() as u64);
        let limit = RETURNED_PAYLOAD_LIMIT.get();
        (
            encoded.filter(|payload| payload.len() as u64 <= limit.as_u64()),
            size.or(self.size),
        )
    }
}

impl fmt::Display for Undelivered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (dst, cause) = (self.header.dst, &self.cause);
        match registry::name_of(self.key) {
            Some(name) => write!(f, "message {name} to {dst} was not delivered: {cause}"),
            // Its type is generic, or not one of this program.
            None => write!(f, "message to {dst} was not delivered: {cause}"),
        }
    }
}

impl Named for Undelivered {
    const KEY: TypeKey = TypeKey::of("hypermesh::Undelivered");

    fn name() -> Cow<'static, str> {
        Cow::Borrowed("hypermesh::Undelivered")
    }
}

#[derive(Serialize)]
struct FormRef<'a> {
    header: &'a EnvelopeHeader,
    key: TypeKey,
    headers: &'a Headers,
    cause: &'a Cause,
    payload: Option<Cow<'a, Payload>>,
    size: Option<u64>,
}

#[derive(Deserialize)]
struct Form {
    header: EnvelopeHeader,
    key: TypeKey,
    headers: Headers,
    cause: Cause,
    payload: Option<Payload>,
    size: Option<u64>,
}

impl Serialize for Undelivered {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (payload, size) = self.returned();
        let Self {
            header,
            key,
            headers,
            cause,
            ..
        } = self;
        FormRef {
            header,
            key: *key,
            headers,
            cause,
            payload,
            size,
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Undelivered {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Form {
            header,
            key,
            headers,
            cause,
            payload,
            size,
        } = Form::deserialize(deserializer)?;
        let payload = payload.map(|payload| Any::wire(key, payload));
        Ok(Self {
            header,
            key,
            headers,
            cause,
            payload,
            size,
        })
    }
}
