//! An example that runs as a process of its own, with a deadline and a guard for what it starts.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use hypermesh_testkit::process::{self, Process, State};
use hypermesh_testkit::{ProcessGuard, wait_until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// No program takes longer, unless its test fails.
const DEADLINE: Duration = Duration::from_secs(60);

/// How long the processes of a program may take to go after it has ended.
const AFTER_END: Duration = Duration::from_secs(2);

/// A running program. Dropping it kills it, and asserts that nothing of it is left.
pub(crate) struct Program {
    child: Child,
    // Files and not pipes: nobody has to read while the program runs, and nothing that it leaves
    // behind keeps the reader waiting.
    stdout: File,
    stderr: File,
    guard: ProcessGuard,
}

/// What has come of a program.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A worker that has a certain file open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reader {
    pub(crate) pid: u32,
    /// Where in the file it reads.
    pub(crate) position: u64,
}

impl Program {
    /// Starts the example `name`.
    pub(crate) fn start(name: &str, args: impl IntoIterator<Item: AsRef<OsStr>>) -> Self {
        let path = path_of(name);
        let guard = ProcessGuard::new();
        let [stdout, stderr] = [(); 2].map(|()| tempfile::tempfile().unwrap());
        let mut command = Command::new(&path);
        let child = guard
            .mark(&mut command)
            .args(args)
            .stdin(Stdio::null())
            .stdout(stdout.try_clone().unwrap())
            .stderr(stderr.try_clone().unwrap())
            .spawn()
            .unwrap_or_else(|error| panic!("{} (`cargo test` builds it): {error}", path.display()));
        Self {
            child,
            stdout,
            stderr,
            guard,
        }
    }

    /// Runs the example `name` to its end.
    #[track_caller]
    pub(crate) fn run(name: &str, args: impl IntoIterator<Item: AsRef<OsStr>>) -> Ended {
        Self::start(name, args).end()
    }

    /// Sends `signal` to the program, not to the processes that it has started.
    pub(crate) fn signal(&self, signal: Signal) {
        send(self.child.id(), signal);
    }

    /// Returns the worker processes: the children of the hosts, which are children of the program.
    pub(crate) fn workers(&self) -> Vec<Process> {
        let family = process::descendants(self.child.id());
        let is_host = |pid| {
            family
                .iter()
                .any(|process| process.pid == pid && process.parent == self.child.id())
        };
        family
            .iter()
            .filter(|process| is_host(process.parent))
            .cloned()
            .collect()
    }

    /// Returns the workers that have `path` open at this moment.
    pub(crate) fn readers(&self, path: &Path) -> Vec<Reader> {
        let pids = self.workers().into_iter().map(|worker| worker.pid);
        pids.filter_map(|pid| Reader::of(pid, path)).collect()
    }

    /// Waits until `n` workers read `path`.
    #[track_caller]
    pub(crate) fn wait_for_readers(&self, n: usize, path: &Path) {
        let read = wait_until(DEADLINE, || self.readers(path).len() == n);
        assert!(read, "{n} workers read {} in time", path.display());
    }

    /// Waits until `n` workers read `path`, and stops them right there.
    #[track_caller]
    pub(crate) fn freeze_readers(&self, n: usize, path: &Path) -> Vec<Reader> {
        let mut frozen: Vec<Reader> = Vec::new();
        let enough = wait_until(DEADLINE, || {
            for Reader { pid, .. } in self.readers(path) {
                if frozen.len() == n || frozen.iter().any(|reader| reader.pid == pid) {
                    continue;
                }
                send(pid, Signal::SIGSTOP);
                let is_stopped = || process::state(pid) == Some(State::Stopped);
                assert!(wait_until(DEADLINE, is_stopped), "process {pid} stops");
                // It may have come to the end of the file just before.
                match Reader::of(pid, path) {
                    Some(reader) => frozen.push(reader),
                    None => send(pid, Signal::SIGCONT),
                }
            }
            frozen.len() == n
        });
        assert!(enough, "{n} workers read {} in time", path.display());
        frozen
    }

    /// Waits until the program has ended and returns what came of it; nothing of it is left then.
    #[track_caller]
    pub(crate) fn end(self) -> Ended {
        self.end_within(DEADLINE)
    }

    /// Like [`end`](Self::end), with another deadline.
    #[track_caller]
    pub(crate) fn end_within(mut self, within: Duration) -> Ended {
        let mut status = None;
        let ended = wait_until(within, || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        let [stdout, stderr] = [&mut self.stdout, &mut self.stderr].map(|file| {
            let mut text = Vec::new();
            file.rewind().unwrap();
            file.read_to_end(&mut text).unwrap();
            String::from_utf8(text).unwrap()
        });
        assert!(
            ended,
            "not ended after {within:?}, stdout:\n{stdout}\nstderr:\n{stderr}"
        );
        self.guard.assert_none_left(AFTER_END);
        Ended {
            status: status.unwrap(),
            stdout,
            stderr,
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Without effect on one that has ended and was waited for.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

impl Reader {
    /// Returns `pid` as a reader of `path`, if it has that open.
    fn of(pid: u32, path: &Path) -> Option<Self> {
        let process = Path::new("/proc").join(pid.to_string());
        // What vanishes in between is open no more.
        for entry in fs::read_dir(process.join("fd")).ok()?.flatten() {
            if fs::read_link(entry.path()).is_ok_and(|target| target == path) {
                let info = fs::read_to_string(process.join("fdinfo").join(entry.file_name()));
                let info = info.ok()?;
                let position = info.lines().find_map(|line| line.strip_prefix("pos:"))?;
                let position = position.trim().parse().ok()?;
                return Some(Self { pid, position });
            }
        }
        None
    }
}

/// Returns where cargo puts the example `name`: beside the directory of this test.
fn path_of(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).unwrap();
    profile.join("examples").join(name)
}

/// Sends `signal` to a process that is there or has just ended.
fn send(pid: u32, signal: Signal) {
    match kill(Pid::from_raw(pid.try_into().unwrap()), signal) {
        Ok(()) | Err(nix::errno::Errno::ESRCH) => {}
        Err(error) => panic!("cannot send {signal} to process {pid}: {error}"),
    }
}
