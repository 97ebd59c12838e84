//! Shapes of ranks: extents, points, regions, selections and multicast trees.
//!
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod coords;
mod extent;
mod point;
mod progression;
mod range;
mod rank;
mod region;
mod shape_error;
mod text;

mod rank_map;
mod rank_set;
mod selection;
pub mod tree;
mod view;

#[cfg(feature = "serde")]
mod encoding;
#[doc(hidden)]
pub mod macro_support;
mod macros;

pub use coords::Coords;
pub use extent::{Extent, ExtentError, MAX_DIMS, MAX_LABEL_LEN, Points};
pub use point::Point;
pub use range::Range;
pub use rank::{Ordinal, Rank};
pub use rank_map::{CollectMesh, Overlay, RankMap, RankMapError, Runs, Values};
pub use rank_set::{RankSet, RankSetIter};
pub use region::{GroupBy, Layout, RankRuns, Ranks, Region};
pub use selection::{MAX_NESTING, MAX_REGIONS, Selection, SelectionError};
pub use shape_error::ShapeError;
pub use text::{MAX_TEXT_LEN, ParseError, ParseErrorKind};
pub use view::{View, ViewExt};

/// The facade's name for [`Region`].
///
/// # Examples
///
/// ```
/// use hypermesh_ndslice::{Shape, extent, shape};
///
/// assert_eq!(Shape::of(extent!(host = 2)), shape!(host = 2));
/// ```
pub type Shape = Region;
