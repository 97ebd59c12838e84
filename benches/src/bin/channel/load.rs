//! What travels: small messages, and one that is a large byte string with a number.
//!
//! The small message is like those that report to whoever controls a mesh: a number that tells what and when, and
//! measurements. Beside it there is one of nothing but integers as large as ids and hashes are, each of which takes nine
//! bytes: what that costs more is the encoding of integers, and not the link.

use std::hint::black_box;

use hypermesh::prelude::*;
use hypermesh::wire::{Bytes, encode};
use hypermesh_benches::Outcome;
use serde::{Deserialize, Serialize};

/// Bytes of an encoded [`Small`].
pub(crate) const SMALL_SIZE: usize = 64;

/// The bytes between two that a reader looks at: it sees each page.
const STRIDE: usize = 4096;

/// Added to the number of a small message, so that each takes eight bytes.
const BASE: u64 = 1 << 50;

/// Measurements in a small message, of eight bytes each.
const N_MEASURED: usize = 7;

/// Added to each number of [`Integers`], so that each takes nine bytes.
const LARGE: u64 = 1 << 62;

/// Which message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    /// A [`Small`].
    Small,
    /// An [`Integers`].
    Integers,
    /// A [`Bulk`] with so many bytes.
    Bulk(usize),
}

impl Kind {
    /// Returns the bytes of one message without what frames it.
    pub(crate) fn size(self) -> usize {
        match self {
            Self::Small | Self::Integers => SMALL_SIZE,
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

/// A number and measurements: 64 bytes.
#[derive(Clone, Debug, Message)]
pub(crate) struct Small {
    number: u64,
    measured: [f64; N_MEASURED],
}

impl Load for Small {
    fn numbered(seq: u64, _body: &Bytes) -> Self {
        Self {
            number: BASE + seq,
            measured: [seq as f64; N_MEASURED],
        }
    }

    fn seq(&self) -> u64 {
        let seq = self.number - BASE;
        let measured = self.measured.iter().all(|value| *value == seq as f64);
        assert!(measured, "{self:?} is not what was sent");
        seq
    }
}

/// Seven large numbers and a byte: 64 bytes.
#[derive(Clone, Debug, Message)]
pub(crate) struct Integers {
    numbers: [u64; 7],
    kind: u8,
}

impl Load for Integers {
    fn numbered(seq: u64, _body: &Bytes) -> Self {
        Self {
            numbers: [LARGE + seq; 7],
            kind: 1,
        }
    }

    fn seq(&self) -> u64 {
        let equal = self.numbers.iter().all(|number| *number == self.numbers[0]);
        assert!(equal && self.kind == 1, "{self:?} is not what was sent");
        self.numbers[0] - LARGE
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

/// Makes sure that small messages are as large as the figures say.
pub(crate) fn check_sizes() -> Outcome<()> {
    for seq in [0, BASE - 1] {
        let small = encode(&Small::numbered(seq, &Bytes::new()))?;
        let integers = encode(&Integers::numbered(seq, &Bytes::new()))?;
        let sizes = [small.len(), integers.len()];
        if sizes != [SMALL_SIZE; 2] {
            return Err(format!("messages number {seq} have {sizes:?} bytes").into());
        }
    }
    Ok(())
}
