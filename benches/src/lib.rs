//! How a benchmark of hypermesh measures and prints: figures beside a baseline of the same run.

// A benchmark is a program: it prints.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod allocation;
mod figure;
mod machine;
pub mod peer;
pub mod processors;
mod report;

pub use allocation::{AllocationCount, Allocations, CountingAllocator};
pub use figure::{Figure, Limit, Unit, median};
pub use report::{Options, Outcome, Report, Rival};
