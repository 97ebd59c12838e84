//! The files of the project, and the texts of those that rules read.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::Path,
    process::Command,
};

/// The files of the project by their paths from its root, with `/` between the parts.
#[derive(Debug, Default)]
pub(super) struct Tree {
    /// Files, and the directories that hold them.
    paths: BTreeSet<String>,
    /// The texts of the `.rs` and `.md` files.
    texts: BTreeMap<String, String>,
}

/// Error returned by [`Tree::read`].
#[derive(Debug, thiserror::Error)]
#[error("cannot read {path}")]
pub(crate) struct ReadError {
    path: String,
    source: io::Error,
}

impl Tree {
    /// Reads what git tracks or would track in `root`; what is there at all, where git is not.
    pub(super) fn read(root: &Path) -> Result<Self, ReadError> {
        let paths = match listed_by_git(root) {
            Some(paths) => paths,
            None => walked(root)?,
        };
        let mut tree = Self::default();
        for path in paths {
            let file = root.join(&path);
            // Git lists what it tracks, even where it was deleted.
            if !file.is_file() {
                continue;
            }
            let is_text = path.ends_with(".rs") || path.ends_with(".md");
            let text = is_text.then(|| fs::read_to_string(&file)).transpose();
            let text = text.map_err(|source| ReadError {
                path: path.clone(),
                source,
            })?;
            tree.add(path, text);
        }
        Ok(tree)
    }

    /// Adds a file; its text where a rule may want it.
    pub(super) fn add(&mut self, path: String, text: Option<String>) {
        let dirs = path.match_indices('/').map(|(at, _)| path[..at].to_owned());
        self.paths.extend(dirs);
        self.paths.insert(path.clone());
        if let Some(text) = text {
            self.texts.insert(path, text);
        }
    }

    /// Returns whether `path` is a file of the project or a directory that holds one.
    pub(super) fn contains(&self, path: &str) -> bool {
        path.is_empty() || self.paths.contains(path)
    }

    /// Returns the `.rs` and `.md` files with their texts.
    pub(super) fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.texts
            .iter()
            .map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// Returns the text of the `.rs` or `.md` file `path`.
    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.texts.get(path).map(String::as_str)
    }
}

/// Returns the tracked files and the untracked ones that are not ignored, or `None` if there is no
/// git or `root` is in none of its repositories.
fn listed_by_git(root: &Path) -> Option<Vec<String>> {
    let output = Command::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .current_dir(root)
        .output()
        .ok()?;
    let paths = String::from_utf8_lossy(&output.stdout);
    let paths = paths
        .split('\0')
        .filter(|path| !path.is_empty())
        .map(str::to_owned);
    output.status.success().then(|| paths.collect())
}

/// Returns all files below `root` but those of builds and of git.
fn walked(root: &Path) -> Result<Vec<String>, ReadError> {
    let mut found = Vec::new();
    let mut dirs = vec![String::new()];
    while let Some(dir) = dirs.pop() {
        let error = |source| ReadError {
            path: root.join(&dir).display().to_string(),
            source,
        };
        for entry in fs::read_dir(root.join(&dir)).map_err(error)? {
            let entry = entry.map_err(error)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = if dir.is_empty() {
                name.clone()
            } else {
                format!("{dir}/{name}")
            };
            if !entry.file_type().map_err(error)?.is_dir() {
                found.push(path);
            } else if name != "target" && name != ".git" {
                dirs.push(path);
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(root: &Path, expected: &[&str]) {
        let tree = Tree::read(root).unwrap();
        assert!(tree.paths.iter().eq(expected), "{:?}", tree.paths);
        assert_eq!(tree.text("src/lib.rs"), Some("//! A file.\n"));
        assert!(tree.contains("") && tree.contains("src") && !tree.contains("sr"));
    }

    #[test]
    fn without_git_everything_but_builds_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        fs::create_dir_all(root.join("src")).unwrap();
        fs::create_dir_all(root.join("target/debug")).unwrap();
        fs::write(root.join("src/lib.rs"), "//! A file.\n").unwrap();
        fs::write(root.join("data.bin"), [0xff, 0xfe]).unwrap();
        fs::write(root.join("target/debug/made.rs"), "made").unwrap();
        check(root, &["data.bin", "src", "src/lib.rs"]);
    }

    #[test]
    fn with_git_what_is_ignored_or_deleted_is_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        let git = |args: &[&str]| {
            let status = Command::new("git").args(args).current_dir(root).status();
            status.is_ok_and(|status| status.success())
        };
        if !git(&["init", "--quiet"]) {
            // Without git there is nothing to list; the other test covers that.
            return;
        }
        fs::create_dir_all(root.join("src")).unwrap();
        fs::write(root.join("src/lib.rs"), "//! A file.\n").unwrap();
        fs::write(root.join("src/gone.rs"), "gone").unwrap();
        assert!(git(&["add", "src"]));
        fs::remove_file(root.join("src/gone.rs")).unwrap();
        fs::write(root.join(".gitignore"), "/made\n").unwrap();
        fs::write(root.join("made"), "made").unwrap();
        fs::write(root.join("new.md"), "new\n").unwrap();
        check(root, &[".gitignore", "new.md", "src", "src/lib.rs"]);
    }
}
