//! Pushes, takes and wakes, step by step and from many threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

use super::*;

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A queue, the batch of its task, and what woke it.
struct Rig {
    queue: Queue<u32>,
    batch: Vec<u32>,
    wakes: Arc<Wakes>,
}

impl Rig {
    fn new(limit: usize) -> Self {
        let rig = Self {
            queue: Queue::new(limit),
            batch: Vec::new(),
            wakes: Arc::default(),
        };
        rig.queue.register(&Waker::from(rig.wakes.clone()));
        rig
    }

    fn take(&mut self) -> (Poll<Taken>, Vec<u32>) {
        let waker = Waker::from(self.wakes.clone());
        let poll = self
            .queue
            .poll_take(&mut Context::from_waker(&waker), &mut self.batch, || false);
        (poll, self.batch.drain(..).rev().collect())
    }

    fn wakes(&self) -> usize {
        self.wakes.0.swap(0, Ordering::SeqCst)
    }
}

#[test]
fn inv1_items_leave_in_order_whatever_their_number() {
    for count in [1, 14, 15, 16, 29, 30, 31, 1000] {
        let mut rig = Rig::new(usize::MAX);
        (0..count).for_each(|item| rig.queue.push(item).unwrap());
        let mut seen = Vec::new();
        while let (Poll::Ready(Taken::Items), items) = rig.take() {
            seen.extend(items);
        }
        assert_eq!(seen, (0..count).collect::<Vec<_>>());
    }
}

#[test]
fn inv2_close_is_a_position() {
    let mut rig = Rig::new(usize::MAX);
    rig.queue.push(1).unwrap();
    rig.queue.close();
    assert_eq!(rig.queue.push(2), Err(PushError::Closed(2)));
    assert_eq!(rig.take(), (Poll::Ready(Taken::Items), vec![1]));
    assert_eq!(rig.take(), (Poll::Ready(Taken::Closed), vec![]));
}

#[test]
fn inv3_a_full_queue_gives_the_item_back() {
    let mut rig = Rig::new(2);
    rig.queue.push(1).unwrap();
    rig.queue.push(2).unwrap();
    assert_eq!(rig.queue.push(3), Err(PushError::Full(3)));
    assert!(rig.take().0.is_ready());
    assert_eq!(rig.queue.push(3), Ok(()));
}

#[test]
fn inv4_a_parked_task_is_woken_once_per_park() {
    let mut rig = Rig::new(usize::MAX);
    rig.queue.push(0).unwrap();
    assert_eq!(rig.wakes(), 0, "nobody waits yet");
    assert!(rig.take().0.is_ready());
    assert_eq!(rig.take().0, Poll::Pending);
    rig.queue.push(1).unwrap();
    rig.queue.push(2).unwrap();
    assert_eq!(rig.wakes(), 1);
    assert_eq!(rig.take(), (Poll::Ready(Taken::Items), vec![1, 2]));
    assert_eq!(rig.take().0, Poll::Pending);
    rig.queue.wake();
    assert_eq!(rig.wakes(), 1);
}

#[test]
fn an_interrupted_task_does_not_park() {
    let mut rig = Rig::new(usize::MAX);
    let waker = Waker::from(rig.wakes.clone());
    let mut cx = Context::from_waker(&waker);
    let poll = rig.queue.poll_take(&mut cx, &mut rig.batch, || true);
    assert_eq!(poll, Poll::Ready(Taken::Interrupted));
}

#[test]
fn inv3_the_limit_is_exact_wherever_the_queue_stands() {
    let mut rig = Rig::new(5);
    for round in 0..100 {
        for item in 0..5 {
            assert_eq!(rig.queue.push(item), Ok(()), "round {round}");
        }
        assert_eq!(rig.queue.push(5), Err(PushError::Full(5)), "round {round}");
        assert_eq!(rig.queue.len(), 5);
        let mut seen = Vec::new();
        while let (Poll::Ready(Taken::Items), items) = rig.take() {
            seen.extend(items);
        }
        assert_eq!(seen, [0, 1, 2, 3, 4]);
        assert_eq!(rig.queue.len(), 0);
    }
}

#[test]
fn a_queue_of_large_items_keeps_no_buffer_when_it_is_idle() {
    let queue = Queue::new(usize::MAX);
    let (waker, mut batch) = (Waker::noop(), Vec::new());
    queue.register(waker);
    let mut cx = Context::from_waker(waker);
    for round in 0..100_u64 {
        queue.push([round; 64]).unwrap();
        let taken = queue.poll_take(&mut cx, &mut batch, || false);
        assert_eq!(taken, Poll::Ready(Taken::Items));
        assert_eq!(batch.pop(), Some([round; 64]));
        let taken = queue.poll_take(&mut cx, &mut batch, || false);
        assert_eq!((taken, batch.capacity()), (Poll::Pending, 0));
    }
}

#[test]
fn items_that_nobody_took_are_dropped_with_the_queue() {
    let item = Arc::new(());
    for count in [0, 1, 15, 16, 100] {
        let queue = Queue::new(usize::MAX);
        (0..count).for_each(|_| queue.push(item.clone()).unwrap());
        assert_eq!(Arc::strong_count(&item), 1 + count);
        drop(queue);
        assert_eq!(Arc::strong_count(&item), 1);
    }
}

#[test]
fn whatever_is_left_in_a_closed_queue_is_taken_in_order() {
    let queue = Queue::new(usize::MAX);
    (0..40).for_each(|item| queue.push(item).unwrap());
    queue.close();
    let (mut seen, mut batch) = (Vec::new(), Vec::new());
    while queue.take_left(&mut batch) {
        seen.extend(batch.drain(..).rev());
    }
    assert_eq!(seen, (0..40).collect::<Vec<_>>());
}

#[test]
fn sixteen_senders_lose_and_double_nothing() {
    const EACH: u32 = 100_000;
    let queue = Arc::new(Queue::new(usize::MAX));
    let mut batch = Vec::new();
    let mut next = [0_u32; 16];
    std::thread::scope(|scope| {
        for sender in 0..16_u32 {
            let queue = queue.clone();
            scope.spawn(move || {
                (0..EACH).for_each(|count| queue.push((sender, count)).unwrap());
            });
        }
        let thread = std::thread::current();
        let waker = Waker::from(Arc::new(Unpark(thread)));
        let mut cx = Context::from_waker(&waker);
        queue.register(&waker);
        while next.iter().any(|&count| count < EACH) {
            match queue.poll_take(&mut cx, &mut batch, || false) {
                Poll::Pending => std::thread::park(),
                Poll::Ready(_) => {
                    for (sender, count) in batch.drain(..).rev() {
                        let expected = &mut next[sender as usize];
                        assert_eq!(count, *expected, "sender {sender}");
                        *expected += 1;
                    }
                }
            }
        }
    });
    assert_eq!(queue.len(), 0);
}

#[test]
fn inv2_whoever_got_ok_is_taken_whenever_the_queue_is_closed() {
    for _ in 0..200 {
        let queue = Queue::new(usize::MAX);
        let (mut n_taken, mut batch) = (0, Vec::new());
        let n_pushed: usize = std::thread::scope(|scope| {
            let push = || (0..1000).take_while(|n| queue.push(*n).is_ok()).count();
            let senders = [scope.spawn(push), scope.spawn(push)];
            while queue.len() < 100 && senders.iter().any(|sender| !sender.is_finished()) {
                std::thread::yield_now();
            }
            queue.close();
            while queue.take_left(&mut batch) {
                n_taken += batch.drain(..).count();
            }
            senders
                .into_iter()
                .map(|sender| sender.join().unwrap())
                .sum()
        });
        assert_eq!(n_taken, n_pushed);
        assert_eq!(queue.len(), 0);
    }
}

struct Unpark(std::thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Polls `future` once with a waker that counts.
fn poll_once<F: Future>(future: std::pin::Pin<&mut F>, wakes: &Arc<Wakes>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(&Waker::from(wakes.clone())))
}

#[test]
fn inv5_who_waits_for_room_gets_it_when_items_are_taken() {
    let queue = Queue::new(2);
    (0..2).for_each(|item| queue.push(item).unwrap());
    let wakes = Arc::<Wakes>::default();
    let mut waits = [2, 3, 4].map(|item| Box::pin(queue.push_when_free(item)));
    for wait in &mut waits {
        assert_eq!(poll_once(wait.as_mut(), &wakes), Poll::Pending);
    }
    let take = || {
        let (mut batch, mut seen) = (Vec::new(), Vec::new());
        let mut cx = Context::from_waker(Waker::noop());
        while queue.poll_take(&mut cx, &mut batch, || false).is_ready() {
            seen.extend(batch.drain(..).rev());
        }
        seen
    };
    assert_eq!(take(), [0, 1]);
    assert_eq!(wakes.0.load(Ordering::SeqCst), 3);
    let polls = waits
        .each_mut()
        .map(|wait| poll_once(wait.as_mut(), &wakes));
    assert_eq!(
        polls,
        [Poll::Ready(Ok(())), Poll::Ready(Ok(())), Poll::Pending]
    );
    // The third gives up: nothing of it is ever queued.
    let [_, _, third] = waits;
    drop(third);
    assert_eq!(take(), [2, 3]);
    assert!(take().is_empty());
}

#[test]
fn a_small_queue_is_taken_item_by_item_so_that_its_limit_is_what_waits() {
    for (limit, at_once) in [(1, 1), (8, 1), (32, 4), (1000, 15)] {
        let queue = Queue::new(limit);
        (0..limit.min(15)).for_each(|item| queue.push(item).unwrap());
        let (mut cx, mut batch) = (Context::from_waker(Waker::noop()), Vec::new());
        let taken = queue.poll_take(&mut cx, &mut batch, || false);
        assert_eq!((taken, batch.len()), (Poll::Ready(Taken::Items), at_once));
    }
}

#[test]
fn inv5_who_waits_for_room_gets_the_item_back_when_the_queue_is_closed() {
    let queue = Queue::new(1);
    queue.push(0).unwrap();
    let wakes = Arc::<Wakes>::default();
    let mut wait = Box::pin(queue.push_when_free(1));
    assert_eq!(poll_once(wait.as_mut(), &wakes), Poll::Pending);
    queue.close();
    assert_eq!(wakes.0.load(Ordering::SeqCst), 1);
    assert_eq!(poll_once(wait.as_mut(), &wakes), Poll::Ready(Err(1)));
}
