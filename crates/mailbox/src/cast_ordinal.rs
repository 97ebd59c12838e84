//! The header that says which member of a cast sends.

use std::borrow::Cow;

use hypermesh_wire::{DecodeError, Headers, HeadersError, Named, TypeKey};
use serde::{Deserialize, Serialize};

/// Which member of a cast sends a message, as its ordinal.
///
/// A handler that was reached by a cast stamps it on what it sends
/// ([`SendContext::stamp`](crate::SendContext::stamp)), so that ports that fold know who has answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CastOrdinal(pub u64);

impl CastOrdinal {
    /// Returns the ordinal in `headers`, if they have one.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] when the entry is not an ordinal.
    pub fn of(headers: &Headers) -> Result<Option<u64>, DecodeError> {
        if headers.is_empty() {
            return Ok(None);
        }
        Ok(headers.get_as::<Self>()?.map(|ordinal| ordinal.0))
    }

    /// Puts the ordinal into `headers`.
    ///
    /// # Errors
    ///
    /// [`HeadersError`] when they are full.
    pub fn stamp(self, headers: &mut Headers) -> Result<(), HeadersError> {
        headers.set_as(&self)
    }
}

impl Named for CastOrdinal {
    const KEY: TypeKey = TypeKey::of("hypermesh::CastOrdinal");

    fn name() -> Cow<'static, str> {
        Cow::Borrowed("hypermesh::CastOrdinal")
    }
}
