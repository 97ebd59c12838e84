//! Regions: slices of a base extent, with the conversions between ranks and ordinals.
//!
//! # Invariants
//!
//! - **INV-1**: each dim of the base has one progression, whose indices are below the dim's size.
//! - **INV-2**: `order` names distinct dims of the base; a dim that it does not name is pinned to
//!   one index.
//! - **INV-3**: what lies beyond the last dim is [`UNUSED`] or 0, so that equal views are equal
//!   fields.
//! - **INV-4**: a region has at least one rank.

mod algebra;
mod from_ranks;
mod layout;
mod ranks;
mod reshape;
mod slice;
mod text;

use std::fmt;

use crate::coords::Coords;
use crate::extent::{Extent, MAX_DIMS};
use crate::point::Point;
use crate::progression::Progression;
use crate::rank::{Ordinal, Rank};
use crate::shape_error::ShapeError;

pub use layout::Layout;
pub use ranks::{RankRuns, Ranks};
pub use slice::GroupBy;

/// The progression of a dim that does not exist.
pub(crate) const UNUSED: Progression = Progression::one(0);

/// A slice of a base extent: some indices of each dim, in any order of the dims.
///
/// Members have a [`Rank`] in the base and an [`Ordinal`] in the region. Slicing, converting and
/// comparing take O(dims) and allocate nothing; a clone shares the labels.
///
/// # Examples
///
/// ```
/// use hypermesh_ndslice::{Ordinal, Rank, Region, extent};
///
/// let mesh = Region::of(extent!(zone = 2, host = 4, gpu = 8));
/// let host = mesh.at("host", 1)?;
/// assert_eq!(host.extent(), extent!(zone = 2, gpu = 8));
/// assert_eq!(host.rank_at(Ordinal(8))?, Rank(40));
/// assert_eq!(host.to_string(), "8+zone=2/32,gpu=8/1");
/// # Ok::<(), hypermesh_ndslice::ShapeError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Region {
    base: Extent,
    axes: [Progression; MAX_DIMS],
    order: [u8; MAX_DIMS],
    ndim: u8,
}

impl Region {
    /// Returns the region of all ranks of `extent`.
    pub fn of(extent: Extent) -> Self {
        let ndim = extent.ndim();
        let mut axes = [UNUSED; MAX_DIMS];
        let mut order = [0; MAX_DIMS];
        for dim in 0..ndim {
            axes[dim] = Progression::full(extent.size_at(dim));
            order[dim] = dim as u8;
        }
        Self {
            base: extent,
            axes,
            order,
            ndim: ndim as u8,
        }
    }

    /// The region with these progressions by dim of the base, and this order of the others than
    /// the pinned dims; the caller has checked INV-1 and INV-2.
    pub(crate) fn from_axes(
        base: Extent,
        axes: [Progression; MAX_DIMS],
        order: impl IntoIterator<Item = usize>,
    ) -> Self {
        let mut region = Self {
            base,
            axes,
            order: [0; MAX_DIMS],
            ndim: 0,
        };
        for dim in order {
            region.order[usize::from(region.ndim)] = dim as u8;
            region.ndim += 1;
        }
        region
    }

    /// Returns the extent that the region is a slice of.
    pub fn base(&self) -> &Extent {
        &self.base
    }

    /// Returns the region's own extent: the labels and sizes of its dims.
    pub fn extent(&self) -> Extent {
        let base = Self::of(self.base.clone());
        if *self == base {
            return base.base;
        }
        let mut builder = crate::extent::ExtentBuilder::new();
        for dim in self.dims() {
            builder
                .push(self.base.label_at(dim).clone(), self.axes[dim].len as usize)
                .expect("INV-2: distinct dims of a valid base, none larger than there");
        }
        builder.finish()
    }

    /// Returns the number of dims.
    pub fn ndim(&self) -> usize {
        usize::from(self.ndim)
    }

    /// Returns the number of ranks.
    pub fn count(&self) -> usize {
        self.dims().map(|dim| self.axes[dim].len as usize).product()
    }

    /// Returns the labels of the dims, outermost first.
    pub fn labels(&self) -> impl DoubleEndedIterator<Item = &str> + ExactSizeIterator + Clone {
        self.dims().map(|dim| &**self.base.label_at(dim))
    }

    /// Returns the sizes of the dims, outermost first.
    pub fn sizes(&self) -> Coords {
        self.by_dim(|dim| self.axes[dim].len)
    }

    /// Returns the size of the dim called `label`, if there is one.
    pub fn size(&self, label: &str) -> Option<usize> {
        self.sizes().nth(self.position(label)?)
    }

    /// Returns where the dim called `label` stands, if there is one.
    pub fn position(&self, label: &str) -> Option<usize> {
        self.labels().position(|known| known == label)
    }

    /// Returns the rank of the member at `ordinal`.
    ///
    /// # Errors
    ///
    /// [`ShapeError::OutOfRange`] when `ordinal` is not below [`Region::count`].
    pub fn rank_at(&self, ordinal: Ordinal) -> Result<Rank, ShapeError> {
        let size = self.count();
        if size <= ordinal.0 {
            return Err(ShapeError::OutOfRange {
                dim: None,
                index: ordinal.0,
                size,
            });
        }
        let mut positions = [0; MAX_DIMS];
        let mut rest = ordinal.0 as u32;
        for dim in self.dims().rev() {
            let len = self.axes[dim].len;
            positions[dim] = rest % len;
            rest /= len;
        }
        Ok(self.rank_of_positions(&positions))
    }

    /// Returns the ordinal of the member with `rank`.
    ///
    /// # Errors
    ///
    /// [`ShapeError::NotInRegion`] when there is no such member.
    pub fn ordinal_of(&self, rank: Rank) -> Result<Ordinal, ShapeError> {
        let positions = self.positions_of(rank);
        let positions = positions.ok_or_else(|| self.not_in_region(rank))?;
        let ordinal = self.dims().fold(0, |ordinal, dim| {
            ordinal * self.axes[dim].len as usize + positions[dim] as usize
        });
        Ok(Ordinal(ordinal))
    }

    /// Returns the rank of the member at these coordinates, outermost dim first.
    ///
    /// # Errors
    ///
    /// [`ShapeError::DimMismatch`] and [`ShapeError::OutOfRange`].
    pub fn rank_of(&self, coords: impl AsRef<[usize]>) -> Result<Rank, ShapeError> {
        let coords = coords.as_ref();
        if coords.len() != self.ndim() {
            let (expected, actual) = (self.ndim(), coords.len());
            return Err(ShapeError::DimMismatch { expected, actual });
        }
        let mut positions = [0; MAX_DIMS];
        for (dim, &index) in self.dims().zip(coords) {
            let size = self.axes[dim].len as usize;
            if size <= index {
                let dim = Some(self.base.label_at(dim).clone());
                return Err(ShapeError::OutOfRange { dim, index, size });
            }
            positions[dim] = index as u32;
        }
        Ok(self.rank_of_positions(&positions))
    }

    /// Returns the coordinates of the member with `rank`, outermost dim first.
    ///
    /// # Errors
    ///
    /// [`ShapeError::NotInRegion`] when there is no such member.
    pub fn coord_of(&self, rank: Rank) -> Result<Coords, ShapeError> {
        let positions = self.positions_of(rank);
        let positions = positions.ok_or_else(|| self.not_in_region(rank))?;
        Ok(self.by_dim(|dim| positions[dim]))
    }

    /// Returns the point at `ordinal` in the region's own extent.
    ///
    /// # Errors
    ///
    /// [`ShapeError::OutOfRange`] when `ordinal` is not below [`Region::count`].
    pub fn point_of(&self, ordinal: Ordinal) -> Result<Point, ShapeError> {
        self.extent().point_of_rank(ordinal.0)
    }

    /// Returns whether there is a member with `rank`.
    pub fn contains(&self, rank: Rank) -> bool {
        self.positions_of(rank).is_some()
    }

    /// Returns the ranks in the order of their ordinals, in O(1) each.
    pub fn ranks(&self) -> Ranks {
        Ranks::new(self)
    }

    /// Returns the ranks as maximal intervals of consecutive ones, ascending.
    ///
    /// # Examples
    ///
    /// ```
    /// let region = hypermesh_ndslice::shape!(host = 2, gpu = 8).range("gpu", 2..4)?;
    /// assert_eq!(region.runs().collect::<Vec<_>>(), [2..4, 10..12]);
    /// # Ok::<(), hypermesh_ndslice::ShapeError>(())
    /// ```
    pub fn runs(&self) -> RankRuns {
        RankRuns::new(self)
    }

    /// The dims of the base in the order of the region.
    fn dims(&self) -> impl DoubleEndedIterator<Item = usize> + ExactSizeIterator + Clone + '_ {
        self.order[..self.ndim()]
            .iter()
            .map(|dim| usize::from(*dim))
    }

    /// One number for each of the region's dims.
    fn by_dim(&self, number: impl Fn(usize) -> u32) -> Coords {
        let mut numbers = [0; MAX_DIMS];
        for (slot, dim) in numbers.iter_mut().zip(self.dims()) {
            *slot = number(dim);
        }
        Coords::new(numbers, self.ndim())
    }

    fn is_pinned(&self, dim: usize) -> bool {
        self.dims().all(|kept| kept != dim)
    }

    /// The dim of the base that is called `label` here.
    fn dim_of(&self, label: &str) -> Result<usize, ShapeError> {
        self.dims()
            .find(|dim| &**self.base.label_at(*dim) == label)
            .ok_or_else(|| ShapeError::UnknownDim {
                label: label.into(),
                known: self
                    .dims()
                    .map(|dim| self.base.label_at(dim).clone())
                    .collect(),
            })
    }

    /// The progressions by dim of the base.
    pub(crate) fn axes(&self) -> &[Progression] {
        &self.axes[..self.base.ndim()]
    }

    /// The dims of the base in the order of the region, as they are encoded.
    #[cfg(feature = "serde")]
    pub(crate) fn order(&self) -> &[u8] {
        &self.order[..self.ndim()]
    }

    /// The smallest rank: every progression at its start.
    fn offset(&self) -> u32 {
        (0..self.base.ndim()).fold(0, |rank, dim| {
            rank * self.base.size_at(dim) + self.axes[dim].start
        })
    }

    /// The rank at the given positions by dim of the base.
    fn rank_of_positions(&self, positions: &[u32; MAX_DIMS]) -> Rank {
        let rank = (0..self.base.ndim()).fold(0, |rank, dim| {
            rank * self.base.size_at(dim) + self.axes[dim].at(positions[dim])
        });
        Rank(rank as usize)
    }

    /// The positions of `rank` by dim of the base, if the region has it.
    fn positions_of(&self, rank: Rank) -> Option<[u32; MAX_DIMS]> {
        if self.base.count() <= rank.0 {
            return None;
        }
        let mut positions = self.base.coords_of(rank.0 as u32);
        for (position, axis) in positions.iter_mut().zip(&self.axes).take(self.base.ndim()) {
            *position = axis.position(*position)?;
        }
        Some(positions)
    }

    fn not_in_region(&self, rank: Rank) -> ShapeError {
        let last = std::array::from_fn(|dim| self.axes[dim].len - 1);
        ShapeError::NotInRegion {
            rank,
            first: Rank(self.offset() as usize),
            last: self.rank_of_positions(&last),
        }
    }
}

impl From<Extent> for Region {
    fn from(extent: Extent) -> Self {
        Self::of(extent)
    }
}

impl From<&Extent> for Region {
    fn from(extent: &Extent) -> Self {
        Self::of(extent.clone())
    }
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Region({self} of {})", self.base)
    }
}
