//! What the README tells a newcomer to type.

/// The heading of the README under which the commands stand.
const HEADING: &str = "Two commands";

/// The command that passes the tests.
const TEST_COMMAND: &str = "cargo xtask ci";

/// Error returned by [`two_commands`].
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum CommandsError {
    /// The heading is missing.
    #[error("has no heading {HEADING:?}")]
    NoHeading,
    /// There are fewer commands than two.
    #[error("has {0} command(s) in the fenced block under {HEADING:?} instead of 2")]
    TooFew(usize),
    /// None of the two is the one that passes the tests.
    #[error("does not name `{TEST_COMMAND}` under {HEADING:?}")]
    NoTest,
}

/// Returns the first two command lines of the fenced blocks under the heading.
pub(crate) fn two_commands(readme: &str) -> Result<[String; 2], CommandsError> {
    let is_heading = |line: &str| line.starts_with('#');
    let mut lines = readme.lines();
    lines
        .find(|line| is_heading(line) && line.trim_start_matches('#').trim() == HEADING)
        .ok_or(CommandsError::NoHeading)?;

    let mut commands = Vec::new();
    let mut in_block = false;
    for line in lines {
        if line.starts_with("```") {
            in_block = !in_block;
        } else if in_block {
            let command = line.trim().trim_start_matches("$ ");
            if !command.is_empty() && !command.starts_with('#') {
                commands.push(command.to_owned());
            }
        } else if is_heading(line) {
            break;
        }
    }
    commands.truncate(2);
    let commands: [String; 2] = commands
        .try_into()
        .map_err(|found: Vec<_>| CommandsError::TooFew(found.len()))?;
    if !commands.iter().any(|command| command == TEST_COMMAND) {
        return Err(CommandsError::NoTest);
    }
    Ok(commands)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::workspace::Workspace;

    #[track_caller]
    fn check(readme: &str, expected: Result<[&str; 2], CommandsError>) {
        let expected = expected.map(|commands| commands.map(str::to_owned));
        assert_eq!(two_commands(readme), expected, "{readme}");
    }

    #[test]
    fn the_two_commands_are_read_from_the_readme() {
        let head = "# hypermesh\n\n```sh\ncargo clean\n```\n\n## Two commands\n\nType:\n\n";
        let two = || Ok(["cargo run", "cargo xtask ci"]);
        check(
            &format!("{head}```sh\ncargo run\ncargo xtask ci\n```\n"),
            two(),
        );
        check(
            &format!("{head}```\n$ cargo run\n\n# tests\n$ cargo xtask ci\n```\n"),
            two(),
        );
        check(
            &format!("{head}```sh\ncargo run\n```\nand\n```sh\ncargo xtask ci\n```\n"),
            two(),
        );
        check(
            &format!("{head}```sh\ncargo run\n```\n"),
            Err(CommandsError::TooFew(1)),
        );
        check(
            &format!("{head}```sh\ncargo run\n```\n## Next\n```\ncargo xtask ci\n```\n"),
            Err(CommandsError::TooFew(1)),
        );
        check(
            &format!("{head}```sh\ncargo run\ncargo test\n```\n"),
            Err(CommandsError::NoTest),
        );
        check("# hypermesh\n", Err(CommandsError::NoHeading));
    }

    #[test]
    fn ci_of_the_repository_calls_the_test_command() {
        let workspace = Workspace::locate().unwrap();
        let script = fs::read_to_string(workspace.root().join(".ci/run")).unwrap();
        assert_eq!(script.lines().last(), Some(TEST_COMMAND));
    }
}
