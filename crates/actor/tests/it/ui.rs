//! What the compiler says about mistakes in actors.

use std::process::Command;

/// The compiler whose words are in `tests/ui/*.stderr`: each release says things a little differently.
const RECORDED_WITH: &str = "rustc 1.95.";

#[test]
#[expect(clippy::print_stdout, reason = "a test that is skipped says why")]
fn mistakes_are_explained_where_they_are() {
    let rustc = option_env!("RUSTC").unwrap_or("rustc");
    let version = Command::new(rustc).arg("--version").output();
    let version = version.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    match version {
        Ok(version) if version.starts_with(RECORDED_WITH) => {
            let cases = trybuild::TestCases::new();
            cases.compile_fail("tests/ui/*.rs");
        }
        other => println!("skipped: recorded with {RECORDED_WITH}x, this is {other:?}"),
    }
}
