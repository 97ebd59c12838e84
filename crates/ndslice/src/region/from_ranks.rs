//! The region that has exactly the ranks of a set.

use super::{Region, UNUSED};
use crate::extent::{Extent, MAX_DIMS};
use crate::progression::Progression;
use crate::rank_set::RankSet;
use crate::shape_error::ShapeError;

impl Region {
    /// Returns the slice of `base`, with its dims in their order, that has exactly these ranks;
    /// `None` if the set is empty or no slice has them.
    ///
    /// It takes one step for each run of the set.
    ///
    /// # Examples
    ///
    /// ```
    /// use hypermesh_ndslice::{RankSet, Region, extent};
    ///
    /// let base = extent!(host = 2, gpu = 8);
    /// let region = Region::from_ranks(&base, &RankSet::from_ranges([2..4, 10..12]))?;
    /// assert_eq!(region, Some(Region::of(base.clone()).range("gpu", 2..4)?));
    /// assert_eq!(Region::from_ranks(&base, &RankSet::from_ranges([2..4, 9..12]))?, None);
    /// # Ok::<(), hypermesh_ndslice::ShapeError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ShapeError::OutOfRange`] when a rank lies beyond the base.
    pub fn from_ranks(base: &Extent, ranks: &RankSet) -> Result<Option<Self>, ShapeError> {
        let (Some(min), Some(max)) = (ranks.min(), ranks.max()) else {
            return Ok(None);
        };
        let size = base.count();
        if size <= max {
            return Err(ShapeError::OutOfRange {
                dim: None,
                index: max,
                size,
            });
        }
        // A slice has its smallest rank where every dim is at its first index, its largest one
        // where every dim is at its last, and the dims inside of a dim divide its ranks equally.
        let (first, last) = (base.coords_of(min as u32), base.coords_of(max as u32));
        let mut axes = [UNUSED; MAX_DIMS];
        let mut n_inner = 1;
        for dim in (0..base.ndim()).rev() {
            let (start, end) = (first[dim], last[dim]);
            let mut step = 1;
            let mut len = 1;
            if start != end {
                let Some(second) = ranks.select(n_inner) else {
                    return Ok(None);
                };
                let index = base.coords_of(second as u32)[dim];
                if index <= start || end < index || (end - start) % (index - start) != 0 {
                    return Ok(None);
                }
                step = index - start;
                len = (end - start) / step + 1;
            }
            axes[dim] = Progression::new(start, step, len);
            n_inner *= len as usize;
        }
        let region = Self::from_axes(base.clone(), axes, 0..base.ndim());
        Ok(ranks.runs().eq(region.runs()).then_some(region))
    }
}
