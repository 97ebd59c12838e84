//! The examples run to the end and print what they are there to show.

use std::collections::BTreeSet;

use crate::program::Program;

/// Runs the example `name` and returns the lines that it has printed.
#[track_caller]
fn lines_of(name: &str) -> Vec<String> {
    let ended = Program::run(name, [""; 0]);
    assert!(ended.status.success(), "{ended:?}");
    ended.stdout.lines().map(str::to_owned).collect()
}

#[test]
fn quickstart_hears_from_every_worker_once() {
    let lines = lines_of("quickstart");
    let mut pids = BTreeSet::new();
    for (rank, line) in lines.iter().take(4).enumerate() {
        let point = format!("hosts={}/2,procs={}/2", rank / 2, rank % 2);
        let start = format!("{point}: hello everyone from {point} in process ");
        let pid: Option<u32> = line.strip_prefix(&start).and_then(|pid| pid.parse().ok());
        pids.insert(pid.unwrap_or_else(|| panic!("{start:?} in {lines:?}")));
    }
    assert_eq!(pids.len(), 4, "each worker is a process: {lines:?}");
    assert_eq!(lines[4..], ["2 answers from the first host"]);
}

#[test]
fn ping_pong_shares_the_hits_equally() {
    let lines = lines_of("ping_pong");
    let [first, rest @ ..] = &*lines else {
        panic!("nothing printed");
    };
    assert!(first.starts_with("10000 hits in "), "{first}");
    assert!(first.ends_with("the last player had 5000"), "{first}");
    assert_eq!(rest, ["left: 5000 hits", "right: 5000 hits"]);
}

#[test]
fn supervise_survives_two_failures_and_gives_up_at_the_third() {
    let lines = lines_of("supervise");
    for (start, part) in [
        ("100 / 7", "= 14"),
        ("100 / 5", "= 20"),
        ("100 / 3", "= 33"),
        ("failure 1", "attempt to divide by zero"),
        ("failure 2", "does not divide by -1"),
        ("failure 3", "attempt to divide by zero"),
        ("the foreman", "Foreman"),
        ("root cause", "attempt to divide by zero"),
    ] {
        let is_said = |line: &String| line.starts_with(start) && line.contains(part);
        assert!(lines.iter().any(is_said), "{start} … {part} in {lines:#?}");
    }
}
