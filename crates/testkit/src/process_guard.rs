//! The guard that lets no process outlive the test that started it.
//!
//! # Invariants
//!
//! - **INV-1**: while a process runs whose environment carries the guard's mark, the guard's check
//!   fails, however far that process has moved from this one (other parent, group or session).
//! - **INV-2**: a child of this process that appeared after the guard and was not waited for fails
//!   the check as well.
//! - **INV-3**: once a check has failed, the marked processes are killed: one failing test leaves
//!   nothing behind that could fail another.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    hash::{BuildHasher, RandomState},
    process::{Command, id},
    sync::atomic::{AtomicU64, Ordering},
    thread::panicking,
    time::Duration,
};

use crate::{
    poll::wait_until,
    process::{self, Process, State},
};

/// The environment variable that carries the mark of a [`ProcessGuard`] into child processes.
pub const MARKER_VARIABLE: &str = "HYPERMESH_TEST_RUN";

/// How long the check on drop waits for processes that are about to end.
const ON_DROP: Duration = Duration::from_secs(5);

/// A guard that marks the processes of a test and, on drop, asserts that none of them is left.
///
/// The mark is an environment variable, set on the commands that the test starts ([`mark`] or
/// [`env`]) and inherited by whatever those start. The environment of the test process itself is
/// never changed, so tests may run beside each other.
///
/// [`mark`]: Self::mark
/// [`env`]: Self::env
#[derive(Debug)]
pub struct ProcessGuard {
    marker: String,
    /// The children that were there before: pid and time of start.
    earlier: BTreeSet<(u32, u64)>,
}

impl ProcessGuard {
    /// Returns a guard with a mark of its own.
    #[expect(
        clippy::new_without_default,
        reason = "a guard is taken on purpose, never by default"
    )]
    pub fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        // Random as well, because a pid comes round again.
        let random = RandomState::new().hash_one(next);
        let earlier = children().map(|child| (child.pid, child.started)).collect();
        Self {
            marker: format!("{}-{next}-{random:016x}", id()),
            earlier,
        }
    }

    /// Returns the environment variable, and its value, that mark a process as this test's.
    pub fn env(&self) -> (&'static str, &str) {
        (MARKER_VARIABLE, &self.marker)
    }

    /// Marks the process that `command` will start.
    pub fn mark<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        let (variable, marker) = self.env();
        command.env(variable, marker)
    }

    /// Returns the running processes that carry the mark.
    pub fn marked(&self) -> Vec<Process> {
        process::marked(MARKER_VARIABLE, &self.marker)
    }

    /// Returns every process that descends from this one, marked or not, zombies included.
    ///
    /// Other tests of the same binary start processes too, so this is for a test that runs alone.
    pub fn descendants() -> Vec<Process> {
        process::descendants(id())
    }

    /// Waits, at most `within`, until no process is left that this guard answers for.
    ///
    /// # Panics
    ///
    /// If one is left. The text names the pid, the state and the command line of each; those that
    /// carry the mark are then killed.
    #[track_caller]
    pub fn assert_none_left(&self, within: Duration) {
        let mut left = Vec::new();
        let none_left = wait_until(within, || {
            left = self.left();
            left.is_empty()
        });
        if none_left {
            return;
        }
        self.kill_marked();
        let mut text = String::new();
        for process in &left {
            write!(text, "\n  {process}").expect("a String takes any text");
        }
        panic!("{} process(es) left after {within:?}:{text}", left.len());
    }

    /// Returns what violates INV-1 or INV-2 now.
    fn left(&self) -> Vec<Process> {
        let zombies = children()
            .filter(|child| child.state == State::Zombie)
            .filter(|child| !self.earlier.contains(&(child.pid, child.started)));
        self.marked().into_iter().chain(zombies).collect()
    }

    /// Kills until nothing marked is found, since a process may fork while it is being killed.
    fn kill_marked(&self) {
        wait_until(ON_DROP, || {
            let marked = self.marked();
            marked.iter().for_each(|process| process::kill(process.pid));
            marked.is_empty()
        });
    }
}

impl Drop for ProcessGuard {
    fn drop(&mut self) {
        if panicking() {
            self.kill_marked();
        } else {
            self.assert_none_left(ON_DROP);
        }
    }
}

/// Returns the children of this process.
fn children() -> impl Iterator<Item = Process> {
    process::all()
        .into_iter()
        .filter(|process| process.parent == id())
}
