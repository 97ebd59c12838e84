//! What can go wrong at the two local ends of a port.

use std::sync::Arc;

use crate::PortId;

/// Error of sending through a handle of a port. It gives the message back.
#[derive(Debug, thiserror::Error)]
#[error("the message was not sent")]
pub struct PortSendError<M> {
    /// The message that was not sent.
    pub message: M,
    /// Why it was not.
    #[source]
    pub reason: PortSendReason,
}

/// Why a message was not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PortSendReason {
    /// The receiver was dropped, or the port has taken the one message it was for.
    #[error("the port is closed")]
    Closed,
    /// The actor that owns the port has ended, with this status.
    #[error("the owner of the port has exited: {0}")]
    OwnerExited(Arc<str>),
    /// The port holds as many messages as it may.
    #[error("the port holds {limit} messages that nobody received")]
    Full {
        /// The limit, see [`QUEUE_LIMIT`](crate::QUEUE_LIMIT).
        limit: usize,
    },
    /// The port holds as many bytes as it may.
    #[error("the port holds {limit} bytes that nobody received")]
    FullOfBytes {
        /// The limit, see [`QUEUE_BYTES`](crate::QUEUE_BYTES).
        limit: u64,
    },
}

/// Error of [`PortHandle::bind_handler`](crate::PortHandle::bind_handler): another port takes the
/// messages of this type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("port {port} takes the messages of this type already")]
pub struct AlreadyBound {
    /// The port that takes them.
    pub port: PortId,
}

/// Error of receiving from a port.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecvError {
    /// Nothing comes any more: nobody is left who could send.
    #[error("nobody is left who could send to the port")]
    Closed,
    /// The actor that owns the port has ended, with this status.
    #[error("the owner of the port has exited: {0}")]
    OwnerExited(Arc<str>),
    /// The one message of the port did not decode. Its sender is told, too.
    #[error("the message does not decode: {0}")]
    Decode(Arc<str>),
}
