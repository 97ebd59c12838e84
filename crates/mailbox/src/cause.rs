//! Why a message could not be delivered.

use std::fmt::{self, Write as _};
use std::sync::Arc;

use hypermesh_wire::TypeKey;
use serde::{Deserialize, Serialize};

use crate::{ProcId, ReduceError};

/// The longest rendering of a [`Cause`], in bytes.
pub const MAX_CAUSE_TEXT: usize = 1024;

/// Why a message could not be delivered.
///
/// Its text has at most [`MAX_CAUSE_TEXT`] bytes and shows nothing of the message's content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Cause {
    /// Nobody on the way knows where the proc is.
    NoRoute,
    /// The gateway that the message arrived at has no such proc.
    ProcNotFound,
    /// The proc was restarted; the message was for an older incarnation.
    StaleIncarnation {
        /// The incarnation that runs now.
        running: ProcId,
    },
    /// The proc has no such actor.
    ActorNotFound,
    /// The actor, or its proc in good order, has ended, with this status.
    OwnerExited(Arc<str>),
    /// The proc has died, for this reason. What was sent before that may have been delivered.
    ProcDied(Arc<str>),
    /// The actor does not handle messages of this type.
    NoHandler,
    /// The mailbox has never had such a port.
    PortNeverExisted,
    /// The port has been closed by its owner or has taken the one message it was for.
    PortGone,
    /// The port takes messages of another type.
    WrongType {
        /// The type that the port takes.
        expected: TypeKey,
    },
    /// The receiver could not decode the message.
    Decode(Arc<str>),
    /// The message could not be encoded for a link.
    Encode(Arc<str>),
    /// The reducer of the port refused the update.
    Reduce(ReduceError),
    /// The queue of the receiver, or of a link on the way, is full.
    QueueFull,
    /// The message is too large for a link.
    TooLarge {
        /// The size of the message in bytes.
        len: u64,
        /// The largest size that is allowed.
        max: u64,
    },
    /// The message took too many network hops: routes lead in a circle.
    TtlExpired,
    /// The sender may not send this here.
    NotAllowed,
    /// A link on the way failed before the message was sent.
    LinkFailed(Arc<str>),
    /// A link on the way was lost after the message was sent: it may have been delivered.
    Unknown(Arc<str>),
}

impl Cause {
    /// Returns whether the message may have been delivered all the same.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown(_) | Self::ProcDied(_))
    }

    /// Returns which kind of cause this is, for logs and counters: one of a fixed set of names.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::NoRoute => "no_route",
            Self::ProcNotFound => "proc_not_found",
            Self::StaleIncarnation { .. } => "stale_incarnation",
            Self::ActorNotFound => "actor_not_found",
            Self::OwnerExited(_) => "owner_exited",
            Self::ProcDied(_) => "proc_died",
            Self::NoHandler => "no_handler",
            Self::PortNeverExisted => "port_never_existed",
            Self::PortGone => "port_gone",
            Self::WrongType { .. } => "wrong_type",
            Self::Decode(_) => "decode",
            Self::Encode(_) => "encode",
            Self::Reduce(_) => "reduce",
            Self::QueueFull => "queue_full",
            Self::TooLarge { .. } => "too_large",
            Self::TtlExpired => "ttl_expired",
            Self::NotAllowed => "not_allowed",
            Self::LinkFailed(_) => "link_failed",
            Self::Unknown(_) => "unknown",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = Bounded {
            out: f,
            left: MAX_CAUSE_TEXT,
        };
        match self {
            Self::NoRoute => f.write_str("no route to the proc"),
            Self::ProcNotFound => f.write_str("no such proc"),
            Self::StaleIncarnation { running } => {
                write!(f, "the proc was restarted and is {running} now")
            }
            Self::ActorNotFound => f.write_str("no such actor"),
            Self::OwnerExited(status) => write!(f, "the owner has exited: {status}"),
            Self::ProcDied(why) => write!(f, "the proc has died: {why}"),
            Self::NoHandler => f.write_str("the actor has no handler for this type"),
            Self::PortNeverExisted => f.write_str("no such port"),
            Self::PortGone => f.write_str("the port is closed"),
            Self::WrongType { expected } => match hypermesh_wire::registry::name_of(*expected) {
                Some(name) => write!(f, "the port takes {name}"),
                None => write!(f, "the port takes {expected}"),
            },
            Self::Decode(text) => write!(f, "the message does not decode: {text}"),
            Self::Encode(text) => write!(f, "the message does not encode: {text}"),
            Self::Reduce(error) => write!(f, "the reducer refused the update: {error}"),
            Self::QueueFull => f.write_str("a queue is full"),
            Self::TooLarge { len, max } => write!(f, "{len} B are more than the limit of {max} B"),
            Self::TtlExpired => f.write_str("too many network hops"),
            Self::NotAllowed => f.write_str("not allowed"),
            Self::LinkFailed(text) => write!(f, "the link failed: {text}"),
            Self::Unknown(text) => write!(f, "delivered or not is unknown: {text}"),
        }
    }
}

impl std::error::Error for Cause {}

/// Writes at most `left` more bytes and swallows the rest.
struct Bounded<'a, 'b> {
    out: &'a mut fmt::Formatter<'b>,
    left: usize,
}

impl fmt::Write for Bounded<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let text = crate::world::cut(text, self.left);
        self.left -= text.len();
        self.out.write_str(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_cause_is_bounded() {
        let cause = Cause::LinkFailed("ß".repeat(4000).into());
        assert!(cause.to_string().len() <= MAX_CAUSE_TEXT);
        assert!(cause.to_string().starts_with("the link failed: ßß"));
        assert_eq!(Cause::PortGone.to_string(), "the port is closed");
    }
}
