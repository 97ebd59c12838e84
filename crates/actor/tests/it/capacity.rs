//! How much may wait for an actor, in messages and in bytes, and what becomes of the rest.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use hypermesh_actor::mailbox::Cause;
use hypermesh_actor::mailbox::settings::QUEUE_BYTES;
use hypermesh_actor::{
    ActorHandle, Cx, Exit, Message, Mode, Proc, Result, SendError, StopActor, StopOutcome, actor,
};
use hypermesh_config::ByteSize;
use tokio::sync::Notify;

use crate::fixture::{Trace, next_turn, proc, two_procs, within};

#[derive(Message, Debug, PartialEq)]
struct Note(u64);
#[derive(Message, Debug, PartialEq)]
struct Load(Vec<u8>);
#[derive(Message)]
struct Wait;
#[derive(Message)]
struct Count;
#[derive(Debug)]
struct Page([u8; 1024]);

/// Has room for two messages, and waits when it is told to.
#[derive(Default)]
struct Narrow {
    seen: Vec<u64>,
    gate: Arc<Notify>,
    trace: Trace,
}

#[actor(capacity = 2)]
impl Narrow {
    #[handler]
    fn note(&mut self, _cx: &Cx<'_, Self>, Note(n): Note) {
        self.seen.push(n);
    }

    #[handler]
    async fn wait(&mut self, _cx: &Cx<'_, Self>, _: Wait) {
        self.trace.push("waits");
        self.gate.notified().await;
    }

    #[handler]
    fn count(&mut self, _cx: &Cx<'_, Self>, _: Count) -> Result<Vec<u64>> {
        Ok(self.seen.clone())
    }
}

/// Takes large messages, and waits when it is told to.
#[derive(Default)]
struct Store {
    n_seen: usize,
    gate: Arc<Notify>,
}

#[actor]
impl Store {
    #[handler]
    fn load(&mut self, _cx: &Cx<'_, Self>, Load(bytes): Load) {
        self.n_seen += usize::from(!bytes.is_empty());
    }

    #[handler(local)]
    fn page(&mut self, _cx: &Cx<'_, Self>, Page(bytes): Page) {
        self.n_seen += usize::from(bytes[0]);
    }

    #[handler]
    async fn wait(&mut self, _cx: &Cx<'_, Self>, _: Wait) {
        self.gate.notified().await;
    }

    #[handler]
    fn count(&mut self, _cx: &Cx<'_, Self>, _: Count) -> Result<u64> {
        Ok(self.n_seen as u64)
    }
}

/// Returns one that waits at its gate, with as many notes in its queue as there is room for.
async fn full(proc: &Proc) -> (ActorHandle<Narrow>, Arc<Notify>) {
    let (gate, trace) = (Arc::new(Notify::new()), Trace::default());
    let narrow = proc.spawn(Narrow {
        gate: gate.clone(),
        trace: trace.clone(),
        ..Narrow::default()
    });
    narrow.tell(Wait).unwrap();
    while trace.take().is_empty() {
        next_turn().await;
    }
    narrow.tell(Note(0)).unwrap();
    narrow.tell(Note(1)).unwrap();
    (narrow, gate)
}

fn poll_once<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test]
async fn beyond_its_capacity_a_message_comes_back_and_a_waiting_sender_has_the_next_place() {
    let proc = proc();
    let (narrow, gate) = full(&proc).await;
    match narrow.tell(Note(2)) {
        Err(SendError::Full { message, .. }) => assert_eq!(message, Note(2)),
        other => panic!("{other:?}"),
    }
    let mut waiting = pin!(narrow.tell_when_free(Note(3)));
    assert!(poll_once(waiting.as_mut()).is_pending());
    {
        let mut cancelled = pin!(narrow.tell_when_free(Note(4)));
        assert!(poll_once(cancelled.as_mut()).is_pending());
    }
    assert_eq!(narrow.queued(), 2);
    gate.notify_one();
    within(waiting).await.unwrap();
    while 0 < narrow.queued() {
        next_turn().await;
    }
    assert_eq!(within(narrow.ask(Count)).await, Ok(vec![0, 1, 3]));
}

#[tokio::test]
async fn a_waiting_sender_gets_the_message_back_when_the_actor_ends() {
    let proc = proc();
    let (narrow, _gate) = full(&proc).await;
    let mut waiting = pin!(narrow.tell_when_free(Note(2)));
    assert!(poll_once(waiting.as_mut()).is_pending());
    narrow.kill();
    match within(waiting).await {
        Err(SendError::Closed { message, .. }) => assert_eq!(message, Note(2)),
        other => panic!("{other:?}"),
    }
    assert_eq!(within(narrow.wait()).await, Exit::Killed);
}

#[tokio::test]
async fn the_mark_in_bytes_holds_for_messages_by_handle() {
    let _mark = QUEUE_BYTES.override_for_thread(ByteSize::kib(64));
    let proc = proc();
    let store = proc.spawn(Store::default());
    let refused = (0..).find_map(|n| Some((n, store.tell(Page([1; 1024])).err()?)));
    let Some((n_taken, SendError::Full { message, .. })) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(message.0, [1; 1024]);
    assert!((32..64).contains(&n_taken), "{n_taken} of 1 KiB each");
    while 0 < store.queued() {
        next_turn().await;
    }
    assert_eq!(within(store.ask(Count)).await, Ok(n_taken));
}

#[tokio::test]
async fn above_the_mark_messages_from_elsewhere_bounce_and_nobody_else_notices() {
    const N_SENT: u64 = 40;
    let _mark = QUEUE_BYTES.override_for_thread(ByteSize::kib(64));
    let (here, there) = two_procs();
    let client = here.client("client");
    let mut undelivered = client.undelivered();
    let gate = Arc::new(Notify::new());
    let store = Store {
        gate: gate.clone(),
        ..Store::default()
    };
    let store = there.spawn_named("store", store).unwrap();
    let other = there.spawn_named("other", Store::default()).unwrap();
    let (by_ref, other) = (store.bind(), other.bind());
    by_ref.tell(&client, Wait).unwrap();
    for _ in 0..N_SENT {
        by_ref.tell(&client, Load(vec![7; 4096])).unwrap();
    }
    // Behind the same link: another actor, and what is for the control of this one.
    assert_eq!(within(other.ask(&client, Count)).await, Ok(0));
    gate.notify_one();
    let n_taken = within(by_ref.ask(&client, Count)).await.unwrap();
    assert!((8..=16).contains(&n_taken), "{n_taken} of 4 KiB each");
    for _ in n_taken..N_SENT {
        let bounce = within(undelivered.recv()).await.unwrap();
        assert_eq!(bounce.cause, Cause::QueueFull);
    }
    // What was handled makes room.
    by_ref.tell(&client, Load(vec![7; 4096])).unwrap();
    assert_eq!(within(by_ref.ask(&client, Count)).await, Ok(n_taken + 1));
}

#[tokio::test]
async fn an_actor_whose_queue_is_full_is_stopped_all_the_same() {
    let _mark = QUEUE_BYTES.override_for_thread(ByteSize::kib(64));
    let (here, there) = two_procs();
    let client = here.client("client");
    let mut undelivered = client.undelivered();
    let gate = Arc::new(Notify::new());
    let store = Store {
        gate: gate.clone(),
        ..Store::default()
    };
    let store = there.spawn_named("store", store).unwrap();
    store.tell(Wait).unwrap();
    for _ in 0..40 {
        store.bind().tell(&client, Load(vec![7; 4096])).unwrap();
    }
    assert_eq!(
        within(undelivered.recv()).await.unwrap().cause,
        Cause::QueueFull
    );
    let stop = StopActor {
        name: "store".to_owned(),
        mode: Mode::Stop,
        timeout: Duration::from_secs(30),
    };
    let stopped = there.agent().ask(&client, stop);
    gate.notify_one();
    assert_eq!(within(stopped).await, Ok(StopOutcome::Stopped));
    assert_eq!(store.exit(), Some(Exit::Stopped));
}
