//! Who the other end of a connection has proved to be.

use std::fmt;

/// Who the other end of a connection has proved to be, as far as its transport can tell.
///
/// Two connections of one peer have equal identities. Nothing is said about what a peer may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PeerIdentity {
    /// The user that the other end of a unix socket runs as. It always is the user of this process:
    /// others are refused.
    User(u32),
    /// The key that the other end of a TLS connection holds, whatever certificate it showed for it.
    Key(KeyHash),
}

impl fmt::Display for PeerIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(user) => write!(f, "user {user}"),
            Self::Key(hash) => write!(f, "key {hash}"),
        }
    }
}

/// The SHA-256 hash of the public key of a peer, as it stands in its certificate (`SubjectPublicKeyInfo`).
/// Its text is hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyHash(pub(crate) [u8; 32]);

impl KeyHash {
    /// Returns the bytes of the hash.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
