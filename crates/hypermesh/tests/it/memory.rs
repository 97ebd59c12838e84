//! A large file is counted in constant memory.

use std::fs;
use std::time::Duration;

use hypermesh_testkit::wait_until;

use crate::corpus::Corpus;
use crate::program::Program;
use crate::report::Report;

const MIB: u64 = 1 << 20;

/// The large file; a program that is not optimized takes too long for more.
const LARGE: u64 = if cfg!(debug_assertions) {
    256 * MIB
} else {
    1024 * MIB
};

/// What no worker may need, whatever it counts.
const LIMIT: u64 = 64 * MIB;

/// By how much the peaks of two runs of the same work may differ.
const NOISE: u64 = 4 * MIB;

/// Counts a file of `len` bytes; returns the largest resident memory that any worker has had.
#[track_caller]
fn peak_of(len: u64) -> u64 {
    let mut corpus = Corpus::new();
    let path = corpus.add_sparse("sparse", len, 4);
    let args = ["--json", "--top=1000", path.to_str().unwrap()];
    let program = Program::start("wordcount", args);
    // The kernel keeps the peak of a process as long as that lives: look until the workers are gone.
    let mut peak = 0;
    let ended = wait_until(Duration::from_secs(60), || {
        let peaks = program
            .readers(&path)
            .into_iter()
            .filter_map(|reader| peak_of_process(reader.pid));
        match peaks.max() {
            Some(now) => peak = peak.max(now),
            None => return peak != 0,
        }
        false
    });
    assert!(ended && peak != 0, "the workers were seen at work");
    let ended = program.end();
    assert!(ended.status.success(), "{ended:?}");
    Report::of(&ended).assert_counts(&corpus);
    peak
}

/// Returns the peak of resident memory of a process in bytes, if it is still there.
fn peak_of_process(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = peak.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024)
}

#[test]
fn memory_does_not_grow_with_the_file() {
    let small = peak_of(LARGE / 4);
    let large = peak_of(LARGE);
    assert!(large < LIMIT, "{large} bytes for {LARGE}");
    assert!(
        large < small + NOISE,
        "{large} bytes for {LARGE}, {small} for a quarter of it"
    );
}
