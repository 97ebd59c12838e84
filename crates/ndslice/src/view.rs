//! Views: one small trait that gives slicing to everything that is indexed by rank.

use crate::extent::Extent;
use crate::point::Point;
use crate::range::Range;
use crate::rank::{Ordinal, Rank};
use crate::region::Region;
use crate::selection::{Selection, SelectionError};
use crate::shape_error::ShapeError;

/// Something with one member for each rank of a region.
///
/// Implementing it gives the methods of [`ViewExt`].
///
/// # Examples
///
/// ```
/// use hypermesh_ndslice::{Ordinal, Region, ShapeError, View, ViewExt, shape};
///
/// /// Some of the names, chosen by a region.
/// struct Names<'a> {
///     all: &'a [&'a str],
///     region: Region,
/// }
///
/// impl<'a> View for Names<'a> {
///     type Item<'b> = &'a str where Self: 'b;
///     type Sliced = Names<'a>;
///
///     fn region(&self) -> &Region {
///         &self.region
///     }
///
///     fn get(&self, ordinal: Ordinal) -> Option<&'a str> {
///         let rank = self.region.rank_at(ordinal).ok()?;
///         self.all.get(usize::from(rank)).copied()
///     }
///
///     fn sliced(&self, region: Region) -> Result<Names<'a>, ShapeError> {
///         region.check_subset(&self.region)?;
///         Ok(Names { all: self.all, region })
///     }
/// }
///
/// let names = Names { all: &["a", "b", "c", "d"], region: shape!(host = 2, gpu = 2) };
/// assert_eq!(names.at("gpu", 1)?.values().collect::<Vec<_>>(), ["b", "d"]);
/// # Ok::<(), hypermesh_ndslice::ShapeError>(())
/// ```
pub trait View {
    /// What there is for one rank.
    type Item<'a>
    where
        Self: 'a;

    /// What a slice is.
    type Sliced;

    /// Returns the region whose ranks have a member.
    fn region(&self) -> &Region;

    /// Returns the member at `ordinal` of the region, or `None` beyond the end.
    fn get(&self, ordinal: Ordinal) -> Option<Self::Item<'_>>;

    /// Returns the slice with the members of `region`, a part of [`View::region`].
    ///
    /// # Errors
    ///
    /// [`ShapeError::BaseMismatch`] and [`ShapeError::NotSubset`] if it is no part, as of
    /// [`Region::check_subset`].
    fn sliced(&self, region: Region) -> Result<Self::Sliced, ShapeError>;
}

/// What every [`View`] can do.
///
/// # Examples
///
/// ```
/// use hypermesh_ndslice::{ViewExt, sel, shape};
///
/// let mesh = shape!(host = 2, gpu = 2);
/// let members: Vec<_> = ViewExt::iter(&mesh).map(|(point, _)| point.to_string()).collect();
/// assert_eq!(members[2], "host=1/2,gpu=0/2");
/// let slices = ViewExt::selected(&mesh, &sel!(*, 1))?;
/// assert_eq!(slices[0].to_string(), "1+host=2/2,gpu=1/1");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait ViewExt: View {
    /// Returns the view's own extent.
    fn extent(&self) -> Extent {
        self.region().extent()
    }

    /// Returns the slice with some indices of one dim only; the dim stays.
    ///
    /// # Errors
    ///
    /// As [`Region::range`].
    fn range(&self, label: &str, range: impl Into<Range>) -> Result<Self::Sliced, ShapeError> {
        self.sliced(self.region().range(label, range)?)
    }

    /// Returns the slice with one index of one dim, without that dim.
    ///
    /// # Errors
    ///
    /// As [`Region::at`].
    fn at(&self, label: &str, index: usize) -> Result<Self::Sliced, ShapeError> {
        self.sliced(self.region().at(label, index)?)
    }

    /// Returns the slices with the dims from `label` inwards, one for each combination of indices
    /// of the outer dims.
    ///
    /// # Errors
    ///
    /// As [`Region::group_by`].
    fn group_by(&self, label: &str) -> Result<Vec<Self::Sliced>, ShapeError> {
        let groups = self.region().group_by(label)?;
        groups.map(|region| self.sliced(region)).collect()
    }

    /// Returns disjoint slices with the members that `selection` selects.
    ///
    /// # Errors
    ///
    /// As [`Selection::eval`].
    fn selected(&self, selection: &Selection) -> Result<Vec<Self::Sliced>, SelectionError> {
        let regions = selection.eval(self.region())?.into_iter();
        let slices = regions.map(|region| self.sliced(region));
        Ok(slices.collect::<Result<_, ShapeError>>()?)
    }

    /// Returns the members in the order of their ordinals.
    fn values(&self) -> impl Iterator<Item = Self::Item<'_>> {
        (0..self.region().count()).filter_map(|ordinal| self.get(Ordinal(ordinal)))
    }

    /// Returns the members with their points, in the order of their ordinals.
    fn iter(&self) -> impl Iterator<Item = (Point, Self::Item<'_>)> {
        self.extent().points().zip(self.values())
    }
}

impl<V: View + ?Sized> ViewExt for V {}

impl View for Region {
    type Item<'a> = Rank;
    type Sliced = Self;

    fn region(&self) -> &Region {
        self
    }

    fn get(&self, ordinal: Ordinal) -> Option<Rank> {
        self.rank_at(ordinal).ok()
    }

    fn sliced(&self, region: Region) -> Result<Self, ShapeError> {
        region.check_subset(self)?;
        Ok(region)
    }
}
