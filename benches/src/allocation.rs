//! What all threads of this process ask the allocator for, while somebody counts.
//!
//! A program that counts makes [`CountingAllocator`] its global allocator. While nobody counts, a call costs
//! one load more than the system's allocator alone.

#![allow(unsafe_code, reason = "a global allocator cannot be written without")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering::Relaxed};

use serde::{Deserialize, Serialize};

// An allocator is one for the process: so are its counters.
static N_COUNTS: AtomicUsize = AtomicUsize::new(0);
static CALLS: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);
static LIVE: AtomicI64 = AtomicI64::new(0);

/// The system's allocator, with counters.
#[derive(Debug)]
pub struct CountingAllocator;

fn record_growth(bytes: usize) {
    if N_COUNTS.load(Relaxed) != 0 {
        CALLS.fetch_add(1, Relaxed);
        BYTES.fetch_add(bytes as u64, Relaxed);
        LIVE.fetch_add(bytes as i64, Relaxed);
    }
}

fn record_release(bytes: usize) {
    if N_COUNTS.load(Relaxed) != 0 {
        LIVE.fetch_sub(bytes as i64, Relaxed);
    }
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        record_growth(layout.size());
        // SAFETY: the caller keeps the promises that the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        record_growth(layout.size());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        record_growth(new_size);
        record_release(layout.size());
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, new_size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        record_release(layout.size());
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// What was asked for between two moments.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Allocations {
    /// How often memory was asked for; to grow a buffer counts as well.
    pub calls: u64,
    /// The bytes asked for.
    pub bytes: u64,
    /// The bytes asked for less those given back: negative if what was there before went.
    pub live: i64,
}

impl Allocations {
    fn now() -> Self {
        Self {
            calls: CALLS.load(Relaxed),
            bytes: BYTES.load(Relaxed),
            live: LIVE.load(Relaxed),
        }
    }
}

/// Counts, as long as it lives, what all threads ask for. It counts nothing unless the program has made
/// [`CountingAllocator`] its global allocator.
#[derive(Debug)]
pub struct AllocationCount {
    before: Allocations,
}

impl AllocationCount {
    /// Starts to count.
    pub fn start() -> Self {
        N_COUNTS.fetch_add(1, Relaxed);
        Self {
            before: Allocations::now(),
        }
    }

    /// Returns what was asked for since the start.
    pub fn so_far(&self) -> Allocations {
        let now = Allocations::now();
        Allocations {
            calls: now.calls - self.before.calls,
            bytes: now.bytes - self.before.bytes,
            live: now.live - self.before.live,
        }
    }
}

impl Drop for AllocationCount {
    fn drop(&mut self) {
        N_COUNTS.fetch_sub(1, Relaxed);
    }
}
