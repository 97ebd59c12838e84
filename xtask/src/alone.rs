//! Each package checked alone, so that none lives on the features another one switched on.

use std::collections::BTreeMap;

use crate::{command::RunError, workspace::Workspace};

/// Error returned by [`run`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum AloneError {
    /// Cargo does not say what the packages are.
    #[error("cannot read the packages of the workspace")]
    Metadata(#[from] cargo_metadata::Error),
    /// A package does not compile alone.
    #[error(transparent)]
    Run(#[from] RunError),
}

/// Checks each package of `workspace` with its default features, and then with each feature off
/// and on.
pub(crate) fn run(workspace: &Workspace) -> Result<(), AloneError> {
    for package in workspace.metadata()?.packages {
        for flags in flags(&package.features) {
            let flags = flags.iter().map(String::as_str);
            let args = ["check", "--quiet", "--package", package.name.as_str()];
            let line = workspace.cargo(args.into_iter().chain(flags));
            println!("  {line}");
            line.run()?;
        }
    }
    Ok(())
}

/// Returns the flags with which a package that has `features` is checked, one list per check.
fn flags(features: &BTreeMap<String, Vec<String>>) -> Vec<Vec<String>> {
    let mut checks = vec![Vec::new()];
    let has_default = features
        .get("default")
        .is_some_and(|default| !default.is_empty());
    if has_default {
        checks.push(vec!["--no-default-features".to_owned()]);
    }
    let named: Vec<_> = features.keys().filter(|name| *name != "default").collect();
    for name in &named {
        checks.push(vec![
            "--no-default-features".to_owned(),
            format!("--features={name}"),
        ]);
    }
    if 1 < named.len() {
        checks.push(vec!["--all-features".to_owned()]);
    }
    checks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(features: &[(&str, &[&str])], expected: &[&str]) {
        let features = features
            .iter()
            .map(|(name, on)| {
                (
                    (*name).to_owned(),
                    on.iter().map(|&name| name.into()).collect(),
                )
            })
            .collect();
        let seen: Vec<_> = flags(&features)
            .iter()
            .map(|flags| flags.join(" "))
            .collect();
        assert_eq!(seen, expected);
    }

    #[test]
    fn each_feature_is_checked_off_and_on() {
        check(&[], &[""]);
        check(&[("default", &[])], &[""]);
        check(
            &[("serde", &["dep:serde"])],
            &["", "--no-default-features --features=serde"],
        );
        check(
            &[("default", &["a"]), ("a", &[]), ("b", &[])],
            &[
                "",
                "--no-default-features",
                "--no-default-features --features=a",
                "--no-default-features --features=b",
                "--all-features",
            ],
        );
    }
}
