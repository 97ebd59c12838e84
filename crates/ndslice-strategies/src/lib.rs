//! Strategies for tests of code that uses shapes of ranks, for [`proptest`].
//!
//! They make extents, [regions] with any steps, pins and order, [parts](parts_of) of a
//! region, [selections], [sets](rank_sets) and [maps](rank_maps) by rank. All of them are small, so
//! that a test can enumerate what it gets, and shrink towards the simplest shape.
//!
//! With the feature `properties` there is also what holds for any bytes that are given to a parser
//! or a decoder: the bodies of the fuzz targets.
//!
//! # Examples
//!
//! ```
//! use hypermesh_ndslice_strategies::regions;
//! use proptest::prelude::*;
//!
//! proptest!(|(region in regions())| {
//!     prop_assert_eq!(region.ranks().count(), region.count());
//! });
//! ```
#![forbid(unsafe_code)]

mod by_rank;
#[cfg(feature = "properties")]
pub mod properties;
mod region;
mod selection;

pub use by_rank::{overlays, rank_maps, rank_sets};
pub use region::{extents, labels, parts_of, ranges, regions};
pub use selection::{selections, selections_of};
