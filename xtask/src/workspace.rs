//! The workspace that is worked on: where it is and what cargo says about it.

use std::{
    io,
    path::{Path, PathBuf},
    process::Command,
};

use cargo_metadata::{Metadata, MetadataCommand};

use crate::command::{CommandLine, cargo};

/// A cargo workspace on disk.
#[derive(Debug)]
pub(crate) struct Workspace {
    root: PathBuf,
}

/// Error returned by [`Workspace::locate`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum LocateError {
    /// Cargo could not be started.
    #[error("cannot start cargo to find the workspace")]
    Start(#[source] io::Error),
    /// Cargo found none.
    #[error("the current directory is in no cargo workspace: {0}")]
    None(String),
}

impl Workspace {
    /// Finds the workspace around the current directory.
    pub(crate) fn locate() -> Result<Self, LocateError> {
        let output = Command::new(cargo())
            .args(["locate-project", "--workspace", "--message-format", "plain"])
            .output()
            .map_err(LocateError::Start)?;
        let manifest = String::from_utf8_lossy(&output.stdout);
        match Path::new(manifest.trim_end()).parent() {
            Some(root) if output.status.success() => Ok(Self::at(root)),
            _ => {
                let reason = String::from_utf8_lossy(&output.stderr);
                Err(LocateError::None(reason.trim().to_owned()))
            }
        }
    }

    /// Returns the workspace whose root manifest is in `root`.
    pub(crate) fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Returns the directory of the root manifest.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the command line `cargo ARGS`, to be run in the root.
    pub(crate) fn cargo<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> CommandLine {
        CommandLine::new("cargo", &self.root).args(args)
    }

    /// Returns what cargo says about the members. It needs no network: dependencies from outside
    /// are not resolved.
    pub(crate) fn metadata(&self) -> Result<Metadata, cargo_metadata::Error> {
        MetadataCommand::new()
            .manifest_path(self.root.join("Cargo.toml"))
            .no_deps()
            .other_options(["--offline".to_owned()])
            .exec()
    }
}
