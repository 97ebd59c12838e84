//! The header that says where the reply to a message goes.

use hypermesh_macros::Message;
use hypermesh_mailbox::{ActorId, Envelope, FLAG_SILENT, Gateway, Location, PortId};
use hypermesh_wire::{
    Any, DecodeError, Headers, Message as WireMessage, Named, Payload, TypeKey, encode,
};
use serde::{Deserialize, Serialize};

use crate::call_error::CallError;
use crate::cast_origin::{CastOrigin, CastPlace};

/// Where the reply to a message goes. A message that carries it in its headers gets exactly one.
///
/// Without an ordinal the port gets a `Result<R, CallError>`. With one, the message is part of a cast
/// and the port gets a [`CastReply`], which says whose reply it is and hides the type of the value, so
/// that relays can gather replies without knowing it.
#[derive(Clone, Debug, PartialEq, Message, Serialize, Deserialize)]
#[message(serde)]
pub struct ReplyHeader {
    /// The port that takes the reply.
    pub port: PortId,
    /// Where to dial for it.
    pub location: Location,
    /// The key of `Result<R, CallError>`.
    pub key: TypeKey,
    /// The place of the receiver among the receivers of a cast.
    pub ordinal: Option<u64>,
}

/// The reply of one receiver of a cast.
#[derive(Clone, Debug, PartialEq, Message, Serialize, Deserialize)]
#[message(serde)]
pub struct CastReply {
    /// The place of the receiver among the receivers of the cast.
    pub ordinal: u64,
    /// The encoded value, or why there is none.
    pub result: Result<Payload, CallError>,
}

impl ReplyHeader {
    /// Returns where the reply to a message with `headers` goes: by a header of this type, or by that
    /// of a cast. `None` if nobody waits, or it cannot be read.
    pub fn of(headers: &Headers) -> Option<Self> {
        let header = match headers.get_as() {
            Ok(None) => Self::of_cast(headers),
            found => found,
        };
        match header {
            Ok(header) => header,
            Err(error) => {
                tracing::warn!(%error, "a reply header cannot be read");
                None
            }
        }
    }

    fn of_cast(headers: &Headers) -> Result<Option<Self>, DecodeError> {
        let Some((CastPlace { reply, .. }, origin)) = CastOrigin::of(headers)? else {
            return Ok(None);
        };
        let header = |(port, location), ordinal| ReplyHeader {
            port,
            location,
            key: CastReply::KEY,
            ordinal: Some(ordinal),
        };
        match reply {
            Some(ordinal) => Ok(origin.reply()?.map(|to| header(to, ordinal))),
            None => Ok(None),
        }
    }

    /// Sends the reply `result` of the actor `from`.
    ///
    /// Its bounce would tell nobody anything: a caller that is gone does not miss the reply, so it is
    /// sent as one that does not come back. A value that cannot be encoded must not get lost like
    /// that; it is encoded here unless it stays in the proc.
    ///
    /// With `back` it is one of many replies, and comes back there if nobody takes it.
    pub(crate) fn reply<R: WireMessage>(
        &self,
        gateway: &Gateway,
        from: ActorId,
        result: Result<R, CallError>,
        back: Option<&Self>,
    ) {
        let body = match self.ordinal {
            Some(ordinal) => {
                let result = result.and_then(|value| {
                    encode(&value).map_err(|error| CallError::BadReply(error.to_string()))
                });
                Any::local(CastReply { ordinal, result })
            }
            None if self.port.actor.proc == from.proc => Any::local(result),
            None => match encode(&result) {
                Ok(payload) => Any::wire(self.key, payload),
                Err(error) => {
                    return self.refuse(gateway, from, CallError::BadReply(error.to_string()));
                }
            },
        };
        self.post(gateway, from, body, back);
    }

    /// Sends `error` in place of a reply whose type is not known here.
    pub fn refuse(&self, gateway: &Gateway, from: ActorId, error: CallError) {
        let body = match self.ordinal {
            Some(ordinal) => Any::local(CastReply {
                ordinal,
                result: Err(error),
            }),
            // An `Err` of a `Result` has the same encoding whatever the type of its `Ok`.
            None => match encode(&Err::<(), CallError>(error)) {
                Ok(payload) => Any::wire(self.key, payload),
                Err(error) => {
                    tracing::error!(%error, "an error has no encoding");
                    return;
                }
            },
        };
        self.post(gateway, from, body, None);
    }

    fn post(&self, gateway: &Gateway, from: ActorId, body: Any, back: Option<&Self>) {
        let mut envelope = Envelope::of_any(self.port, self.location.clone(), from, body);
        match back {
            Some(back) => back.stamp(&mut envelope.headers),
            None => envelope.header.flags |= FLAG_SILENT,
        }
        gateway.post(envelope);
    }

    /// Makes a message carry this header.
    pub(crate) fn stamp(&self, headers: &mut Headers) {
        let set = headers.set_as(self);
        set.expect("a reply header is small and always has an encoding");
    }
}
