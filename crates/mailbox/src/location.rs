//! Where to dial for whoever a ref refers to. Location is not identity: refs compare without it.

use std::fmt;
use std::sync::Arc;

use hypermesh_channel::ChannelAddr;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The address of the gateway that leads to somebody, if one is known.
///
/// A clone shares the address.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Location(Option<Arc<ChannelAddr>>);

impl Location {
    /// The location of somebody who is found by routes alone.
    pub const NONE: Location = Location(None);

    /// Returns the location behind `addr`.
    pub fn at(addr: ChannelAddr) -> Self {
        Self(Some(Arc::new(addr)))
    }

    /// Returns the address to dial, if one is known.
    pub fn addr(&self) -> Option<&ChannelAddr> {
        self.0.as_deref()
    }

    pub(crate) fn shared(&self) -> Option<&Arc<ChannelAddr>> {
        self.0.as_ref()
    }
}

impl From<Arc<ChannelAddr>> for Location {
    fn from(addr: Arc<ChannelAddr>) -> Self {
        Self(Some(addr))
    }
}

impl From<ChannelAddr> for Location {
    fn from(addr: ChannelAddr) -> Self {
        Self::at(addr)
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(addr) => write!(f, "{addr}"),
            None => f.write_str("nowhere"),
        }
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Location {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.addr().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Location {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(
            Option::<ChannelAddr>::deserialize(deserializer)?.map(Arc::new),
        ))
    }
}
