//! Numbers that tell one life of an endpoint, or of a link, from another.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::entropy::Entropy;

/// One life of an endpoint: a restarted process has another one, at the same address too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Incarnation(u64);

impl Incarnation {
    /// Returns a new one.
    pub(crate) fn random(entropy: &Entropy) -> Self {
        Self(entropy.number())
    }

    /// Returns the incarnation that a peer named in its handshake.
    pub(crate) const fn from_wire(number: u64) -> Self {
        Self(number)
    }

    /// Returns its number.
    pub const fn value(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// One session, over all of its connections. Only its two ends know the number, which is why it lets a
/// new connection take the place of an old one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SessionId(pub(crate) [u8; 16]);

impl SessionId {
    /// Returns a new one.
    pub(crate) fn random(entropy: &Entropy) -> Self {
        Self(entropy.bytes())
    }
}

/// The number stays out of every log: who knows it could take the link over.
impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId")
    }
}
