//! Refs to ports: they travel in messages and send from anywhere.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::sync::Arc;

use bytes::BytesMut;
use hypermesh_wire::{
    Any, DecodeError, EncodeError, Marked, Marks, Message, Named, Payload, TypeKey, decode_front,
    encode_inline,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};

use crate::{Envelope, Location, LossPolicy, PortId, ReducerSpec, SendContext};

/// A ref to a port whose type is not known here, as relays see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RawPort {
    /// Which port.
    pub id: PortId,
    /// Where to dial for it.
    pub location: Location,
    /// How its updates may be folded on the way, if they may.
    pub reducer: Option<Arc<ReducerSpec>>,
}

/// The encoding of a ref. A port with a reducer is marked, so that a relay can put a port of its own
/// in its place without decoding the message around it.
#[derive(Serialize, Deserialize)]
#[serde(rename = "Port")]
enum Form {
    Plain(PortId, Location),
    Reducing(Marked),
}

/// Sends messages of type `M` to a port, wherever it is.
pub struct PortRef<M> {
    raw: RawPort,
    message: PhantomData<fn(M)>,
}

impl<M: Message> PortRef<M> {
    /// Returns a ref to the port `id`, which is at `location`.
    ///
    /// Nothing is checked here: if the port takes another type, messages bounce.
    pub fn new(id: PortId, location: Location, reducer: Option<Arc<ReducerSpec>>) -> Self {
        Self::from_raw(RawPort {
            id,
            location,
            reducer,
        })
    }

    /// Returns the ref with a type, see [`new`](Self::new).
    pub fn from_raw(raw: RawPort) -> Self {
        Self {
            raw,
            message: PhantomData,
        }
    }

    /// Sends `message`.
    ///
    /// If it cannot be delivered, the sender gets it back as [`Undelivered`](crate::Undelivered).
    pub fn send(&self, cx: &(impl SendContext + ?Sized), message: M) {
        self.send_with(cx, message, LossPolicy::Notify);
    }

    /// Sends `message`, and says what is to happen if it cannot be delivered.
    pub fn send_with(&self, cx: &(impl SendContext + ?Sized), message: M, policy: LossPolicy) {
        send(self.raw.id, self.raw.location.clone(), cx, message, policy);
    }
}

impl<M> PortRef<M> {
    /// Returns the id of the port.
    pub fn id(&self) -> PortId {
        self.raw.id
    }

    /// Returns where to dial for the port.
    pub fn location(&self) -> &Location {
        &self.raw.location
    }

    /// Returns how updates to the port may be folded on the way.
    pub fn reducer(&self) -> Option<&ReducerSpec> {
        self.raw.reducer.as_deref()
    }

    /// Returns the ref without its type.
    pub fn as_raw(&self) -> &RawPort {
        &self.raw
    }
}

/// Sends one message of type `M` to a port, wherever it is.
pub struct OncePortRef<M> {
    id: PortId,
    location: Location,
    message: PhantomData<fn(M)>,
}

impl<M: Message> OncePortRef<M> {
    /// Returns a ref to the port `id`, which is at `location`.
    ///
    /// Nothing is checked here: if the port takes another type, the message bounces.
    pub fn new(id: PortId, location: Location) -> Self {
        Self {
            id,
            location,
            message: PhantomData,
        }
    }

    /// Sends `message`.
    ///
    /// If it cannot be delivered, the sender gets it back as [`Undelivered`](crate::Undelivered).
    pub fn send(self, cx: &(impl SendContext + ?Sized), message: M) {
        self.send_with(cx, message, LossPolicy::Notify);
    }

    /// Sends `message`, and says what is to happen if it cannot be delivered.
    pub fn send_with(self, cx: &(impl SendContext + ?Sized), message: M, policy: LossPolicy) {
        send(self.id, self.location, cx, message, policy);
    }
}

impl<M> OncePortRef<M> {
    /// Returns the id of the port.
    pub fn id(&self) -> PortId {
        self.id
    }

    /// Returns where to dial for the port.
    pub fn location(&self) -> &Location {
        &self.location
    }
}

fn send<M: Message>(
    dst: PortId,
    location: Location,
    cx: &(impl SendContext + ?Sized),
    message: M,
    policy: LossPolicy,
) {
    let mut envelope = Envelope::of_any(dst, location, cx.sender(), Any::local(message));
    envelope.header.set_loss_policy(policy);
    cx.stamp(&mut envelope.headers);
    cx.gateway().post(envelope);
}

/// Error of [`ports_of`] and [`replace_ports`]: what is marked in a message is no port.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MarkedPortError {
    /// The message has no such part.
    #[error("part {part} is marked as a port, and the message has {parts} parts")]
    NoPart {
        /// The part that is marked.
        part: u32,
        /// How many parts there are.
        parts: usize,
    },
    /// The part does not decode as a port.
    #[error("part {part} is marked as a port and does not decode")]
    Decode {
        /// The part that is marked.
        part: u32,
        /// What is wrong with it.
        source: DecodeError,
    },
    /// The port in its place does not encode.
    #[error("the port for part {part} does not encode")]
    Encode {
        /// The part that is marked.
        part: u32,
        /// What is wrong with the port.
        source: EncodeError,
    },
}

/// Returns the ports with reducers in an encoded message. Nothing else of it is decoded.
///
/// # Errors
///
/// [`MarkedPortError`] when `marks` are not those of the message.
pub fn ports_of(payload: &Payload, marks: &Marks) -> Result<Vec<RawPort>, MarkedPortError> {
    marks
        .iter()
        .map(|&part| {
            let parts = payload.parts.len();
            let bytes = payload.parts.get(part as usize);
            let mut bytes = bytes
                .ok_or(MarkedPortError::NoPart { part, parts })?
                .clone();
            decode_front(&mut bytes).map_err(|source| MarkedPortError::Decode { part, source })
        })
        .collect()
}

/// Puts `replace(port)` in the place of every port with a reducer in an encoded message. Nothing else
/// of it is decoded or changed.
///
/// # Errors
///
/// [`MarkedPortError`] when `marks` are not those of the message; it is then as before.
pub fn replace_ports(
    payload: &mut Payload,
    marks: &Marks,
    mut replace: impl FnMut(RawPort) -> RawPort,
) -> Result<(), MarkedPortError> {
    let ports = ports_of(payload, marks)?;
    let mut replaced = Vec::with_capacity(ports.len());
    for (&part, port) in marks.iter().zip(ports) {
        let bytes = marked(&replace(port));
        replaced.push(bytes.map_err(|source| MarkedPortError::Encode { part, source })?);
    }
    for (&part, Marked(bytes)) in marks.iter().zip(replaced) {
        payload.parts[part as usize] = bytes;
    }
    Ok(())
}

fn marked(port: &RawPort) -> Result<Marked, EncodeError> {
    let mut bytes = BytesMut::with_capacity(96);
    encode_inline(&mut bytes, port)?;
    Ok(Marked(bytes.freeze()))
}

impl<M> Serialize for PortRef<M> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let form = match self.raw.reducer {
            None => Form::Plain(self.raw.id, self.raw.location.clone()),
            Some(_) => Form::Reducing(marked(&self.raw).map_err(ser::Error::custom)?),
        };
        form.serialize(serializer)
    }
}

impl<'de, M: Message> Deserialize<'de> for PortRef<M> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = match Form::deserialize(deserializer)? {
            Form::Plain(id, location) => RawPort {
                id,
                location,
                reducer: None,
            },
            Form::Reducing(Marked(mut bytes)) => {
                decode_front(&mut bytes).map_err(de::Error::custom)?
            }
        };
        Ok(Self::from_raw(raw))
    }
}

impl<M> Serialize for OncePortRef<M> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.id, &self.location).serialize(serializer)
    }
}

impl<'de, M: Message> Deserialize<'de> for OncePortRef<M> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (id, location) = Deserialize::deserialize(deserializer)?;
        Ok(Self::new(id, location))
    }
}

impl<M> Clone for PortRef<M> {
    fn clone(&self) -> Self {
        Self {
            raw: self.raw.clone(),
            message: PhantomData,
        }
    }
}

macro_rules! ref_by_id {
    ($($type:ident, $name:literal);*) => { $(
        impl<M> PartialEq for $type<M> {
            fn eq(&self, other: &Self) -> bool {
                self.id() == other.id()
            }
        }

        impl<M> Eq for $type<M> {}

        impl<M> Hash for $type<M> {
            fn hash<H: Hasher>(&self, state: &mut H) {
                self.id().hash(state);
            }
        }

        impl<M> fmt::Display for $type<M> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.id(), f)
            }
        }

        impl<M> fmt::Debug for $type<M> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({} at {})", stringify!($type), self.id(), self.location())
            }
        }

        impl<M: Named> Named for $type<M> {
            const KEY: TypeKey = TypeKey::of($name).with(M::KEY);

            fn name() -> std::borrow::Cow<'static, str> {
                format!("{}<{}>", $name, M::name()).into()
            }
        }
    )* };
}

ref_by_id!(PortRef, "hypermesh::PortRef"; OncePortRef, "hypermesh::OncePortRef");
