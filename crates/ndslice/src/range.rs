//! Ranges: which indices of one dim a slice keeps.

use std::fmt;
use std::ops;
use std::sync::Arc;

use crate::progression::Progression;
use crate::shape_error::ShapeError;

/// Indices `start`, `start + step`, ... of one dim; without an `end` it stops at the dim's size.
///
/// Whether a range is legal depends on the dim it is applied to, so it is checked there.
///
/// # Examples
///
/// ```
/// use hypermesh_ndslice::Range;
///
/// assert_eq!(Range::from(3), Range { start: 3, end: Some(4), step: 1 });
/// assert_eq!(Range::from(1..=4), Range::from(1..5));
/// assert_eq!(Range::from(..).step_by(2), Range { start: 0, end: None, step: 2 });
/// assert_eq!(Range::from(1..8).step_by(2).to_string(), "1:8:2");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Range {
    /// The first index.
    pub start: usize,
    /// The index the range ends before; `None` means the size of the dim.
    pub end: Option<usize>,
    /// The distance of two indices.
    pub step: usize,
}

impl Range {
    /// Returns this range with every `step`-th index only, counted from its start.
    pub fn step_by(self, step: usize) -> Self {
        Self {
            step: self.step.saturating_mul(step),
            ..self
        }
    }

    /// The indices of this range in a dim of `size`: the one policy of the crate.
    ///
    /// # Errors
    ///
    /// `ZeroStep`; `OutOfRange` for a start or an explicit end beyond `size`; `EmptyRange`.
    pub(crate) fn resolve(self, dim: &Arc<str>, size: u32) -> Result<Progression, ShapeError> {
        let Self { start, end, step } = self;
        let size = size as usize;
        if step == 0 {
            return Err(ShapeError::ZeroStep { dim: dim.clone() });
        }
        let out_of_range = |index| ShapeError::OutOfRange {
            dim: Some(dim.clone()),
            index,
            size,
        };
        if size <= start {
            return Err(out_of_range(start));
        }
        let end = end.unwrap_or(size);
        if size < end {
            return Err(out_of_range(end - 1));
        }
        if end <= start {
            return Err(ShapeError::EmptyRange {
                dim: dim.clone(),
                start,
                end,
            });
        }
        let len = (end - start).div_ceil(step);
        // Everything is at most `size` now, a u32; only the step may be larger, and then len is 1.
        let step = step.min(size);
        Ok(Progression::new(start as u32, step as u32, len as u32))
    }
}

/// Writes the range as a selection has it: `1:8:2`, or `1:` without an end.
impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.start)?;
        if let Some(end) = self.end {
            write!(f, "{end}")?;
        }
        match self.step {
            1 => Ok(()),
            step => write!(f, ":{step}"),
        }
    }
}

impl From<usize> for Range {
    fn from(index: usize) -> Self {
        Self {
            start: index,
            end: Some(index.saturating_add(1)),
            step: 1,
        }
    }
}

impl From<ops::Range<usize>> for Range {
    fn from(range: ops::Range<usize>) -> Self {
        Self {
            start: range.start,
            end: Some(range.end),
            step: 1,
        }
    }
}

impl From<ops::RangeInclusive<usize>> for Range {
    fn from(range: ops::RangeInclusive<usize>) -> Self {
        Self {
            start: *range.start(),
            end: Some(range.end().saturating_add(1)),
            step: 1,
        }
    }
}

impl From<ops::RangeFrom<usize>> for Range {
    fn from(range: ops::RangeFrom<usize>) -> Self {
        Self {
            start: range.start,
            end: None,
            step: 1,
        }
    }
}

impl From<ops::RangeTo<usize>> for Range {
    fn from(range: ops::RangeTo<usize>) -> Self {
        Self {
            start: 0,
            end: Some(range.end),
            step: 1,
        }
    }
}

impl From<ops::RangeToInclusive<usize>> for Range {
    fn from(range: ops::RangeToInclusive<usize>) -> Self {
        Self {
            start: 0,
            end: Some(range.end.saturating_add(1)),
            step: 1,
        }
    }
}

impl From<ops::RangeFull> for Range {
    fn from(_: ops::RangeFull) -> Self {
        Self {
            start: 0,
            end: None,
            step: 1,
        }
    }
}
