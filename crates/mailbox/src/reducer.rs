//! Folding many updates into one value: at the port that wants it, and on the way there.

use std::fmt;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use hypermesh_wire::{EncodeError, Message, Named, TypeKey, encode_inline};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// How the updates of a port become one value.
///
/// `merge` must be associative with [`unit`](Self::unit) as its neutral element, and folding an input
/// must equal merging the output of that input alone: then it does not matter where in a tree which
/// update is folded. A `fold` or `merge` that fails must leave the value as it was.
///
/// A reducer travels with the port's ref, so it is small: parameters, not data. Relays fold with the
/// reducers they know, see [`register_reducer!`](crate::register_reducer); what they do not know is
/// folded at the port itself.
pub trait Reducer: Named + Serialize + DeserializeOwned + Clone + Send + Sync + 'static {
    /// What is sent to the port.
    type Input: Message;
    /// What the port yields.
    type Output: Message;

    /// Whether the result depends on the order of updates, so that they are to be combined in the
    /// order of the senders' ordinals, and not as they arrive.
    const IN_ORDER: bool = false;

    /// Returns the result of no update.
    fn unit(&self) -> Self::Output;

    /// Folds one update into `acc`.
    ///
    /// # Errors
    ///
    /// [`ReduceError`] when the update does not fit; `acc` is then as before.
    fn fold(&self, acc: &mut Self::Output, input: Self::Input) -> Result<(), ReduceError>;

    /// Combines `acc` with the result of other updates, which come after those in `acc`.
    ///
    /// # Errors
    ///
    /// [`ReduceError`] when the results do not fit together; `acc` is then as before.
    fn merge(&self, acc: &mut Self::Output, other: Self::Output) -> Result<(), ReduceError>;
}

/// Error of folding an update.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum ReduceError {
    /// The result does not fit its type.
    #[error("the result overflows its type")]
    Overflow,
    /// The reducer itself refused the update.
    #[error("{0}")]
    Refused(Arc<str>),
    /// The reducer panicked.
    #[error("the reducer panicked: {0}")]
    Panicked(Arc<str>),
    /// An update or a partial result does not decode.
    #[error("an update does not decode: {0}")]
    Decode(Arc<str>),
    /// The result does not encode.
    #[error("the result does not encode: {0}")]
    Encode(Arc<str>),
}

/// The first failure of folding, and whose update it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReduceFault {
    /// The ordinal of the sender, if it was part of a cast.
    pub ordinal: Option<u64>,
    /// What went wrong.
    pub error: ReduceError,
}

impl fmt::Display for ReduceFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ordinal {
            Some(ordinal) => write!(f, "update of member {ordinal}: {}", self.error),
            None => write!(f, "{}", self.error),
        }
    }
}

/// A reducer as it travels with a ref: its type, and its parameters encoded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReducerSpec {
    /// The key of the reducer's type.
    pub key: TypeKey,
    /// The encoded reducer.
    pub params: Bytes,
}

impl ReducerSpec {
    /// Returns the travelling form of `reducer`.
    ///
    /// # Errors
    ///
    /// [`EncodeError`] when the reducer's own `Serialize` fails.
    pub fn of<R: Reducer>(reducer: &R) -> Result<Self, EncodeError> {
        let mut params = BytesMut::new();
        encode_inline(&mut params, reducer)?;
        Ok(Self {
            key: R::KEY,
            params: params.freeze(),
        })
    }
}
