//! The benchmarks, by name: each is a program of the package `hypermesh-benches`.

use std::{
    io,
    path::{self, Path},
    process::ExitCode,
};

use crate::{command::RunError, workspace::Workspace};

/// The package that holds the benchmarks.
const PACKAGE: &str = "hypermesh-benches";

/// Benchmarks that measure more with a feature of the package, which others need not build.
const FEATURES: [(&str, &str); 2] = [("actor", "peers"), ("channel", "zmq")];

/// Error returned by [`run`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum BenchError {
    /// Cargo does not say what the benchmarks are.
    #[error("cannot read the packages of the workspace")]
    Metadata(#[from] cargo_metadata::Error),
    /// No benchmark has that name.
    #[error("no benchmark is named {name:?}; there are [{}]", known.join(", "))]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// The file for the figures has no absolute path.
    #[error("cannot tell where {file:?} is")]
    File {
        /// What was asked for.
        file: String,
        /// Why there is no such place.
        source: io::Error,
    },
    /// The benchmark could not be started.
    #[error(transparent)]
    Run(#[from] RunError),
}

/// Builds the benchmark `name` in release mode, runs it and returns the status with which it ended.
pub(crate) fn run(
    workspace: &Workspace,
    name: &str,
    check: bool,
    json: Option<&Path>,
    rest: &[String],
) -> Result<ExitCode, BenchError> {
    let metadata = workspace.metadata()?;
    let package = metadata
        .packages
        .iter()
        .find(|package| package.name == PACKAGE);
    let targets = package.iter().flat_map(|package| &package.targets);
    let known: Vec<_> = targets
        .filter(|target| target.is_bin())
        .map(|target| target.name.clone())
        .collect();
    if !known.iter().any(|known| known == name) {
        return Err(BenchError::Unknown {
            name: name.to_owned(),
            known,
        });
    }

    let mut line = workspace.cargo([
        "run",
        "--quiet",
        "--release",
        "--package",
        PACKAGE,
        "--bin",
        name,
    ]);
    for (_, feature) in FEATURES.iter().filter(|(bench, _)| *bench == name) {
        line = line.args(["--features", feature]);
    }
    line = line.args(["--"]);
    if check {
        line = line.args(["--check"]);
    }
    if let Some(file) = json {
        // It is meant from where the caller stands, and the benchmark runs in the root.
        let file = path::absolute(file).map_err(|source| {
            let file = file.to_string_lossy().into_owned();
            BenchError::File { file, source }
        })?;
        line = line.args(["--json".as_ref(), file.as_os_str()]);
    }
    let status = line.args(rest).status()?;
    // A status of more than 8 bits, or none because of a signal, is a failure like any other.
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_benchmark_is_refused_and_nothing_is_built() {
        let workspace = Workspace::locate().unwrap();
        let error = run(&workspace, "no-such-bench", false, None, &[]).unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with("no benchmark is named \"no-such-bench\"; there are ["),
            "{text}"
        );
    }

    #[test]
    fn each_feature_and_its_benchmark_exist() {
        let metadata = Workspace::locate().unwrap().metadata().unwrap();
        let mut packages = metadata.packages.iter();
        let package = packages.find(|package| package.name == PACKAGE).unwrap();
        for (bench, feature) in FEATURES {
            assert!(package.features.contains_key(feature), "{feature}");
            let mut targets = package.targets.iter();
            assert!(targets.any(|target| target.name == bench), "{bench}");
        }
    }
}
