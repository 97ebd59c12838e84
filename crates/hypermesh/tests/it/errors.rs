//! What cannot be counted is named, and the rest is counted all the same.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

use nix::sys::stat::Mode;
use nix::unistd::{geteuid, mkfifo};

use crate::corpus::Corpus;
use crate::program::Program;
use crate::report::Report;

/// Lets `make` put something at a path, and counts that path between two good files.
#[track_caller]
fn check(make: impl FnOnce(&Path), why: &str) {
    let mut corpus = Corpus::new();
    let before = corpus.add("before.txt", b"the first of two files");
    let bad = corpus.dir().join("bad");
    make(&bad);
    let after = corpus.add("after.txt", b"and the second");
    let args = ["--json", "--top=1000"].map(OsStr::new).into_iter();
    let args = args.chain([&before, &bad, &after].map(|path| path.as_os_str()));
    let ended = Program::run("wordcount", args);
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    let expected = format!("{}: {why}", bad.display());
    assert_eq!(ended.stderr, format!("wordcount: {expected}\n"));
    let report = Report::of(&ended);
    report.assert_counts(&corpus);
    assert_eq!(report.lines("errors"), [expected]);
}

#[test]
fn a_path_that_does_not_exist_is_named() {
    check(|_| {}, "No such file or directory (os error 2)");
}

#[test]
fn a_link_to_nowhere_is_named() {
    let dangling = |path: &Path| symlink("/nowhere/at/all", path).unwrap();
    check(dangling, "No such file or directory (os error 2)");
}

#[test]
fn a_pipe_is_named_and_nobody_waits_for_its_other_end() {
    check(
        |path| mkfifo(path, Mode::S_IRWXU).unwrap(),
        "not a regular file",
    );
}

#[test]
fn a_socket_is_named() {
    check(
        |path| drop(UnixListener::bind(path).unwrap()),
        "not a regular file",
    );
}

#[test]
#[expect(clippy::print_stderr, reason = "a test that cannot run says so")]
fn a_file_that_nobody_may_read_is_named() {
    if geteuid().is_root() {
        eprintln!("skipped: nothing is forbidden to this user");
        return;
    }
    let forbidden = |path: &Path| {
        fs::write(path, "secret").unwrap();
        fs::set_permissions(path, Permissions::from_mode(0o000)).unwrap();
    };
    check(forbidden, "Permission denied (os error 13)");
}

#[test]
fn a_command_line_that_makes_no_sense_is_refused_before_anything_starts() {
    for (args, named) in [
        (["--hosts", "0"], "--hosts"),
        (["--procs", "many"], "--procs"),
        (["--top", "-1"], "-1"),
        (["--bottom", "3"], "--bottom"),
    ] {
        let ended = Program::run("wordcount", args);
        assert_eq!(ended.status.code(), Some(2), "{ended:?}");
        assert!(
            ended.stderr.contains(named) && ended.stdout.is_empty(),
            "{ended:?}"
        );
    }
}
