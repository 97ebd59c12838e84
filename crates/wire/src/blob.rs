//! Byte strings that travel beside the body of a message instead of in it.
//!
//! serde has no way to hand a shared buffer to a format: a `Serializer` sees `&[u8]`. So a [`Blob`]
//! announces itself as a newtype struct with a reserved name and leaves a clone of its `Bytes` in a
//! thread-local slot for the length of that one call. Only the encoder of this crate knows the name
//! and looks into the slot; every other format sees plain bytes. Decoding goes the same way back.
//!
//! # Invariants
//!
//! - **INV-1**: the slot is empty except during one serde call that a blob makes or is made for, also
//!   after a panic: whoever fills it holds an [`Offer`].

use std::cell::Cell;
use std::fmt;
use std::ops::Deref;

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The struct names that [`Blob`] and [`Marked`] go by in serde calls.
pub(crate) const BLOB: &str = "hypermesh::Blob";
pub(crate) const MARKED: &str = "hypermesh::Marked";

/// A byte string that is not copied on its way.
///
/// While [`encode`](crate::encode) runs, a blob of at least
/// [`PART_THRESHOLD`](crate::PART_THRESHOLD) bytes becomes a part of the payload: the buffer that the
/// receiver gets is the caller's buffer, or the memory that the socket was read into. Under any other
/// serde format a blob is plain bytes.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Blob(pub Bytes);

/// A byte string that always becomes a part, so that a relay can replace it without decoding the
/// message around it.
///
/// [`encode_marked`](crate::encode_marked) tells which parts are marked. Under any other serde format
/// it is plain bytes.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Marked(pub Bytes);

macro_rules! byte_string {
    ($type:ident, $name:ident) => {
        /// Shows the size, never the content.
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({} B)", stringify!($type), self.0.len())
            }
        }

        impl Deref for $type {
            type Target = [u8];

            fn deref(&self) -> &[u8] {
                &self.0
            }
        }

        impl<B: Into<Bytes>> From<B> for $type {
            fn from(bytes: B) -> Self {
                Self(bytes.into())
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let _offer = Offer::new(self.0.clone());
                serializer.serialize_newtype_struct($name, &Plain(&self.0))
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer
                    .deserialize_newtype_struct($name, BytesVisitor)
                    .map(Self)
            }
        }
    };
}

byte_string!(Blob, BLOB);
byte_string!(Marked, MARKED);

thread_local! {
    static SLOT: Cell<Option<Bytes>> = const { Cell::new(None) };
}

/// Bytes that lie in the slot of this thread until they are taken or the offer is dropped (INV-1).
pub(crate) struct Offer;

impl Offer {
    pub(crate) fn new(bytes: Bytes) -> Self {
        // A thread that is ending has no slot any more; its blobs travel inline.
        _ = SLOT.try_with(|slot| slot.set(Some(bytes)));
        Self
    }

    /// Takes the bytes that the caller offers, if it does.
    pub(crate) fn take() -> Option<Bytes> {
        SLOT.try_with(Cell::take).ok().flatten()
    }
}

impl Drop for Offer {
    fn drop(&mut self) {
        drop(Self::take());
    }
}

/// What a format that does not know blobs writes.
struct Plain<'a>(&'a [u8]);

impl Serialize for Plain<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

struct BytesVisitor;

impl<'de> de::Visitor<'de> for BytesVisitor {
    type Value = Bytes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a byte string")
    }

    /// The decoder of this crate comes here; a part lies in the slot.
    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Bytes, E> {
        Ok(match Offer::take() {
            Some(part) if part.as_ptr() == bytes.as_ptr() && part.len() == bytes.len() => part,
            _ => Bytes::copy_from_slice(bytes),
        })
    }

    /// Every other format comes here.
    fn visit_newtype_struct<D: Deserializer<'de>>(self, plain: D) -> Result<Bytes, D::Error> {
        Bytes::deserialize(plain)
    }
}
