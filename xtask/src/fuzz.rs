//! The fuzz targets without a fuzzer: random changes of their corpora for some seconds.

use std::path::PathBuf;

use crate::{
    command::{CommandLine, RunError},
    workspace::Workspace,
};

/// The directories of `fuzz`, and the packages whose test `fuzz` runs the targets in them.
const PACKAGES: [(&str, &str); 5] = [
    ("ndslice", "hypermesh-ndslice"),
    ("wire", "hypermesh-wire"),
    ("config", "hypermesh-config"),
    ("channel", "hypermesh-channel"),
    ("mailbox", "hypermesh-mailbox"),
];

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

/// A corpus, and the package that has the property for it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Target {
    dir: &'static str,
    package: &'static str,
    corpus: String,
}

impl Target {
    /// Returns the name for which a person asks, which is also that of the program for a fuzzer.
    fn name(&self) -> String {
        format!("{}_{}", self.dir, self.corpus)
    }

    fn line(&self, workspace: &Workspace, seconds: u32, seed: u64) -> CommandLine {
        let line = workspace.cargo(["test", "--quiet", "--profile", "fuzz"]);
        line.args(["--package", self.package, "--all-features"])
            .args(["--test", "fuzz", "--", "--target", &self.corpus])
            .args(["--seconds", &seconds.to_string()])
            .args(["--seed", &seed.to_string()])
    }
}

/// Runs the target `name`, or each one if that is `all`, for `seconds`; the same `seed` tries the
/// same inputs. An input that breaks a promise is written to `fuzz/*/artifacts`.
pub(crate) fn run(
    workspace: &Workspace,
    name: &str,
    seconds: u32,
    seed: u64,
) -> Result<(), FuzzError> {
    let known = targets(workspace)?;
    let is_asked_for = |target: &&Target| name == "all" || target.name() == name;
    let targets: Vec<_> = known.iter().filter(is_asked_for).collect();
    if targets.is_empty() {
        return Err(FuzzError::Unknown {
            name: name.to_owned(),
            known: known.iter().map(Target::name).collect(),
        });
    }
    for target in targets {
        target.line(workspace, seconds, seed).run()?;
    }
    Ok(())
}

/// Returns the targets: each has a corpus.
fn targets(workspace: &Workspace) -> Result<Vec<Target>, FuzzError> {
    let mut targets = Vec::new();
    for (dir, package) in PACKAGES {
        let corpora = workspace.root().join("fuzz").join(dir).join("corpus");
        let list = || {
            let entries = std::fs::read_dir(&corpora)?;
            let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
            names.collect::<Result<Vec<_>, std::io::Error>>()
        };
        let mut names = list().map_err(|source| FuzzError::Corpora {
            dir: corpora.clone(),
            source,
        })?;
        names.sort();
        targets.extend(names.into_iter().map(|corpus| Target {
            dir,
            package,
            corpus,
        }));
    }
    Ok(targets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_target_is_refused_and_nothing_is_built() {
        let workspace = Workspace::locate().unwrap();
        let error = run(&workspace, "no-such-target", 1, 1).unwrap_err();
        let text = error.to_string();
        let expected = "no target is named \"no-such-target\"; there are [ndslice_decode_extent, ";
        assert!(text.starts_with(expected), "{text}");
        for name in ["ndslice_selection", "wire_body", "channel_frame"] {
            assert!(text.contains(name), "{name}: {text}");
        }
    }

    #[test]
    fn the_corpus_and_its_limits_go_to_the_test_of_the_package() {
        let workspace = Workspace::locate().unwrap();
        let targets = targets(&workspace).unwrap();
        let target = targets
            .iter()
            .find(|target| target.name() == "channel_frame");
        let line = target.unwrap().line(&workspace, 5, 7).to_string();
        let expected = "cargo test --quiet --profile fuzz --package hypermesh-channel --all-features \
                        --test fuzz -- --target frame --seconds 5 --seed 7";
        assert_eq!(line, expected);
    }
}
