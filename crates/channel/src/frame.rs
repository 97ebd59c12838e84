//! The frames of a connection, byte by byte: `docs/wire.md` says the same in words.
//!
//! A frame is a header of 8 bytes, the lengths of the parts, the body, the parts. Numbers are
//! little-endian.

use hypermesh_wire::Payload;

/// The length of a frame's header.
pub(crate) const HEADER_LEN: usize = 8;
/// The most parts of a message.
pub(crate) const MAX_PARTS: usize = 65_536;
/// The length of a frame that carries one number: [`Control`].
pub(crate) const CONTROL_LEN: usize = HEADER_LEN + 8;

const DATA: u8 = 1;
const ACK: u8 = 2;
const CLOSED: u8 = 3;
const ASK: u8 = 4;

/// A frame without parts or body: the sender wants to hear at once what was taken.
pub(crate) const ASK_FRAME: [u8; HEADER_LEN] = [ASK, 0, 0, 0, 0, 0, 0, 0];

/// Error about a frame that a peer sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The kind is not known, or not one that this end is sent.
    #[error("a frame of kind {0} does not belong here")]
    Kind(u8),
    /// The message is larger than this end said it takes.
    #[error("a message of at least {len} bytes was announced, and the limit is {max}")]
    TooLarge {
        /// The announced length, as far as it was read.
        len: u64,
        /// The limit.
        max: u64,
    },
    /// The message has more parts than a message can have.
    #[error("a message of {0} parts was announced, and the limit is {MAX_PARTS}")]
    TooManyParts(u32),
    /// An acknowledgement whose length is not that of a number.
    #[error("a control frame of {0} bytes was announced, and it has 8")]
    ControlLength(u32),
    /// A question for an acknowledgement that announces something behind it.
    #[error("a question for an acknowledgement announces {0} parts or bytes, and it has none")]
    AskLength(u32),
    /// The connection ended inside a frame.
    #[error("the connection ended inside a frame")]
    Cut,
}

/// The first 8 bytes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    kind: u8,
    parts: u32,
    body: u32,
}

impl Header {
    /// Returns the header of a message, which is within the limits.
    pub(crate) fn data(payload: &Payload) -> Self {
        let parts = u32::try_from(payload.parts.len()).expect("the parts were counted before");
        let body = u32::try_from(payload.body.len()).expect("the length was checked before");
        Self {
            kind: DATA,
            parts,
            body,
        }
    }

    /// Returns the bytes: the kind, the number of parts in three bytes, the length of the body.
    pub(crate) fn encode(self) -> [u8; HEADER_LEN] {
        let first = u32::from(self.kind) | self.parts << 8;
        (u64::from(first) | u64::from(self.body) << 32).to_le_bytes()
    }

    fn decode(bytes: [u8; HEADER_LEN]) -> Self {
        let word = u64::from_le_bytes(bytes);
        Self {
            kind: word as u8,
            parts: (word as u32) >> 8,
            body: (word >> 32) as u32,
        }
    }

    /// Reads the header of a frame that a sender sends.
    pub(crate) fn decode_sent(bytes: [u8; HEADER_LEN], max: u64) -> Result<Sent, FrameError> {
        let header = Self::decode(bytes);
        match header.kind {
            DATA => {}
            ASK if header.parts == 0 && header.body == 0 => return Ok(Sent::Ask),
            ASK => return Err(FrameError::AskLength(header.parts.max(header.body))),
            kind => return Err(FrameError::Kind(kind)),
        }
        if header.parts as usize > MAX_PARTS {
            return Err(FrameError::TooManyParts(header.parts));
        }
        if u64::from(header.body) > max {
            return Err(FrameError::TooLarge {
                len: header.body.into(),
                max,
            });
        }
        Ok(Sent::Data {
            parts: header.parts as usize,
            body: header.body as usize,
        })
    }
}

/// What a sender sends, by the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// A message: the number of its parts and the length of its body.
    Data { parts: usize, body: usize },
    /// The sender wants an acknowledgement now.
    Ask,
}

/// What a receiver says to the sender; each number counts the messages of this connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Control {
    /// So many messages were delivered.
    Ack(u64),
    /// So many messages were delivered, and no further one will be: the receiver stopped.
    Closed(u64),
}

impl Control {
    pub(crate) fn encode(self) -> [u8; CONTROL_LEN] {
        let (kind, count) = match self {
            Self::Ack(count) => (ACK, count),
            Self::Closed(count) => (CLOSED, count),
        };
        let mut bytes = [0; CONTROL_LEN];
        bytes[..HEADER_LEN].copy_from_slice(
            &Header {
                kind,
                parts: 0,
                body: 8,
            }
            .encode(),
        );
        bytes[HEADER_LEN..].copy_from_slice(&count.to_le_bytes());
        bytes
    }

    fn decode(bytes: [u8; CONTROL_LEN]) -> Result<Self, FrameError> {
        let (header, count) = bytes.split_at(HEADER_LEN);
        let header = Header::decode(header.try_into().expect("8 of the 16 bytes"));
        let count = u64::from_le_bytes(count.try_into().expect("8 of the 16 bytes"));
        if header.body != 8 || header.parts != 0 {
            return Err(FrameError::ControlLength(header.body));
        }
        match header.kind {
            ACK => Ok(Self::Ack(count)),
            CLOSED => Ok(Self::Closed(count)),
            kind => Err(FrameError::Kind(kind)),
        }
    }
}

/// Reads control frames out of a stream that may be cut anywhere.
#[derive(Debug, Default)]
pub(crate) struct ControlDecoder {
    bytes: [u8; CONTROL_LEN],
    have: usize,
}

impl ControlDecoder {
    /// Takes the next bytes of the stream and hands each complete frame to `each`.
    ///
    /// # Errors
    ///
    /// The first error of a frame, or of `each`; nothing is to be fed after it.
    pub(crate) fn feed<E: From<FrameError>>(
        &mut self,
        mut input: &[u8],
        mut each: impl FnMut(Control) -> Result<(), E>,
    ) -> Result<(), E> {
        while !input.is_empty() {
            let n = input.len().min(CONTROL_LEN - self.have);
            let (now, rest) = input.split_at(n);
            self.bytes[self.have..self.have + n].copy_from_slice(now);
            self.have += n;
            input = rest;
            if self.have == CONTROL_LEN {
                self.have = 0;
                each(Control::decode(self.bytes)?)?;
            }
        }
        Ok(())
    }
}

/// Returns the number of bytes that `payload` takes in a frame.
pub(crate) fn frame_len(payload: &Payload) -> u64 {
    (HEADER_LEN + 4 * payload.parts.len() + payload.len()) as u64
}
