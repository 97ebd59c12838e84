//! The header by which the receiver of a cast learns its own place in it, and where its reply goes.
//!
//! The header is a [`CastPlace`], and behind it what is the same for all receivers, both encoded: where
//! replies go, then the region that was cast to. Who casts encodes the second part once. Relays put
//! other places before it, and only what a receiver asks for is ever decoded.

use hypermesh_mailbox::{Location, PortId};
use hypermesh_ndslice::{Point, Rank, Region};
use hypermesh_wire::{
    Bytes, BytesMut, DecodeError, EncodeError, Headers, HeadersTooLarge, TypeKey, decode_front,
    encode_inline,
};
use serde::{Deserialize, Serialize};

/// The key of the header.
const KEY: TypeKey = TypeKey::of("hypermesh_actor::CastOrigin");

/// Room for an encoded place.
const PLACE_ROOM: usize = 24;

/// What all receivers of a cast are told alike: its region, and where replies go. Encoded.
///
/// A clone shares the bytes. They may come from a peer, so that everything that reads them may fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CastOrigin {
    encoded: Bytes,
}

/// Whom a message of a cast is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CastPlace {
    /// The rank of the receiver in the whole mesh; `None` while the message is for many.
    pub rank: Option<u32>,
    /// The ordinal of the reply, or of the failure to deliver the message; `None` if nobody waits.
    pub reply: Option<u64>,
}

impl CastOrigin {
    /// Returns the origin of a cast to `view`, with replies to the port `reply`.
    ///
    /// # Errors
    ///
    /// [`EncodeError`] when it has no encoding.
    pub fn new(view: &Region, reply: Option<(PortId, Location)>) -> Result<Self, EncodeError> {
        let mut encoded = BytesMut::with_capacity(128);
        encode_inline(&mut encoded, &reply)?;
        encode_inline(&mut encoded, view)?;
        Ok(Self {
            encoded: encoded.freeze(),
        })
    }

    /// Returns the place and the origin in `headers`, if the message was cast.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] when the header does not start with a place.
    pub fn of(headers: &Headers) -> Result<Option<(CastPlace, Self)>, DecodeError> {
        let Some(header) = headers.get(KEY) else {
            return Ok(None);
        };
        let mut encoded = header.clone();
        let place = decode_front(&mut encoded)?;
        Ok(Some((place, Self { encoded })))
    }

    /// Removes the header of a cast from `headers`, if it is there.
    pub fn remove(headers: &mut Headers) {
        headers.remove(KEY);
    }

    /// Puts the origin into `headers`, for the receiver at `place`.
    ///
    /// # Errors
    ///
    /// [`HeadersTooLarge`] when there is no room for it; nothing is changed then.
    pub fn stamp(&self, place: CastPlace, headers: &mut Headers) -> Result<(), HeadersTooLarge> {
        let mut header = BytesMut::with_capacity(PLACE_ROOM + self.encoded.len());
        encode_inline(&mut header, &place).expect("a place is two numbers");
        header.extend_from_slice(&self.encoded);
        headers.set(KEY, header.freeze())
    }

    /// Returns the port that takes replies, and where to dial for it; `None` if nobody waits.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] when the bytes are not those of an origin.
    pub fn reply(&self) -> Result<Option<(PortId, Location)>, DecodeError> {
        decode_front(&mut self.encoded.clone())
    }

    /// Returns the origin with replies to `port`, which is at `location`, in the place of those to
    /// whatever port it had.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] when the bytes are not those of an origin.
    pub fn with_reply(&self, port: PortId, location: Location) -> Result<Self, DecodeError> {
        let mut view = self.encoded.clone();
        decode_front::<Option<(PortId, Location)>>(&mut view)?;
        let mut encoded = BytesMut::with_capacity(128 + view.len());
        encode_inline(&mut encoded, &Some((port, location))).expect("ids and addresses encode");
        encoded.extend_from_slice(&view);
        Ok(Self {
            encoded: encoded.freeze(),
        })
    }

    /// Returns the point of `rank` in the region that was cast to; `None` if it is not in there.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] when the bytes are not those of an origin.
    pub fn point_of(&self, rank: u32) -> Result<Option<Point>, DecodeError> {
        let mut encoded = self.encoded.clone();
        decode_front::<Option<(PortId, Location)>>(&mut encoded)?;
        let view: Region = decode_front(&mut encoded)?;
        match encoded.len() {
            0 => {}
            left => {
                let offset = self.encoded.len() - left;
                return Err(DecodeError::TrailingBytes { offset, left });
            }
        }
        let ordinal = view.ordinal_of(Rank(rank as usize)).ok();
        Ok(ordinal.and_then(|ordinal| view.point_of(ordinal).ok()))
    }
}

#[cfg(test)]
mod tests;
