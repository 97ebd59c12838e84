//! The campaigns of the channel over a simulated network: many seeds, each run twice.

use crate::{
    command::{CommandLine, RunError},
    workspace::Workspace,
};

/// The package whose test `sim` holds the campaigns.
const PACKAGE: &str = "hypermesh-channel";

/// Runs all campaigns with `n_seeds` seeds from `start`, up to the first that fails. It says how to repeat
/// that one.
pub(crate) fn run(workspace: &Workspace, n_seeds: u32, start: u64) -> Result<(), RunError> {
    line(workspace, n_seeds, start).run()
}

fn line(workspace: &Workspace, n_seeds: u32, start: u64) -> CommandLine {
    let line = workspace.cargo(["test", "--quiet", "--package", PACKAGE]);
    line.args(["--features", "sim", "--test", "sim", "--", "--seeds"])
        .args([&n_seeds.to_string(), "--start", &start.to_string()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_range_of_seeds_goes_to_the_campaigns() {
        let workspace = Workspace::locate().unwrap();
        let line = line(&workspace, 5, 7).to_string();
        let expected = "cargo test --quiet --package hypermesh-channel --features sim --test sim \
                        -- --seeds 5 --start 7";
        assert_eq!(line, expected);
    }
}
