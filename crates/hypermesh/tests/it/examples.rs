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
fn restart_makes_shelves_anew_twice_and_not_a_third_time() {
    let lines = lines_of("restart");
    let begins = |line: &&String| line.contains(" begins, generation ");
    let mut begins: Vec<&str> = lines
        .iter()
        .filter(begins)
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert_eq!(begins.len(), 5, "{lines:#?}");
    // Both, then the top alone, then the bottom with the top; those that begin together do so in any order.
    begins[..2].sort_unstable();
    begins[3..].sort_unstable();
    assert_eq!(begins, ["bottom", "top", "top", "bottom", "top"]);
    for line in ["top: true", "top has 0", "bottom: true", "bottom has 0"] {
        assert!(
            lines.iter().any(|said| said == line),
            "{line} in {lines:#?}"
        );
    }
    let [.., keeper, top] = &lines[..] else {
        panic!("{lines:?}");
    };
    assert!(
        keeper.starts_with("the keeper: bottom failed: -1 does not fit"),
        "{keeper}"
    );
    assert_eq!(top, "the top: true");
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

#[test]
fn streaming_reads_all_and_stops_a_writer_that_nobody_reads() {
    let lines = lines_of("streaming");
    let [first, second] = &*lines else {
        panic!("{lines:?}");
    };
    assert_eq!(first, "1229 primes below 10000, the last is 9973");
    let ahead = second.strip_prefix("10 values were read; ");
    let ahead = ahead.and_then(|rest| rest.split(' ').next()?.parse::<u64>().ok());
    assert!(ahead.is_some_and(|ahead| ahead <= 64), "{second}");
}

#[test]
fn pipeline_passes_each_line_through_all_stages() {
    let lines = lines_of("pipeline");
    let [failed, rest @ ..] = &*lines else {
        panic!("nothing printed");
    };
    assert!(failed.starts_with("\"   \": "), "{failed}");
    assert_eq!(rest, [" 1: THE QUICK", " 2: BROWN FOX", " 3: JUMPS"]);
}

#[test]
fn param_server_finds_the_line_of_all_workers() {
    let lines = lines_of("param_server");
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(
        lines[2].starts_with("round 3: y = 3.000 x + -2.000"),
        "{lines:?}"
    );
}
