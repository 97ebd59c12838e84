//! How the two ends of a new connection introduce themselves: `docs/wire.md` says the same in words.
//!
//! Both messages begin with a preamble that no version will change: the magic bytes, the version,
//! the length of the rest. An answer's first byte after it says in every version whether the link was
//! refused. The rule is here, without a socket.

#[cfg(feature = "properties")]
pub(crate) mod property;
#[cfg(test)]
mod tests;

use std::{borrow::Cow, fmt};

use hypermesh_wire::{Layout, Message, Named, TypeKey};

use crate::{
    addr::{ChannelAddr, MAX_ADDR_LEN},
    incarnation::Incarnation,
};

/// The version of the protocol that this crate speaks.
pub const WIRE_VERSION: u16 = 1;
/// The first bytes on every connection. None of them survives a text conversion, so that a stranger
/// is recognized by them.
pub(crate) const MAGIC: [u8; 8] = *b"\x89hmesh\r\n";
/// The length of the preamble: magic, version, length of the rest.
pub(crate) const PREAMBLE_LEN: usize = 12;
/// The longest rest of a hello or an answer.
const MAX_REST: usize = 1024;

const ACCEPTED: u8 = 0;
const REFUSED_MAGIC: u8 = 1;
const REFUSED_VERSION: u8 = 2;
const REFUSED_MALFORMED: u8 = 3;
const REFUSED_KIND: u8 = 4;
const REFUSED_IDENTITY: u8 = 5;
const REFUSED_BUSY: u8 = 6;
const REFUSED_NOT_GATEWAY: u8 = 7;
const REFUSED_NEXT_HOP: u8 = 8;
const REFUSED_HOP_LIMIT: u8 = 9;
const REFUSED_LOOP: u8 = 10;
const REFUSED_LAYOUT: u8 = 11;
const REFUSED_OVER: u8 = 12;

/// What travels on a link: parcels of whoever built the link, or messages of one type.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct LinkKind(pub(crate) u64);

impl LinkKind {
    /// Parcels: what is in them is the business of the layer above.
    pub(crate) const PARCELS: Self = Self(0);
}

fn layout<M: Message>() -> TypeKey {
    TypeKey::from_value(Layout::of::<M>().value())
}

/// What travels on a link, as one end has it.
#[derive(Clone, Debug)]
pub(crate) struct LinkType {
    pub(crate) kind: LinkKind,
    /// The layout of the messages, which has to be the same at the other end; 0 if it is not known.
    pub(crate) layout: u64,
    name: Cow<'static, str>,
}

impl LinkType {
    /// Parcels, of which nothing is known.
    pub(crate) const PARCELS: Self = Self {
        kind: LinkKind::PARCELS,
        layout: 0,
        name: Cow::Borrowed("parcels"),
    };

    /// Returns the type of links for messages of type `M`.
    pub(crate) fn of<M: Message>() -> Self {
        Self {
            kind: LinkKind(M::KEY.value()),
            layout: layout::<M>().value(),
            name: M::name(),
        }
    }

    /// Returns the type of duplex links on which messages of type `Forth` go to the serving end, and those of type
    /// `Back` to the dialling end.
    pub(crate) fn duplex<Forth: Message, Back: Message>() -> Self {
        let key = TypeKey::of("duplex").with(Forth::KEY).with(Back::KEY);
        Self {
            kind: LinkKind(key.value()),
            layout: layout::<Forth>().with(layout::<Back>()).value(),
            name: <(Forth, Back)>::name(),
        }
    }

    /// Checks that the other end has the same messages.
    ///
    /// # Errors
    ///
    /// The refusal that it is told.
    pub(crate) fn check(&self, kind: LinkKind, layout: u64) -> Result<(), RefusalCode> {
        if kind != self.kind {
            return Err(RefusalCode::Kind(self.kind));
        }
        let is_known = layout != 0 && self.layout != 0;
        if is_known && layout != self.layout {
            return Err(RefusalCode::Layout(self.layout));
        }
        Ok(())
    }
}

impl fmt::Display for LinkKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::PARCELS => f.write_str("parcels"),
            Self(key) => write!(f, "messages of type {key:016x}"),
        }
    }
}

impl fmt::Debug for LinkKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a peer refused a connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// What this end sent first is not how a link begins.
    #[error("the peer did not recognize the start of the handshake")]
    Magic,
    /// The two ends speak different versions.
    #[error("the peer speaks version {theirs} of the protocol, and this end version {ours}")]
    Version {
        /// The version of this end.
        ours: u16,
        /// The version of the peer.
        theirs: u16,
    },
    /// The handshake of this end does not parse.
    #[error("the peer could not read the handshake")]
    Malformed,
    /// Something else is served there.
    #[error("the peer serves {served}, and {asked} was asked for")]
    Kind {
        /// What this end wants to send.
        asked: String,
        /// What the peer serves.
        served: String,
    },
    /// The peer does not talk to this user.
    #[error("the peer does not accept connections of this user")]
    Identity,
    /// The peer has as many connections as it allows.
    #[error("the peer has no place for another connection")]
    Busy,
    /// The peer is to carry the link on to another one, and is no gateway.
    #[error("the peer is no gateway")]
    NotGateway,
    /// The peer is a gateway, and cannot reach the next hop, or has lost it.
    #[error("the gateway cannot reach the next hop")]
    NextHop,
    /// The path has more hops than a gateway carries a link over.
    #[error("the path goes through too many gateways")]
    HopLimit,
    /// The path comes to a gateway again.
    #[error("the path leads back to the gateway")]
    Loop,
    /// The two ends were built with different types of this name.
    #[error(
        "{name} is another type at the peer: its layout is {theirs} there, and {ours} at this end"
    )]
    Layout {
        /// The name of the type of the messages, or of the pair of types of a duplex link.
        name: String,
        /// The layout at this end.
        ours: Layout,
        /// The layout at the peer.
        theirs: Layout,
    },
    /// The peer has closed the duplex link that the session belongs to.
    #[error("the peer has closed the link")]
    Over,
    /// A reason that this version does not know.
    #[error("the peer refused with the unknown code {0}")]
    Unknown(u8),
}

impl Refusal {
    /// Returns whether another attempt may be accepted.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Busy | Self::NextHop)
    }
}

/// Error about the handshake bytes of a peer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The peer is something else.
    #[error("the peer does not speak this protocol: it began with {0:02x?}")]
    Magic([u8; 8]),
    /// The peer speaks another version, and did not refuse.
    #[error("the peer speaks version {theirs} of the protocol, and this end version {ours}")]
    Version {
        /// The version of this end.
        ours: u16,
        /// The version of the peer.
        theirs: u16,
    },
    /// The rest is longer than any handshake.
    #[error("a handshake of {0} bytes was announced, and {MAX_REST} are allowed")]
    TooLong(usize),
    /// A field is cut, or wrong, or something follows the last one.
    #[error("the {0} of the handshake cannot be read")]
    Malformed(&'static str),
}

/// The first bytes of either side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Preamble {
    pub(crate) version: u16,
    pub(crate) rest: usize,
}

impl Preamble {
    pub(crate) fn decode(bytes: &[u8; PREAMBLE_LEN]) -> Result<Self, HandshakeError> {
        let mut fields = Fields(bytes);
        let magic = fields.array("magic")?;
        if magic != MAGIC {
            return Err(HandshakeError::Magic(magic));
        }
        let version = u16::from_le_bytes(fields.array("version")?);
        let rest = usize::from(u16::from_le_bytes(fields.array("length")?));
        if MAX_REST < rest {
            return Err(HandshakeError::TooLong(rest));
        }
        Ok(Self { version, rest })
    }
}

/// What the dialling end says first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hello {
    pub(crate) incarnation: Incarnation,
    /// Where the dialling end can be dialled itself.
    pub(crate) advertised: Option<ChannelAddr>,
}

impl Hello {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut rest = Vec::with_capacity(64);
        rest.extend(self.incarnation.value().to_le_bytes());
        put_addr(&mut rest, self.advertised.as_ref());
        with_preamble(&rest)
    }

    /// Reads what follows the preamble of a hello of this version.
    pub(crate) fn decode(rest: &[u8]) -> Result<Self, HandshakeError> {
        let mut fields = Fields(rest);
        let hello = Self {
            incarnation: fields.incarnation()?,
            advertised: fields.addr()?,
        };
        fields.end()?;
        Ok(hello)
    }
}

/// What the serving end answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Accepted(Accepted),
    Refused(RefusalCode),
}

/// An accepted connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Accepted {
    pub(crate) incarnation: Incarnation,
}

/// A refusal as the serving end knows it; the dialling end knows the other half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RefusalCode {
    Magic,
    Version,
    Malformed,
    /// With what is served.
    Kind(LinkKind),
    Identity,
    Busy,
    NotGateway,
    NextHop,
    HopLimit,
    Loop,
    /// With the layout of what is served.
    Layout(u64),
    Over,
    Unknown(u8),
}

impl From<&HandshakeError> for RefusalCode {
    fn from(error: &HandshakeError) -> Self {
        match error {
            HandshakeError::Magic(_) => Self::Magic,
            HandshakeError::Version { .. } => Self::Version,
            HandshakeError::TooLong(_) | HandshakeError::Malformed(_) => Self::Malformed,
        }
    }
}

impl RefusalCode {
    /// Returns the refusal as the dialling end reports it: it asked for `asked` and the answer came
    /// in `version`.
    pub(crate) fn told_to(self, asked: &LinkType, version: u16) -> Refusal {
        match self {
            Self::Magic => Refusal::Magic,
            Self::Version => Refusal::Version {
                ours: WIRE_VERSION,
                theirs: version,
            },
            Self::Malformed => Refusal::Malformed,
            Self::Kind(served) => Refusal::Kind {
                asked: asked.kind.to_string(),
                served: served.to_string(),
            },
            Self::Identity => Refusal::Identity,
            Self::Busy => Refusal::Busy,
            Self::NotGateway => Refusal::NotGateway,
            Self::NextHop => Refusal::NextHop,
            Self::HopLimit => Refusal::HopLimit,
            Self::Loop => Refusal::Loop,
            Self::Layout(theirs) => Refusal::Layout {
                name: asked.name.to_string(),
                ours: Layout::from_value(asked.layout),
                theirs: Layout::from_value(theirs),
            },
            Self::Over => Refusal::Over,
            Self::Unknown(code) => Refusal::Unknown(code),
        }
    }

    pub(crate) fn encode(self) -> (u8, u64) {
        match self {
            Self::Magic => (REFUSED_MAGIC, 0),
            Self::Version => (REFUSED_VERSION, 0),
            Self::Malformed => (REFUSED_MALFORMED, 0),
            Self::Kind(served) => (REFUSED_KIND, served.0),
            Self::Identity => (REFUSED_IDENTITY, 0),
            Self::Busy => (REFUSED_BUSY, 0),
            Self::NotGateway => (REFUSED_NOT_GATEWAY, 0),
            Self::NextHop => (REFUSED_NEXT_HOP, 0),
            Self::HopLimit => (REFUSED_HOP_LIMIT, 0),
            Self::Loop => (REFUSED_LOOP, 0),
            Self::Layout(served) => (REFUSED_LAYOUT, served),
            Self::Over => (REFUSED_OVER, 0),
            Self::Unknown(code) => (code, 0),
        }
    }

    pub(crate) fn decode(code: u8, detail: u64) -> Self {
        match code {
            REFUSED_MAGIC => Self::Magic,
            REFUSED_VERSION => Self::Version,
            REFUSED_MALFORMED => Self::Malformed,
            REFUSED_KIND => Self::Kind(LinkKind(detail)),
            REFUSED_IDENTITY => Self::Identity,
            REFUSED_BUSY => Self::Busy,
            REFUSED_NOT_GATEWAY => Self::NotGateway,
            REFUSED_NEXT_HOP => Self::NextHop,
            REFUSED_HOP_LIMIT => Self::HopLimit,
            REFUSED_LOOP => Self::Loop,
            REFUSED_LAYOUT => Self::Layout(detail),
            REFUSED_OVER => Self::Over,
            unknown => Self::Unknown(unknown),
        }
    }
}

impl Answer {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut rest = Vec::with_capacity(64);
        match self {
            Self::Accepted(accepted) => {
                rest.push(ACCEPTED);
                rest.extend(accepted.incarnation.value().to_le_bytes());
            }
            Self::Refused(code) => {
                let (code, detail) = code.encode();
                rest.push(code);
                rest.extend(detail.to_le_bytes());
            }
        }
        with_preamble(&rest)
    }

    /// Reads what follows the preamble of an answer in `version`. A refusal is understood in every
    /// version.
    pub(crate) fn decode(version: u16, rest: &[u8]) -> Result<Self, HandshakeError> {
        let mut fields = Fields(rest);
        let [code] = fields.array("code")?;
        if code != ACCEPTED {
            let detail = fields.number("detail of the refusal")?;
            return Ok(Self::Refused(RefusalCode::decode(code, detail)));
        }
        if version != WIRE_VERSION {
            return Err(HandshakeError::Version {
                ours: WIRE_VERSION,
                theirs: version,
            });
        }
        let accepted = Accepted {
            incarnation: fields.incarnation()?,
        };
        fields.end()?;
        Ok(Self::Accepted(accepted))
    }
}

fn with_preamble(rest: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(PREAMBLE_LEN + rest.len());
    bytes.extend(MAGIC);
    bytes.extend(WIRE_VERSION.to_le_bytes());
    let len = u16::try_from(rest.len()).expect("MAX_ADDR_LEN keeps a handshake short");
    bytes.extend(len.to_le_bytes());
    bytes.extend(rest);
    bytes
}

pub(crate) fn put_addr(bytes: &mut Vec<u8>, addr: Option<&ChannelAddr>) {
    let text = addr.map(ChannelAddr::to_string).unwrap_or_default();
    let len = u16::try_from(text.len()).expect("MAX_ADDR_LEN");
    bytes.extend(len.to_le_bytes());
    bytes.extend(text.as_bytes());
}

/// What is left of the bytes of a handshake. Each reader names the field it is after, for the error.
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl<'a> Fields<'a> {
    pub(crate) fn bytes(
        &mut self,
        len: usize,
        field: &'static str,
    ) -> Result<&'a [u8], HandshakeError> {
        let (bytes, rest) = self
            .0
            .split_at_checked(len)
            .ok_or(HandshakeError::Malformed(field))?;
        self.0 = rest;
        Ok(bytes)
    }

    pub(crate) fn array<const N: usize>(
        &mut self,
        field: &'static str,
    ) -> Result<[u8; N], HandshakeError> {
        self.bytes(N, field)
            .map(|bytes| bytes.try_into().expect("N bytes were taken"))
    }

    pub(crate) fn number(&mut self, field: &'static str) -> Result<u64, HandshakeError> {
        self.array(field).map(u64::from_le_bytes)
    }

    pub(crate) fn incarnation(&mut self) -> Result<Incarnation, HandshakeError> {
        self.number("incarnation").map(Incarnation::from_wire)
    }

    pub(crate) fn addr(&mut self) -> Result<Option<ChannelAddr>, HandshakeError> {
        const FIELD: &str = "advertised address";
        let len = usize::from(u16::from_le_bytes(self.array(FIELD)?));
        if len == 0 {
            return Ok(None);
        }
        if MAX_ADDR_LEN < len {
            return Err(HandshakeError::Malformed(FIELD));
        }
        let text = std::str::from_utf8(self.bytes(len, FIELD)?);
        let addr = text.ok().and_then(|text| text.parse::<ChannelAddr>().ok());
        let addr = addr.filter(ChannelAddr::is_dialable);
        addr.map(Some).ok_or(HandshakeError::Malformed(FIELD))
    }

    pub(crate) fn flag(&mut self, field: &'static str) -> Result<bool, HandshakeError> {
        match self.array(field)? {
            [0] => Ok(false),
            [1] => Ok(true),
            _ => Err(HandshakeError::Malformed(field)),
        }
    }

    /// Reads addresses after their number.
    pub(crate) fn path(&mut self) -> Result<Vec<ChannelAddr>, HandshakeError> {
        const FIELD: &str = "path";
        let [count] = self.array(FIELD)?;
        let hops = (0..count).map(|_| self.addr()?.ok_or(HandshakeError::Malformed(FIELD)));
        hops.collect()
    }

    pub(crate) fn end(self) -> Result<(), HandshakeError> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(HandshakeError::Malformed("end"))
        }
    }
}
