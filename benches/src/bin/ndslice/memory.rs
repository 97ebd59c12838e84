//! What one step asks the allocator for.

use hypermesh_benches::{AllocationCount, CountingAllocator};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// Returns how often `run` asks for memory.
pub(crate) fn calls_of<T>(run: impl FnOnce() -> T) -> usize {
    let count = AllocationCount::start();
    drop(run());
    count.so_far().calls as usize
}

/// Returns the bytes that the value of `run` has on the heap.
pub(crate) fn bytes_of<T>(run: impl FnOnce() -> T) -> usize {
    let count = AllocationCount::start();
    let value = run();
    let live = count.so_far().live;
    drop(value);
    // A value that frees more than it takes has nothing of its own.
    usize::try_from(live).unwrap_or(0)
}
