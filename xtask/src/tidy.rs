//! What a machine can check of the house style: sizes, heads, names, unfinished code, links,
//! the two commands of the README.
//!
//! Each rule is a pure function from a file to its findings; [`tree`] alone reads the disk.

mod links;
mod markdown;
mod names;
mod size;
mod source;
#[cfg(test)]
mod tests;
mod tokens;
mod tree;

use std::fmt;

use self::{
    markdown::Markdown,
    source::Source,
    tree::{ReadError, Tree},
};
use crate::{readme::two_commands, workspace::Workspace};

/// One thing that is not as it should be, and where.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    /// From the root of the workspace.
    path: String,
    /// From 1.
    line: usize,
    message: String,
}

impl Finding {
    fn new(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line,
            message: message.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.message)
    }
}

/// Error returned by [`run`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum TidyError {
    /// A file could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Something is not as it should be; each finding has been printed.
    #[error("{0} finding(s) of tidy")]
    Findings(usize),
}

/// Checks the files of `workspace` and prints each finding.
pub(crate) fn run(workspace: &Workspace) -> Result<(), TidyError> {
    let tree = Tree::read(workspace.root())?;
    let findings = check(&tree);
    for finding in &findings {
        println!("{finding}");
    }
    if !findings.is_empty() {
        return Err(TidyError::Findings(findings.len()));
    }
    println!("{} files: tidy", tree.texts().count());
    Ok(())
}

/// Returns what every rule finds in `tree`, in the order of the files and lines.
fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.texts() {
        if path == "README.md" {
            let error = two_commands(text).err();
            findings.extend(error.map(|error| Finding::new(path, 1, error.to_string())));
        }
        if path.ends_with(".md") {
            findings.extend(links::check(path, &Markdown::parse(text), tree));
        } else if !source::is_fixture(path) {
            findings.extend(names::check(path));
            findings.extend(check_source(path, text));
        }
    }
    findings.sort();
    findings
}

fn check_source(path: &str, text: &str) -> Vec<Finding> {
    let source = match Source::parse(path, text) {
        Ok(source) => source,
        Err(finding) => return vec![finding],
    };
    let mut findings = size::check(&source);
    findings.extend(source::check_head(path, text));
    findings.extend(tokens::check(&source));
    findings
}
