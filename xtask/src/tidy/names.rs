//! The names of files and modules: a noun of the glossary, never a word that fits everything.

use super::Finding;

const FORBIDDEN: [&str; 9] = [
    "common", "helper", "helpers", "inner", "manager", "misc", "types", "util", "utils",
];

/// Returns a finding for each part of `path` that says nothing.
pub(super) fn check(path: &str) -> Vec<Finding> {
    let stems = path
        .split('/')
        .map(|part| part.strip_suffix(".rs").unwrap_or(part));
    stems
        .filter(|stem| says_nothing(stem))
        .map(|stem| {
            let message = format!("`{stem}` does not say what is in it: name one concept");
            Finding::new(path, 1, message)
        })
        .collect()
}

fn says_nothing(stem: &str) -> bool {
    let is_version = stem
        .strip_prefix('v')
        .is_some_and(|rest| !rest.is_empty() && rest.chars().all(|c| c.is_ascii_digit()));
    FORBIDDEN.contains(&stem) || is_version || stem.ends_with("_inner")
}
