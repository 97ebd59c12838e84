//! What a fuzzer gives to the texts of settings, replayed and searched: see `docs/decisions/fuzzing.md`.

mod properties;

use std::{path::Path, process::ExitCode};

use hypermesh_testkit::{CountingAllocator, FuzzTarget, run_fuzz};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

fn main() -> ExitCode {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/config");
    let targets = [FuzzTarget::new("value", properties::value).within(64 << 10)];
    run_fuzz(&dir, &targets)
}
