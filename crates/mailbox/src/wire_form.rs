//! An envelope as it crosses a link: a header in front of the encoded message.
//!
//! The header is decoded by every gateway on the way, the message only by its consumer. A message
//! that is forwarded is not copied either: from [`APART`] bytes on, its body travels behind the new
//! header as one more part. `docs/wire.md` says the same byte by byte.

use bytes::BytesMut;
use hypermesh_wire::{
    Any, DecodeError, EncodeError, Headers, Payload, TypeKey, decode_front, encode_inline,
};
use serde::{Deserialize, Serialize};

use crate::envelope::KNOWN_FLAGS;
use crate::{CONTROL_UNDELIVERED, Envelope, EnvelopeHeader, Location, Port};

/// From this size on, a body that is encoded already is not copied behind the header.
const APART: usize = 1024;

/// Room for a header and a few small headers.
const HEADER_ROOM: usize = 192;

/// Room for a message of unknown size, so that a small one is written without growing the buffer.
const BODY_ROOM: usize = 256;

#[derive(Serialize, Deserialize)]
struct WireHeader<H> {
    header: EnvelopeHeader,
    key: TypeKey,
    /// The body is the last part, not what follows the header.
    apart: bool,
    headers: H,
}

/// Error of [`open`]: a peer sent something that is no envelope.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EnvelopeError {
    /// The header does not decode.
    #[error("the header of an envelope does not decode")]
    Header(#[from] DecodeError),
    /// The header has flags that nobody knows.
    #[error("envelope to {dst} has unknown flags {flags:#010b}")]
    Flags {
        /// The receiver that the envelope names.
        dst: crate::PortId,
        /// Its flags.
        flags: u8,
    },
    /// The header says that the body is a part, and there is none.
    #[error("envelope to {dst} has no body")]
    NoBody {
        /// The receiver that the envelope names.
        dst: crate::PortId,
    },
    /// A bounce that is not for the port that takes bounces.
    #[error("bounce to {dst}, which takes none")]
    MisdirectedBounce {
        /// The receiver that the envelope names.
        dst: crate::PortId,
    },
}

/// Returns the wire form of `envelope` with `header` for its own, and where the message lies in it.
pub(crate) fn seal(
    envelope: &Envelope,
    header: EnvelopeHeader,
) -> Result<(Payload, BodyPlace), EncodeError> {
    let body = envelope.body.payload();
    let apart = body.is_some_and(|payload| APART <= payload.body.len());
    let body_room = match body {
        Some(_) if apart => 0,
        Some(payload) => payload.body.len(),
        None => BODY_ROOM,
    };
    let mut buffer = BytesMut::with_capacity(HEADER_ROOM + body_room);
    let (key, headers) = (envelope.key(), &envelope.headers);
    encode_inline(
        &mut buffer,
        &WireHeader {
            header,
            key,
            apart,
            headers,
        },
    )?;
    let place = if apart {
        BodyPlace::LastPart
    } else {
        BodyPlace::After(buffer.len())
    };
    let payload = match body {
        Some(payload) if apart => {
            let mut parts = payload.parts.clone();
            parts.push(payload.body.clone());
            Payload {
                body: buffer.freeze(),
                parts,
            }
        }
        _ => envelope.body.encode_after(buffer)?,
    };
    Ok((payload, place))
}

/// Where the message lies in the wire form of its envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyPlace {
    /// Behind a header of so many bytes.
    After(usize),
    /// In the last part.
    LastPart,
}

/// Returns the message in `payload`, the wire form of an envelope.
pub(crate) fn without_header(mut payload: Payload, place: BodyPlace) -> Payload {
    payload.body = match place {
        BodyPlace::After(header_len) => payload.body.slice(header_len..),
        BodyPlace::LastPart => payload.parts.pop().unwrap_or_default(),
    };
    payload
}

/// Returns the envelope in `payload`. The message itself stays encoded.
///
/// # Errors
///
/// [`EnvelopeError`] when it is none; that concerns this envelope only.
pub(crate) fn open(payload: Payload) -> Result<Envelope, EnvelopeError> {
    let Payload {
        mut body,
        mut parts,
    } = payload;
    let wire: WireHeader<Headers> = decode_front(&mut body)?;
    let WireHeader {
        header,
        key,
        apart,
        headers,
    } = wire;
    let dst = header.dst;
    if header.flags & !KNOWN_FLAGS != 0 {
        return Err(EnvelopeError::Flags {
            dst,
            flags: header.flags,
        });
    }
    let takes_bounces = dst.port == Port::Control(CONTROL_UNDELIVERED);
    if header.is_bounce() && !takes_bounces {
        return Err(EnvelopeError::MisdirectedBounce { dst });
    }
    if apart {
        if !body.is_empty() {
            return Err(EnvelopeError::NoBody { dst });
        }
        body = parts.pop().ok_or(EnvelopeError::NoBody { dst })?;
    }
    let body = Any::wire(key, Payload { body, parts });
    Ok(Envelope {
        header,
        to: Location::NONE,
        headers,
        body,
    })
}

/// Returns whether `payload` is an envelope that waits for no other.
pub(crate) fn is_urgent(payload: &Payload) -> bool {
    let header = decode_front::<EnvelopeHeader>(&mut payload.body.clone());
    header.is_ok_and(|header| header.is_urgent())
}

#[cfg(test)]
mod golden;
#[cfg(any(test, feature = "properties"))]
pub(crate) mod property;
#[cfg(test)]
mod tests;
