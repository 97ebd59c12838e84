//! A small test runner for binaries that start themselves again as children and so have their own `main`.

use std::{
    env,
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitCode,
    time::{Duration, Instant},
};

use crate::ProcessGuard;

/// How long the processes of a case may take to go after it has returned.
const AFTER_CASE: Duration = Duration::from_secs(5);

/// A test: a name, which is a sentence, and what it does with `W`, the world that the binary gives it.
pub type Case<W> = (&'static str, fn(&W, &ProcessGuard));

/// Runs the cases whose names contain one of the arguments, or all, one after the other.
///
/// Each case has a guard of its own, checked after it has returned. Prints a line for each case and
/// `N passed, N failed` at the end; the status is a failure if a case failed, or if none ran.
#[expect(clippy::print_stdout, reason = "this is a test runner")]
pub fn run_cases<W>(world: &W, cases: &[Case<W>]) -> ExitCode {
    let filters: Vec<String> = env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with('-'))
        .collect();
    let is_wanted =
        |name: &str| filters.is_empty() || filters.iter().any(|part| name.contains(part.as_str()));
    let (mut n_passed, mut failed) = (0, Vec::new());
    for (name, case) in cases.iter().filter(|(name, _)| is_wanted(name)) {
        let started = Instant::now();
        let run = || {
            let guard = ProcessGuard::new();
            case(world, &guard);
            guard.assert_none_left(AFTER_CASE);
        };
        let passed = catch_unwind(AssertUnwindSafe(run)).is_ok();
        let verdict = if passed { "ok" } else { "FAILED" };
        println!(
            "test {name} ... {verdict} ({:.1} s)",
            started.elapsed().as_secs_f64()
        );
        if passed {
            n_passed += 1;
        } else {
            failed.push(*name);
        }
    }
    for name in &failed {
        println!("failed: {name}");
    }
    println!("{n_passed} passed, {} failed", failed.len());
    let ran_any = n_passed != 0 || !filters.is_empty();
    if failed.is_empty() && ran_any {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
