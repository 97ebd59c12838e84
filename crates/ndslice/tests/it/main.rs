//! Tests of the crate's public API.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(
    clippy::single_range_in_vec_init,
    reason = "a list of runs may have one"
)]

mod algebra;
mod errors;
mod explain;
mod extent;
mod layout;
mod macros;
mod model;
mod panics;
mod rank_map;
mod rank_set;
mod region;
mod reshape;
mod selection;
mod text;
mod tree;
mod view;

#[cfg(feature = "serde")]
mod encoding;
