//! The serving end's half of the handshake: who connects, and whether he is let in.

use std::io;

use tokio::io::AsyncReadExt;

use crate::{
    handshake::{HandshakeError, Hello, PREAMBLE_LEN, Preamble, RefusalCode, WIRE_VERSION},
    stream::Reader,
};

/// Why a connection did not come through the handshake.
#[derive(Debug, thiserror::Error)]
pub(super) enum GreetingError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    #[error("the peer runs as user {0}")]
    ForeignUser(u32),
    #[error("the endpoint has as many connections as it allows")]
    Busy,
    #[error("the peer did not introduce itself in time")]
    Timeout,
}

impl GreetingError {
    /// Returns what to tell the peer, if it may be listening.
    pub(super) fn refusal(&self) -> Option<RefusalCode> {
        match self {
            Self::Io(_) | Self::Timeout => None,
            Self::Handshake(error) => Some(error.into()),
            Self::ForeignUser(_) => Some(RefusalCode::Identity),
            Self::Busy => Some(RefusalCode::Busy),
        }
    }
}

/// Reads the hello of a peer.
///
/// # Errors
///
/// Why it may not, or could not say so.
pub(super) async fn read(reader: &mut Reader) -> Result<Hello, GreetingError> {
    let mut preamble = [0; PREAMBLE_LEN];
    reader.read_exact(&mut preamble).await?;
    let preamble = Preamble::decode(&preamble)?;
    let mut rest = vec![0; preamble.rest];
    reader.read_exact(&mut rest).await?;
    if preamble.version != WIRE_VERSION {
        let theirs = preamble.version;
        return Err(HandshakeError::Version {
            ours: WIRE_VERSION,
            theirs,
        }
        .into());
    }
    Ok(Hello::decode(&rest)?)
}
