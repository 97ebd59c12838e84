//! What a fuzzer gives to the parsers and decoders, replayed and searched: see
//! `docs/decisions/fuzzing.md`.

use std::{path::Path, process::ExitCode};

use hypermesh_ndslice_strategies::properties::PROPERTIES;
use hypermesh_testkit::{CountingAllocator, FuzzTarget, run_fuzz};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

fn main() -> ExitCode {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/ndslice");
    let targets = PROPERTIES
        .iter()
        .map(|(name, check)| FuzzTarget::new(name, *check));
    run_fuzz(&dir, &Vec::from_iter(targets))
}
