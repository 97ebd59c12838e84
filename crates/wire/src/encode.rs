//! From a serde value to a [`Payload`].
//!
//! The body is in the postcard format, byte for byte (a test compares). The serializer is our own
//! because a payload needs what that format's library has no place for: parts beside the body, a limit
//! of nesting, and a limit of sequence elements that take no byte at all.
//!
//! # Invariants
//!
//! - **INV-1**: whatever is encoded also decodes: both sides have the same limits.
//! - **INV-2**: parts are numbered in the order in which the body refers to them.
//! - **INV-3**: everything that an encoding needs to know lies in its own [`Encoder`], so that one
//!   inside another does not mix parts, and a panic leaves nothing behind.

mod body;
mod scratch;
mod serializer;

use bytes::{Bytes, BytesMut};
use serde::{Serialize, ser};
use smallvec::SmallVec;

use crate::Payload;
use crate::blob::Offer;
use crate::varint;
use body::Body;

/// The size from which on a [`Blob`](crate::Blob) becomes a part.
pub const PART_THRESHOLD: usize = 512;

/// The most parts that one payload has. What would be one more travels in the body.
pub const MAX_PARTS: usize = 1024;

/// The most [`Marked`](crate::Marked) values of one message. Blobs leave room for them.
pub const MAX_MARKS: usize = 64;

/// The deepest nesting of a message: options, sequences, maps, tuples, structs and enum values count.
pub const MAX_DEPTH: u32 = 128;

/// The most sequence elements of one message that take no byte, like those of a `Vec<()>`.
pub const MAX_EMPTY: usize = 65_536;

/// The size of a body that is made without growing.
const USUAL_BODY: usize = 128;

/// The indices of the parts that are [`Marked`](crate::Marked), in ascending order.
pub type Marks = SmallVec<[u32; 1]>;

/// Why a value has no encoding.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
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
    /// The value has too many marked byte strings.
    #[error("the message has more than {max} marked byte strings")]
    TooManyMarks {
        /// The limit.
        max: usize,
    },
    /// The type does not tell how long a sequence or map is before it is written, as with
    /// `#[serde(flatten)]`.
    #[error("a sequence or map of the message does not know its length beforehand")]
    UnknownLength,
    /// The type's own `Serialize` failed, with this text.
    #[error("the message cannot be encoded: {message}")]
    Refused {
        /// What the type says.
        message: String,
    },
}

impl ser::Error for EncodeError {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self::Refused {
            message: message.to_string(),
        }
    }
}

/// Encodes `message`; large blobs become parts.
///
/// # Errors
///
/// [`EncodeError`] when the value exceeds a limit or its `Serialize` fails.
pub fn encode<M: Serialize + ?Sized>(message: &M) -> Result<Payload, EncodeError> {
    encode_after(BytesMut::with_capacity(USUAL_BODY), message)
}

/// Like [`encode`], with a body that starts with `prefix`: one buffer for a header and the message.
///
/// [`decode`](crate::decode) needs the body without the prefix.
///
/// # Errors
///
/// [`EncodeError`] when the value exceeds a limit or its `Serialize` fails.
pub fn encode_after<M: Serialize + ?Sized>(
    prefix: BytesMut,
    message: &M,
) -> Result<Payload, EncodeError> {
    Ok(payload(prefix, message)?.0)
}

/// Like [`encode`], and tells which parts are [`Marked`](crate::Marked).
///
/// # Errors
///
/// [`EncodeError`] when the value exceeds a limit or its `Serialize` fails.
pub fn encode_marked<M: Serialize + ?Sized>(message: &M) -> Result<(Payload, Marks), EncodeError> {
    payload(BytesMut::with_capacity(USUAL_BODY), message)
}

fn payload<M: Serialize + ?Sized>(
    mut body: BytesMut,
    message: &M,
) -> Result<(Payload, Marks), EncodeError> {
    let mut apart = Apart::new(MAX_PARTS);
    write(&mut body, &mut apart, message)?;
    let payload = Payload {
        body: body.freeze(),
        parts: apart.parts,
    };
    Ok((payload, apart.marks))
}

/// Appends the encoding of `message` to `buffer`; everything is in the body, also blobs.
///
/// [`decode_front`](crate::decode_front) reads it back. For headers in front of a message.
///
/// # Errors
///
/// [`EncodeError`] when the value exceeds a limit or its `Serialize` fails; `buffer` is then as before.
pub fn encode_inline<M: Serialize + ?Sized>(
    buffer: &mut BytesMut,
    message: &M,
) -> Result<(), EncodeError> {
    let len = buffer.len();
    let result = write(buffer, &mut Apart::new(0), message).map(|_| ());
    if result.is_err() {
        buffer.truncate(len);
    }
    result
}

/// Encodes `message` into a buffer of this thread, and calls `f` with the result.
///
/// A small message costs no allocation: the thread keeps the buffer for its next call, unless it has
/// grown above 64 KiB. An encoding inside `f` or inside a `Serialize` has a buffer of its own.
///
/// # Errors
///
/// [`EncodeError`] when the value exceeds a limit or its `Serialize` fails; `f` is not called then.
pub fn encode_with<M: Serialize + ?Sized, R>(
    message: &M,
    f: impl FnOnce(Encoded<'_>) -> R,
) -> Result<R, EncodeError> {
    let mut body = scratch::take();
    let mut apart = Apart::new(MAX_PARTS);
    let result = write(&mut body, &mut apart, message).map(|len| {
        f(Encoded {
            // Address and length of the whole would be read at once, which waits for the length that was just written.
            body: &body[..len],
            parts: &mut apart.parts,
        })
    });
    scratch::give_back(body);
    result
}

/// An encoding that [`encode_with`] lends: the body and the parts that it refers to by index.
#[derive(Debug)]
pub struct Encoded<'a> {
    /// The encoding, without the parts.
    pub body: &'a [u8],
    /// The byte strings that were too large for the body, in the order of their use, to be taken.
    pub parts: &'a mut SmallVec<[Bytes; 2]>,
}

/// Appends the encoding of `message` to `body`, or if that fails a part of it, and returns the length of all that lies there.
#[inline]
fn write<M: Serialize + ?Sized>(
    body: &mut BytesMut,
    apart: &mut Apart,
    message: &M,
) -> Result<usize, EncodeError> {
    let mut encoder = Encoder {
        body: Body::new(body),
        depth: 0,
        n_empty: 0,
        apart,
    };
    message.serialize(&mut encoder)?;
    Ok(encoder.body.finish())
}

/// What does not go into the body.
struct Apart {
    parts: SmallVec<[Bytes; 2]>,
    marks: Marks,
    max_parts: usize,
}

impl Apart {
    #[inline]
    fn new(max_parts: usize) -> Self {
        Self {
            parts: SmallVec::new(),
            marks: Marks::new(),
            max_parts,
        }
    }

    fn takes(&self, marked: bool, len: usize) -> Result<bool, EncodeError> {
        if self.max_parts == 0 {
            return Ok(false);
        }
        if !marked {
            let n_blobs = self.parts.len() - self.marks.len();
            return Ok(len >= PART_THRESHOLD && n_blobs < self.max_parts - MAX_MARKS);
        }
        match self.marks.len() {
            MAX_MARKS => Err(EncodeError::TooManyMarks { max: MAX_MARKS }),
            _ => Ok(true),
        }
    }
}

/// One encoding in progress (INV-3). What it owns lies elsewhere, see [`Body`].
struct Encoder<'a> {
    body: Body<'a>,
    depth: u32,
    n_empty: usize,
    apart: &'a mut Apart,
}

impl Encoder<'_> {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        self.body.put(bytes);
    }

    #[inline]
    fn put_varint(&mut self, value: u64) {
        if value < 0x80 {
            return self.put(&[value as u8]);
        }
        let len = varint::len(value);
        self.body
            .put_some(&varint::write(value, len).to_le_bytes(), len);
    }

    fn put_bytes(&mut self, bytes: &[u8]) {
        self.put_varint(bytes.len() as u64);
        self.put(bytes);
    }

    /// Writes a [`Blob`](crate::Blob) or [`Marked`](crate::Marked): zero and the bytes, or one more
    /// than the index of a part (INV-2).
    fn byte_string<T: Serialize + ?Sized>(
        &mut self,
        marked: bool,
        plain: &T,
    ) -> Result<(), EncodeError> {
        match Offer::take() {
            Some(bytes) if self.apart.takes(marked, bytes.len())? => {
                let Apart { parts, marks, .. } = &mut *self.apart;
                if marked {
                    marks.push(parts.len() as u32);
                }
                parts.push(bytes);
                let number = parts.len() as u64;
                self.put_varint(number);
                Ok(())
            }
            _ => {
                self.put_varint(0);
                plain.serialize(self)
            }
        }
    }
}
