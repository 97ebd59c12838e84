//! How a session begins, or goes on, over a connection: `docs/wire.md` says the same in words.

use bytes::Bytes;

use crate::{
    addr::ChannelAddr,
    frame::{Ack, Credit},
    handshake::{Fields, HandshakeError, LinkKind, RefusalCode, put_addr},
    incarnation::{Incarnation, SessionId},
};

/// A duplex link has two sessions on a connection: the number of the way back is that of the session which the dialling
/// end has chosen, with this bit. No number that a dialling end chooses has it.
pub(crate) const WAY_BACK: u32 = 1 << 31;

/// What the end that opens a session says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Open {
    pub(crate) id: SessionId,
    pub(crate) kind: LinkKind,
    /// The dialling endpoint.
    pub(crate) incarnation: Incarnation,
    /// The messages below this number have an outcome.
    pub(crate) acked: u64,
    /// The messages below this number were sent before.
    pub(crate) sent: u64,
    /// Where the dialling endpoint can be dialled itself.
    pub(crate) advertised: Option<ChannelAddr>,
    /// How often the session was opened, this time included: a later opening is never undone by one before it.
    pub(crate) turn: u64,
    /// The layout of the messages; 0 if it is not known.
    pub(crate) layout: u64,
    /// Whether the session may come over connections of others. A gateway that passes it on sets this.
    pub(crate) roams: bool,
    /// The addresses that it is to be passed on to, one after the other; none if it is to be served here.
    pub(crate) path: Vec<ChannelAddr>,
}

impl Open {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(96);
        body.extend(self.id.0);
        body.extend(self.kind.0.to_le_bytes());
        body.extend(self.incarnation.value().to_le_bytes());
        body.extend(self.acked.to_le_bytes());
        body.extend(self.sent.to_le_bytes());
        put_addr(&mut body, self.advertised.as_ref());
        body.extend(self.turn.to_le_bytes());
        body.extend(self.layout.to_le_bytes());
        body.push(self.roams.into());
        body.push(u8::try_from(self.path.len()).expect("MAX_GATEWAYS, or a byte that was read"));
        self.path
            .iter()
            .for_each(|hop| put_addr(&mut body, Some(hop)));
        body
    }

    /// Reads the body of the frame.
    ///
    /// # Errors
    ///
    /// The field that cannot be read.
    pub(crate) fn decode(body: &Bytes) -> Result<Self, HandshakeError> {
        let mut fields = Fields(body);
        let open = Self {
            id: SessionId(fields.array("session")?),
            kind: LinkKind(fields.number("kind")?),
            incarnation: fields.incarnation()?,
            acked: fields.number("acknowledged")?,
            sent: fields.number("sent")?,
            advertised: fields.addr()?,
            turn: fields.number("turn")?,
            layout: fields.number("layout")?,
            roams: fields.flag("roams")?,
            path: fields.path()?,
        };
        fields.end()?;
        if open.sent < open.acked {
            return Err(HandshakeError::Malformed("sent"));
        }
        Ok(open)
    }
}

/// What the serving end answers when it takes the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Opened {
    /// The serving endpoint.
    pub(crate) incarnation: Incarnation,
    /// Whether it knew the session.
    pub(crate) resumed: bool,
    /// What it has taken, and how much it takes.
    pub(crate) ack: Ack,
    /// The largest message that it takes.
    pub(crate) max_message: u64,
    /// Where the serving endpoint can be dialled, as it tells all its peers.
    pub(crate) advertised: Option<ChannelAddr>,
}

impl Opened {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(96);
        body.extend(self.incarnation.value().to_le_bytes());
        body.push(self.resumed.into());
        self.ack.put(&mut body);
        body.extend(self.max_message.to_le_bytes());
        put_addr(&mut body, self.advertised.as_ref());
        body
    }

    /// Reads the body of the frame.
    ///
    /// # Errors
    ///
    /// The field that cannot be read.
    pub(crate) fn decode(body: &Bytes) -> Result<Self, HandshakeError> {
        let mut fields = Fields(body);
        let incarnation = fields.incarnation()?;
        let resumed = fields.flag("answer")?;
        let ack = Ack {
            next: fields.number("acknowledged")?,
            credit: Credit {
                seq: fields.number("credit")?,
                load: fields.number("credit")?,
            },
        };
        let opened = Self {
            incarnation,
            resumed,
            ack,
            max_message: fields.number("message limit")?,
            advertised: fields.addr()?,
        };
        fields.end()?;
        Ok(opened)
    }
}

/// Returns the body of a frame that refuses a session.
pub(crate) fn encode_refused(code: RefusalCode) -> Vec<u8> {
    let (code, detail) = code.encode();
    let mut body = vec![code];
    body.extend(detail.to_le_bytes());
    body
}

/// Reads the body of a frame that refuses a session.
pub(crate) fn decode_refused(body: &Bytes) -> Option<RefusalCode> {
    let (&code, detail) = body.split_first()?;
    let detail = u64::from_le_bytes(detail.try_into().ok()?);
    Some(RefusalCode::decode(code, detail))
}

/// Why a session is not carried on by a connection any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LostCode {
    /// The receiver gave it up. The body of the frame may be empty, too.
    GivenUp,
    /// A gateway has lost the next connection, or ends; or the receiver wants the session to be opened again.
    Path,
    /// More waits in a gateway than it keeps.
    Overrun,
    /// The receiver takes nothing more of a session that breaks the protocol each time it is resumed.
    Broken,
}

impl LostCode {
    pub(crate) fn encode(self) -> [u8; 1] {
        [self as u8]
    }

    /// Reads the body of the frame. A code that this version does not know is like the first one.
    pub(crate) fn decode(body: &[u8]) -> Option<Self> {
        match body {
            [] => Some(Self::GivenUp),
            [1] => Some(Self::Path),
            [2] => Some(Self::Overrun),
            [3] => Some(Self::Broken),
            [_] => Some(Self::GivenUp),
            _ => None,
        }
    }
}
