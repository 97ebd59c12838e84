//! Why a map cannot be built or changed.

use std::error::Error;
use std::fmt;
use std::ops::Range;

/// Error of building and changing a map.
///
/// # Examples
///
/// ```
/// use hypermesh_ndslice::{Ordinal, RankMap, RankMapError, shape};
///
/// let some = [(Ordinal(0), "up"), (Ordinal(3), "down")];
/// let error = RankMap::from_indexed(shape!(host = 4), some).unwrap_err();
/// assert_eq!(error, RankMapError::Missing { first: 1, count: 2 });
/// assert_eq!(error.to_string(), "2 ordinals have no value, the first is 1");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RankMapError {
    /// The number of values is not the number of ordinals.
    WrongCount {
        /// The number of ordinals.
        expected: usize,
        /// The number of values.
        actual: usize,
    },
    /// Some ordinals have no value.
    Missing {
        /// The first of them.
        first: usize,
        /// How many there are.
        count: usize,
    },
    /// An ordinal is beyond the end of the region.
    OutOfRange {
        /// The ordinal.
        index: usize,
        /// The number of ordinals.
        count: usize,
    },
    /// A range has no ordinals.
    EmptyRange {
        /// Where the range starts.
        start: usize,
        /// Where it ends.
        end: usize,
    },
    /// Two ranges have ordinals in common.
    OverlappingRanges {
        /// The range that starts first.
        first: Range<usize>,
        /// The other one.
        second: Range<usize>,
    },
}

impl fmt::Display for RankMapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongCount { expected, actual } => {
                write!(f, "{actual} values were given for {expected} ordinals")
            }
            Self::Missing { first, count } => {
                write!(f, "{count} ordinals have no value, the first is {first}")
            }
            Self::OutOfRange { index, count } => {
                write!(f, "ordinal {index} is out of range for a map of {count}")
            }
            Self::EmptyRange { start, end } => write!(f, "range {start}..{end} is empty"),
            Self::OverlappingRanges { first, second } => {
                write!(f, "ranges {first:?} and {second:?} overlap")
            }
        }
    }
}

impl Error for RankMapError {}
