//! What the kernel says about processes: who is alive, who descends from whom, who carries a mark.

use std::{
    collections::BTreeSet,
    fmt, fs,
    path::{Path, PathBuf},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill as send_signal},
    unistd::Pid,
};

use crate::poll::wait_until;

/// How long a process may be on its way into its program before it is taken as it is.
const IN_EXECVE: Duration = Duration::from_millis(500);

/// One process, as `/proc` showed it at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Process {
    /// Its id.
    pub pid: u32,
    /// The id of its parent.
    pub parent: u32,
    /// What it is doing.
    pub state: State,
    /// When it started, in clock ticks since boot: together with `pid` this names one process only.
    pub started: u64,
    /// Its command line with single spaces between the arguments, or its short name in brackets
    /// where the kernel has no command line (any more).
    pub command: String,
}

impl Process {
    /// Returns the process `pid`, or `None` if there is none.
    pub fn read(pid: u32) -> Option<Self> {
        let stat = fs::read(entry(pid, "stat")).ok()?;
        let mut process = parse_stat(pid, &String::from_utf8_lossy(&stat))?;
        let line = fs::read(entry(pid, "cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line);
        let line = line.trim_end_matches('\0');
        if !line.is_empty() {
            process.command = line.replace('\0', " ");
        }
        Some(process)
    }

    /// Returns whether the process still runs: a zombie does not.
    pub fn is_alive(&self) -> bool {
        !matches!(self.state, State::Zombie | State::Dead)
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            pid,
            parent,
            state,
            command,
            ..
        } = self;
        write!(f, "pid {pid} (parent {parent}, {state}): {command}")
    }
}

/// What a process is doing, as the third field of `/proc/PID/stat` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// On a processor, or ready for one.
    Running,
    /// Waiting for something, and a signal wakes it.
    Sleeping,
    /// Waiting for a device; no signal wakes it.
    Waiting,
    /// Stopped by a signal or by a tracer.
    Stopped,
    /// Ended, and not yet waited for by its parent.
    Zombie,
    /// Ended and about to vanish.
    Dead,
    /// Something else, by its letter.
    Other(char),
}

impl From<char> for State {
    fn from(letter: char) -> Self {
        match letter {
            'R' => Self::Running,
            'S' | 'I' => Self::Sleeping,
            'D' => Self::Waiting,
            'T' | 't' => Self::Stopped,
            'Z' => Self::Zombie,
            'X' | 'x' => Self::Dead,
            other => Self::Other(other),
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Running => f.write_str("running"),
            Self::Sleeping => f.write_str("sleeping"),
            Self::Waiting => f.write_str("waiting for a device"),
            Self::Stopped => f.write_str("stopped"),
            Self::Zombie => f.write_str("zombie"),
            Self::Dead => f.write_str("dead"),
            Self::Other(letter) => write!(f, "in state {letter}"),
        }
    }
}

/// Returns whether the process `pid` runs: a zombie does not.
pub fn alive(pid: u32) -> bool {
    Process::read(pid).is_some_and(|process| process.is_alive())
}

/// Returns what the process `pid` is doing, or `None` if there is none.
pub fn state(pid: u32) -> Option<State> {
    Process::read(pid).map(|process| process.state)
}

/// Returns every process that this process may see.
pub fn all() -> Vec<Process> {
    pids().into_iter().filter_map(Process::read).collect()
}

/// Returns the processes, zombies included, that descend from the process `pid`.
///
/// One whose parent has ended is the child of the kernel's reaper and is not found.
pub fn descendants(pid: u32) -> Vec<Process> {
    descendants_among(pid, all())
}

/// Returns the running processes whose environment at their start held `variable` with the value
/// `marker`.
///
/// Processes of other users, and processes that were given an empty environment, are not found.
pub fn marked(variable: &str, marker: &str) -> Vec<Process> {
    let wanted = format!("{variable}={marker}");
    pids()
        .into_iter()
        .filter(|&pid| {
            environment(pid)
                .split(|&b| b == 0)
                .any(|held| held == wanted.as_bytes())
        })
        .filter_map(Process::read)
        .filter(Process::is_alive)
        .collect()
}

/// Kills the process `pid` with SIGKILL; it is no error if there is none.
///
/// # Panics
///
/// If the kernel refuses, because the process belongs to another user.
pub fn kill(pid: u32) {
    let id = i32::try_from(pid).expect("a pid of the kernel fits i32");
    match send_signal(Pid::from_raw(id), Signal::SIGKILL) {
        Ok(()) | Err(nix::errno::Errno::ESRCH) => {}
        Err(error) => panic!("cannot kill process {pid}: {error}"),
    }
}

/// Waits until the process `pid` runs no more, at most `within`, and returns whether it came to
/// that. A zombie counts as ended.
pub fn wait_ended(pid: u32, within: Duration) -> bool {
    wait_until(within, || !alive(pid))
}

/// Returns the environment with which `pid` started its program, empty if it may not be read.
///
/// For a moment in `execve` a process has neither arguments nor an environment, although the one
/// who started it already goes on; such a process is looked at again.
fn environment(pid: u32) -> Vec<u8> {
    let mut environment = Vec::new();
    wait_until(IN_EXECVE, || {
        // Asked first: what is read after the end of the call is there.
        let is_in_execve = is_in_execve(pid);
        environment = fs::read(entry(pid, "environ")).unwrap_or_default();
        !environment.is_empty() || !is_in_execve
    });
    environment
}

/// Returns whether `pid` has a program but no arguments yet; zombies and threads of the kernel have
/// no program.
fn is_in_execve(pid: u32) -> bool {
    fs::read(entry(pid, "cmdline")).is_ok_and(|line| line.is_empty())
        && fs::read_link(entry(pid, "exe")).is_ok()
}

/// Keeps of `processes` those that descend from `pid`.
fn descendants_among(pid: u32, processes: Vec<Process>) -> Vec<Process> {
    let mut family = BTreeSet::from([pid]);
    let mut found = Vec::new();
    let mut rest = processes;
    loop {
        let (children, others): (Vec<_>, Vec<_>) = rest
            .into_iter()
            .partition(|process| family.contains(&process.parent));
        if children.is_empty() {
            return found;
        }
        family.extend(children.iter().map(|process| process.pid));
        found.extend(children);
        rest = others;
    }
}

/// Reads one line of `/proc/PID/stat`. The name in it may hold blanks and parentheses, so it ends
/// at the last closing one.
fn parse_stat(pid: u32, stat: &str) -> Option<Process> {
    let (_, rest) = stat.split_once('(')?;
    let (name, rest) = rest.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?.into();
    let parent = fields.next()?.parse().ok()?;
    // Field 22 of the line; the name was field 2, and two more are read.
    let started = fields.nth(17)?.parse().ok()?;
    Some(Process {
        pid,
        parent,
        state,
        started,
        command: format!("[{name}]"),
    })
}

/// Returns the ids of all processes.
///
/// # Panics
///
/// If `/proc` is not there.
fn pids() -> Vec<u32> {
    fs::read_dir("/proc")
        .expect("/proc is mounted")
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect()
}

fn entry(pid: u32, name: &str) -> PathBuf {
    Path::new("/proc").join(pid.to_string()).join(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(stat: &str, expected: Option<(&str, State, u32, u64)>) {
        let process = parse_stat(7, stat);
        let seen = process.as_ref().map(|process| {
            (
                &*process.command,
                process.state,
                process.parent,
                process.started,
            )
        });
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_stat_line_is_read_whatever_the_name_holds() {
        let tail = "1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4242 9 10";
        check(
            &format!("7 (sh) S {tail}"),
            Some(("[sh]", State::Sleeping, 1, 4242)),
        );
        check(
            &format!("7 (a) R (b c)) Z {tail}"),
            Some(("[a) R (b c)]", State::Zombie, 1, 4242)),
        );
        check(
            &format!("7 () Q {tail}"),
            Some(("[]", State::Other('Q'), 1, 4242)),
        );
        check("7 (sh) S 1 7 7", None);
        check(
            "7 (sh) S x 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4242",
            None,
        );
        check("7 sh S 1", None);
        check("", None);
    }

    #[test]
    fn descendants_are_found_over_generations_in_any_order() {
        let process = |pid: u32, parent: u32| Process {
            pid,
            parent,
            state: State::Running,
            started: 0,
            command: String::new(),
        };
        let table = [
            process(5, 4),
            process(4, 2),
            process(2, 1),
            process(3, 1),
            process(6, 9),
        ];
        let pids = |pid| {
            let found = descendants_among(pid, table.to_vec());
            let mut pids: Vec<_> = found.iter().map(|process| process.pid).collect();
            pids.sort_unstable();
            pids
        };
        assert_eq!(pids(1), [2, 3, 4, 5]);
        assert_eq!(pids(2), [4, 5]);
        assert_eq!(pids(5), []);
    }
}
