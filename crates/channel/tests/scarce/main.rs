//! What is scarce, by the count: descriptors, memory, allocations, tasks.
//!
//! The tests run one after the other, each on one thread: that is what is counted, and descriptors are those of the
//! process.

#![allow(
    clippy::unwrap_used,
    reason = "this is all test code, which clippy sees by `cfg(test)` only"
)]

mod descriptors;
mod idle;
mod memory;
mod rounds;

#[path = "../it/by_hand.rs"]
#[allow(dead_code, reason = "another binary uses the rest")]
mod by_hand;
#[path = "../it/certificates.rs"]
#[allow(dead_code, reason = "another binary uses the rest")]
mod certificates;
#[path = "../it/rig.rs"]
#[allow(dead_code, reason = "another binary uses the rest")]
mod rig;

use std::process::ExitCode;

use hypermesh_channel::{Flow, Payload, Peer, Sink};
use hypermesh_testkit::{Case, CountingAllocator, run_cases};
use tokio::runtime::Builder;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// The tests by what they are about.
const CASES: [&[Case<()>]; 4] = [
    &descriptors::CASES,
    &idle::CASES,
    &memory::CASES,
    &rounds::CASES,
];

fn main() -> ExitCode {
    run_cases(&(), &CASES.concat())
}

/// Runs a test on a runtime of this thread alone.
fn run<T>(test: impl Future<Output = T>) -> T {
    let mut builder = Builder::new_current_thread();
    builder.enable_all().build().unwrap().block_on(test)
}

/// Takes everything and keeps nothing.
struct Void;

impl Sink for Void {
    fn deliver(&self, _: &Peer, batch: &mut Vec<Payload>) -> Flow {
        batch.clear();
        Flow::Continue
    }
}
