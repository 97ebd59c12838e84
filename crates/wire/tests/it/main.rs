//! Tests of the wire crate through its public API.
#![allow(
    clippy::unwrap_used,
    reason = "the helpers of tests may panic like the tests themselves"
)]

mod allocations;
mod any;
mod derive;
mod headers;
mod hostile;
mod parts;
mod round_trip;
