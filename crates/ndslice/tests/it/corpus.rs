//! The corpora of the fuzz targets, replayed: the share of fuzzing that every test run has.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use hypermesh_ndslice_strategies::properties::{TARGETS, Target};
use proptest::prelude::*;

/// The least number of inputs of each target.
const MIN_INPUTS: usize = 3;

fn corpora() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus")
}

fn names(dir: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.collect()
}

fn inputs(target: &Target) -> Vec<Vec<u8>> {
    let dir = corpora().join(target.name);
    let files = names(&dir);
    let inputs = files.iter().map(|file| fs::read(dir.join(file)).unwrap());
    inputs.collect()
}

#[test]
fn every_target_has_a_corpus_and_a_program() {
    let targets: BTreeSet<String> = TARGETS.iter().map(|t| t.name.to_string()).collect();
    assert_eq!(names(&corpora()), targets);
    let programs = names(&corpora().join("../fuzz_targets"));
    assert!(
        programs
            .iter()
            .map(|file| file.trim_end_matches(".rs"))
            .eq(&targets)
    );
}

#[test]
fn no_input_of_a_corpus_breaks_a_promise() {
    for target in TARGETS {
        let inputs = inputs(target);
        assert!(MIN_INPUTS <= inputs.len(), "{}", target.name);
        for input in inputs {
            (target.check)(&input);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_changed_input_does(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        for target in TARGETS {
            for mut input in inputs(target) {
                for (at, byte) in &changes {
                    input.insert(at.index(input.len() + 1), *byte);
                }
                input.truncate(input.len().saturating_sub(cut.index(3)));
                (target.check)(&input);
            }
        }
    }

    #[test]
    fn no_bytes_do(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        for target in TARGETS {
            (target.check)(&bytes);
        }
    }
}
