//! Tests with real processes: this program starts itself as its child processes, so its `main` is
//! its own and begins like that of every program that does so.
#![allow(
    clippy::unwrap_used,
    reason = "this is all test code, which clippy sees by `cfg(test)` only"
)]

mod bootstrap;
mod children;
mod contract;
mod kinds;
mod local;
mod process;
mod runner;

use std::process::ExitCode;

use runner::Case;

fn main() -> ExitCode {
    kinds::wait_without_descriptor();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
    kinds::leave_the_entry_point(&runtime);
    runtime.block_on(hypermesh_alloc::bootstrap::run_if_child());
    if let Some(code) = children::run_as_launcher(&runtime) {
        return code;
    }
    let cases: Vec<Case> = [
        children::CASES,
        bootstrap::CASES,
        contract::CASES,
        local::CASES,
        process::CASES,
    ]
    .concat();
    runner::run(&runtime, &cases)
}
