//! Meshes of real processes: this program starts itself as its child processes, so its `main` is its
//! own and begins like that of every program that does so.
#![allow(
    clippy::unwrap_used,
    reason = "this is all test code, which clippy sees by `cfg(test)` only"
)]

mod actors;
mod cases;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::Duration;

use hypermesh_proc_mesh::alloc::bootstrap::{BootstrapCommand, run_if_child};
use hypermesh_testkit::ProcessGuard;
use tokio::runtime::Runtime;

/// A test: its name, a sentence, and what it does with the command that starts this program.
type Case = (&'static str, fn(&Runtime, BootstrapCommand));

fn main() -> ExitCode {
    let runtime = Runtime::new().expect("a runtime can be made");
    runtime.block_on(run_if_child());
    run(&runtime, cases::CASES)
}

/// Runs the cases whose names contain one of the arguments, or all. Each must leave no process.
#[expect(clippy::print_stdout, reason = "this is a test runner")]
fn run(runtime: &Runtime, cases: &[Case]) -> ExitCode {
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|part| name.contains(part));
    let mut failed = Vec::new();
    let chosen: Vec<&Case> = cases.iter().filter(|(name, _)| is_wanted(name)).collect();
    for (name, case) in &chosen {
        let run = || {
            let guard = ProcessGuard::new();
            let mut command = BootstrapCommand::current().unwrap();
            let (variable, marker) = guard.env();
            command.env.insert(variable.into(), marker.into());
            case(runtime, command);
            guard.assert_none_left(Duration::from_secs(5));
        };
        let passed = catch_unwind(AssertUnwindSafe(run)).is_ok();
        println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
        if !passed {
            failed.push(*name);
        }
    }
    println!(
        "\n{} passed, {} failed {failed:?}",
        chosen.len() - failed.len(),
        failed.len()
    );
    if failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
