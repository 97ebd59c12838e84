//! The buffer that a thread keeps from one encoding to the next.
//!
//! # Invariants
//!
//! - **INV-1**: the buffer that is kept is empty and has at most [`MAX_KEPT`] bytes.
//! - **INV-2**: a buffer is kept or in use, never both: whoever takes it owns it, so that an encoding
//!   inside another gets one of its own, and a panic only loses it.

use std::cell::Cell;

use bytes::BytesMut;

use super::USUAL_BODY;

/// The largest buffer that a thread keeps.
const MAX_KEPT: usize = 64 * 1024;

thread_local! {
    static KEPT: Cell<Option<BytesMut>> = const { Cell::new(None) };
}

/// Returns an empty buffer.
#[inline]
pub(super) fn take() -> BytesMut {
    // A thread that is ending keeps nothing any more.
    let kept = KEPT.try_with(Cell::take).ok().flatten();
    kept.unwrap_or_else(|| BytesMut::with_capacity(USUAL_BODY))
}

/// Keeps `buffer` for the next call, unless it is too large (INV-1).
#[inline]
pub(super) fn give_back(mut buffer: BytesMut) {
    if buffer.capacity() <= MAX_KEPT {
        buffer.clear();
        _ = KEPT.try_with(|kept| kept.set(Some(buffer)));
    }
}
