//! The corpora of the fuzz targets, replayed: the share of fuzzing that every test run has.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use crate::allocations::counted;
use crate::properties::{TARGETS, Target};

/// The least number of inputs of each target.
const MIN_INPUTS: usize = 6;

fn fuzz_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/wire")
}

fn names(dir: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.collect()
}

fn inputs(name: &str) -> Vec<Vec<u8>> {
    let dir = fuzz_dir().join("corpus").join(name);
    let files = names(&dir);
    let inputs = files.iter().map(|file| fs::read(dir.join(file)).unwrap());
    inputs.collect()
}

/// Runs the property, and returns whether the input is a value. Memory stays within what the bytes can
/// justify.
#[track_caller]
fn check((name, property): Target, input: &[u8]) -> bool {
    let (accepted, bytes) = counted(|| property(input));
    let limit = 4 * 1024 * 1024 + 1024 * input.len();
    assert!(
        bytes <= limit,
        "{name}: {bytes} bytes allocated for {input:x?}"
    );
    accepted
}

#[test]
fn every_target_has_a_corpus_and_a_program() {
    let targets: BTreeSet<String> = TARGETS.iter().map(|target| target.0.to_owned()).collect();
    assert_eq!(names(&fuzz_dir().join("corpus")), targets);
    let programs = names(&fuzz_dir().join("targets"));
    let programs = programs.iter().map(|file| file.trim_end_matches(".rs"));
    assert!(programs.eq(&targets));
}

#[test]
fn no_input_of_a_corpus_breaks_a_promise() {
    for target in TARGETS {
        let inputs = inputs(target.0);
        assert!(inputs.len() >= MIN_INPUTS, "{}", target.0);
        let n_accepted = inputs.iter().filter(|input| check(target, input)).count();
        assert!(n_accepted >= MIN_INPUTS / 2, "{n_accepted} of {}", target.0);
        assert!(
            n_accepted < inputs.len(),
            "{} has no malformed input",
            target.0
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_changed_input_does(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        overwrite: bool,
        cut in any::<prop::sample::Index>(),
    ) {
        for target in TARGETS {
            for mut input in inputs(target.0) {
                for (at, byte) in &changes {
                    let at = at.index(input.len() + 1);
                    let end = if overwrite { input.len().min(at + 1) } else { at };
                    input.splice(at..end, [*byte]);
                }
                input.truncate(input.len().saturating_sub(cut.index(3)));
                check(target, &input);
            }
        }
    }

    #[test]
    fn no_bytes_do(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        for target in TARGETS {
            check(target, &bytes);
        }
    }
}
