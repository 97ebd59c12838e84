//! What travels: a small message and one that is a large byte string with a number.

use std::hint::black_box;

use hypermesh::prelude::*;
use hypermesh::wire::{Bytes, encode};
use hypermesh_benches::Outcome;
use serde::{Deserialize, Serialize};

/// Bytes of an encoded [`Small`].
pub(crate) const SMALL_SIZE: usize = 64;

/// The bytes between two that a reader looks at: it sees each page.
const STRIDE: usize = 4096;

/// Added to each number of a small message, so that each takes nine bytes.
const BASE: u64 = 1 << 62;

/// Which message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    /// A [`Small`].
    Small,
    /// A [`Bulk`] with so many bytes.
    Bulk(usize),
}

impl Kind {
    /// Returns the bytes of one message without what frames it.
    pub(crate) fn size(self) -> usize {
        match self {
            Self::Small => SMALL_SIZE,
            Self::Bulk(size) => size,
        }
    }
}

/// A message of the benchmark.
pub(crate) trait Load: Message + Sync {
    /// Returns message number `seq`; what is large in it is `body`.
    fn numbered(seq: u64, body: &Bytes) -> Self;

    /// Looks at all of the message and returns its number.
    fn seq(&self) -> u64;
}

/// Seven numbers and a byte: 64 bytes.
#[derive(Clone, Debug, Message)]
pub(crate) struct Small {
    numbers: [u64; 7],
    kind: u8,
}

impl Load for Small {
    fn numbered(seq: u64, _body: &Bytes) -> Self {
        Self {
            numbers: [BASE + seq; 7],
            kind: 1,
        }
    }

    fn seq(&self) -> u64 {
        assert!(
            self.numbers.iter().all(|number| *number == self.numbers[0]) && self.kind == 1,
            "{self:?} is not what was sent"
        );
        self.numbers[0] - BASE
    }
}

/// A number and bytes, which travel beside it.
#[derive(Clone, Debug, Message)]
pub(crate) struct Bulk {
    seq: u64,
    bytes: Blob,
}

impl Load for Bulk {
    fn numbered(seq: u64, body: &Bytes) -> Self {
        Self {
            seq,
            bytes: Blob(body.clone()),
        }
    }

    fn seq(&self) -> u64 {
        touch(&self.bytes);
        self.seq
    }
}

/// Returns the bytes of a message of `kind`.
pub(crate) fn body(kind: Kind) -> Bytes {
    vec![7; kind.size()].into()
}

/// Looks at a byte of each page, as every reader of the benchmark does.
pub(crate) fn touch(bytes: &[u8]) {
    let sum: u64 = bytes
        .iter()
        .step_by(STRIDE)
        .map(|byte| u64::from(*byte))
        .sum();
    black_box(sum);
}

/// Makes sure that a small message is as large as the figures say.
pub(crate) fn check_size() -> Outcome<()> {
    let payload = encode(&Small::numbered(0, &Bytes::new()))?;
    if payload.len() != SMALL_SIZE {
        return Err(format!("a small message has {} bytes", payload.len()).into());
    }
    Ok(())
}
