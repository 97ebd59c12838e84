//! Reads the packages, their dependencies and their order from cargo.

use cargo_metadata::DependencyKind;
use serde::Deserialize;
use serde_json::Value;

use super::{Edge, Kind, Order};
use crate::workspace::Workspace;

/// Error returned by [`read`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ReadError {
    /// Cargo does not say what the packages are.
    #[error("cannot read the packages of the workspace")]
    Metadata(#[from] cargo_metadata::Error),
    /// The order is missing or is none.
    #[error("cannot read [workspace.metadata.layers] of the root manifest")]
    Order(#[from] serde_json::Error),
}

/// Returns the packages of `workspace`, the dependencies between them, and their order.
pub(super) fn read(workspace: &Workspace) -> Result<(Vec<String>, Vec<Edge>, Order), ReadError> {
    let metadata = workspace.metadata()?;
    let order = metadata
        .workspace_metadata
        .get("layers")
        .unwrap_or(&Value::Null);
    let order = Order::deserialize(order)?;
    let packages: Vec<String> = metadata
        .packages
        .iter()
        .map(|package| package.name.to_string())
        .collect();

    let mut edges = Vec::new();
    for package in &metadata.packages {
        for dependency in &package.dependencies {
            // A package from a registry may be named like one of ours; it has no path.
            if dependency.path.is_none() || !packages.contains(&dependency.name) {
                continue;
            }
            edges.push(Edge {
                from: package.name.to_string(),
                to: dependency.name.clone(),
                kind: match dependency.kind {
                    DependencyKind::Development => Kind::Dev,
                    DependencyKind::Build => Kind::Build,
                    _ => Kind::Normal,
                },
            });
        }
    }
    Ok((packages, edges, order))
}
