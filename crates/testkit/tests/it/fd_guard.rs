//! What the descriptor guard finds. One test: descriptors belong to the whole process, and the
//! kinds looked at here are opened by nothing else in this binary.

use std::{fs::File, os::unix::net::UnixDatagram, time::Duration};

use hypermesh_testkit::{FdGuard, SocketDir};

use crate::panic_text;

const DEADLINE: Duration = Duration::from_secs(10);
const MOMENT: Duration = Duration::from_millis(20);

#[test]
fn a_descriptor_that_stays_open_is_named() {
    let dir = SocketDir::new();
    let path = dir.join("kept");
    // Other tests of this binary start processes, which opens these for moments.
    let guard = FdGuard::new()
        .ignoring("pipe")
        .ignoring("[pidfd]")
        .ignoring("/dev/null");

    let file = File::create(&path).unwrap();
    let text = panic_text(|| guard.assert_same(MOMENT));
    assert!(
        text.contains(&format!("{}: 0 before", path.display())),
        "{text}"
    );
    drop(file);

    let pair = UnixDatagram::pair().unwrap();
    let text = panic_text(|| guard.assert_same(MOMENT));
    assert!(text.contains("socket:"), "{text}");
    drop(pair);

    guard.assert_same(DEADLINE);
}
