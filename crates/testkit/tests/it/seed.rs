//! How a seed gets into a test and out of a failed one. The environment is set on a child, which
//! is this test binary again.

use std::{
    env,
    process::{Command, Output},
};

use hypermesh_testkit::{SEED_VARIABLE, Seed};

/// Tells the child to fail on purpose.
const FAIL_VARIABLE: &str = "HYPERMESH_TESTKIT_FAIL";

/// Runs `the_child_draws_from_its_environment` in a process of its own.
fn child(seed: &str, fail: bool) -> (Output, String) {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args([
        "--exact",
        "seed::the_child_draws_from_its_environment",
        "--nocapture",
    ]);
    command.env(SEED_VARIABLE, seed);
    if fail {
        command.env(FAIL_VARIABLE, "1");
    }
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    (output, text)
}

#[test]
fn the_child_draws_from_its_environment() {
    let seed = Seed::from_env();
    assert_eq!(seed.rng().next_u64(), seed.rng().next_u64());
    assert!(env::var_os(FAIL_VARIABLE).is_none(), "failing on purpose");
}

#[test]
fn a_failing_test_says_how_to_replay_it() {
    let (output, text) = child("42", true);
    assert!(!output.status.success());
    assert!(
        text.contains("replay with HYPERMESH_SEED=0x000000000000002a"),
        "{text}"
    );
}

#[test]
fn a_passing_test_does_not_talk_about_its_seed() {
    let (output, text) = child("0x2a", false);
    assert!(output.status.success(), "{text}");
    assert!(!text.contains("replay"), "{text}");
}

#[test]
fn a_seed_that_is_no_number_is_refused() {
    let (output, text) = child("many", false);
    assert!(!output.status.success());
    assert!(
        text.contains("HYPERMESH_SEED=many is no number of 64 bits"),
        "{text}"
    );
}
