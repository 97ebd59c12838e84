//! The mark by which processes are found that a program left behind: an environment variable,
//! which children inherit whatever group or session they move to.

use std::{
    collections::hash_map::RandomState,
    fmt, fs,
    hash::BuildHasher,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// The environment variable that carries the mark.
const VARIABLE: &str = "HYPERMESH_XTASK_RUN";

/// The pause between two looks at the process table.
const PAUSE: Duration = Duration::from_millis(10);

/// A mark that no other run of this program uses.
#[derive(Debug)]
pub(crate) struct Marker {
    value: String,
}

/// A marked process.
#[derive(Debug)]
pub(crate) struct Process {
    pid: i32,
    command: String,
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.pid, self.command)
    }
}

impl Marker {
    /// Returns a new mark.
    pub(crate) fn new() -> Self {
        Self {
            value: format!("{:016x}", RandomState::new().hash_one(VARIABLE)),
        }
    }

    /// Returns the variable that marks a process, and its value.
    pub(crate) fn env(&self) -> (&'static str, &str) {
        (VARIABLE, &self.value)
    }

    /// Waits, at most `grace`, until no marked process runs, and returns those that still do.
    pub(crate) fn left_after(&self, grace: Duration) -> Vec<Process> {
        self.look(grace, |_| {})
    }

    /// Kills the marked processes until none is found: one may fork while it is being killed.
    pub(crate) fn kill_all(&self, grace: Duration) {
        // One that cannot be killed (it belongs to another user) is found until the time is over.
        self.look(grace, |process| {
            let _ = kill(Pid::from_raw(process.pid), Signal::SIGKILL);
        });
    }

    fn look(&self, within: Duration, on_found: impl Fn(&Process)) -> Vec<Process> {
        let start = Instant::now();
        loop {
            let processes = self.processes();
            processes.iter().for_each(&on_found);
            if processes.is_empty() || within <= start.elapsed() {
                return processes;
            }
            #[expect(
                clippy::disallowed_methods,
                reason = "polls the kernel's process table, which has no event"
            )]
            thread::sleep(PAUSE);
        }
    }

    /// Returns the marked processes that run now. Zombies have no environment any more.
    fn processes(&self) -> Vec<Process> {
        let wanted = format!("{VARIABLE}={}", self.value);
        let Ok(entries) = fs::read_dir("/proc") else {
            return Vec::new();
        };
        entries
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok())
            .filter_map(|pid| {
                let dir = Path::new("/proc").join(pid.to_string());
                let environ = fs::read(dir.join("environ")).ok()?;
                environ
                    .split(|&byte| byte == 0)
                    .find(|held| *held == wanted.as_bytes())?;
                let command = fs::read(dir.join("cmdline")).unwrap_or_default();
                let command = String::from_utf8_lossy(&command);
                let command = command.trim_end_matches('\0').replace('\0', " ");
                Some(Process { pid, command })
            })
            .collect()
    }
}
