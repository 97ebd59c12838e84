//! From a [`Payload`] back to a value. Trusts no byte of it.
//!
//! # Invariants
//!
//! - **INV-1**: every byte of the body and every part is used exactly once, parts in ascending order.
//! - **INV-2**: memory grows with the bytes that were received: all the lengths that are announced, at whatever level,
//!   reserve together at most as many elements as the body has bytes. Elements for which nothing was reserved get their
//!   memory as they are read.
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

/// What the steps of a decoding fail with: one word, so that their results stay in registers.
type Fault = Box<DecodeError>;

impl de::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(DecodeError::Refused {
            message: message.to_string().chars().take(256).collect(),
        })
    }
}

/// Decodes a value that takes the whole payload.
///
/// # Errors
///
/// [`DecodeError`] when the payload is not exactly one value of the type.
pub fn decode<M: DeserializeOwned>(payload: &Payload) -> Result<M, DecodeError> {
    decode_borrowed(&payload.body, &payload.parts).map_err(|fault| *fault)
}

/// Decodes a value that takes the whole of `body` and of `parts`.
///
/// The value keeps nothing of `body`: byte strings in it are copied, so that a value never pins the
/// buffer in which it was received. A part is shared, not copied.
///
/// # Errors
///
/// [`DecodeError`] when they are not exactly one value of the type. It is in a box: the value lies where the caller wants
/// it from the beginning, and is not moved there.
#[inline(always)]
pub fn decode_borrowed<M: DeserializeOwned>(
    body: &[u8],
    parts: &[Bytes],
) -> Result<M, Box<DecodeError>> {
    let mut decoder = Decoder::new(body, parts);
    let result = M::deserialize(&mut decoder);
    if result.is_ok()
        && let Err(error) = decoder.finish()
    {
        return Err(error);
    }
    result
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
    let message = M::deserialize(&mut decoder).map_err(|fault| *fault)?;
    let used = decoder.at();
    input.advance(used);
    Ok(message)
}

/// One decoding in progress.
struct Decoder<'de> {
    /// What is not read yet.
    rest: &'de [u8],
    /// The length of the body.
    len: usize,
    parts: &'de [Bytes],
    n_parts_used: usize,
    depth: u32,
    n_empty: usize,
    /// How many elements may still be reserved ahead of what was read (INV-2). What is not empty is at least a byte, and of one
    /// sequence only, so this is enough for all that a body can hold.
    reservable: usize,
}

impl<'de> Decoder<'de> {
    #[inline]
    fn new(body: &'de [u8], parts: &'de [Bytes]) -> Self {
        Self {
            rest: body,
            len: body.len(),
            parts,
            n_parts_used: 0,
            depth: 0,
            n_empty: 0,
            reservable: body.len(),
        }
    }

    /// Checks INV-1.
    #[inline]
    fn finish(self) -> Result<(), Fault> {
        if self.rest.is_empty() && self.n_parts_used == self.parts.len() {
            Ok(())
        } else {
            Err(self.left_over())
        }
    }

    #[cold]
    fn left_over(&self) -> Fault {
        Fault::new(match self.rest.len() {
            0 => DecodeError::UnusedParts {
                used: self.n_parts_used,
                parts: self.parts.len(),
            },
            left => DecodeError::TrailingBytes {
                offset: self.at(),
                left,
            },
        })
    }

    /// Returns how many bytes of the body are read.
    #[inline]
    fn at(&self) -> usize {
        self.len - self.rest.len()
    }

    #[cold]
    fn end(&self, needed: u64) -> Fault {
        Fault::new(DecodeError::UnexpectedEnd {
            offset: self.len,
            needed,
        })
    }

    /// Returns the error about the byte that was read last.
    #[cold]
    fn bad_byte(&self, found: u8, expected: &'static str) -> Fault {
        Fault::new(DecodeError::BadByte {
            offset: self.at() - 1,
            found,
            expected,
        })
    }

    /// Returns the error about the text that was read last.
    #[cold]
    fn bad_text(&self, expected: &'static str) -> Fault {
        Fault::new(DecodeError::BadText {
            offset: self.at(),
            expected,
        })
    }

    #[cold]
    fn bad_varint(&self, error: ReadError, bits: u32) -> Fault {
        match error {
            ReadError::End => self.end(1),
            ReadError::OverLong => Fault::new(DecodeError::OverLong {
                offset: self.at(),
                bits,
            }),
        }
    }

    #[inline]
    fn byte(&mut self) -> Result<u8, Fault> {
        let Some((byte, rest)) = self.rest.split_first() else {
            return Err(self.end(1));
        };
        self.rest = rest;
        Ok(*byte)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let Some((array, rest)) = self.rest.split_first_chunk() else {
            return Err(self.end((N - self.rest.len()) as u64));
        };
        self.rest = rest;
        Ok(*array)
    }

    #[inline]
    fn varint<const BITS: u32>(&mut self) -> Result<u64, Fault> {
        match self.rest {
            [byte @ 0..0x80, rest @ ..] => {
                self.rest = rest;
                Ok((*byte).into())
            }
            _ => self.long_varint::<BITS>(),
        }
    }

    fn long_varint<const BITS: u32>(&mut self) -> Result<u64, Fault> {
        match varint::read::<BITS>(self.rest) {
            Ok((value, len)) => {
                self.rest = &self.rest[len..];
                Ok(value)
            }
            Err(error) => Err(self.bad_varint(error, BITS)),
        }
    }

    fn wide_varint(&mut self) -> Result<u128, Fault> {
        match varint::read_wide::<128>(self.rest) {
            Ok((value, len)) => {
                self.rest = &self.rest[len..];
                Ok(value)
            }
            Err(error) => Err(self.bad_varint(error, 128)),
        }
    }

    #[inline]
    fn bytes(&mut self) -> Result<&'de [u8], Fault> {
        let len = self.varint::<64>()?;
        let left = self.rest.len() as u64;
        if len > left {
            return Err(self.end(len - left));
        }
        let (bytes, rest) = self.rest.split_at(len as usize);
        self.rest = rest;
        Ok(bytes)
    }

    #[inline]
    fn text(&mut self, expected: &'static str) -> Result<&'de str, Fault> {
        let bytes = self.bytes()?;
        std::str::from_utf8(bytes).map_err(|_| self.bad_text(expected))
    }

    /// Returns for how many of `announced` elements to make room before they are read (INV-2).
    #[inline]
    fn reserve(&mut self, announced: u64) -> usize {
        let most = self.reservable.min(self.rest.len());
        let n_elements = announced.min(most as u64) as usize;
        self.reservable -= n_elements;
        n_elements
    }

    /// Decodes one level deeper (INV-3).
    #[inline]
    fn nested<T>(
        &mut self,
        decode: impl FnOnce(&mut Self) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        if self.depth == MAX_DEPTH {
            return Err(too_deep());
        }
        self.depth += 1;
        let value = decode(self)?;
        self.depth -= 1;
        Ok(value)
    }

    /// Decodes a [`Blob`](crate::Blob) or [`Marked`](crate::Marked).
    fn byte_string<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Fault> {
        let tag = self.varint::<64>()?;
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
            _ => Err(Fault::new(DecodeError::BadPart {
                found,
                expected,
                parts,
            })),
        }
    }
}

#[cold]
fn too_deep() -> Fault {
    Fault::new(DecodeError::TooDeep { max: MAX_DEPTH })
}
