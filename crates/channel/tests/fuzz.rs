//! What a fuzzer gives to the readers of frames, of handshakes and of addresses, replayed and searched: see
//! `docs/decisions/fuzzing.md`.

use std::{path::Path, process::ExitCode};

use hypermesh_channel::properties;
use hypermesh_testkit::{CountingAllocator, FuzzTarget, run_fuzz};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

fn main() -> ExitCode {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/channel");
    let targets = [
        FuzzTarget::new("frame", properties::frame).within(4 << 20),
        FuzzTarget::new("handshake", properties::handshake).within(64 << 10),
        FuzzTarget::new("address", properties::address).within(16 << 10),
    ];
    run_fuzz(&dir, &targets)
}
