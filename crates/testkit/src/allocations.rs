//! What a piece of code asks of the allocator, on its own thread.
#![allow(unsafe_code, reason = "a global allocator cannot be written without")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

/// The allocator of the system, which counts for each thread what it is asked for.
///
/// A test binary that counts has it as its own:
///
/// ```
/// use hypermesh_testkit::{CountingAllocator, counted};
///
/// #[global_allocator]
/// static ALLOCATOR: CountingAllocator = CountingAllocator;
///
/// let (list, allocated) = counted(|| vec![0_u8; 100]);
/// assert_eq!((allocated.calls, allocated.live), (1, 100));
/// # drop(list);
/// ```
#[derive(Debug)]
pub struct CountingAllocator;

/// What was asked for on one thread. All are zero where the allocator is another one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Allocated {
    /// How often.
    pub calls: usize,
    /// How many bytes, together.
    pub bytes: usize,
    /// How many of them are still in use. Less than 0 if more was given back than taken.
    pub live: isize,
    /// How many were in use at most at one time. Memory that grows counts twice while it does.
    pub peak: isize,
}

thread_local! {
    static COUNTS: Cell<Allocated> = const {
        Cell::new(Allocated { calls: 0, bytes: 0, live: 0, peak: 0 })
    };
}

/// Returns the value of `run`, and what this thread asked for in it. Calls may not be nested, because there is one peak.
pub fn counted<T>(run: impl FnOnce() -> T) -> (T, Allocated) {
    let watch = AllocationWatch::start();
    let value = run();
    (value, watch.so_far())
}

/// Counts from one moment on what its thread asks for.
#[derive(Clone, Copy, Debug)]
pub struct AllocationWatch {
    before: Allocated,
}

impl AllocationWatch {
    /// Returns a watch that starts now, and forgets the peak of the ones before it.
    pub fn start() -> Self {
        let mut before = COUNTS.get();
        before.peak = before.live;
        COUNTS.set(before);
        Self { before }
    }

    /// Returns what this thread asked for since the start.
    pub fn so_far(&self) -> Allocated {
        let now = COUNTS.get();
        Allocated {
            calls: now.calls - self.before.calls,
            bytes: now.bytes - self.before.bytes,
            live: now.live - self.before.live,
            peak: now.peak - self.before.live,
        }
    }
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // A thread that ends counts no more.
        _ = COUNTS.try_with(|counts| {
            let mut now = counts.get();
            now.calls += 1;
            now.bytes += layout.size();
            now.live += layout.size() as isize;
            now.peak = now.peak.max(now.live);
            counts.set(now);
        });
        // SAFETY: the caller keeps the promises that the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        _ = COUNTS.try_with(|counts| {
            let mut now = counts.get();
            now.live -= layout.size() as isize;
            counts.set(now);
        });
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}
