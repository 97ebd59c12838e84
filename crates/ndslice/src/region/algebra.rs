//! The algebra of regions of one base, dim by dim: nothing is enumerated.

use super::Region;
use crate::progression::Progression;
use crate::rank::Rank;
use crate::shape_error::ShapeError;

impl Region {
    /// Returns the ranks that are in both regions, with the dims and the order of this one; `None`
    /// if there are none.
    ///
    /// Bases are compared by their sizes; labels do not matter.
    ///
    /// # Examples
    ///
    /// ```
    /// use hypermesh_ndslice::{Range, shape};
    ///
    /// let fours = shape!(x = 24).range("x", Range::from(..).step_by(4))?;
    /// let sixes = shape!(x = 24).range("x", Range::from(2..).step_by(6))?;
    /// let both = fours.intersection(&sixes)?.ok_or("no common rank")?;
    /// assert_eq!(both.ranks().map(usize::from).collect::<Vec<_>>(), [8, 20]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ShapeError::BaseMismatch`].
    pub fn intersection(&self, other: &Self) -> Result<Option<Self>, ShapeError> {
        self.check_base(other)?;
        let mut region = self.clone();
        for dim in 0..self.base.ndim() {
            match self.axes[dim].intersection(other.axes[dim]) {
                Some(axis) => region.axes[dim] = axis,
                None => return Ok(None),
            }
        }
        Ok(Some(region))
    }

    /// Returns the ranks of this region that are not in `other`, as disjoint regions.
    ///
    /// For each dim there is at most one region more than the ratio of the steps.
    ///
    /// # Errors
    ///
    /// [`ShapeError::BaseMismatch`].
    pub fn difference(&self, other: &Self) -> Result<Vec<Self>, ShapeError> {
        let Some(common) = self.intersection(other)? else {
            return Ok(vec![self.clone()]);
        };
        let mut rest = Vec::new();
        // What is cut off in one dim is whole in the inner ones and common in the outer ones.
        let mut slab = self.clone();
        for dim in 0..self.base.ndim() {
            for axis in self.axes[dim].without(common.axes[dim]) {
                let mut region = slab.clone();
                region.axes[dim] = axis;
                rest.push(region);
            }
            slab.axes[dim] = common.axes[dim];
        }
        Ok(rest)
    }

    /// Returns whether every rank of this region is in `other`, in whatever order.
    ///
    /// # Errors
    ///
    /// [`ShapeError::BaseMismatch`].
    pub fn is_subset(&self, other: &Self) -> Result<bool, ShapeError> {
        self.check_base(other)?;
        Ok((0..self.base.ndim()).all(|dim| other.axes[dim].positions_of(self.axes[dim]).is_some()))
    }

    /// Checks that every rank of this region is in `other`, in whatever order.
    ///
    /// # Examples
    ///
    /// ```
    /// let mesh = hypermesh_ndslice::shape!(host = 2, gpu = 8);
    /// let last = mesh.range("gpu", 6..)?;
    /// last.check_subset(&mesh)?;
    /// let error = mesh.check_subset(&last).unwrap_err();
    /// assert_eq!(error.to_string(), "the indices 0:8 of dim \"gpu\" are not all in 6:8");
    /// # Ok::<(), hypermesh_ndslice::ShapeError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ShapeError::BaseMismatch`], and [`ShapeError::NotSubset`] when `other` lacks a rank.
    pub fn check_subset(&self, other: &Self) -> Result<(), ShapeError> {
        self.check_base(other)?;
        (0..self.base.ndim()).try_for_each(|dim| self.positions_in(other, dim).map(|_| ()))
    }

    /// Returns whether the regions have a rank in common.
    ///
    /// # Errors
    ///
    /// [`ShapeError::BaseMismatch`].
    pub fn overlaps(&self, other: &Self) -> Result<bool, ShapeError> {
        Ok(self.intersection(other)?.is_some())
    }

    /// Returns whether the regions have the same ranks, in whatever order.
    ///
    /// # Errors
    ///
    /// [`ShapeError::BaseMismatch`].
    pub fn same_ranks(&self, other: &Self) -> Result<bool, ShapeError> {
        self.check_base(other)?;
        Ok(self.axes == other.axes)
    }

    /// Returns how many ranks of the region are below `rank`.
    ///
    /// # Examples
    ///
    /// ```
    /// use hypermesh_ndslice::{Rank, shape};
    ///
    /// let region = shape!(host = 2, gpu = 8).range("gpu", 2..4)?;
    /// assert_eq!(region.count_below(Rank(3)), 1);
    /// assert_eq!(region.next_at_or_after(Rank(4)), Some(Rank(10)));
    /// # Ok::<(), hypermesh_ndslice::ShapeError>(())
    /// ```
    pub fn count_below(&self, rank: Rank) -> usize {
        if self.base.count() <= rank.0 {
            return self.count();
        }
        let coords = self.base.coords_of(rank.0 as u32);
        let mut below = 0;
        let mut inner = self.count();
        for (axis, coord) in self.axes.iter().zip(coords).take(self.base.ndim()) {
            inner /= axis.len as usize;
            below += axis.count_below(coord) as usize * inner;
            if axis.position(coord).is_none() {
                break;
            }
        }
        below
    }

    /// Returns the smallest rank of the region that is `rank` or above, if there is one.
    pub fn next_at_or_after(&self, rank: Rank) -> Option<Rank> {
        self.ascending(self.count_below(rank))
    }

    /// The rank that has `n_below` ranks of the region below it.
    fn ascending(&self, n_below: usize) -> Option<Rank> {
        if self.count() <= n_below {
            return None;
        }
        let mut positions = [0; crate::extent::MAX_DIMS];
        let mut rest = n_below as u32;
        for dim in (0..self.base.ndim()).rev() {
            positions[dim] = rest % self.axes[dim].len;
            rest /= self.axes[dim].len;
        }
        Some(self.rank_of_positions(&positions))
    }

    /// Where the indices of `dim` of the base stand among those of `whole`.
    pub(super) fn positions_in(&self, whole: &Self, dim: usize) -> Result<Progression, ShapeError> {
        let (part, whole_axis) = (self.axes[dim], whole.axes[dim]);
        whole_axis
            .positions_of(part)
            .ok_or_else(|| ShapeError::NotSubset {
                dim: self.base.label_at(dim).clone(),
                part: part.range(),
                whole: whole_axis.range(),
            })
    }

    pub(super) fn check_base(&self, other: &Self) -> Result<(), ShapeError> {
        if self.base.sizes() == other.base.sizes() {
            return Ok(());
        }
        Err(ShapeError::BaseMismatch {
            left: self.base.clone(),
            right: other.base.clone(),
        })
    }
}
