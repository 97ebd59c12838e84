//! What a fuzzer gives to the readers of envelopes and of the texts of ids, replayed and searched: see
//! `docs/decisions/fuzzing.md`.

use std::path::Path;
use std::process::ExitCode;

use hypermesh_mailbox::properties;
use hypermesh_testkit::{CountingAllocator, FuzzTarget, run_fuzz};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

fn main() -> ExitCode {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/mailbox");
    let targets = [
        FuzzTarget::new("envelope", properties::envelope).within(64 << 10),
        FuzzTarget::new("id", properties::id).within(16 << 10),
    ];
    run_fuzz(&dir, &targets)
}
