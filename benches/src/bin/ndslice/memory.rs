//! What the thread that measures asks the allocator for.

#![allow(unsafe_code, reason = "a global allocator cannot be written without")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    static CALLS: Cell<usize> = const { Cell::new(0) };
    static BYTES: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        _ = CALLS.try_with(|calls| calls.set(calls.get() + 1));
        _ = BYTES.try_with(|bytes| bytes.set(bytes.get().wrapping_add(layout.size())));
        // SAFETY: the caller keeps the promises that the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        _ = BYTES.try_with(|bytes| bytes.set(bytes.get().wrapping_sub(layout.size())));
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// Returns how often `run` asks for memory.
pub(crate) fn calls_of<T>(run: impl FnOnce() -> T) -> usize {
    let before = CALLS.get();
    drop(run());
    CALLS.get() - before
}

/// Returns the bytes that the value of `run` has on the heap.
pub(crate) fn bytes_of<T>(run: impl FnOnce() -> T) -> usize {
    let before = BYTES.get();
    let value = run();
    let bytes = BYTES.get().wrapping_sub(before);
    drop(value);
    bytes
}
