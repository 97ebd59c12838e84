//! The fuzz targets of ndslice without a fuzzer: random changes of their corpora for some seconds.

use std::path::PathBuf;

use crate::{command::RunError, workspace::Workspace};

/// The package whose program changes inputs and runs targets.
const PACKAGE: &str = "hypermesh-ndslice-strategies";

/// Error returned by [`run`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum FuzzError {
    /// The corpora cannot be listed.
    #[error("cannot list {dir:?}")]
    Corpora {
        /// Where they are.
        dir: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// No target has that name.
    #[error("no target is named {name:?}; there are [{}] and \"all\"", known.join(", "))]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// An input breaks a promise, or the program did not start.
    #[error(transparent)]
    Run(#[from] RunError),
}

/// Runs the target `name`, or each one if that is `all`, for `seconds`; the same `seed` tries the
/// same inputs. An input that breaks a promise is written to `fuzz/artifacts`.
pub(crate) fn run(
    workspace: &Workspace,
    name: &str,
    seconds: u32,
    seed: u64,
) -> Result<(), FuzzError> {
    let known = targets(workspace)?;
    let is_asked_for = |target: &&String| name == "all" || *target == name;
    let targets: Vec<_> = known.iter().filter(is_asked_for).collect();
    if targets.is_empty() {
        return Err(FuzzError::Unknown {
            name: name.to_owned(),
            known,
        });
    }
    for target in targets {
        let line = workspace.cargo([
            "run",
            "--quiet",
            "--profile",
            "fuzz",
            "--package",
            PACKAGE,
            "--features",
            "properties",
            "--bin",
            "fuzz",
            "--",
        ]);
        let (seconds, seed) = (seconds.to_string(), seed.to_string());
        line.args([target, "fuzz/corpus", "fuzz/artifacts", &seconds, &seed])
            .run()?;
    }
    Ok(())
}

/// Returns the names of the targets: each has a corpus.
fn targets(workspace: &Workspace) -> Result<Vec<String>, FuzzError> {
    let dir = workspace.root().join("fuzz/corpus");
    let list = || {
        let entries = std::fs::read_dir(&dir)?;
        let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        names.collect::<Result<Vec<_>, std::io::Error>>()
    };
    let mut names = list().map_err(|source| FuzzError::Corpora {
        dir: dir.clone(),
        source,
    })?;
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_target_is_refused_and_nothing_is_built() {
        let workspace = Workspace::locate().unwrap();
        let error = run(&workspace, "no-such-target", 1, 1).unwrap_err();
        let text = error.to_string();
        let expected = "no target is named \"no-such-target\"; there are [decode_extent, ";
        assert!(text.starts_with(expected), "{text}");
    }
}
