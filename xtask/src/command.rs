//! A command line that is shown to a person, so that he can run it alone, and run.

use std::{
    env,
    ffi::{OsStr, OsString},
    fmt, io,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use crate::marker::{self, Marker};

/// How long processes may take to vanish after the one that started them has ended.
const GRACE: Duration = Duration::from_secs(1);

/// How long processes may take to die of being killed.
const KILL_GRACE: Duration = Duration::from_secs(5);

/// A program, its arguments, and what is special about its surroundings.
#[derive(Clone, Debug)]
pub(crate) struct CommandLine {
    program: OsString,
    args: Vec<OsString>,
    env: Vec<(&'static str, OsString)>,
    dir: PathBuf,
}

/// Error returned by the methods that run a [`CommandLine`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum RunError {
    /// The program could not be started.
    #[error("cannot start: {line}")]
    Start {
        /// What was to be run.
        line: String,
        /// Why it was not.
        source: io::Error,
    },
    /// The program ended with another status than 0.
    #[error("{status}: {line}")]
    Failed {
        /// What was run.
        line: String,
        /// How it ended.
        status: ExitStatus,
    },
    /// The program took too long; it was killed with all that it had started.
    #[error("killed, because it had not ended after {limit:?}: {line}")]
    TimedOut {
        /// What was run.
        line: String,
        /// How long it had been given.
        limit: Duration,
    },
    /// The program ended well but left processes behind, which were then killed.
    #[error("left {} process(es) behind [{}]: {line}", .left.len(), left.join("; "))]
    Left {
        /// What was run.
        line: String,
        /// The processes, each as `PID COMMAND`.
        left: Vec<String>,
    },
}

impl CommandLine {
    /// Returns a command line of `program` alone, to be run in `dir`.
    pub(crate) fn new(program: impl Into<OsString>, dir: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            dir: dir.into(),
        }
    }

    /// Adds arguments.
    pub(crate) fn args(mut self, args: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Adds a variable to the environment.
    pub(crate) fn env(mut self, variable: &'static str, value: impl Into<OsString>) -> Self {
        self.env.push((variable, value.into()));
        self
    }

    /// Runs it to its end and returns how it ended.
    pub(crate) fn status(&self) -> Result<ExitStatus, RunError> {
        self.command()
            .status()
            .map_err(|source| self.not_started(source))
    }

    /// Runs it to its end, which must be a good one.
    pub(crate) fn run(&self) -> Result<(), RunError> {
        self.judge(self.status()?)
    }

    /// Runs it without input, for at most `limit`, to a good end that leaves no process behind.
    ///
    /// Whatever way that fails, all processes that it started are killed.
    pub(crate) fn run_leaving_nothing(&self, limit: Duration) -> Result<(), RunError> {
        let marker = Marker::new();
        let (variable, value) = marker.env();
        // It stays in the process group of the terminal, so that Ctrl-C ends it too.
        let mut child = self
            .command()
            .stdin(Stdio::null())
            .env(variable, value)
            .spawn()
            .map_err(|source| self.not_started(source))?;

        let (sender, receiver) = mpsc::sync_channel(1);
        let status = thread::scope(|scope| {
            scope.spawn(move || sender.send(child.wait()));
            let status = receiver.recv_timeout(limit).ok();
            if status.is_none() {
                marker.kill_all(KILL_GRACE);
            }
            status
        });
        let Some(status) = status else {
            return Err(RunError::TimedOut {
                line: self.to_string(),
                limit,
            });
        };

        let left = marker.left_after(GRACE);
        marker.kill_all(KILL_GRACE);
        self.judge(status.map_err(|source| self.not_started(source))?)?;
        if left.is_empty() {
            return Ok(());
        }
        let left = left.iter().map(marker::Process::to_string).collect();
        Err(RunError::Left {
            line: self.to_string(),
            left,
        })
    }

    fn command(&self) -> Command {
        let program = if self.program == "cargo" {
            cargo()
        } else {
            self.program.clone()
        };
        let mut command = Command::new(program);
        command.args(&self.args).current_dir(&self.dir);
        // What `cargo run` tells this program about its own package is not true of another.
        for (variable, _) in env::vars_os() {
            if is_about_this_package(&variable) {
                command.env_remove(variable);
            }
        }
        command.envs(self.env.iter().map(|(variable, value)| (variable, value)));
        command
    }

    fn judge(&self, status: ExitStatus) -> Result<(), RunError> {
        if status.success() {
            return Ok(());
        }
        Err(RunError::Failed {
            line: self.to_string(),
            status,
        })
    }

    fn not_started(&self, source: io::Error) -> RunError {
        RunError::Start {
            line: self.to_string(),
            source,
        }
    }
}

/// Writes it so that a shell in the root of the workspace reads the same command line.
impl fmt::Display for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (variable, value) in &self.env {
            write!(f, "{variable}={} ", quoted(value))?;
        }
        // A program of the workspace is named from its root.
        let program = Path::new(&self.program);
        f.write_str(&quoted(
            program
                .strip_prefix(&self.dir)
                .unwrap_or(program)
                .as_os_str(),
        ))?;
        self.args
            .iter()
            .try_for_each(|arg| write!(f, " {}", quoted(arg)))
    }
}

/// Returns the cargo that runs this program, so that the same toolchain is used throughout.
pub(crate) fn cargo() -> OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Returns whether `cargo run` set `variable` for the package `xtask`.
fn is_about_this_package(variable: &OsStr) -> bool {
    variable.to_str().is_some_and(|variable| {
        variable.starts_with("CARGO_PKG_") || variable.starts_with("CARGO_MANIFEST_")
    })
}

/// Returns `text` as one word of a shell.
fn quoted(text: &OsStr) -> String {
    let text = text.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./=:,+@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.into_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);

    fn shell(script: &str) -> CommandLine {
        CommandLine::new("sh", "/").args(["-c", script])
    }

    #[test]
    fn a_command_line_is_shown_as_a_shell_reads_it() {
        let line = CommandLine::new("/work/bin/it", "/work")
            .args(["--a=b", "", "two words", "it's"])
            .env("RUSTDOCFLAGS", "-D warnings");
        assert_eq!(
            line.to_string(),
            r"RUSTDOCFLAGS='-D warnings' bin/it --a=b '' 'two words' 'it'\''s'"
        );
    }

    #[test]
    fn a_good_end_is_no_error_and_a_bad_one_shows_what_was_run() {
        shell("exit 0").run().unwrap();
        let error = shell("exit 3").run().unwrap_err();
        assert_eq!(error.to_string(), "exit status: 3: sh -c 'exit 3'");
        let error = CommandLine::new("/no/such/program", "/").run().unwrap_err();
        assert_eq!(error.to_string(), "cannot start: no/such/program");
    }

    #[test]
    fn a_guarded_program_that_leaves_nothing_is_no_error() {
        shell("sleep 0").run_leaving_nothing(LIMIT).unwrap();
        let error = shell("exit 3").run_leaving_nothing(LIMIT).unwrap_err();
        assert_eq!(error.to_string(), "exit status: 3: sh -c 'exit 3'");
    }

    #[test]
    fn a_process_left_behind_is_named_and_killed() {
        let error = shell("setsid sleep 6543 & exit 0")
            .run_leaving_nothing(LIMIT)
            .unwrap_err();
        let RunError::Left { left, .. } = &error else {
            panic!("{error}")
        };
        assert_eq!(left.len(), 1, "{error}");
        assert!(left[0].ends_with(" sleep 6543"), "{error}");
        let (pid, _) = left[0].split_once(' ').unwrap();
        assert!(
            !Path::new("/proc").join(pid).join("exe").exists(),
            "{error}"
        );
    }

    #[test]
    fn a_program_that_takes_too_long_is_killed_with_its_children() {
        let start = Instant::now();
        let line = shell("sleep 6544; true");
        let error = line
            .run_leaving_nothing(Duration::from_millis(100))
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "killed, because it had not ended after 100ms: sh -c 'sleep 6544; true'"
        );
        assert!(start.elapsed() < LIMIT);
    }
}
