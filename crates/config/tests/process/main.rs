//! Settings in real processes: their environments, their files and what their parents hand down. This
//! program starts itself as its children.
#![expect(clippy::unwrap_used, reason = "a test may fail by a panic")]

mod child;
mod inherit;
mod sources;

use std::process::ExitCode;
use std::time::Duration;

use hypermesh_config::config;
use hypermesh_testkit::run_cases;

config! {
    /// How long it takes.
    static SPAN: Duration = Duration::from_secs(1), env = "HYPERMESH_TEST_SPAN";
    /// How many there are.
    static COUNT: u64 = 1,
        env = "HYPERMESH_TEST_COUNT",
        aka = "OTHER_TEST_COUNT",
        check = |count| *count < 100,
        expected = "below 100";
    /// Whether it is on.
    static SWITCH: bool = false, env = "HYPERMESH_TEST_SWITCH";
    /// For this process alone.
    static DESK: String = "none".into(), env = "HYPERMESH_TEST_DESK", local = true;
    /// For nobody's eyes.
    static PASSWORD: String = "changeme".into(), env = "HYPERMESH_TEST_PASSWORD", secret = true;
}

fn main() -> ExitCode {
    if child::is_child() {
        return child::run();
    }
    run_cases(&(), &[inherit::CASES, sources::CASES].concat())
}
