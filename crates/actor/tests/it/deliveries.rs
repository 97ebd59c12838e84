//! What becomes of messages while senders never pause.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use hypermesh_actor::{ActorHandle, Cx, Exit, SendError, actor};

use crate::fixture::{proc, within};

/// A message with a number that its sender gave it.
struct Numbered(u64);

/// Counts what it handles.
struct Counter(Arc<AtomicU64>);

#[actor]
impl Counter {
    #[handler(local)]
    async fn numbered(&mut self, _cx: &Cx<'_, Self>, Numbered(n): Numbered) {
        assert_eq!(
            n,
            self.0.fetch_add(1, Ordering::Relaxed),
            "in order and without a gap"
        );
    }
}

/// Sends without a pause until it is refused. Returns how many were taken, and the number that came back.
fn produce(counter: &ActorHandle<Counter>, has_begun: &AtomicBool) -> (u64, u64) {
    for n in 0.. {
        match counter.tell(Numbered(n)) {
            Ok(()) => {}
            Err(SendError::Closed { message, .. }) => return (n, message.0),
            // Faster than the actor: this one must be sent again, or there would be a gap.
            Err(SendError::Full { .. }) => panic!("the queue is longer than this test"),
            Err(other) => panic!("{other}"),
        }
        if n == 1000 {
            has_begun.store(true, Ordering::Release);
        }
    }
    unreachable!("it does not count that far")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_producer_that_never_pauses_cannot_prolong_a_drain() {
    let _limit = hypermesh_actor::mailbox::settings::QUEUE_LIMIT.override_for_thread(usize::MAX);
    let proc = proc();
    let handled = Arc::new(AtomicU64::new(0));
    let counter = proc.spawn(Counter(handled.clone()));
    let has_begun = Arc::new(AtomicBool::new(false));
    let producer = {
        let (counter, has_begun) = (counter.clone(), has_begun.clone());
        tokio::task::spawn_blocking(move || produce(&counter, &has_begun))
    };
    let begun = async {
        while !has_begun.load(Ordering::Acquire) {
            tokio::task::yield_now().await;
        }
    };
    within(begun).await;
    counter.drain();
    assert_eq!(within(counter.wait()).await, Exit::Drained);
    let (taken, returned) = within(producer).await.unwrap();
    assert_eq!(
        returned, taken,
        "the first one after the position comes back as it was"
    );
    assert_eq!(
        handled.load(Ordering::Relaxed),
        taken,
        "all before it were handled"
    );
}

/// A message that says where it ended.
struct Tracked {
    counts: Arc<Counts>,
    is_handled: bool,
}

#[derive(Default)]
struct Counts {
    handled: AtomicU64,
    dropped: AtomicU64,
}

impl Drop for Tracked {
    fn drop(&mut self) {
        if !self.is_handled {
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

struct Taker;

#[actor]
impl Taker {
    #[handler(local)]
    fn tracked(&mut self, _cx: &Cx<'_, Self>, mut tracked: Tracked) {
        tracked.is_handled = true;
        tracked.counts.handled.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_sent_to_an_actor_that_ends_is_handled_or_given_up_once() {
    for round in 0..30 {
        let proc = proc();
        let taker = proc.spawn(Taker);
        let counts = Arc::new(Counts::default());
        let mut senders = tokio::task::JoinSet::new();
        for _ in 0..4 {
            let (taker, counts) = (taker.clone(), counts.clone());
            senders.spawn_blocking(move || {
                for sent in 1.. {
                    let tracked = Tracked {
                        counts: counts.clone(),
                        is_handled: false,
                    };
                    // Refused, it is dropped here, and counts as given up like one that was queued.
                    if taker.tell(tracked).is_err() {
                        return sent;
                    }
                }
                0
            });
        }
        while counts.handled.load(Ordering::Relaxed) < 100 * round {
            tokio::task::yield_now().await;
        }
        match round % 3 {
            0 => taker.stop(),
            1 => taker.drain(),
            _ => taker.kill(),
        }
        within(taker.wait()).await;
        let sent: u64 = within(senders.join_all()).await.into_iter().sum();
        let handled = counts.handled.load(Ordering::Relaxed);
        let dropped = counts.dropped.load(Ordering::Relaxed);
        assert_eq!(handled + dropped, sent, "round {round}");
        if round % 3 == 1 {
            assert_eq!(
                dropped, 4,
                "a drain gives up what was refused and nothing else"
            );
        }
    }
}
