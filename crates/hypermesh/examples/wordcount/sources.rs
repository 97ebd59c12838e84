//! From the paths on the command line to the list of files to count.

use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use crate::share::Source;

/// The files to count, and one line for each path that could not be used.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    /// In the order given; the files of a directory in the order of their names.
    pub(crate) files: Vec<Source>,
    /// One line for each problem, naming the path.
    pub(crate) errors: Vec<String>,
}

impl Sources {
    /// Collects the regular files at and below `paths`; symbolic links are followed only if named directly.
    pub(crate) fn collect(paths: &[PathBuf]) -> Self {
        let mut sources = Self::default();
        for path in paths {
            if path.is_dir() {
                sources.add_directory(path, |_| true);
            } else {
                sources.add_file(path);
            }
        }
        sources
    }

    /// Collects the sources and documents of this workspace: its `.rs` and `.md` files.
    pub(crate) fn of_workspace() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let root = root.canonicalize().unwrap_or(root);
        let mut sources = Self::default();
        sources.add_directory(&root, |path| {
            path.extension()
                .is_some_and(|extension| extension == "rs" || extension == "md")
        });
        sources
    }

    /// Returns the length of all files.
    pub(crate) fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.len).sum()
    }

    fn add_directory(&mut self, root: &Path, wanted: impl Fn(&Path) -> bool) {
        let skipped = |path: &Path| path.ends_with("target") || path.ends_with(".git");
        let entries = WalkDir::new(root).sort_by_file_name().into_iter();
        for entry in entries.filter_entry(|entry| entry.depth() == 0 || !skipped(entry.path())) {
            match entry {
                Ok(entry) if entry.file_type().is_file() && wanted(entry.path()) => {
                    self.add_file(entry.path());
                }
                Ok(_) => {}
                Err(error) => self.errors.push(error.to_string()),
            }
        }
    }

    fn add_file(&mut self, path: &Path) {
        // Asked before it is opened: to open a pipe is to wait for its other end.
        let metadata = path.metadata().and_then(|metadata| {
            if metadata.is_file() {
                // Opened here already, so that a file nobody may read is named before any work starts.
                File::open(path)?;
            }
            Ok(metadata)
        });
        match metadata {
            Ok(metadata) if metadata.is_file() => {
                let path = path.as_os_str().as_bytes().to_vec();
                self.files.push(Source {
                    path,
                    len: metadata.len(),
                });
            }
            Ok(_) => self
                .errors
                .push(format!("{}: not a regular file", path.display())),
            Err(error) => self.errors.push(format!("{}: {error}", path.display())),
        }
    }
}
