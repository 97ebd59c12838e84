//! One message whose type is not known here.

use std::any::TypeId;
use std::borrow::Cow;
use std::fmt;

use bytes::BytesMut;

use crate::{DecodeError, EncodeError, Message, Payload, TypeKey, decode, encode_after};

/// One message whose type is not known here.
///
/// Inside a process it is the object itself: it moves, it is not encoded, and it need not be `Sync`.
/// Once it has crossed a link it is a payload, which [`take`](Self::take) decodes.
pub struct Any {
    key: TypeKey,
    repr: Repr,
}

enum Repr {
    Local(Box<dyn Erased>),
    Wire(Payload),
}

/// What can be done with a message of any type.
trait Erased: Send {
    fn rust_type(&self) -> TypeId;
    fn name(&self) -> Cow<'static, str>;
    fn encode(&self, prefix: BytesMut) -> Result<Payload, EncodeError>;
    fn into_object(self: Box<Self>) -> Box<dyn std::any::Any>;
}

impl<M: Message> Erased for M {
    fn rust_type(&self) -> TypeId {
        TypeId::of::<M>()
    }

    fn name(&self) -> Cow<'static, str> {
        M::name()
    }

    fn encode(&self, prefix: BytesMut) -> Result<Payload, EncodeError> {
        encode_after(prefix, self)
    }

    fn into_object(self: Box<Self>) -> Box<dyn std::any::Any> {
        self
    }
}

/// Error of [`Any::take`]: the message is not what was asked for. It is given back as it was.
#[derive(Debug, thiserror::Error)]
#[error("message {any} cannot be taken as asked")]
pub struct TakeError {
    /// The message, still good for another try.
    pub any: Box<Any>,
    /// Why it was not taken.
    #[source]
    pub cause: TakeCause,
}

/// Why a message is not what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TakeCause {
    /// It has another type.
    #[error("expected {}, found {}", Shown(*expected), Shown(*found))]
    WrongType {
        /// The type that was asked for.
        expected: TypeKey,
        /// The type of the message.
        found: TypeKey,
    },
    /// Its bytes are not a value of its type.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

impl Any {
    /// Returns the message itself, for use within this process.
    pub fn local<M: Message>(message: M) -> Self {
        Self {
            key: M::KEY,
            repr: Repr::Local(Box::new(message)),
        }
    }

    /// Returns an encoded message of the type with this key.
    pub fn wire(key: TypeKey, payload: Payload) -> Self {
        Self {
            key,
            repr: Repr::Wire(payload),
        }
    }

    /// Returns the key of the message's type.
    pub fn key(&self) -> TypeKey {
        self.key
    }

    /// Returns whether this is the object itself rather than its encoding.
    pub fn is_local(&self) -> bool {
        matches!(self.repr, Repr::Local(_))
    }

    /// Returns the encoding, if the message has crossed a link.
    pub fn payload(&self) -> Option<&Payload> {
        match &self.repr {
            Repr::Local(_) => None,
            Repr::Wire(payload) => Some(payload),
        }
    }

    /// Returns the message, decoded if need be.
    ///
    /// # Errors
    ///
    /// [`TakeError`] when it is of another type or its bytes are not a value of the type.
    pub fn take<M: Message>(self) -> Result<M, TakeError> {
        if self.key != M::KEY {
            return Err(self.wrong_type(M::KEY));
        }
        match self.repr {
            Repr::Local(object) if object.rust_type() == TypeId::of::<M>() => {
                let object = object.into_object().downcast::<M>();
                Ok(*object.expect("the guard above compared the types"))
            }
            Repr::Local(_) => Err(self.wrong_type(M::KEY)),
            Repr::Wire(ref payload) => match decode(payload) {
                Ok(message) => Ok(message),
                Err(error) => Err(TakeError {
                    any: Box::new(self),
                    cause: error.into(),
                }),
            },
        }
    }

    /// Returns the encoding, made now if the message has not crossed a link.
    ///
    /// # Errors
    ///
    /// The message as it was, with the reason, when it cannot be encoded.
    #[expect(
        clippy::result_large_err,
        reason = "the message moves back as it moved in"
    )]
    pub fn into_payload(self) -> Result<Payload, (Self, EncodeError)> {
        match self.repr {
            Repr::Wire(payload) => Ok(payload),
            Repr::Local(ref object) => object
                .encode(BytesMut::new())
                .map_err(|error| (self, error)),
        }
    }

    /// Returns the encoding with a body that starts with `prefix`, as [`encode_after`] does.
    ///
    /// # Errors
    ///
    /// [`EncodeError`] when the message cannot be encoded.
    pub fn encode_after(&self, mut prefix: BytesMut) -> Result<Payload, EncodeError> {
        match &self.repr {
            Repr::Local(object) => object.encode(prefix),
            Repr::Wire(payload) => {
                prefix.extend_from_slice(&payload.body);
                Ok(Payload {
                    body: prefix.freeze(),
                    parts: payload.parts.clone(),
                })
            }
        }
    }

    fn wrong_type(self, expected: TypeKey) -> TakeError {
        let cause = TakeCause::WrongType {
            expected,
            found: self.key,
        };
        TakeError {
            any: Box::new(self),
            cause,
        }
    }
}

/// Shows name, key and sizes, at most 256 characters and never content.
impl fmt::Display for Any {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.repr {
            Repr::Local(object) => {
                write!(f, "{:.200} ({}, local)", object.name(), self.key)
            }
            Repr::Wire(payload) => write!(f, "{} ({payload})", Shown(self.key)),
        }
    }
}

/// Shows name, key and sizes, at most 256 characters and never content.
impl fmt::Debug for Any {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Any({self})")
    }
}

/// A key with the name of its type where that is known.
struct Shown(TypeKey);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match crate::registry::name_of(self.0) {
            Some(name) => write!(f, "{name:.128} ({})", self.0),
            None => write!(f, "type {}", self.0),
        }
    }
}
