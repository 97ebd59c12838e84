//! The frames between a launcher and its child on the inherited descriptor.
//!
//! A header of 24 bytes, numbers in little endian: magic `HMBT`, version `u16`, kind `u8`, a zero
//! byte, length of the body `u32`, checksum of these twelve bytes `u32`, checksum of the body
//! `u64` (both FNV-1a); then the body.
//!
//! # Invariants
//!
//! - **INV-1**: a frame that differs from what was sent in any one byte is refused.
//! - **INV-2**: memory for a body grows with the bytes received, never with the length announced.
//! - **INV-3**: after an error the decoder yields nothing more.

use bytes::{Buf, Bytes, BytesMut};

/// What every frame begins with.
const MAGIC: [u8; 4] = *b"HMBT";
/// The version of the frames and of what is in them.
const VERSION: u16 = 1;
/// The length of a header.
const HEADER: usize = 24;
/// The part of the header that its checksum covers.
const CHECKED: usize = 12;
/// The longest body.
const MAX_BODY: usize = 16 * 1024 * 1024;

/// What a frame is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum FrameKind {
    /// To the child, first: what it is to be.
    Boot = 1,
    /// To the child: end in good order, within the milliseconds in the body (`u64`).
    Drain = 2,
    /// To the launcher: what the kind of the child defines.
    Report = 3,
}

/// Returns the frame with this `body`.
pub(crate) fn encode(kind: FrameKind, body: &[u8]) -> Result<Vec<u8>, FrameError> {
    if MAX_BODY < body.len() {
        return Err(FrameError::TooLong {
            len: body.len(),
            max: MAX_BODY,
        });
    }
    let len = u32::try_from(body.len()).expect("MAX_BODY fits u32");
    let mut frame = Vec::with_capacity(HEADER + body.len());
    frame.extend_from_slice(&MAGIC);
    frame.extend_from_slice(&VERSION.to_le_bytes());
    frame.extend_from_slice(&[kind as u8, 0]);
    frame.extend_from_slice(&len.to_le_bytes());
    frame.extend_from_slice(&fnv1a_32(&frame).to_le_bytes());
    frame.extend_from_slice(&fnv1a_64(body).to_le_bytes());
    frame.extend_from_slice(body);
    Ok(frame)
}

/// Cuts a stream of bytes into frames.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    buf: BytesMut,
    has_failed: bool,
}

impl Decoder {
    /// Takes in what was read.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if !self.has_failed {
            self.buf.extend_from_slice(bytes);
        }
    }

    /// Returns the next frame, or `None` if it is not complete yet.
    pub(crate) fn next(&mut self) -> Result<Option<(FrameKind, Bytes)>, FrameError> {
        if self.has_failed {
            return Ok(None);
        }
        let frame = self.parse();
        if frame.is_err() {
            self.has_failed = true;
            self.buf.clear();
        }
        frame
    }

    /// Takes in that nothing more will come.
    pub(crate) fn finish(&self) -> Result<(), FrameError> {
        match self.buf.len() {
            0 => Ok(()),
            len => Err(FrameError::Truncated { len }),
        }
    }

    fn parse(&mut self) -> Result<Option<(FrameKind, Bytes)>, FrameError> {
        let known = self.buf.len().min(MAGIC.len());
        if self.buf[..known] != MAGIC[..known] {
            return Err(FrameError::Magic {
                found: String::from_utf8_lossy(&self.buf[..known]).into(),
            });
        }
        let Some(mut header) = self.buf.get(..HEADER) else {
            return Ok(None);
        };
        let sum = fnv1a_32(&header[..CHECKED]);
        header.advance(MAGIC.len());
        let version = header.get_u16_le();
        if version != VERSION {
            return Err(FrameError::Version {
                ours: VERSION,
                theirs: version,
            });
        }
        let kind = header.get_u8();
        header.advance(1);
        let len = header.get_u32_le() as usize;
        if header.get_u32_le() != sum {
            return Err(FrameError::Checksum { of: "header" });
        }
        let kind = match kind {
            1 => FrameKind::Boot,
            2 => FrameKind::Drain,
            3 => FrameKind::Report,
            other => return Err(FrameError::Kind(other)),
        };
        if MAX_BODY < len {
            return Err(FrameError::TooLong { len, max: MAX_BODY });
        }
        let body_sum = header.get_u64_le();
        if self.buf.len() < HEADER + len {
            return Ok(None);
        }
        self.buf.advance(HEADER);
        let body = self.buf.split_to(len).freeze();
        if fnv1a_64(&body) != body_sum {
            return Err(FrameError::Checksum { of: "body" });
        }
        Ok(Some((kind, body)))
    }
}

/// Error in what came over the descriptor between a launcher and its child.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// It is not one of our frames.
    #[error("a frame begins with `HMBT`, not with {found:?}")]
    Magic {
        /// What it begins with.
        found: String,
    },
    /// The two programs were built with different versions of this library.
    #[error(
        "the other process speaks version {theirs} of the bootstrap frames, this one version {ours}"
    )]
    Version {
        /// The version of this process.
        ours: u16,
        /// The version of the other one.
        theirs: u16,
    },
    /// The kind of the frame is unknown.
    #[error("there is no frame of kind {0}")]
    Kind(u8),
    /// The frame is not what was sent.
    #[error("the checksum of the frame's {of} does not match")]
    Checksum {
        /// The part of the frame.
        of: &'static str,
    },
    /// The body is longer than is allowed.
    #[error("the body of the frame has {len} bytes, more than the {max} allowed")]
    TooLong {
        /// Its length.
        len: usize,
        /// The longest allowed.
        max: usize,
    },
    /// The stream ended within a frame.
    #[error("the stream ended within a frame, after {len} bytes of it")]
    Truncated {
        /// How much of the frame there is.
        len: usize,
    },
}

fn fnv1a_32(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |sum, &byte| {
        (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

fn fnv1a_64(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, &byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests;
