//! Every example, run to its end: it must end well, in time, and leave no process behind.

use std::{path::PathBuf, time::Duration};

use cargo_metadata::Metadata;

use crate::{
    command::{CommandLine, RunError},
    workspace::Workspace,
};

/// How long one example may take.
const LIMIT: Duration = Duration::from_secs(120);

/// Error returned by [`run`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ExamplesError {
    /// Cargo does not say what the examples are.
    #[error("cannot read the packages of the workspace")]
    Metadata(#[from] cargo_metadata::Error),
    /// There is nothing to run, so nothing would be shown by running it.
    #[error("the workspace has no examples")]
    None,
    /// An example does not build, or does not end as it must.
    #[error(transparent)]
    Run(#[from] RunError),
}

/// Builds and runs the examples of `workspace`, without arguments and in the dev profile, in which
/// the tests have built them already.
pub(crate) fn run(workspace: &Workspace) -> Result<(), ExamplesError> {
    let programs = programs(&workspace.metadata()?);
    if programs.is_empty() {
        return Err(ExamplesError::None);
    }
    workspace
        .cargo([
            "build",
            "--quiet",
            "--workspace",
            "--examples",
            "--all-features",
        ])
        .run()?;
    for program in programs {
        let line = CommandLine::new(program, workspace.root());
        println!("  {line}");
        line.run_leaving_nothing(LIMIT)?;
    }
    Ok(())
}

/// Returns where cargo puts the examples.
fn programs(metadata: &Metadata) -> Vec<PathBuf> {
    let dir = metadata.target_directory.join("debug/examples");
    let targets = metadata
        .packages
        .iter()
        .flat_map(|package| &package.targets);
    targets
        .filter(|target| target.is_example())
        .map(|target| dir.join(&target.name).into_std_path_buf())
        .collect()
}
