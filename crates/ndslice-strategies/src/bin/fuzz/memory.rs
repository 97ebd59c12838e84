//! How many bytes an input makes its target allocate.

#![allow(unsafe_code, reason = "a global allocator cannot be written without")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    /// The bytes that this thread has and the most that it had since the watch was started.
    static BYTES: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
}

struct Counting;

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        _ = BYTES.try_with(|bytes| {
            let (live, peak) = bytes.get();
            let live = live + layout.size();
            bytes.set((live, peak.max(live)));
        });
        // SAFETY: the caller keeps the promises that the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        _ = BYTES.try_with(|bytes| {
            let (live, peak) = bytes.get();
            bytes.set((live.saturating_sub(layout.size()), peak));
        });
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// Forgets the peak and returns the bytes that are allocated now.
pub(crate) fn start_watch() -> usize {
    let (live, _) = BYTES.get();
    BYTES.set((live, live));
    live
}

/// Returns how far the peak rose above `before`.
pub(crate) fn peak_since(before: usize) -> usize {
    let (_, peak) = BYTES.get();
    peak.saturating_sub(before)
}
