//! One encoded message: a body, and the large byte strings that travel beside it.

use std::fmt;

use bytes::Bytes;
use serde::ser::{SerializeSeq, SerializeStruct};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smallvec::SmallVec;

use crate::Blob;

/// One encoded message: the body, and the parts that it refers to by index.
///
/// A clone shares all bytes. A payload is itself a serde value: inside another message its body and
/// its parts become parts of the outer payload without a copy.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Payload {
    /// The encoding, without the parts.
    pub body: Bytes,
    /// The byte strings that were too large for the body, in the order of their use.
    pub parts: SmallVec<[Bytes; 2]>,
}

impl Payload {
    /// Returns the number of bytes of the body and all parts.
    pub fn len(&self) -> usize {
        self.body.len() + self.parts.iter().map(Bytes::len).sum::<usize>()
    }

    /// Returns whether there is no byte at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Shows sizes, never content.
impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({self})")
    }
}

/// Shows sizes, never content.
impl fmt::Display for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} B", self.body.len())?;
        if !self.parts.is_empty() {
            write!(
                f,
                " + {} B in {} parts",
                self.len() - self.body.len(),
                self.parts.len()
            )?;
        }
        Ok(())
    }
}

impl Serialize for Payload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut form = serializer.serialize_struct("Payload", 2)?;
        form.serialize_field("body", &Blob(self.body.clone()))?;
        form.serialize_field("parts", &Parts(&self.parts))?;
        form.end()
    }
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename = "Payload")]
        struct Form {
            body: Blob,
            parts: Vec<Blob>,
        }

        let form = Form::deserialize(deserializer)?;
        Ok(Self {
            body: form.body.0,
            parts: form.parts.into_iter().map(|blob| blob.0).collect(),
        })
    }
}

struct Parts<'a>(&'a [Bytes]);

impl Serialize for Parts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut parts = serializer.serialize_seq(Some(self.0.len()))?;
        for part in self.0 {
            parts.serialize_element(&Blob(part.clone()))?;
        }
        parts.end()
    }
}
