//! What messages cost in allocations.
#![allow(unsafe_code, reason = "a global allocator cannot be written without")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hypermesh_actor::{ActorHandle, Cx, Message, Result, actor};

use crate::fixture::{next_turn, proc, within};

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps the promises that the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[derive(Message)]
struct Small([u64; 8]);
#[derive(Message)]
struct Next(u64);

/// Adds up what it gets.
struct Adder {
    sum: Arc<AtomicU64>,
}

#[actor]
impl Adder {
    #[handler]
    async fn add(&mut self, _cx: &Cx<'_, Self>, Small(words): Small) {
        self.sum.fetch_add(words[7], Ordering::Relaxed);
    }

    #[handler]
    fn next(&mut self, _cx: &Cx<'_, Self>, Next(n): Next) -> Result<u64> {
        Ok(n + 1)
    }
}

/// Tells bursts of `count` messages, each when the actor is done with the one before and waits.
async fn tell_bursts(adder: &ActorHandle<Adder>, sum: &AtomicU64, count: u64) {
    for _ in 0..100 {
        let expected = sum.load(Ordering::Relaxed) + count;
        for _ in 0..count {
            adder.tell(Small([1; 8])).unwrap();
        }
        while sum.load(Ordering::Relaxed) < expected {
            next_turn().await;
        }
    }
}

#[tokio::test]
async fn a_tell_of_a_small_message_allocates_nothing_once_the_actor_keeps_up() {
    let proc = proc();
    let sum = Arc::new(AtomicU64::new(0));
    let adder = proc.spawn(Adder { sum: sum.clone() });
    for count in [1, 2, 7, 15] {
        within(tell_bursts(&adder, &sum, count)).await;
        let before = ALLOCATIONS.get();
        tell_bursts(&adder, &sum, count).await;
        let allocations = ALLOCATIONS.get() - before;
        assert_eq!(allocations, 0, "100 bursts of {count}");
    }
}

#[tokio::test]
async fn an_ask_allocates_once() {
    let proc = proc();
    let adder = proc.spawn(Adder {
        sum: Arc::default(),
    });
    for n in 0..100 {
        assert_eq!(within(adder.ask(Next(n))).await, Ok(n + 1));
    }
    let before = ALLOCATIONS.get();
    for n in 0..100 {
        assert_eq!(adder.ask(Next(n)).await, Ok(n + 1));
    }
    assert_eq!(ALLOCATIONS.get() - before, 100);
}
