//! Small facts that travel with a message.
//!
//! # Invariants
//!
//! - **INV-1**: at most [`Headers::MAX_ENTRIES`] entries and [`Headers::MAX_BYTES`] bytes, also after
//!   decoding.
//! - **INV-2**: a key occurs once, and entries keep their order, so that whoever does not know an entry
//!   passes it on as it came.

use std::fmt;

use bytes::{Bytes, BytesMut};
use serde::ser::SerializeSeq;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{DecodeError, EncodeError, Message, TypeKey, decode_front, encode_inline};

/// Small facts that travel with a message: a value each per type.
///
/// Absent by default: empty headers own no memory and take one byte on the wire.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers {
    // A box around the vector keeps every envelope at one word.
    #[expect(clippy::box_collection, reason = "most envelopes have no headers")]
    entries: Option<Box<Vec<(TypeKey, Bytes)>>>,
}

/// Room for the encoding of a usual header, so that it is written without growing the buffer.
const USUAL_VALUE: usize = 64;

/// Error of setting a header: there would be more than a message may carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "headers of {entries} entries and {bytes} bytes exceed {} entries or {} bytes",
    Headers::MAX_ENTRIES,
    Headers::MAX_BYTES
)]
pub struct HeadersTooLarge {
    /// How many entries there would be.
    pub entries: usize,
    /// How many bytes there would be.
    pub bytes: usize,
}

/// Error of setting a typed header.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeadersError {
    /// There would be more than a message may carry.
    #[error(transparent)]
    TooLarge(#[from] HeadersTooLarge),
    /// The value has no encoding.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

impl Headers {
    /// The most entries.
    pub const MAX_ENTRIES: usize = 64;
    /// The most bytes of all entries together, 8 for each key included.
    pub const MAX_BYTES: usize = 4096;

    /// Returns headers without an entry.
    pub const fn new() -> Self {
        Self { entries: None }
    }

    /// Returns the number of entries.
    pub fn len(&self) -> usize {
        self.as_slice().len()
    }

    /// Returns whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.entries.is_none()
    }

    /// Returns the bytes under `key`.
    pub fn get(&self, key: TypeKey) -> Option<&Bytes> {
        self.as_slice()
            .iter()
            .find(|entry| entry.0 == key)
            .map(|entry| &entry.1)
    }

    /// Sets the bytes under `key`, over those that were there.
    ///
    /// # Errors
    ///
    /// [`HeadersTooLarge`] when there would be too much (INV-1); nothing is changed then.
    pub fn set(&mut self, key: TypeKey, value: impl Into<Bytes>) -> Result<(), HeadersTooLarge> {
        let value = value.into();
        let others = self.as_slice().iter().filter(|entry| entry.0 != key);
        let (entries, bytes) = others.fold((1, 8 + value.len()), |(entries, bytes), entry| {
            (entries + 1, bytes + 8 + entry.1.len())
        });
        if entries > Self::MAX_ENTRIES || bytes > Self::MAX_BYTES {
            return Err(HeadersTooLarge { entries, bytes });
        }
        let all = self.entries.get_or_insert_default();
        match all.iter_mut().find(|entry| entry.0 == key) {
            Some(entry) => entry.1 = value,
            None => all.push((key, value)),
        }
        Ok(())
    }

    /// Removes the bytes under `key` and returns them.
    pub fn remove(&mut self, key: TypeKey) -> Option<Bytes> {
        let entries = self.entries.as_mut()?;
        let idx = entries.iter().position(|entry| entry.0 == key)?;
        let (_, value) = entries.remove(idx);
        if entries.is_empty() {
            self.entries = None;
        }
        Some(value)
    }

    /// Returns the header of type `M`, if it is set.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] when its bytes are not a value of the type.
    pub fn get_as<M: Message>(&self) -> Result<Option<M>, DecodeError> {
        let Some(value) = self.get(M::KEY) else {
            return Ok(None);
        };
        let mut rest = value.clone();
        let message = decode_front(&mut rest)?;
        match rest.len() {
            0 => Ok(Some(message)),
            left => Err(DecodeError::TrailingBytes {
                offset: value.len() - left,
                left,
            }),
        }
    }

    /// Sets the header of type `M`, over the one that was there.
    ///
    /// # Errors
    ///
    /// [`HeadersError`] when it cannot be encoded or there would be too much; nothing is changed then.
    pub fn set_as<M: Message>(&mut self, value: &M) -> Result<(), HeadersError> {
        let mut bytes = BytesMut::with_capacity(USUAL_VALUE);
        encode_inline(&mut bytes, value)?;
        Ok(self.set(M::KEY, bytes.freeze())?)
    }

    /// Returns the entries in the order in which they were first set.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (TypeKey, &Bytes)> {
        self.as_slice().iter().map(|(key, value)| (*key, value))
    }

    fn as_slice(&self) -> &[(TypeKey, Bytes)] {
        self.entries.as_deref().map_or(&[], Vec::as_slice)
    }
}

/// Shows keys and sizes, never content.
impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes: usize = self.iter().map(|(_, value)| value.len()).sum();
        write!(f, "Headers({} entries, {bytes} B)", self.len())
    }
}

impl Serialize for Headers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut entries = serializer.serialize_seq(Some(self.len()))?;
        for entry in self.as_slice() {
            entries.serialize_element(entry)?;
        }
        entries.end()
    }
}

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(EntriesVisitor)
    }
}

struct EntriesVisitor;

impl<'de> de::Visitor<'de> for EntriesVisitor {
    type Value = Headers;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a sequence of header entries")
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut entries: A) -> Result<Headers, A::Error> {
        let mut headers = Headers::new();
        while let Some((key, value)) = entries.next_element::<(TypeKey, Bytes)>()? {
            if headers.get(key).is_some() {
                return Err(de::Error::custom(format_args!("header {key} occurs twice")));
            }
            headers.set(key, value).map_err(de::Error::custom)?;
        }
        Ok(headers)
    }
}
