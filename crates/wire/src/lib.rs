//! Message names, encoding and payloads with zero-copy parts.
//!
//! A message is any owned serde type with a name:
//!
//! ```
//! use hypermesh_wire::{Blob, Message, Named, decode, encode};
//!
//! #[derive(Message, Debug, PartialEq)]
//! struct Chunk {
//!     offset: u64,
//!     bytes: Blob,
//! }
//!
//! let chunk = Chunk { offset: 7, bytes: Blob::from(vec![1; 4096]) };
//! let payload = encode(&chunk)?;
//! // The 4096 bytes were not copied: they travel beside the body.
//! assert_eq!(payload.parts.len(), 1);
//! assert!(payload.body.len() < 8);
//! assert_eq!(decode::<Chunk>(&payload)?, chunk);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! * [`TypeKey`] is the number a type goes by on the wire, [`Named`] gives it, [`registry`] checks at
//!   start-up that no two types share one.
//! * [`encode`] and [`decode`] turn a message into a [`Payload`] and back. The body is in the postcard
//!   format; a [`Blob`] of at least [`PART_THRESHOLD`] bytes travels beside it as a part.
//! * [`Any`] is one message whose type is not known here: an object inside a process, a payload
//!   across a link.
//! * [`Layout`] tells whether two programs mean the same encoding by one type.
//! * [`Headers`] are small facts that travel with a message.

mod any;
mod blob;
mod decode;
mod encode;
mod headers;
mod layout;
#[doc(hidden)]
pub mod macro_support;
mod named;
mod payload;
pub mod registry;
mod type_key;
mod varint;

pub use any::{Any, TakeCause, TakeError};
pub use blob::{Blob, Marked};
pub use bytes::{Bytes, BytesMut};
pub use decode::{DecodeError, decode, decode_borrowed, decode_front};
pub use encode::{
    EncodeError, Encoded, MAX_DEPTH, MAX_EMPTY, MAX_MARKS, MAX_PARTS, Marks, PART_THRESHOLD,
    encode, encode_after, encode_inline, encode_marked, encode_with,
};
pub use headers::{Headers, HeadersError, HeadersTooLarge};
pub use hypermesh_macros::Message;
pub use layout::{Layout, LayoutWalk};
pub use named::{Message, Message as RemoteMessage, Named};
pub use payload::Payload;
pub use type_key::{ParseTypeKeyError, TypeKey};
