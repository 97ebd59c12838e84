//! One message on its way: who to, who from, and what.

use std::fmt;

use hypermesh_wire::{Any, Headers, Message, TakeError, TypeKey, registry};
use serde::{Deserialize, Serialize};

use crate::fold::cause_of;
use crate::{ActorId, Location, LossPolicy, MESSAGE_TTL, PortId, Rejected};

/// What is known of every message: to whom, from whom, and how far it may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvelopeHeader {
    /// The port that the message is for.
    pub dst: PortId,
    /// The actor that learns it if the message cannot be delivered.
    pub src: ActorId,
    /// How many more network hops the message may take.
    pub ttl: u8,
    /// A set of `FLAG_` bits.
    pub flags: u8,
}

/// The flag of a message that tells a sender what could not be delivered. It never bounces itself.
pub const FLAG_BOUNCE: u8 = 1;

/// The flag of a message whose sender does not want to hear of it again: instead of bouncing it is
/// counted and dropped.
pub const FLAG_SILENT: u8 = 2;

/// The flag of a message whose sender is to fail if it cannot be delivered.
pub const FLAG_FAIL: u8 = 4;

/// The flag of a message that waits for no other: it takes links of its own, may overtake everything that its
/// sender has sent, and is taken by a process whose queues hold too much. Bounces need no such flag.
pub const FLAG_URGENT: u8 = 8;

/// The flags that an envelope may have.
pub(crate) const KNOWN_FLAGS: u8 = FLAG_BOUNCE | FLAG_SILENT | FLAG_FAIL | FLAG_URGENT;

impl EnvelopeHeader {
    /// Returns whether the message tells its receiver of one that could not be delivered.
    pub fn is_bounce(&self) -> bool {
        self.flags & FLAG_BOUNCE != 0
    }

    /// Returns whether nobody is to be told if the message cannot be delivered.
    pub fn is_silent(&self) -> bool {
        self.flags & (FLAG_BOUNCE | FLAG_SILENT) != 0
    }

    /// Returns whether the message waits for no other.
    pub fn is_urgent(&self) -> bool {
        self.flags & (FLAG_BOUNCE | FLAG_URGENT) != 0
    }

    /// Returns what is to happen if the message cannot be delivered.
    pub fn loss_policy(&self) -> LossPolicy {
        match self.flags {
            _ if self.is_silent() => LossPolicy::Drop,
            flags if flags & FLAG_FAIL != 0 => LossPolicy::FailSender,
            _ => LossPolicy::Notify,
        }
    }

    /// Sets what is to happen if the message cannot be delivered. That of a bounce stays as it is.
    pub fn set_loss_policy(&mut self, policy: LossPolicy) {
        let flag = match policy {
            LossPolicy::Notify => 0,
            LossPolicy::FailSender => FLAG_FAIL,
            LossPolicy::Drop => FLAG_SILENT,
        };
        self.flags = (self.flags & !(FLAG_FAIL | FLAG_SILENT)) | flag;
    }
}

/// One message on its way.
#[derive(Debug)]
pub struct Envelope {
    /// To whom, from whom, and how far.
    pub header: EnvelopeHeader,
    /// Where to dial if no route leads to the receiver. Not sent over links: whoever relays the
    /// message goes by its own routes.
    pub to: Location,
    /// What else travels with the message.
    pub headers: Headers,
    /// The message: a value inside a process, its encoding after a link.
    pub body: Any,
}

impl Envelope {
    /// Returns an envelope around `message`, with the full ttl and no flags or headers.
    pub fn new<M: Message>(dst: PortId, to: Location, src: ActorId, message: M) -> Self {
        Self::of_any(dst, to, src, Any::local(message))
    }

    /// Returns an envelope around a message whose type is not known here.
    pub fn of_any(dst: PortId, to: Location, src: ActorId, body: Any) -> Self {
        let ttl = u8::try_from(MESSAGE_TTL.get()).unwrap_or(u8::MAX);
        let header = EnvelopeHeader {
            dst,
            src,
            ttl,
            flags: 0,
        };
        Self {
            header,
            to,
            headers: Headers::default(),
            body,
        }
    }

    /// Takes the message out.
    ///
    /// # Errors
    ///
    /// [`Rejected`] gives the envelope back when the message is of another type or does not decode.
    pub fn take<M: Message>(self) -> Result<M, Box<Rejected>> {
        self.take_with(Any::take::<M>)
    }

    pub(crate) fn take_with<M>(
        self,
        take: fn(Any) -> Result<M, TakeError>,
    ) -> Result<M, Box<Rejected>> {
        let Self {
            header,
            to,
            headers,
            body,
        } = self;
        take(body).map_err(|TakeError { any, cause, .. }| {
            let envelope = Self {
                header,
                to,
                headers,
                body: *any,
            };
            Rejected::new(envelope, cause_of(&cause))
        })
    }

    /// Returns the key of the message's type.
    pub fn key(&self) -> TypeKey {
        self.body.key()
    }
}

/// Shows ids, type and size, never content; at most 256 characters.
impl fmt::Display for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match registry::name_of(self.key()) {
            Some(name) => f.write_str(crate::world::cut(&name, 48))?,
            None => write!(f, "{}", self.key())?,
        }
        match self.body.payload() {
            Some(payload) => write!(f, " ({} B)", payload.len())?,
            None => f.write_str(" (a value)")?,
        }
        write!(f, " from {} to {}", self.header.src, self.header.dst)
    }
}
