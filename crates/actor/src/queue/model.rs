//! The block list under loom: a few operations of a few threads, in every order and with every value
//! that the memory model allows. Blocks have three slots here.
//!
//! The ordinary run looks at all executions with few involuntary switches of threads. More of them:
//! `LOOM_MAX_PREEMPTIONS=3 cargo test --release -p hypermesh-actor --lib queue::model`.

use loom::model::Builder;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread::{self, JoinHandle};

use super::PushError;
use blocks::{Blocks, Found};

/// How often the ordinary run takes a thread's turn away.
const N_SWITCHES: usize = 2;

/// Words of an item whose block an idle queue does not keep.
const LARGE: usize = 48;

mod atomics {
    pub(super) use loom::cell::UnsafeCell;
    pub(super) use loom::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};

    pub(super) const LAP: u64 = 4;
    pub(super) const KEPT_BYTES: usize = 1024;

    pub(super) fn wait_a_moment(_turn: u32) {
        loom::thread::yield_now();
    }
}

#[path = "blocks.rs"]
#[allow(clippy::duplicate_mod, reason = "the same code with loom's atomics")]
mod blocks;

fn check(run: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(N_SWITCHES));
    builder.check(run);
}

fn join<R, const N: usize>(threads: [JoinHandle<R>; N]) -> Vec<R> {
    let results = threads.into_iter().map(JoinHandle::join);
    results.map(Result::unwrap).collect()
}

/// Takes `n_times`, whether there is something or not.
fn take<T>(blocks: &Blocks<T>, n_times: usize) -> Vec<T> {
    let (mut seen, mut batch) = (Vec::new(), Vec::new());
    for _ in 0..n_times {
        blocks.take(&mut batch);
        seen.extend(batch.drain(..).rev());
    }
    seen
}

/// Takes everything; nobody is in a push.
fn take_rest<T>(blocks: &Blocks<T>) -> Vec<T> {
    let (mut seen, mut batch) = (Vec::new(), Vec::new());
    while blocks.take(&mut batch) == Found::Items {
        seen.extend(batch.drain(..).rev());
    }
    seen
}

#[test]
fn inv1_two_senders_reserve_slots_of_their_own_over_the_end_of_a_block() {
    check(|| {
        let blocks = Arc::new(Blocks::new(usize::MAX));
        let sender = {
            let blocks = blocks.clone();
            thread::spawn(move || (10..12).for_each(|item| _ = blocks.push(item)))
        };
        (20..22).for_each(|item| _ = blocks.push(item));
        join([sender]);
        let seen = take_rest(&blocks);
        let position = |item| seen.iter().position(|&seen| seen == item);
        assert!(position(10) < position(11) && position(20) < position(21));
        assert_eq!(seen.len(), 4);
    });
}

#[test]
fn inv3_a_block_is_reused_only_when_everybody_is_done_with_it() {
    check(|| {
        let blocks = Arc::new(Blocks::new(usize::MAX));
        // Two slots of the first block are used, so that what follows goes on into others.
        (0..2).for_each(|item| _ = blocks.push(item));
        let sender = {
            let blocks = blocks.clone();
            thread::spawn(move || (2..7).for_each(|item| _ = blocks.push(item)))
        };
        let mut seen = take(&blocks, 2);
        join([sender]);
        seen.extend(take_rest(&blocks));
        assert_eq!(seen, (0..7).collect::<Vec<_>>());
        assert_eq!(blocks.len(), 0);
    });
}

/// Items of `WORDS` words, pushed while the queue is taken empty and parked.
fn check_idle<const WORDS: usize>() {
    check(|| {
        let blocks = Arc::new(Blocks::new(usize::MAX));
        (0..2).for_each(|item| _ = blocks.push([item; WORDS]));
        let sender = {
            let blocks = blocks.clone();
            thread::spawn(move || (2..4).for_each(|item| _ = blocks.push([item; WORDS])))
        };
        let mut seen = take(&blocks, 3);
        join([sender]);
        seen.extend(take_rest(&blocks));
        let seen: Vec<u64> = seen.iter().map(|item| item[0]).collect();
        assert_eq!(seen, [0, 1, 2, 3]);
    });
}

#[test]
fn inv5_an_idle_queue_begins_its_block_again() {
    check_idle::<1>();
}

#[test]
fn inv5_an_idle_queue_frees_a_large_block() {
    check_idle::<LARGE>();
}

#[test]
fn inv5_a_first_block_is_installed_while_a_large_one_is_freed() {
    check(|| {
        let blocks = Arc::new(Blocks::new(usize::MAX));
        let sender = {
            let blocks = blocks.clone();
            thread::spawn(move || _ = blocks.push([1; LARGE]))
        };
        _ = blocks.push([0; LARGE]);
        let mut seen = take(&blocks, 2);
        join([sender]);
        seen.extend(take_rest(&blocks));
        let mut seen: Vec<u64> = seen.iter().map(|item| item[0]).collect();
        seen.sort_unstable();
        assert_eq!(seen, [0, 1]);
    });
}

#[test]
fn inv6_whoever_got_ok_is_in_front_of_the_close() {
    check(|| {
        let blocks = Arc::new(Blocks::new(usize::MAX));
        let senders = [1, 2].map(|item| {
            let blocks = blocks.clone();
            thread::spawn(move || match blocks.push(item) {
                Ok(_) => 1,
                Err(PushError::Closed(_)) => 0,
                Err(PushError::Full(_)) => panic!("there is no limit"),
            })
        });
        blocks.close();
        let n_seen = take(&blocks, 1).len();
        let n_ok: usize = join(senders).iter().sum();
        assert_eq!(n_seen + take_rest(&blocks).len(), n_ok);
        assert_eq!(blocks.take(&mut Vec::new()), Found::Closed);
    });
}

#[test]
fn inv7_two_senders_share_the_last_place() {
    check(|| {
        let blocks = Arc::new(Blocks::new(2));
        assert!(blocks.push(0).is_ok());
        let senders = [1, 2].map(|item| {
            let blocks = blocks.clone();
            thread::spawn(move || blocks.push(item).is_ok())
        });
        let n_ok = join(senders).iter().filter(|ok| **ok).count();
        assert_eq!((n_ok, blocks.len()), (1, 2));
        assert_eq!(take_rest(&blocks).len(), 2);
        assert!(blocks.push(3).is_ok());
    });
}

#[test]
fn a_parked_task_is_woken_by_one_push_and_by_no_other() {
    check(|| {
        let blocks = Arc::new(Blocks::new(usize::MAX));
        assert_eq!(blocks.take(&mut Vec::new()), Found::Nothing);
        let senders = [1, 2].map(|item| {
            let blocks = blocks.clone();
            thread::spawn(move || blocks.push(item).unwrap())
        });
        let n_wakes = join(senders).iter().filter(|wakes| **wakes).count();
        assert_eq!(n_wakes, 1);
    });
}

#[test]
fn a_task_that_parks_sees_what_came_before_the_wake_it_missed() {
    check(|| {
        let blocks = Arc::new(Blocks::<u32>::new(usize::MAX));
        let control = Arc::new(AtomicBool::new(false));
        let other = {
            let (blocks, control) = (blocks.clone(), control.clone());
            thread::spawn(move || {
                // Relaxed: what makes it visible is the wake.
                control.store(true, Ordering::Relaxed);
                blocks.unpark();
            })
        };
        assert_eq!(blocks.take(&mut Vec::new()), Found::Nothing);
        let was_seen = control.load(Ordering::Relaxed);
        other.join().unwrap();
        let is_parked = blocks.push(1).unwrap();
        assert!(was_seen || !is_parked, "it sleeps and does not know");
    });
}
