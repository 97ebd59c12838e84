//! The links of the docs lead to files and headings of the project, in a fresh clone as well.

use super::{Finding, markdown::Markdown, tree::Tree};

/// Returns the links of `markdown`, the file `path`, that lead nowhere in `tree`. Links to the web
/// are not looked at.
pub(super) fn check(path: &str, markdown: &Markdown, tree: &Tree) -> Vec<Finding> {
    let links = markdown
        .links
        .iter()
        .filter(|link| !is_outside(&link.target));
    links
        .filter_map(|link| {
            let reason = broken(path, &link.target, markdown, tree)?;
            let message = format!("the link `{}` {reason}", link.target);
            Some(Finding::new(path, link.line, message))
        })
        .collect()
}

/// Returns whether `target` names a scheme, such as `https:` or `mailto:`.
fn is_outside(target: &str) -> bool {
    target.split_once(':').is_some_and(|(scheme, _)| {
        !scheme.is_empty()
            && scheme
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    })
}

/// Returns why `target` leads nowhere, or `None` if it leads somewhere.
fn broken(from: &str, target: &str, markdown: &Markdown, tree: &Tree) -> Option<&'static str> {
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    let has_anchor = |markdown: &Markdown| anchor.is_empty() || markdown.anchors.contains(anchor);
    if file.is_empty() {
        return (!has_anchor(markdown)).then_some("names no heading of this file");
    }
    let Some(path) = resolve(from, &file.replace("%20", " ")) else {
        return Some("leads out of the repository");
    };
    if !tree.contains(&path) {
        return Some("leads to no file of the repository");
    }
    // An anchor in another kind of file is a matter of its viewer.
    let text = tree.text(&path).filter(|_| path.ends_with(".md"))?;
    (!has_anchor(&Markdown::parse(text))).then_some("names no heading of that file")
}

/// Returns the path from the root to `target`, which is meant from the directory of `from`, or
/// `None` if that leads out.
fn resolve(from: &str, target: &str) -> Option<String> {
    if target.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => _ = parts.pop()?,
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}
