//! Numbers that tell one life of an endpoint, or of a link, from another.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One life of an endpoint: a restarted process has another one, at the same address too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Incarnation(u64);

impl Incarnation {
    /// Returns a new one, from the random numbers of the system.
    pub(crate) fn random() -> Self {
        Self(u64::from_le_bytes(random()))
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

/// One link, over all of its connections. Only its two ends know the number, which is why it lets a
/// new connection take the place of an old one.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct LinkId(pub(crate) [u8; 16]);

impl LinkId {
    /// Returns a new one, from the random numbers of the system.
    pub(crate) fn random() -> Self {
        Self(random())
    }

    /// Returns a number to start the jitter of this link with.
    pub(crate) fn seed(self) -> u64 {
        u128::from_le_bytes(self.0) as u64
    }
}

/// The number stays out of every log: who knows it could take the link over.
impl fmt::Debug for LinkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkId")
    }
}

/// Returns random bytes of the system.
///
/// # Panics
///
/// If the system has none, which a running kernel does not do.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the kernel has random numbers");
    bytes
}
