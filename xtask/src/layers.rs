//! Which package of the workspace may depend on which.
//!
//! # Invariants
//!
//! - **INV-1**: a stack crate depends on the stack crate directly below it and on foundations.
//! - **INV-2**: a foundation depends on nothing of ours but what `foundation-edges` names.
//! - **INV-3**: a dev-only crate appears under `[dev-dependencies]` alone and depends on nothing of
//!   ours but foundations. A foundation whose tests use it may be one of them.
//! - **INV-4**: nothing of ours depends on a top package.
//! - **INV-5**: every package has exactly one place in the order, and every place has its package.
//!
//! INV-1 and INV-2 hold for dev and build edges as well.

mod metadata;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, fmt};

use serde::Deserialize;

pub(crate) use self::metadata::ReadError;
use crate::workspace::Workspace;

/// The order of the packages, as `[workspace.metadata.layers]` of the root manifest gives it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Order {
    foundations: Vec<String>,
    #[serde(default)]
    foundation_edges: Vec<(String, String)>,
    /// From the lowest to the highest.
    stack: Vec<String>,
    #[serde(default)]
    dev_only: Vec<String>,
    #[serde(default)]
    top: Vec<String>,
}

/// One dependency between two packages of the workspace.
#[derive(Clone, Debug)]
struct Edge {
    from: String,
    to: String,
    kind: Kind,
}

/// In which table of the manifest a dependency stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Normal,
    Dev,
    Build,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Normal => "[dependencies]",
            Self::Dev => "[dev-dependencies]",
            Self::Build => "[build-dependencies]",
        })
    }
}

/// Where a package stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Foundation,
    Stack(usize),
    DevOnly,
    Top,
}

/// A dependency or a package that breaks the rule.
#[derive(Debug, thiserror::Error)]
enum Violation {
    #[error("package `{0}` has no place in [workspace.metadata.layers]")]
    Unlisted(String),
    #[error("package `{0}` has more than one place in [workspace.metadata.layers]")]
    ListedTwice(String),
    #[error("[workspace.metadata.layers] lists `{0}`, and no package has that name")]
    NoSuchPackage(String),
    #[error("{0}: a stack crate may not depend on one above it")]
    Upward(Edge),
    #[error("{edge}: a stack crate may not skip a layer; the one directly below is `{below}`")]
    Skipped { edge: Edge, below: String },
    #[error("{0}: a foundation may not depend on the stack")]
    FoundationOnStack(Edge),
    #[error("{0}: `foundation-edges` does not name this edge between foundations")]
    FoundationOnFoundation(Edge),
    #[error("{0}: a dev-only crate may stand under [dev-dependencies] alone")]
    DevOnlyShipped(Edge),
    #[error("{0}: a dev-only crate may depend on nothing of ours but foundations")]
    DevOnlyOnOurs(Edge),
    #[error("{0}: nothing of ours may depend on a top package")]
    OnTop(Edge),
}

impl fmt::Display for Edge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` -> `{}` under {}", self.from, self.to, self.kind)
    }
}

/// Error returned by [`run`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum LayersError {
    /// The packages or their order could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The rule is broken; each violation has been printed.
    #[error("{0} violation(s) of the layers")]
    Violations(usize),
}

/// Checks the packages of `workspace` and prints each violation.
pub(crate) fn run(workspace: &Workspace) -> Result<(), LayersError> {
    let (packages, edges, order) = metadata::read(workspace)?;
    let violations = check(&packages, &edges, &order);
    for violation in &violations {
        println!("{violation}");
    }
    if !violations.is_empty() {
        return Err(LayersError::Violations(violations.len()));
    }
    println!(
        "{} packages, {} edges between them: in order",
        packages.len(),
        edges.len()
    );
    Ok(())
}

/// Returns what in `packages` and in the `edges` between them breaks the rule.
fn check(packages: &[String], edges: &[Edge], order: &Order) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut places = BTreeMap::new();
    for (name, place) in order.places() {
        if places.insert(name, place).is_some() {
            violations.push(Violation::ListedTwice(name.to_owned()));
        }
        if !packages.iter().any(|package| package == name) {
            violations.push(Violation::NoSuchPackage(name.to_owned()));
        }
    }
    let unlisted = packages
        .iter()
        .filter(|package| !places.contains_key(package.as_str()));
    violations.extend(unlisted.cloned().map(Violation::Unlisted));

    for edge in edges {
        // A package without a place is reported above. One may name itself, to test its features.
        if let (Some(&from), Some(&to)) = (places.get(&*edge.from), places.get(&*edge.to))
            && edge.from != edge.to
        {
            violations.extend(check_edge(edge, from, to, order));
        }
    }
    violations
}

fn check_edge(edge: &Edge, from: Place, to: Place, order: &Order) -> Option<Violation> {
    match (from, to) {
        (Place::DevOnly, Place::Foundation) => None,
        (Place::DevOnly, _) => Some(Violation::DevOnlyOnOurs(edge.clone())),
        (_, Place::DevOnly) if edge.kind == Kind::Dev => None,
        (_, Place::DevOnly) => Some(Violation::DevOnlyShipped(edge.clone())),
        (_, Place::Top) => Some(Violation::OnTop(edge.clone())),
        (Place::Top, _) | (Place::Stack(_), Place::Foundation) => None,
        (Place::Foundation, Place::Stack(_)) => Some(Violation::FoundationOnStack(edge.clone())),
        (Place::Foundation, Place::Foundation) => {
            let is_named = order
                .foundation_edges
                .iter()
                .any(|(from, to)| *from == edge.from && *to == edge.to);
            (!is_named).then(|| Violation::FoundationOnFoundation(edge.clone()))
        }
        (Place::Stack(from), Place::Stack(to)) if from < to => {
            Some(Violation::Upward(edge.clone()))
        }
        (Place::Stack(from), Place::Stack(to)) => (to + 1 < from).then(|| Violation::Skipped {
            edge: edge.clone(),
            below: order.stack[from - 1].clone(),
        }),
    }
}

impl Order {
    /// Returns every listed name with its place.
    fn places(&self) -> impl Iterator<Item = (&str, Place)> {
        let foundations = self
            .foundations
            .iter()
            .map(|name| (name, Place::Foundation));
        let stack = self
            .stack
            .iter()
            .enumerate()
            .map(|(idx, name)| (name, Place::Stack(idx)));
        let dev_only = self.dev_only.iter().map(|name| (name, Place::DevOnly));
        let top = self.top.iter().map(|name| (name, Place::Top));
        let places = foundations.chain(stack).chain(dev_only).chain(top);
        places.map(|(name, place)| (name.as_str(), place))
    }
}
