//! What becomes of messages in the queue of an actor.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hypermesh_actor::mailbox::Cause;
use hypermesh_actor::{Cx, Exit, Message, Result, SendError, Status, actor};
use tokio::sync::Notify;

use crate::fixture::{Trace, next_turn, proc, within};

#[derive(Message, Debug, Clone, PartialEq)]
struct Note(u64);
#[derive(Message)]
struct Mark(u64);
#[derive(Message)]
struct Wait;
#[derive(Message)]
struct Count;

/// Writes down what it gets, and waits when it is told to.
#[derive(Default)]
struct Clerk {
    seen: Vec<u64>,
    handled: Arc<AtomicU64>,
    gate: Arc<Notify>,
    trace: Trace,
}

#[actor]
impl Clerk {
    #[handler]
    async fn note(&mut self, _cx: &Cx<'_, Self>, Note(n): Note) {
        self.handled.fetch_add(1, Ordering::SeqCst);
        self.seen.push(n);
    }

    #[handler]
    fn mark(&mut self, _cx: &Cx<'_, Self>, Mark(n): Mark) {
        self.handled.fetch_add(1, Ordering::SeqCst);
        self.seen.push(n);
    }

    #[handler]
    async fn wait(&mut self, _cx: &Cx<'_, Self>, _: Wait) {
        let _local = OnDrop(self.trace.clone());
        self.trace.push("waits");
        self.gate.notified().await;
    }

    #[handler]
    fn count(&mut self, _cx: &Cx<'_, Self>, _: Count) -> Result<Vec<u64>> {
        Ok(self.seen.clone())
    }
}

struct OnDrop(Trace);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.push("local dropped");
    }
}

#[tokio::test]
async fn messages_of_one_sender_keep_their_order_across_types_handles_and_refs() {
    let proc = proc();
    let client = proc.client("client");
    let clerk = proc.spawn(Clerk::default());
    let by_ref = clerk.bind();
    for n in 0..400 {
        match n % 4 {
            0 => clerk.tell(Note(n)).unwrap(),
            1 => clerk.tell(Mark(n)).unwrap(),
            2 => by_ref.tell(&client, Note(n)).unwrap(),
            _ => by_ref.tell(&client, Mark(n)).unwrap(),
        }
    }
    let seen = within(clerk.ask(Count)).await.unwrap();
    assert_eq!(seen, (0..400).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixteen_senders_lose_and_double_nothing() {
    const EACH: u64 = 100_000;
    let proc = proc();
    let clerk = proc.spawn(Clerk::default());
    let mut senders = tokio::task::JoinSet::new();
    for sender in 0..16 {
        let clerk = clerk.clone();
        senders.spawn(async move {
            for n in 0..EACH {
                let mut note = Note(sender * EACH + n);
                // The queue is shorter than all that is sent.
                while let Err(full) = clerk.tell(note) {
                    assert!(matches!(full, SendError::Full { .. }), "{full}");
                    note = full.into_message();
                    tokio::task::yield_now().await;
                }
                if n % 100 == 0 {
                    tokio::task::yield_now().await;
                }
            }
        });
    }
    within(senders.join_all()).await;
    let seen = within(clerk.ask(Count)).await.unwrap();
    assert_eq!(seen.len() as u64, 16 * EACH);
    let mut next = [0; 16];
    for n in seen {
        let expected = &mut next[(n / EACH) as usize];
        assert_eq!(n % EACH, *expected);
        *expected += 1;
    }
}

#[tokio::test]
async fn drain_is_a_position_in_the_queue() {
    let proc = proc();
    let clerk = Clerk::default();
    let handled = clerk.handled.clone();
    let clerk = proc.spawn(clerk);
    (0..10).for_each(|n| clerk.tell(Note(n)).unwrap());
    clerk.drain();
    for n in 10..20 {
        match clerk.tell(Note(n)) {
            Err(SendError::Closed { message, .. }) => assert_eq!(message, Note(n)),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(within(clerk.wait()).await, Exit::Drained);
    assert_eq!(handled.load(Ordering::SeqCst), 10);
}

#[tokio::test]
async fn stop_lets_the_handler_finish_and_gives_the_queued_messages_back() {
    let proc = proc();
    let client = proc.client("client");
    let mut returned = client.undelivered();
    let clerk = Clerk::default();
    let (handled, gate, trace) = (
        clerk.handled.clone(),
        clerk.gate.clone(),
        clerk.trace.clone(),
    );
    let clerk = proc.spawn(clerk);
    let by_ref = clerk.bind();
    by_ref.tell(&client, Note(0)).unwrap();
    let waiting = by_ref.ask(&client, Wait);
    (1..100).for_each(|n| by_ref.tell(&client, Note(n)).unwrap());
    while trace.take().is_empty() {
        tokio::task::yield_now().await;
    }
    clerk.stop();
    assert_eq!(clerk.status(), Status::Stopping);
    gate.notify_one();
    assert_eq!(within(clerk.wait()).await, Exit::Stopped);
    assert_eq!(trace.take(), ["local dropped"]);
    within(waiting).await.unwrap();
    assert_eq!(handled.load(Ordering::SeqCst), 1);
    for n in 1..100 {
        let undelivered = within(returned.recv()).await.unwrap();
        assert_eq!(undelivered.cause, Cause::OwnerExited("stopped".into()));
        let note = undelivered.payload.unwrap().take::<Note>().unwrap();
        assert_eq!(note, Note(n), "the messages come back in order");
    }
    assert_eq!(returned.try_recv().unwrap().map(|u| u.cause), None);
}

#[tokio::test]
async fn stop_acts_before_the_next_message_however_many_are_queued() {
    let proc = proc();
    let clerk = Clerk::default();
    let (handled, gate, trace) = (
        clerk.handled.clone(),
        clerk.gate.clone(),
        clerk.trace.clone(),
    );
    let clerk = proc.spawn(clerk);
    clerk.tell(Wait).unwrap();
    (0..100_000).for_each(|n| clerk.tell(Note(n)).unwrap());
    while trace.take().is_empty() {
        tokio::task::yield_now().await;
    }
    clerk.stop();
    gate.notify_one();
    assert_eq!(within(clerk.wait()).await, Exit::Stopped);
    assert_eq!(handled.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn kill_ends_a_handler_that_waits_for_ever() {
    let proc = proc();
    let clerk = Clerk::default();
    let trace = clerk.trace.clone();
    let clerk = proc.spawn(clerk);
    clerk.tell(Wait).unwrap();
    while trace.take().is_empty() {
        tokio::task::yield_now().await;
    }
    clerk.kill();
    assert_eq!(within(clerk.wait()).await, Exit::Killed);
    assert_eq!(trace.take(), ["local dropped"]);
}

#[tokio::test]
async fn ending_an_actor_twice_is_no_error() {
    let proc = proc();
    let clerk = proc.spawn(Clerk::default());
    clerk.stop();
    clerk.stop();
    assert_eq!(within(clerk.wait()).await, Exit::Stopped);
    clerk.kill();
    clerk.drain();
    assert_eq!(
        within(clerk.wait()).await,
        Exit::Stopped,
        "the exit never changes"
    );
}

#[tokio::test]
async fn a_message_to_an_exited_actor_comes_back_with_the_exit() {
    let proc = proc();
    let client = proc.client("client");
    let clerk = proc.spawn(Clerk::default());
    let by_ref = clerk.bind();
    clerk.stop();
    within(clerk.wait()).await;
    match clerk.tell(Note(1)) {
        Err(SendError::Closed { message, exit, .. }) => {
            assert_eq!((message, exit), (Note(1), Some(Exit::Stopped)));
        }
        other => panic!("{other:?}"),
    }
    match by_ref.tell(&client, Note(2)) {
        Err(SendError::Closed { message, exit, .. }) => {
            assert_eq!((message, exit), (Note(2), Some(Exit::Stopped)));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_full_queue_gives_the_message_back() {
    let _limit = hypermesh_actor::mailbox::settings::QUEUE_LIMIT.override_for_thread(3);
    let proc = proc();
    let clerk = proc.spawn(Clerk::default());
    let full = (0..).find_map(|n| clerk.tell(Note(n)).err());
    match full {
        Some(SendError::Full { message, .. }) => assert_eq!(message, Note(3)),
        other => panic!("{other:?}"),
    }
    assert_eq!(
        within(clerk.ask(Count)).await.unwrap_err().to_string(),
        "the queue of the actor is full"
    );
    clerk.drain();
    within(clerk.wait()).await;
}

#[tokio::test]
async fn a_busy_actor_lets_others_run() {
    let proc = proc();
    let clerk = Clerk::default();
    let handled = clerk.handled.clone();
    let clerk = proc.spawn(clerk);
    (0..10_000).for_each(|n| clerk.tell(Note(n)).unwrap());
    // A task of its own, ready all the time: the runtime polls the future of the test itself, and
    // tasks that wait by tokio's `yield_now`, less often.
    let mut observer = tokio::task::JoinSet::new();
    observer.spawn(async move {
        let mut last = handled.load(Ordering::SeqCst);
        while last < 10_000 {
            next_turn().await;
            let now = handled.load(Ordering::SeqCst);
            assert!(now - last <= 64, "{} messages without a pause", now - last);
            last = now;
        }
    });
    within(observer.join_all()).await;
}

#[tokio::test]
async fn a_message_between_procs_of_one_process_is_not_encoded() {
    #[derive(Message)]
    #[message(serde)]
    struct Unencodable(u64);
    impl serde::Serialize for Unencodable {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            panic!("it was encoded");
        }
    }
    impl<'de> serde::Deserialize<'de> for Unencodable {
        fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
            panic!("it was decoded");
        }
    }
    struct Taker(u64);
    #[actor]
    impl Taker {
        #[handler]
        fn take(&mut self, _cx: &Cx<'_, Self>, Unencodable(n): Unencodable) {
            self.0 += n;
        }
        #[handler]
        fn total(&mut self, _cx: &Cx<'_, Self>, _: Count) -> Result<u64> {
            Ok(self.0)
        }
    }
    let first = proc();
    let second = crate::fixture::proc_on(first.gateway(), 1);
    let client = second.client("client");
    let taker = first.spawn(Taker(1));
    taker.bind().tell(&client, Unencodable(41)).unwrap();
    assert_eq!(within(taker.bind().ask(&client, Count)).await, Ok(42));
}

#[tokio::test(start_paused = true)]
async fn a_guard_stops_its_actor() {
    let proc = proc();
    let clerk = proc.spawn(Clerk::default());
    drop(clerk.clone().guard());
    assert_eq!(within(clerk.wait()).await, Exit::Stopped);
    let clerk = proc.spawn(Clerk::default());
    drop(clerk.clone().guard().into_inner());
    let waited = tokio::time::timeout(Duration::from_secs(1), clerk.wait()).await;
    assert!(waited.is_err(), "a disarmed guard stops nothing");
}
