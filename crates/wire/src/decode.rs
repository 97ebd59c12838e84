//! From a [`Payload`] back to a value. Trusts no byte of it.
//!
//! # Invariants
//!
//! - **INV-1**: every byte of the body and every part is used exactly once, parts in ascending order.
//! - **INV-2**: memory grows with the bytes that were read: a length that is announced reserves at most
//!   as many elements as bytes are left.
//! - **INV-3**: time is linear in the bytes received: elements that take no byte are counted, and
//!   nesting has a limit.

mod deserializer;

use std::fmt;

use bytes::{Buf, Bytes};
use serde::de::{self, DeserializeOwned, Visitor};

use crate::Payload;
use crate::blob::Offer;
use crate::encode::MAX_DEPTH;
use crate::varint::{self, ReadError};

/// Why bytes are not the value they should be. Offsets count from the start of the body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The body ends too early.
    #[error("the body ends at byte {offset} where {needed} more bytes are needed")]
    UnexpectedEnd {
        /// The length of the body.
        offset: usize,
        /// How many bytes are missing.
        needed: u64,
    },
    /// Bytes are left over.
    #[error("{left} bytes are left over from byte {offset} on")]
    TrailingBytes {
        /// Where the value ends.
        offset: usize,
        /// How many bytes follow.
        left: usize,
    },
    /// A byte has a value that its type does not have.
    #[error("byte {offset} is {found}, which is no {expected}")]
    BadByte {
        /// Where the byte is.
        offset: usize,
        /// Its value.
        found: u8,
        /// What it should be.
        expected: &'static str,
    },
    /// An integer has more bits than its type, or more bytes than it needs.
    #[error("the integer of {bits} bits at byte {offset} is too long")]
    OverLong {
        /// Where the integer starts.
        offset: usize,
        /// How many bits its type has.
        bits: u32,
    },
    /// A string is not UTF-8, or a character is not exactly one.
    #[error("the {expected} that ends before byte {offset} is not valid UTF-8")]
    BadText {
        /// Where the text ends.
        offset: usize,
        /// What it should be.
        expected: &'static str,
    },
    /// The value is nested too deeply.
    #[error("the message is nested more than {max} levels deep")]
    TooDeep {
        /// The limit.
        max: u32,
    },
    /// The value has sequences with too many elements that take no byte.
    #[error("the message has more than {max} sequence elements of size zero")]
    TooManyEmpty {
        /// The limit.
        max: usize,
    },
    /// The body refers to a part out of order, twice, or to one that is not there.
    #[error("the body refers to part {found} of {parts} where part {expected} is next")]
    BadPart {
        /// The index in the body.
        found: u64,
        /// The index that comes next.
        expected: usize,
        /// How many parts there are.
        parts: usize,
    },
    /// Parts are left over.
    #[error("the body uses {used} of {parts} parts")]
    UnusedParts {
        /// How many parts are used.
        used: usize,
        /// How many there are.
        parts: usize,
    },
    /// The type wants to be told what comes next, which this encoding does not say.
    #[error("the type needs an encoding that describes itself")]
    NotSelfDescribing,
    /// The type's own `Deserialize` refused the content, with this text.
    #[error("the content is refused: {message}")]
    Refused {
        /// What the type says, cut off after 256 characters.
        message: String,
    },
}

impl de::Error for DecodeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Refused {
            message: message.to_string().chars().take(256).collect(),
        }
    }
}

/// Decodes a value that takes the whole payload.
///
/// # Errors
///
/// [`DecodeError`] when the payload is not exactly one value of the type.
pub fn decode<M: DeserializeOwned>(payload: &Payload) -> Result<M, DecodeError> {
    let mut decoder = Decoder::new(&payload.body, &payload.parts);
    let message = M::deserialize(&mut decoder)?;
    decoder.finish()?;
    Ok(message)
}

/// Decodes a value without parts from the front of `input`, and moves `input` behind it.
///
/// The counterpart of [`encode_inline`](crate::encode_inline).
///
/// # Errors
///
/// [`DecodeError`] when `input` does not start with a value of the type; it is then as before.
pub fn decode_front<M: DeserializeOwned>(input: &mut Bytes) -> Result<M, DecodeError> {
    let mut decoder = Decoder::new(input, &[]);
    let message = M::deserialize(&mut decoder)?;
    let used = decoder.at;
    input.advance(used);
    Ok(message)
}

/// One decoding in progress.
struct Decoder<'de> {
    body: &'de [u8],
    at: usize,
    parts: &'de [Bytes],
    n_parts_used: usize,
    depth: u32,
    n_empty: usize,
}

impl<'de> Decoder<'de> {
    fn new(body: &'de [u8], parts: &'de [Bytes]) -> Self {
        Self {
            body,
            at: 0,
            parts,
            n_parts_used: 0,
            depth: 0,
            n_empty: 0,
        }
    }

    /// Checks INV-1.
    fn finish(self) -> Result<(), DecodeError> {
        let left = self.left();
        if left > 0 {
            return Err(DecodeError::TrailingBytes {
                offset: self.at,
                left,
            });
        }
        if self.n_parts_used < self.parts.len() {
            let (used, parts) = (self.n_parts_used, self.parts.len());
            return Err(DecodeError::UnusedParts { used, parts });
        }
        Ok(())
    }

    fn left(&self) -> usize {
        self.body.len() - self.at
    }

    fn end(&self, needed: u64) -> DecodeError {
        DecodeError::UnexpectedEnd {
            offset: self.body.len(),
            needed,
        }
    }

    #[inline]
    fn byte(&mut self) -> Result<u8, DecodeError> {
        let byte = *self.body.get(self.at).ok_or_else(|| self.end(1))?;
        self.at += 1;
        Ok(byte)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let found = self.body[self.at..].first_chunk::<N>();
        let array = *found.ok_or_else(|| self.end((N - self.left()) as u64))?;
        self.at += N;
        Ok(array)
    }

    #[inline]
    fn varint(&mut self, bits: u32) -> Result<u64, DecodeError> {
        match varint::read(&self.body[self.at..], bits) {
            Ok((value, len)) => {
                self.at += len;
                Ok(value)
            }
            Err(error) => Err(self.bad_varint(error, bits)),
        }
    }

    fn bad_varint(&self, error: ReadError, bits: u32) -> DecodeError {
        match error {
            ReadError::End => self.end(1),
            ReadError::OverLong => DecodeError::OverLong {
                offset: self.at,
                bits,
            },
        }
    }

    fn bytes(&mut self) -> Result<&'de [u8], DecodeError> {
        let len = self.varint(64)?;
        let left = self.left();
        if len > left as u64 {
            return Err(self.end(len - left as u64));
        }
        let bytes = &self.body[self.at..self.at + len as usize];
        self.at += len as usize;
        Ok(bytes)
    }

    fn text(&mut self, expected: &'static str) -> Result<&'de str, DecodeError> {
        let bytes = self.bytes()?;
        let bad_text = |_| DecodeError::BadText {
            offset: self.at,
            expected,
        };
        std::str::from_utf8(bytes).map_err(bad_text)
    }

    /// Decodes one level deeper (INV-3).
    #[inline]
    fn nested<T>(
        &mut self,
        decode: impl FnOnce(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<T, DecodeError> {
        if self.depth == MAX_DEPTH {
            return Err(DecodeError::TooDeep { max: MAX_DEPTH });
        }
        self.depth += 1;
        let value = decode(self)?;
        self.depth -= 1;
        Ok(value)
    }

    /// Decodes a [`Blob`](crate::Blob) or [`Marked`](crate::Marked).
    fn byte_string<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, DecodeError> {
        let tag = self.varint(64)?;
        let Some(found) = tag.checked_sub(1) else {
            return visitor.visit_bytes(self.bytes()?);
        };
        let (expected, parts) = (self.n_parts_used, self.parts.len());
        match self.parts.get(expected) {
            Some(part) if found == expected as u64 => {
                self.n_parts_used += 1;
                let _offer = Offer::new(part.clone());
                visitor.visit_bytes(part)
            }
            _ => Err(DecodeError::BadPart {
                found,
                expected,
                parts,
            }),
        }
    }
}
