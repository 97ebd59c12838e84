//! The fresh-clone test: what a newcomer types, in a clone of what is committed and nothing else.

use std::{
    fs, io,
    time::{Duration, Instant},
};

use crate::{
    command::{CommandLine, RunError},
    readme::{CommandsError, two_commands},
    workspace::Workspace,
};

/// How long one of the commands may take, its build from nothing included.
const LIMIT: Duration = Duration::from_secs(60 * 60);

/// Error returned by [`run`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum FreshError {
    /// There is no place for the clone.
    #[error("cannot make a temporary directory")]
    Directory(#[source] io::Error),
    /// The clone has no README.
    #[error("cannot read the README.md of the clone")]
    Readme(#[source] io::Error),
    /// The README does not say what to type.
    #[error("README.md {0}")]
    Commands(#[from] CommandsError),
    /// A command failed.
    #[error(transparent)]
    Run(#[from] RunError),
}

/// Clones `workspace` and runs the two commands of the README there.
pub(crate) fn run(workspace: &Workspace) -> Result<(), FreshError> {
    let dir = tempfile::Builder::new()
        .prefix("hypermesh-fresh-")
        .tempdir()
        .map_err(FreshError::Directory)?;
    let clone = dir.path().join("clone");
    CommandLine::new("git", workspace.root())
        .args(["clone", "--quiet", "--no-hardlinks", "."])
        .args([&clone])
        .run()?;
    let readme = fs::read_to_string(clone.join("README.md")).map_err(FreshError::Readme)?;

    for command in two_commands(&readme)? {
        println!("\n=== {command} ===");
        let start = Instant::now();
        let result = CommandLine::new("sh", &clone)
            .args(["-c", &command])
            .env("CARGO_TARGET_DIR", clone.join("target"))
            .run_leaving_nothing(LIMIT);
        let verdict = if result.is_ok() { "ok" } else { "FAILED" };
        println!(
            "\n{:.1}s  {verdict}  {command}",
            start.elapsed().as_secs_f64()
        );
        result?;
    }
    Ok(())
}
