//! Tests of the wire crate through its public API.
#![allow(
    clippy::unwrap_used,
    reason = "the helpers of tests may panic like the tests themselves"
)]

mod allocations;
mod any;
mod corpus;
mod derive;
mod golden;
mod headers;
mod hostile;
mod layout;
mod parts;
mod properties;
mod round_trip;
mod scratch;
