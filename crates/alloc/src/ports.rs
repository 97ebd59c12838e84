//! A range of TCP ports.

use std::{fmt, str::FromStr};

/// The ports from a first one to an end that is excluded, written `8000..8100`; may be empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PortRange {
    first: u16,
    end: u16,
}

impl PortRange {
    /// The range without ports, written as nothing: any port may be chosen.
    pub const EMPTY: Self = Self { first: 0, end: 0 };

    /// Returns whether there is no port in it.
    pub fn is_empty(&self) -> bool {
        self.end <= self.first
    }

    /// Returns the ports in it, in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = u16> + use<> {
        self.first..self.end
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return Ok(());
        }
        write!(f, "{}..{}", self.first, self.end)
    }
}

impl FromStr for PortRange {
    type Err = ParsePortRangeError;

    fn from_str(text: &str) -> Result<Self, ParsePortRangeError> {
        if text.is_empty() {
            return Ok(Self::EMPTY);
        }
        let parse = || {
            let (first, end) = text.split_once("..")?;
            let range = Self {
                first: first.parse().ok()?,
                end: end.parse().ok()?,
            };
            // Port 0 is the request for any port, so it is in no range.
            (range.first != 0 && !range.is_empty()).then_some(range)
        };
        parse().ok_or_else(|| ParsePortRangeError(text.to_owned()))
    }
}

/// Error of a text that is no range of ports.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a range of ports like `8000..8100`")]
pub struct ParsePortRangeError(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_prints_as_it_parses() {
        for text in ["", "1..2", "8000..8100"] {
            let range: PortRange = text.parse().unwrap();
            assert_eq!(range.to_string(), text);
        }
        let range: PortRange = "8000..8003".parse().unwrap();
        assert_eq!(range.iter().collect::<Vec<_>>(), [8000, 8001, 8002]);
    }

    #[test]
    fn a_text_that_is_no_range_is_named_in_the_error() {
        for text in [
            "8000", "..", "0..5", "9..9", "9..8", "1..70000", "a..b", "-1..5", "1..2..3",
        ] {
            let error = text.parse::<PortRange>().unwrap_err();
            assert!(error.to_string().contains(text), "{error}");
        }
    }
}
