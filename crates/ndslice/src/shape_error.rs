//! What a shape answers when it is asked for something it does not have.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use crate::extent::{Extent, ExtentError};
use crate::range::Range;
use crate::rank::Rank;

/// Error of slicing, converting, comparing and reshaping regions.
///
/// # Examples
///
/// ```
/// use hypermesh_ndslice::{ShapeError, shape};
///
/// let error = shape!(host = 4, gpu = 8).range("gpu", 9).unwrap_err();
/// assert_eq!(error.to_string(), "index 9 is out of range for dim \"gpu\" (size 8)");
/// assert!(matches!(error, ShapeError::OutOfRange { index: 9, size: 8, .. }));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ShapeError {
    /// No dim has this label.
    UnknownDim {
        /// The label that was asked for.
        label: Arc<str>,
        /// The labels that exist.
        known: Vec<Arc<str>>,
    },
    /// An index lies beyond the end of a dim, or beyond all ranks.
    OutOfRange {
        /// The label of the dim; `None` if `index` counts all ranks of the shape.
        dim: Option<Arc<str>>,
        /// The index that was asked for.
        index: usize,
        /// The number of indices there are.
        size: usize,
    },
    /// A range ends where it starts, or before.
    EmptyRange {
        /// The label of the dim.
        dim: Arc<str>,
        /// The first index of the range.
        start: usize,
        /// The index the range ends before.
        end: usize,
    },
    /// A range has step 0.
    ZeroStep {
        /// The label of the dim.
        dim: Arc<str>,
    },
    /// The number of coordinates is not the number of dims.
    DimMismatch {
        /// The number of dims.
        expected: usize,
        /// The number that was given.
        actual: usize,
    },
    /// The rank is no member of the region.
    NotInRegion {
        /// The rank that was asked for.
        rank: Rank,
        /// The smallest rank of the region.
        first: Rank,
        /// The largest one.
        last: Rank,
    },
    /// One region is not contained in the other.
    NotSubset {
        /// The label, in the base, of the outermost dim in which it is not.
        dim: Arc<str>,
        /// The indices of that dim that the region has.
        part: Range,
        /// Those of the region that should contain it.
        whole: Range,
    },
    /// The map has no region, and so no part of one.
    NoRegion,
    /// Two regions are slices of differently sized bases.
    BaseMismatch {
        /// The base of the left region.
        left: Extent,
        /// The base of the right region.
        right: Extent,
    },
    /// The dims of a permutation are not each dim of the region once.
    NotAPermutation {
        /// The labels of the region.
        dims: Vec<Arc<str>>,
    },
    /// More than one size of a split was left open.
    ManyOpenSizes {
        /// The label of the dim to split.
        dim: Arc<str>,
    },
    /// The parts of a split do not multiply to the size of the dim.
    NotDivisible {
        /// The label of the dim to split.
        dim: Arc<str>,
        /// The size of the dim.
        size: usize,
        /// The product of the stated parts.
        by: usize,
    },
    /// No box over a reshaped base has exactly these ranks.
    NotAligned {
        /// The label of the dim to split, or of the flattened dim.
        dim: Arc<str>,
    },
    /// The reshaped base would be no valid extent.
    Extent(ExtentError),
}

impl fmt::Display for ShapeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownDim { label, known } => {
                write!(f, "no dim is called {label:?} (known: {})", Listed(known))
            }
            Self::OutOfRange {
                dim: Some(dim),
                index,
                size,
            } => {
                write!(
                    f,
                    "index {index} is out of range for dim {dim:?} (size {size})"
                )
            }
            Self::OutOfRange {
                dim: None,
                index,
                size,
            } => {
                write!(
                    f,
                    "index {index} is out of range for a shape of {size} ranks"
                )
            }
            Self::EmptyRange { dim, start, end } => {
                write!(f, "range {start}..{end} of dim {dim:?} is empty")
            }
            Self::ZeroStep { dim } => write!(f, "the step of a range of dim {dim:?} is 0"),
            Self::DimMismatch { expected, actual } => {
                write!(f, "{actual} coordinates were given for {expected} dims")
            }
            Self::NotInRegion { rank, first, last } => write!(
                f,
                "rank {rank} is not in the region, whose ranks go from {first} to {last}"
            ),
            Self::NotSubset { dim, part, whole } => {
                write!(
                    f,
                    "the indices {part} of dim {dim:?} are not all in {whole}"
                )
            }
            Self::NoRegion => write!(f, "the map has no region"),
            Self::BaseMismatch { left, right } => {
                write!(f, "the bases differ: `{left}` and `{right}`")
            }
            Self::NotAPermutation { dims } => {
                write!(
                    f,
                    "a permutation names each of the dims {} once",
                    Listed(dims)
                )
            }
            Self::ManyOpenSizes { dim } => {
                write!(f, "a split of dim {dim:?} leaves more than one size open")
            }
            Self::NotDivisible { dim, size, by } => {
                write!(
                    f,
                    "dim {dim:?} (size {size}) cannot be split into parts of product {by}"
                )
            }
            Self::NotAligned { dim } => {
                write!(f, "no box of a reshaped base describes dim {dim:?}")
            }
            Self::Extent(_) => write!(f, "the reshaped base is no valid extent"),
        }
    }
}

impl Error for ShapeError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Extent(source) => Some(source),
            _ => None,
        }
    }
}

impl From<ExtentError> for ShapeError {
    fn from(source: ExtentError) -> Self {
        Self::Extent(source)
    }
}

/// Labels, quoted and separated by commas.
struct Listed<'a>(&'a [Arc<str>]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, label) in self.0.iter().enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            write!(f, "{comma}{label:?}")?;
        }
        Ok(())
    }
}
