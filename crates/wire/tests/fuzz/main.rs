//! What a fuzzer gives to the decoder, replayed and searched: see `docs/decisions/fuzzing.md`.

mod properties;

use std::{path::Path, process::ExitCode};

use hypermesh_testkit::{CountingAllocator, FuzzTarget, run_fuzz};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

fn main() -> ExitCode {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/wire");
    let targets = [
        FuzzTarget::new("body", properties::body).within(4 << 20),
        FuzzTarget::new("multipart", properties::multipart).within(4 << 20),
    ];
    run_fuzz(&dir, &targets)
}
