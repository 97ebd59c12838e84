//! Tests with real host and worker processes: this program starts itself as its children.
#![expect(clippy::unwrap_used, reason = "a test may fail by a panic")]

mod actors;
mod bad_commands;
mod forwarding;
mod killed;
mod ownership;
mod spawning;
mod world;

use std::process::ExitCode;

use hypermesh_testkit::run_cases;
use world::World;

fn main() -> ExitCode {
    let world = World::new();
    world.block_on(hypermesh_host_mesh::proc_mesh::alloc::bootstrap::run_if_child());
    if let Some(code) = killed::run_as_launcher(&world) {
        return code;
    }
    let cases = [
        spawning::CASES,
        forwarding::CASES,
        bad_commands::CASES,
        ownership::CASES,
        killed::CASES,
    ];
    run_cases(&world, &cases.concat())
}
