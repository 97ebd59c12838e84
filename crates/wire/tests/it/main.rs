//! Tests of the wire crate through its public API.
#![allow(
    clippy::unwrap_used,
    reason = "the helpers of tests may panic like the tests themselves"
)]

use hypermesh_testkit::CountingAllocator;

mod any;
mod derive;
mod golden;
mod headers;
mod hostile;
mod layout;
mod parts;
mod round_trip;
mod scratch;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;
