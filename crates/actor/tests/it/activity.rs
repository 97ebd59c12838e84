//! What is seen of an actor from outside: what it does, what it did, and the spans of its messages.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};

use hypermesh_actor::settings::ACTOR_EVENTS;
use hypermesh_actor::{ActorStatus, Cx, Error, EventOutcome, Message, Result, Status, actor};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::fixture::{Trace, next_turn, proc, within};

#[derive(Message)]
struct Block;
#[derive(Message)]
struct Note(u64);
#[derive(Message)]
struct Fail;

/// Blocks its thread until the test lets it go.
struct Blocking {
    begun: UnboundedSender<()>,
    go: Receiver<()>,
}

#[actor]
impl Blocking {
    #[handler]
    fn block(&mut self, _cx: &Cx<'_, Self>, _: Block) {
        self.begun.send(()).unwrap();
        self.go.recv().unwrap();
    }

    #[handler]
    fn note(&mut self, cx: &Cx<'_, Self>, Note(n): Note) {
        cx.publish(|| vec![("note", n), ("handled", 0)]);
    }

    #[handler]
    async fn fail(&mut self, _cx: &Cx<'_, Self>, _: Fail) -> Result<()> {
        Err(Error::msg("no disk"))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_actor_that_blocks_its_thread_is_read_like_any_other() {
    let _events = ACTOR_EVENTS.override_for_thread(2);
    let proc = proc();
    let client = proc.client("client");
    let ((begun, mut has_begun), (go, go_on)) = (unbounded_channel(), channel());
    let blocking = Blocking { begun, go: go_on };
    let blocking = proc.spawn_named("blocking", blocking).unwrap();
    blocking.tell(Note(1)).unwrap();
    blocking.tell(Block).unwrap();
    within(has_begun.recv()).await.unwrap();
    for n in 0..100 {
        blocking.tell(Note(n)).unwrap();
    }
    let question = ActorStatus {
        name: "blocking".to_owned(),
    };
    // Twice: reading changes nothing.
    for _ in 0..2 {
        let report = within(proc.agent().ask(&client, question.clone())).await;
        let report = report.unwrap().unwrap();
        assert_eq!((report.status, report.queued), (Status::Running, 100));
        let current = report.activity.current.unwrap();
        assert_eq!(current.message, "Block");
        assert!(current.running_for <= report.activity.busy);
        assert!(current.running_for.is_some());
        assert_eq!(report.activity.handled, 1);
        let published = report.activity.published.into_iter().collect::<Vec<_>>();
        assert_eq!(published, [("note".to_owned(), "1".to_owned())]);
        let recent: Vec<_> = report.activity.recent.iter().map(|e| &*e.message).collect();
        assert_eq!(recent, ["Note"]);
    }
    go.send(()).unwrap();
    blocking.tell(Fail).unwrap();
    assert!(within(blocking.wait()).await.is_failure());
    let seen = blocking.activity();
    assert_eq!((seen.handled, seen.current), (103, None));
    let recent = seen
        .recent
        .iter()
        .map(|event| (&*event.message, event.outcome));
    let expected = [
        ("Note", EventOutcome::Handled),
        ("Fail", EventOutcome::Failed),
    ];
    assert_eq!(recent.collect::<Vec<_>>(), expected);
    assert_eq!(blocking.queued(), 0);
}

/// Writes down the spans of messages.
struct Spans {
    trace: Trace,
    n_spans: AtomicU64,
}

impl Subscriber for Spans {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "hypermesh::message"
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        span.record(&mut Fields(&self.trace));
        Id::from_u64(1 + self.n_spans.fetch_add(1, Ordering::SeqCst))
    }

    fn record(&self, _span: &Id, _values: &Record<'_>) {}

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn event(&self, _event: &Event<'_>) {}

    fn enter(&self, span: &Id) {
        self.trace.push(format!("enter {}", span.into_u64()));
    }

    fn exit(&self, span: &Id) {
        self.trace.push(format!("exit {}", span.into_u64()));
    }
}

struct Fields<'a>(&'a Trace);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() != "id" {
            self.0.push(format!("{}={value:?}", field.name()));
        }
    }
}

#[tokio::test]
async fn each_message_has_a_span_for_who_wants_them() {
    let trace = Trace::default();
    let spans = Spans {
        trace: trace.clone(),
        n_spans: AtomicU64::new(0),
    };
    let (begun, _) = unbounded_channel();
    let (_, go) = channel();
    let proc = proc();
    let blocking = proc.spawn(Blocking { begun, go });
    {
        let _subscribed = hypermesh_testkit::subscribe(spans);
        blocking.tell(Note(1)).unwrap();
        while blocking.activity().handled < 1 {
            next_turn().await;
        }
    }
    blocking.tell(Note(2)).unwrap();
    while blocking.activity().handled < 2 {
        next_turn().await;
    }
    let expected = [
        "world=\"test\"",
        "rank=0",
        "actor=\"Blocking\"",
        "message=\"Note\"",
        "enter 1",
        "exit 1",
    ];
    assert_eq!(trace.take(), expected);
}
