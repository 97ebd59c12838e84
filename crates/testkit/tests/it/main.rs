//! The guards against real processes, descriptors and directories.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod fd_guard;
mod process_guard;
mod seed;
mod socket_dir;

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Returns the text with which `f` panics.
#[track_caller]
fn panic_text(f: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(f)).expect_err("a panic");
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => (*payload.downcast::<&str>().expect("a panic with a text")).to_owned(),
    }
}
