//! What becomes of a parcel that was posted on a link.

use std::{
    any::Any,
    fmt, io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use hypermesh_wire::Payload;

use crate::{
    addr::ChannelAddr,
    frame::FrameError,
    handshake::{HandshakeError, Refusal},
    tls::TlsError,
};

/// One message on its way over a link, with whatever its sender wants to have back.
pub trait Parcel: Send + 'static {
    /// Returns what is to be delivered.
    fn payload(&self) -> &Payload;

    /// Returns whether somebody waits for the outcome. Then the peer is asked to acknowledge the parcel at
    /// once; otherwise it does so after [`Limits::ack_delay`](crate::settings::Limits::ack_delay), or sooner when more
    /// has come.
    fn is_awaited(&self) -> bool {
        false
    }

    /// Takes the outcome. The link calls this once for each parcel, in the order of posting except
    /// for parcels that it did not even queue, and never holds a lock while it does.
    ///
    /// It runs on the link's task, or on the thread that posted, and must not block. A panic on the
    /// link's task is caught and logged.
    fn complete(self, outcome: Outcome);
}

/// What became of a parcel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The sink of the peer has it. Nothing is said about what happens to it there.
    Acked,
    /// It was not delivered and will not be.
    Failed(FailReason),
    /// It may or may not have been delivered.
    Unknown(UnknownReason),
}

/// Completes a parcel on the task of its link, which must survive that.
pub(crate) fn complete(parcel: impl Parcel, outcome: Outcome) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| parcel.complete(outcome))) {
        tracing::error!(
            panic = panic_text(panic.as_ref()),
            "a parcel panicked at its completion"
        );
    }
}

/// Returns the text of a panic.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic without a text").to_owned()
}

/// Why a parcel was not delivered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FailReason {
    /// The link could not be connected in time.
    #[error(transparent)]
    Unreachable(Arc<Unreachable>),
    /// The peer refused the link.
    #[error(transparent)]
    Refused(Refusal),
    /// The peer broke the protocol.
    #[error("the peer broke the protocol")]
    Protocol(#[source] ProtocolError),
    /// The peer stopped before it took the parcel.
    #[error("the peer stopped serving")]
    PeerClosed,
    /// The life of the peer that the link was [for](crate::Route::only) is over.
    #[error("the peer was restarted")]
    PeerRestarted,
    /// The link was closed on this end.
    #[error("the link was closed")]
    Closed,
    /// The message is larger than both ends allow.
    #[error("the message has {len} bytes, and the link takes {max}")]
    TooLarge {
        /// The bytes of the message.
        len: u64,
        /// The smaller limit of the two ends.
        max: u64,
    },
    /// The message has more parts than a message can have.
    #[error("the message has {parts} parts, and a link takes {max}")]
    TooManyParts {
        /// The parts of the message.
        parts: usize,
        /// The limit.
        max: usize,
    },
    /// The peer takes no message of this size, and said so when it came.
    #[error("the message is larger than the peer takes")]
    RefusedTooLarge,
    /// The peer refused the message.
    #[error("the peer refused the message with code {0}")]
    RefusedMessage(u32),
    /// The peer did not acknowledge anything for long.
    #[error("the peer took nothing for too long")]
    Stalled,
    /// As much waits on the link as it may hold.
    #[error("the queue of the link is full: {messages} messages of {bytes} bytes wait in it")]
    QueueFull {
        /// How many messages wait.
        messages: usize,
        /// How many bytes they have.
        bytes: u64,
    },
}

impl FailReason {
    /// Returns whether the message would fail on every link to this peer.
    pub(crate) fn is_about_size(&self) -> bool {
        matches!(self, Self::TooLarge { .. } | Self::TooManyParts { .. })
    }
}

/// Why it is not known whether a parcel was delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnknownReason {
    /// The connection broke before the peer acknowledged the parcel.
    #[error("the connection was lost before the peer acknowledged the message")]
    ConnectionLost,
    /// The peer is another one now than that which the parcel was sent to.
    #[error("the peer was restarted before it acknowledged the message")]
    PeerRestarted,
    /// The peer has forgotten the link.
    #[error("the peer knows nothing of the link any more")]
    SessionLost,
    /// The peer did not acknowledge anything for long.
    #[error("the peer acknowledged nothing for too long")]
    Stalled,
    /// The link was closed on this end before the peer acknowledged the parcel.
    #[error("the link was closed before the peer acknowledged the message")]
    Closed,
}

/// Why a link is closed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CloseReason {
    /// It could not be connected in time.
    #[error(transparent)]
    Unreachable(Arc<Unreachable>),
    /// The peer refused it for a reason that does not pass.
    #[error(transparent)]
    Refused(Refusal),
    /// The peer broke the protocol.
    #[error("the peer broke the protocol")]
    Protocol(#[source] ProtocolError),
    /// The peer stopped serving.
    #[error("the peer stopped serving")]
    PeerClosed,
    /// Another life of the peer answers than the one that the link was [for](crate::Route::only).
    #[error("the peer was restarted")]
    PeerRestarted,
    /// The peer answers, and acknowledged nothing for long.
    #[error("the peer took nothing for too long")]
    Stalled,
    /// It was closed on this end.
    #[error("the link was closed")]
    Closed,
}

impl From<CloseReason> for FailReason {
    fn from(reason: CloseReason) -> Self {
        match reason {
            CloseReason::Unreachable(unreachable) => Self::Unreachable(unreachable),
            CloseReason::Refused(refusal) => Self::Refused(refusal),
            CloseReason::Protocol(error) => Self::Protocol(error),
            CloseReason::PeerClosed => Self::PeerClosed,
            CloseReason::PeerRestarted => Self::PeerRestarted,
            CloseReason::Stalled => Self::Stalled,
            CloseReason::Closed => Self::Closed,
        }
    }
}

/// How a peer broke the protocol.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// Its handshake is wrong.
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    /// One of its frames is wrong.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// It acknowledged what was not sent.
    #[error("the peer acknowledged {acked} messages, and {written} were written")]
    Ack {
        /// How many messages it acknowledged.
        acked: u64,
        /// How many were written.
        written: u64,
    },
    /// It goes on where it was long ago, or in another life.
    #[error("the peer goes on at message {next}, and has acknowledged {acked}")]
    Resume {
        /// Where it goes on.
        next: u64,
        /// How many messages it acknowledged before.
        acked: u64,
    },
    /// A message is missing.
    #[error("message {found} came where {expected} was expected")]
    Gap {
        /// The number of the next message.
        expected: u64,
        /// The number that came.
        found: u64,
    },
    /// It sent more than it may.
    #[error("the peer sent more than it has credit for")]
    Credit,
    /// It makes this end answer, and does not read the answers.
    #[error("the peer does not read what it is answered")]
    Flood,
    /// It says that this end breaks the protocol each time the link goes on, and takes nothing more of it.
    #[error("the peer says that this end breaks the protocol")]
    Blamed,
}

/// All that was tried to connect a link, without success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreachable {
    /// The address of the link.
    pub addr: ChannelAddr,
    /// How often it was tried.
    pub attempts: u32,
    /// What the last attempt tried: each place that the address stands for, with its error.
    pub tried: Vec<Tried>,
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} is unreachable after {} attempts",
            self.addr, self.attempts
        )?;
        for (i, Tried { place, error }) in self.tried.iter().enumerate() {
            write!(f, "{} {place}: {error}", if i == 0 { ":" } else { ";" })?;
        }
        Ok(())
    }
}

impl std::error::Error for Unreachable {}

/// One place that was dialled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// The place: an IP address with port, the path or name of a socket, or a host name that could
    /// not be resolved.
    pub place: String,
    /// What went wrong there.
    pub error: ConnectError,
}

impl Tried {
    pub(crate) fn new(place: &impl fmt::Display, error: ConnectError) -> Self {
        Self {
            place: place.to_string(),
            error,
        }
    }
}

/// Error of one attempt to connect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The system reports an error.
    #[error("{text}")]
    Io {
        /// The kind of the error.
        kind: io::ErrorKind,
        /// The text of the error.
        text: String,
    },
    /// Nobody serves that number in this process.
    #[error("nobody serves it in this process")]
    NotServed,
    /// It is the end that dialled, and has not come back.
    #[error("it has not connected again")]
    Absent,
    /// The host name stands for no address.
    #[error("the name has no address")]
    NoAddress,
    /// Nothing happened within the time of the handshake.
    #[error("no answer within the time of the handshake")]
    Timeout,
    /// The socket belongs to another user.
    #[error("the socket belongs to user {0}")]
    ForeignUser(u32),
    /// One of the two ends does not trust the other, or TLS is not what is spoken there. Another attempt
    /// may succeed: certificates are renewed at both ends while links go on.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The peer broke the protocol in its answer.
    #[error(transparent)]
    Handshake(HandshakeError),
    /// The peer refused.
    #[error(transparent)]
    Refused(Refusal),
}

impl From<io::Error> for ConnectError {
    fn from(error: io::Error) -> Self {
        // The refusal of a certificate comes with the first read.
        if let Some(error) = TlsError::find_in(&error) {
            return Self::Tls(error);
        }
        Self::Io {
            kind: error.kind(),
            text: error.to_string(),
        }
    }
}

impl ConnectError {
    /// Returns why the link is to be closed at once, if no other attempt can succeed.
    pub(crate) fn permanent(&self) -> Option<CloseReason> {
        match self {
            // A number is not served again by somebody else.
            Self::NotServed => Some(CloseReason::PeerClosed),
            Self::Handshake(error) => Some(CloseReason::Protocol(error.clone().into())),
            Self::Refused(refusal) if !refusal.is_passing() => {
                Some(CloseReason::Refused(refusal.clone()))
            }
            _ => None,
        }
    }

    /// Returns whether the error says that nobody listens there.
    pub(crate) fn is_absence(&self) -> bool {
        use io::ErrorKind::{ConnectionRefused, NotFound};
        matches!(
            self,
            Self::Io {
                kind: ConnectionRefused | NotFound,
                ..
            }
        )
    }
}

#[cfg(test)]
mod tests;
