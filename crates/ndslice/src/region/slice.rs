//! Slicing: smaller regions of the same base, and where their members stand in the larger one.

use std::iter::FusedIterator;

use super::{Region, UNUSED};
use crate::extent::MAX_DIMS;
use crate::progression::Progression;
use crate::range::Range;
use crate::rank::{Ordinal, Rank};
use crate::shape_error::ShapeError;

impl Region {
    /// Returns the region with some indices of one dim only. The dim stays, even if one is left.
    ///
    /// # Examples
    ///
    /// ```
    /// use hypermesh_ndslice::Range;
    ///
    /// let shape = hypermesh_ndslice::shape!(host = 4, gpu = 8);
    /// assert_eq!(shape.range("host", 1)?.to_string(), "8+host=1/8,gpu=8/1");
    /// assert_eq!(shape.range("gpu", Range::from(1..).step_by(2))?.count(), 16);
    /// assert!(shape.range("gpu", 4..9).is_err());
    /// # Ok::<(), hypermesh_ndslice::ShapeError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ShapeError::UnknownDim`]; [`ShapeError::OutOfRange`] when the start or an explicit end is
    /// beyond the size; [`ShapeError::EmptyRange`]; [`ShapeError::ZeroStep`].
    pub fn range(&self, label: &str, range: impl Into<Range>) -> Result<Self, ShapeError> {
        self.restrict(self.dim_of(label)?, range.into())
    }

    /// Returns the region with one index of one dim, without that dim.
    ///
    /// # Errors
    ///
    /// [`ShapeError::UnknownDim`] and [`ShapeError::OutOfRange`].
    pub fn at(&self, label: &str, index: usize) -> Result<Self, ShapeError> {
        let dim = self.dim_of(label)?;
        let mut region = self.restrict(dim, index.into())?;
        region.drop_dim(dim);
        Ok(region)
    }

    /// Returns the regions that have the dims from `label` inwards only, one for each combination
    /// of indices of the outer dims, in row-major order.
    ///
    /// # Examples
    ///
    /// ```
    /// let shape = hypermesh_ndslice::shape!(host = 2, gpu = 3);
    /// let hosts: Vec<String> = shape.group_by("gpu")?.map(|host| host.to_string()).collect();
    /// assert_eq!(hosts, ["gpu=3/1", "3+gpu=3/1"]);
    /// # Ok::<(), hypermesh_ndslice::ShapeError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ShapeError::UnknownDim`].
    pub fn group_by(&self, label: &str) -> Result<GroupBy, ShapeError> {
        let dim = self.dim_of(label)?;
        let n_outer = self.dims().take_while(|outer| *outer != dim).count();
        let n_groups = self.sizes().take(n_outer).product();
        Ok(GroupBy {
            region: self.clone(),
            n_outer,
            groups: 0..n_groups,
        })
    }

    /// Returns where the members of this region stand in `parent`, as a region of the parent's own
    /// extent: its ranks are ordinals of `parent`.
    ///
    /// # Errors
    ///
    /// [`ShapeError::BaseMismatch`], and [`ShapeError::NotSubset`] when `parent` lacks a member.
    pub fn relative_to(&self, parent: &Self) -> Result<Self, ShapeError> {
        self.check_base(parent)?;
        let mut positions = [UNUSED; MAX_DIMS];
        for (dim, slot) in positions.iter_mut().enumerate().take(self.base.ndim()) {
            *slot = self.positions_in(parent, dim)?;
        }
        let mut axes = [UNUSED; MAX_DIMS];
        for (slot, dim) in axes.iter_mut().zip(parent.dims()) {
            *slot = positions[dim];
        }
        // A dim that is pinned in the parent has one index in this region too; it is no dim of the
        // parent's extent, and dropping it changes no ordinal.
        let order = self
            .dims()
            .filter_map(|dim| parent.dims().position(|kept| kept == dim));
        Ok(Self::from_axes(parent.extent(), axes, order))
    }

    /// Returns the ordinals in `parent` of the members of this region, in their order here.
    ///
    /// # Errors
    ///
    /// [`ShapeError::BaseMismatch`], and [`ShapeError::NotSubset`] when `parent` lacks a member.
    pub fn ordinals_in(
        &self,
        parent: &Self,
    ) -> Result<impl DoubleEndedIterator<Item = Ordinal> + ExactSizeIterator, ShapeError> {
        Ok(self
            .relative_to(parent)?
            .ranks()
            .map(|Rank(ordinal)| Ordinal(ordinal)))
    }

    /// The region with a part of the dim at `position` of its order.
    pub(crate) fn range_at(&self, position: usize, range: Range) -> Result<Self, ShapeError> {
        self.restrict(usize::from(self.order[position]), range)
    }

    /// The region with a part of the dim `dim` of the base.
    fn restrict(&self, dim: usize, range: Range) -> Result<Self, ShapeError> {
        let axis = self.axes[dim];
        let part = range.resolve(self.base.label_at(dim), axis.len)?;
        let mut region = self.clone();
        region.axes[dim] = axis.compose(part);
        Ok(region)
    }

    /// Takes the dim `dim` of the base, which has one index, out of the order.
    fn drop_dim(&mut self, dim: usize) {
        let kept = self.clone();
        *self = Self::from_axes(
            kept.base.clone(),
            kept.axes,
            kept.dims().filter(|kept_dim| *kept_dim != dim),
        );
    }
}

/// An iterator over the groups of a region, made by [`Region::group_by`]; `nth` takes O(dims).
///
/// # Examples
///
/// ```
/// let mesh = hypermesh_ndslice::shape!(zone = 2, host = 2, gpu = 4);
/// let mut hosts = mesh.group_by("gpu")?;
/// assert_eq!(hosts.len(), 4);
/// assert_eq!(hosts.nth(2).map(|host| host.to_string()).as_deref(), Some("8+gpu=4/1"));
/// # Ok::<(), hypermesh_ndslice::ShapeError>(())
/// ```
#[derive(Clone, Debug)]
pub struct GroupBy {
    region: Region,
    n_outer: usize,
    groups: std::ops::Range<usize>,
}

impl GroupBy {
    /// The region with the outer dims pinned to their `group`-th combination of indices.
    fn group(&self, group: usize) -> Region {
        let region = &self.region;
        let mut axes = region.axes;
        let mut rest = group;
        for dim in region.dims().take(self.n_outer).rev() {
            let axis = region.axes[dim];
            let len = axis.len as usize;
            axes[dim] = Progression::one(axis.at((rest % len) as u32));
            rest /= len;
        }
        Region::from_axes(region.base.clone(), axes, region.dims().skip(self.n_outer))
    }
}

impl Iterator for GroupBy {
    type Item = Region;

    fn next(&mut self) -> Option<Region> {
        self.groups.next().map(|group| self.group(group))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.groups.size_hint()
    }

    fn nth(&mut self, n: usize) -> Option<Region> {
        self.groups.nth(n).map(|group| self.group(group))
    }
}

impl DoubleEndedIterator for GroupBy {
    fn next_back(&mut self) -> Option<Region> {
        self.groups.next_back().map(|group| self.group(group))
    }

    fn nth_back(&mut self, n: usize) -> Option<Region> {
        self.groups.nth_back(n).map(|group| self.group(group))
    }
}

impl ExactSizeIterator for GroupBy {}
impl FusedIterator for GroupBy {}
