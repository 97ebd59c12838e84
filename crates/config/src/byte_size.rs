//! Numbers of bytes as people write them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Value;

/// A number of bytes, written like `256MiB`.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct ByteSize(pub u64);

/// The units, the large ones first; those that `Display` uses come before the decimal ones.
const UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1000),
    ("B", 1),
];

impl ByteSize {
    /// Returns `n` times 1024 bytes.
    pub const fn kib(n: u64) -> Self {
        Self(n << 10)
    }

    /// Returns `n` times 1024² bytes.
    pub const fn mib(n: u64) -> Self {
        Self(n << 20)
    }

    /// Returns `n` times 1024³ bytes.
    pub const fn gib(n: u64) -> Self {
        Self(n << 30)
    }

    /// Returns the number of bytes.
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// Returns the number of bytes, or the largest that this machine can address.
    pub const fn as_usize(self) -> usize {
        if self.0 > usize::MAX as u64 {
            usize::MAX
        } else {
            self.0 as usize
        }
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |unit: &&(&str, u64)| self.0 != 0 && self.0.is_multiple_of(unit.1);
        let (name, unit) = UNITS[..4].iter().find(fits).unwrap_or(&("B", 1));
        write!(f, "{}{name}", self.0 / unit)
    }
}

/// Error of parsing a [`ByteSize`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {form}", form = ByteSize::FORM)]
pub struct ParseByteSizeError {
    /// The text that was refused.
    pub text: String,
}

impl FromStr for ByteSize {
    type Err = ParseByteSizeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text).ok_or_else(|| ParseByteSizeError {
            text: text.to_owned(),
        })
    }
}

impl Value for ByteSize {
    const FORM: &'static str = "a number of bytes like `4096`, `64KiB`, `256MiB` or `1GB`";

    fn parse(text: &str) -> Option<Self> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let unit = match unit.trim_start() {
            "" => 1,
            name => UNITS.iter().find(|unit| unit.0 == name)?.1,
        };
        number.parse::<u64>().ok()?.checked_mul(unit).map(Self)
    }

    fn to_text(&self) -> String {
        self.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<u64>) {
        let size = text.parse::<ByteSize>().ok();
        assert_eq!(size, expected.map(ByteSize), "{text:?}");
        if let Some(size) = size {
            assert_eq!(size.to_string().parse(), Ok(size));
        }
    }

    #[test]
    fn sizes_have_units_of_both_kinds() {
        check("0", Some(0));
        check("4096", Some(4096));
        check("256MiB", Some(256 << 20));
        check("256 MiB", Some(256 << 20));
        check("1GB", Some(1_000_000_000));
        check("3B", Some(3));
        for text in [
            "",
            "MiB",
            "-1",
            "1.5MiB",
            "1mib",
            "18446744073709551615KiB",
            "1 2",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn the_largest_fitting_unit_is_shown() {
        assert_eq!(ByteSize::mib(256).to_string(), "256MiB");
        assert_eq!(ByteSize::kib(1536).to_string(), "1536KiB");
        assert_eq!(ByteSize(1000).to_string(), "1000B");
        assert_eq!(ByteSize(0).to_string(), "0B");
    }
}
