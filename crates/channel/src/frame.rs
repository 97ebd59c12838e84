//! The frames of a connection, byte by byte: `docs/wire.md` says the same in words.
//!
//! A frame is a header of 16 bytes and what it announces. Numbers are little-endian.

use bytes::BufMut;

/// The length of a frame's header.
pub(crate) const HEADER_LEN: usize = 16;
/// The length of the header of a message that follows another one of its session.
pub(crate) const NEXT_LEN: usize = 4;
/// The most bytes of such a message.
const MAX_NEXT: usize = 64 << 10;
/// What its header begins with, in place of a [`Kind`].
const NEXT: u8 = 16;
/// The most parts of a message.
pub(crate) const MAX_PARTS: usize = 65_536;
/// A longer frame of a message travels in chunks, so that other sessions are not held up.
pub(crate) const CHUNK_ABOVE: u64 = 1 << 20;
/// The most bytes of a message in one chunk.
pub(crate) const CHUNK_LEN: usize = 256 << 10;
/// The longest body of a frame that is neither data nor a chunk.
pub(crate) const MAX_CONTROL: u32 = 8 << 10;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// One message.
    Data = 1,
    /// One message, and the sender wants to hear now what was taken.
    DataAsk = 2,
    /// The next bytes of a long data frame.
    Chunk = 3,
    /// The sender wants to hear now what was taken.
    Ask = 4,
    /// What was taken, and how much more may come.
    Ack = 5,
    /// One message is refused.
    Nack = 6,
    /// A sequence number without a message.
    Void = 7,
    /// Begins or resumes a session.
    Open = 8,
    /// Accepts that.
    Opened = 9,
    /// Refuses it.
    Refused = 10,
    /// The sender is done: nothing more comes.
    Close = 11,
    /// The receiver stops: nothing more is taken.
    Closed = 12,
    /// The session is not carried on by this connection any more.
    Lost = 13,
    /// Is anybody there?
    Ping = 14,
    /// Yes.
    Pong = 15,
}

impl Kind {
    #[inline]
    fn decode(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Data,
            2 => Self::DataAsk,
            3 => Self::Chunk,
            4 => Self::Ask,
            5 => Self::Ack,
            6 => Self::Nack,
            7 => Self::Void,
            8 => Self::Open,
            9 => Self::Opened,
            10 => Self::Refused,
            11 => Self::Close,
            12 => Self::Closed,
            13 => Self::Lost,
            14 => Self::Ping,
            15 => Self::Pong,
            _ => return None,
        })
    }

    /// Returns whether the frame is one message.
    pub(crate) fn is_data(self) -> bool {
        matches!(self, Self::Data | Self::DataAsk)
    }
}

/// Error about a frame that a peer sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The kind is not known, or not one that this end is sent.
    #[error("a frame of kind {0} does not belong here")]
    Kind(u8),
    /// The frame is longer than frames of its kind are.
    #[error("a frame of kind {kind} and {len} bytes was announced, which is too long")]
    TooLong {
        /// The kind.
        kind: u8,
        /// The announced length.
        len: u64,
    },
    /// The message has more parts than a message can have.
    #[error("a message of {0} parts was announced, and the limit is {MAX_PARTS}")]
    TooManyParts(u32),
    /// The body of a control frame cannot be read.
    #[error("the body of a frame of kind {0} cannot be read")]
    Body(u8),
    /// A chunk does not continue the message that its session is in the middle of.
    #[error("a chunk does not belong to the message before it")]
    StrayChunk,
    /// A frame names a session that this connection does not carry.
    #[error("session {0} is not open on this connection")]
    UnknownSession(u32),
    /// A message is said to follow another one, and none is in front of it.
    #[error("a message follows none")]
    StrayNext,
    /// The connection ended inside a frame.
    #[error("the connection ended inside a frame")]
    Cut,
}

/// The first 16 bytes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: Kind,
    /// How many parts a message has.
    pub(crate) parts: u32,
    /// The length of the body.
    pub(crate) len: u32,
    /// The number of the session on this connection; 0 is the connection itself.
    pub(crate) session: u32,
    /// The lower half of the sequence number of a message.
    pub(crate) seq: u32,
}

impl Header {
    /// Returns the header of a frame without parts or sequence number.
    pub(crate) fn control(kind: Kind, session: u32, len: usize) -> Self {
        Self {
            kind,
            parts: 0,
            len: u32::try_from(len).expect("control frames are short"),
            session,
            seq: 0,
        }
    }

    /// Returns the header of a message of `len` bytes and no parts.
    pub(crate) fn data(session: u32, seq: u64, len: usize) -> Self {
        Self {
            kind: Kind::Data,
            parts: 0,
            len: u32::try_from(len).expect("the length was checked before"),
            session,
            seq: seq as u32,
        }
    }

    #[inline]
    pub(crate) fn encode(self) -> [u8; HEADER_LEN] {
        let first = u32::from(self.kind as u8) | self.parts << 8;
        let low = u64::from(first) | u64::from(self.len) << 32;
        let high = u64::from(self.session) | u64::from(self.seq) << 32;
        (u128::from(low) | u128::from(high) << 64).to_le_bytes()
    }

    /// Reads a header.
    ///
    /// # Errors
    ///
    /// If there is no such frame.
    #[inline]
    pub(crate) fn decode(bytes: &[u8; HEADER_LEN]) -> Result<Self, FrameError> {
        let word = u128::from_le_bytes(*bytes);
        let byte = word as u8;
        let header = Self {
            kind: Kind::decode(byte).ok_or(FrameError::Kind(byte))?,
            parts: (word as u32) >> 8,
            len: (word >> 32) as u32,
            session: (word >> 64) as u32,
            seq: (word >> 96) as u32,
        };
        let is_data = header.kind.is_data();
        if !is_data && header.parts != 0 || header.parts as usize > MAX_PARTS {
            return Err(FrameError::TooManyParts(header.parts));
        }
        if is_data {
            return Ok(header);
        }
        let max = match header.kind {
            // The length of a void is that of the message which it stands for; nothing follows it.
            Kind::Void => u32::MAX,
            Kind::Chunk => CHUNK_ABOVE as u32,
            Kind::Ask | Kind::Close | Kind::Ping | Kind::Pong => 0,
            // Its code.
            Kind::Lost => 1,
            _ => MAX_CONTROL,
        };
        if max < header.len {
            return Err(header.too_long(header.len.into()));
        }
        Ok(header)
    }

    /// Returns the number of bytes of the message whose whole frame has `len` bytes.
    pub(crate) fn load(self, len: usize) -> u64 {
        (len - HEADER_LEN - 4 * self.parts as usize) as u64
    }

    pub(crate) fn too_long(self, len: u64) -> FrameError {
        let kind = self.kind as u8;
        FrameError::TooLong { kind, len }
    }

    pub(crate) fn bad_body(self) -> FrameError {
        FrameError::Body(self.kind as u8)
    }

    /// Returns the full sequence number, the one nearest to `near`.
    pub(crate) fn full_seq(self, near: u64) -> u64 {
        let ahead = self.seq.wrapping_sub(near as u32) as i32;
        near.wrapping_add_signed(i64::from(ahead))
    }
}

/// Returns the header of a message of `len` bytes and no parts that follows another one of its session.
#[inline]
pub(crate) fn encode_next(len: usize) -> [u8; NEXT_LEN] {
    debug_assert!(len <= MAX_NEXT);
    (u32::from(NEXT) | (len as u32) << 8).to_le_bytes()
}

/// Returns the length of the message at the front of `bytes` and what follows its header, if that is one of a message
/// that follows another one.
#[inline(always)]
pub(crate) fn split_next(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<NEXT_LEN>()?;
    let word = u32::from_le_bytes(*head);
    (word as u8 == NEXT).then_some(((word >> 8) as usize, rest))
}

/// Returns whether `bytes` begin with a message that follows another one.
#[inline]
pub(crate) fn is_next(bytes: &[u8]) -> bool {
    bytes.first() == Some(&NEXT)
}

/// Checks the length of such a message.
///
/// # Errors
///
/// If it is too long.
pub(crate) fn check_next(len: usize) -> Result<(), FrameError> {
    if MAX_NEXT < len {
        let len = len as u64;
        return Err(FrameError::TooLong { kind: NEXT, len });
    }
    Ok(())
}

/// How much a receiver takes: the numbers are those of the whole session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Credit {
    /// Messages below this sequence number may come.
    pub(crate) seq: u64,
    /// A message may come while fewer bytes than these have come.
    pub(crate) load: u64,
}

/// What the receiving end of a session says of the state of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ack {
    /// The sequence number of the first message that was not taken.
    pub(crate) next: u64,
    pub(crate) credit: Credit,
}

impl Ack {
    pub(crate) const LEN: usize = 24;

    pub(crate) fn put(self, bytes: &mut impl BufMut) {
        bytes.put_u64_le(self.next);
        bytes.put_u64_le(self.credit.seq);
        bytes.put_u64_le(self.credit.load);
    }

    pub(crate) fn decode(body: &[u8]) -> Option<Self> {
        let body: &[u8; Self::LEN] = body.try_into().ok()?;
        let number = |i: usize| u64::from_le_bytes(body[i..i + 8].try_into().expect("8 bytes"));
        Some(Self {
            next: number(0),
            credit: Credit {
                seq: number(8),
                load: number(16),
            },
        })
    }
}

/// Why a receiver refuses one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Nack {
    pub(crate) seq: u64,
    pub(crate) code: u32,
}

impl Nack {
    pub(crate) const LEN: usize = 12;
    /// The message is larger than the receiver takes.
    pub(crate) const TOO_LARGE: u32 = 1;

    pub(crate) fn put(self, bytes: &mut impl BufMut) {
        bytes.put_u64_le(self.seq);
        bytes.put_u32_le(self.code);
    }

    pub(crate) fn decode(body: &[u8]) -> Option<Self> {
        let (seq, code) = body.split_first_chunk::<8>()?;
        Some(Self {
            seq: u64::from_le_bytes(*seq),
            code: u32::from_le_bytes(code.try_into().ok()?),
        })
    }
}

/// Returns the length of the frame of a message whose body has `body` bytes and whose parts have these.
pub(crate) fn data_len(body: usize, parts: impl ExactSizeIterator<Item = usize>) -> u64 {
    (HEADER_LEN + 4 * parts.len() + body) as u64 + parts.map(|len| len as u64).sum::<u64>()
}
