//! Workers, launchers and runs that are killed or interrupted in the middle of the work.

use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::time::Duration;

use hypermesh_testkit::process;
use nix::sys::signal::Signal;

use crate::corpus::Corpus;
use crate::program::{Program, Reader};
use crate::report::Report;

/// The size of the file that is being counted: every worker is busy with its quarter long enough to be
/// found at it.
const LEN: u64 = if cfg!(debug_assertions) {
    128 << 20
} else {
    1 << 30
};

/// Two hosts with two workers each.
const RANKS: u64 = 4;

/// A run in the middle of its work.
struct Run {
    corpus: Corpus,
    path: PathBuf,
    program: Program,
}

impl Run {
    fn start(options: &[&str]) -> Self {
        let mut corpus = Corpus::new();
        let path = corpus.add_sparse("sparse", LEN, RANKS);
        let mut args = vec!["--json", "--top=1000"];
        args.extend(options);
        args.push(path.to_str().unwrap());
        let program = Program::start("wordcount", args);
        Self {
            corpus,
            path,
            program,
        }
    }

    /// Kills `n` workers that are at work; returns how the program is to name each.
    #[track_caller]
    fn kill_workers(&self, n: usize) -> Vec<String> {
        let victims = self.program.freeze_readers(n, &self.path);
        let name = |&Reader { pid, position }: &Reader| {
            process::kill(pid);
            // Each counts its quarter from the start on.
            let rank = position * RANKS / LEN;
            format!("rank {rank} on host {}: killed by SIGKILL (9)", rank / 2)
        };
        let mut names: Vec<_> = victims.iter().map(name).collect();
        names.sort_unstable();
        names
    }
}

/// Kills `n` workers: each is named, and the result is right.
#[track_caller]
fn check_redone(n: usize) {
    let run = Run::start(&[]);
    let lost = run.kill_workers(n);
    let ended = run.program.end();
    assert!(ended.status.success(), "{ended:?}");
    let report = Report::of(&ended);
    report.assert_counts(&run.corpus);
    let redone = report.lines("redone");
    for lost in &lost {
        let line = format!("wordcount: {lost}; redoing its share on a fresh process");
        assert!(
            ended.stderr.lines().any(|said| said == line),
            "{line:?} in {ended:?}"
        );
        assert!(redone.contains(lost), "{lost:?} in {redone:?}");
    }
}

#[test]
fn a_worker_that_is_killed_is_named_and_its_share_is_redone() {
    check_redone(1);
}

#[test]
fn two_workers_that_are_killed_are_both_named_and_redone() {
    check_redone(2);
}

#[test]
fn without_retry_a_killed_worker_ends_the_run_with_status_1() {
    let run = Run::start(&["--no-retry"]);
    let lost = run.kill_workers(1);
    let ended = run.program.end();
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert!(ended.stderr.contains(&lost[0]), "{lost:?} in {ended:?}");
    assert_eq!(ended.stdout, "");
}

/// Sends `signal` to the launcher in mid-run: it ends at once, and so does all that it has started.
#[track_caller]
fn check_signalled(signal: Signal) {
    let run = Run::start(&[]);
    run.program.wait_for_readers(RANKS as usize, &run.path);
    run.program.signal(signal);
    let ended = run.program.end_within(Duration::from_secs(2));
    assert_eq!(ended.status.signal(), Some(signal as i32), "{ended:?}");
    assert_eq!(ended.stdout, "");
}

#[test]
fn ctrl_c_ends_the_run_at_once() {
    check_signalled(Signal::SIGINT);
}

#[test]
fn a_launcher_that_is_killed_leaves_nothing() {
    check_signalled(Signal::SIGKILL);
}
