//! Answers that are streams of values: by a handle, by a ref of the same proc, and over a link.

use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hypermesh_actor::mailbox::channel::{ChannelTransport, LocalHub};
use hypermesh_actor::mailbox::{Gateway, GatewayOptions};
use hypermesh_actor::settings::STREAM_WINDOW;
use hypermesh_actor::{
    ActorHandle, ActorRef, CallError, Cx, Error, Exit, Instance, Message, Proc, ReplySink,
    ReplyStream, ReplyTo, Result, Streaming, actor,
};
use tokio::runtime::Handle;
use tokio::sync::Notify;

use crate::fixture::{next_turn, proc, two_procs, within};

/// Answers with 0, 1, ..
#[derive(Message)]
struct Count(u64);
/// Answers with three values and an error.
#[derive(Message)]
struct FailAfterThree;
/// Begins, sends one value and keeps the sink.
#[derive(Message)]
struct Keep;
/// Begins, and hangs in the handler.
#[derive(Message)]
struct Hang;
/// Drops the sink after one value.
#[derive(Message)]
struct Forget;
/// Drops the slot without beginning.
#[derive(Message)]
struct Refuse;
/// Asked for a plain answer.
#[derive(Message)]
struct Ping;

#[derive(Default)]
struct Source {
    /// How many values were accepted for sending.
    sent: Arc<AtomicU64>,
    /// A sink has learnt that nobody reads.
    closed: Arc<Notify>,
    /// A handler has begun.
    begun: Arc<Notify>,
    kept: Vec<ReplySink<u64>>,
}

#[actor]
impl Source {
    #[handler]
    async fn count(
        &mut self,
        _cx: &Cx<'_, Self>,
        Count(to): Count,
        reply: ReplyTo<Streaming<u64>>,
    ) {
        let mut sink = reply.stream();
        for n in 0..to {
            if sink.send(n).await.is_err() {
                self.closed.notify_one();
                return;
            }
            self.sent.fetch_add(1, Ordering::SeqCst);
        }
        sink.finish();
    }

    #[handler]
    async fn fail_after_three(
        &mut self,
        _cx: &Cx<'_, Self>,
        _: FailAfterThree,
        reply: ReplyTo<Streaming<u64>>,
    ) -> Result<()> {
        let mut sink = reply.stream();
        for n in 0..3 {
            sink.send(n).await?;
        }
        sink.fail(Error::msg("no disk"));
        Ok(())
    }

    #[handler]
    async fn keep(
        &mut self,
        _cx: &Cx<'_, Self>,
        _: Keep,
        reply: ReplyTo<Streaming<u64>>,
    ) -> Result<()> {
        let mut sink = reply.stream();
        sink.send(7).await?;
        self.kept.push(sink);
        self.begun.notify_one();
        Ok(())
    }

    #[handler]
    async fn hang(&mut self, _cx: &Cx<'_, Self>, _: Hang, reply: ReplyTo<Streaming<u64>>) {
        let _sink = reply.stream();
        self.begun.notify_one();
        std::future::pending::<()>().await;
    }

    #[handler]
    async fn forget(
        &mut self,
        _cx: &Cx<'_, Self>,
        _: Forget,
        reply: ReplyTo<Streaming<u64>>,
    ) -> Result<()> {
        reply.stream().send(7).await?;
        Ok(())
    }

    #[handler]
    fn refuse(&mut self, _cx: &Cx<'_, Self>, _: Refuse, reply: ReplyTo<Streaming<u64>>) {
        drop(reply);
    }

    #[handler]
    fn ping(&mut self, _cx: &Cx<'_, Self>, _: Ping) -> Result<()> {
        Ok(())
    }
}

struct Rig {
    procs: Vec<Proc>,
    client: Instance<()>,
    source: ActorHandle<Source>,
    by_ref: Option<ActorRef<Source>>,
    sent: Arc<AtomicU64>,
    closed: Arc<Notify>,
    begun: Arc<Notify>,
}

impl Rig {
    fn new(way: &str) -> Self {
        let source = Source::default();
        let (sent, closed) = (source.sent.clone(), source.closed.clone());
        let begun = source.begun.clone();
        let (home, away) = match way {
            "link" => two_procs(),
            _ => {
                let proc = proc();
                (proc.clone(), proc)
            }
        };
        let source = home.spawn(source);
        let by_ref = (way != "handle").then(|| source.bind());
        let client = away.client("client");
        Self {
            procs: vec![home, away],
            client,
            source,
            by_ref,
            sent,
            closed,
            begun,
        }
    }

    fn stream<M: Message>(&self, message: M) -> ReplyStream<u64>
    where
        Source: hypermesh_actor::Handler<M, Reply = Streaming<u64>>
            + hypermesh_actor::Accepts<M, Reply = Streaming<u64>>,
    {
        match &self.by_ref {
            Some(source) => source.stream(&self.client, message),
            None => self.source.stream(message),
        }
    }
}

const WAYS: [&str; 3] = ["handle", "ref", "link"];

/// Reads `stream` to its end: its values, and the error it ended with.
async fn read(mut stream: ReplyStream<u64>) -> (Vec<u64>, Option<CallError>) {
    let mut values = Vec::new();
    while let Some(item) = within(stream.next()).await {
        match item {
            Ok(value) => values.push(value),
            Err(error) => {
                let more = within(stream.next()).await;
                assert!(more.is_none(), "an error is the last thing that comes");
                return (values, Some(error));
            }
        }
    }
    (values, None)
}

#[tokio::test]
async fn all_values_come_in_order_however_many_they_are() {
    for way in WAYS {
        let rig = Rig::new(way);
        for n in [0, 1, 63, 64, 65, 5000] {
            let (values, error) = read(rig.stream(Count(n))).await;
            assert_eq!(values, (0..n).collect::<Vec<_>>(), "by {way}");
            assert_eq!(error, None, "by {way}");
        }
    }
}

#[tokio::test]
async fn many_streams_at_once_are_kept_apart() {
    for way in WAYS {
        let rig = Rig::new(way);
        let streams: Vec<_> = (0..20).map(|n| rig.stream(Count(n * 10))).collect();
        for (n, stream) in streams.into_iter().enumerate() {
            assert_eq!(read(stream).await.0.len(), n * 10, "by {way}");
        }
    }
}

#[tokio::test]
async fn a_sink_waits_for_a_reader_that_does_not_read() {
    for way in WAYS {
        let rig = Rig::new(way);
        let mut stream = rig.stream(Count(1000));
        // The first value proves that the handler runs; whatever it can send it sends meanwhile.
        assert_eq!(within(stream.next()).await, Some(Ok(0)));
        let mut last = 0;
        for _ in 0..10_000 {
            next_turn().await;
            last = rig.sent.load(Ordering::SeqCst);
        }
        // The one that was read, and what is in the window.
        assert!(last <= STREAM_WINDOW.get() + 1, "{last} values by {way}");
        let (values, error) = read(stream).await;
        assert_eq!(values, (1..1000).collect::<Vec<_>>(), "by {way}");
        assert_eq!(error, None);
    }
}

#[tokio::test]
async fn an_error_of_the_handler_comes_after_the_values() {
    for way in WAYS {
        let rig = Rig::new(way);
        let (values, error) = read(rig.stream(FailAfterThree)).await;
        assert_eq!(values, [0, 1, 2], "by {way}");
        let Some(CallError::Handler(failure)) = error else {
            panic!("{error:?} by {way}")
        };
        assert_eq!(failure.message, "no disk");
        // The actor goes on.
        within(rig.source.ask(Ping)).await.unwrap();
    }
}

#[tokio::test]
async fn a_sink_or_slot_that_is_dropped_is_told_apart_from_an_end() {
    for way in WAYS {
        let rig = Rig::new(way);
        let forgotten = read(rig.stream(Forget)).await;
        assert_eq!(forgotten, (vec![7], Some(CallError::NoReply)), "by {way}");
        let refused = read(rig.stream(Refuse)).await;
        assert_eq!(refused, (vec![], Some(CallError::NoReply)), "by {way}");
    }
}

#[tokio::test]
async fn the_end_of_the_actor_ends_its_streams() {
    for way in WAYS {
        let rig = Rig::new(way);
        let kept = rig.stream(Keep);
        within(rig.begun.notified()).await;
        rig.source.stop();
        let expected = (vec![7], Some(CallError::Exited(Exit::Stopped)));
        assert_eq!(read(kept).await, expected, "by {way}");

        let rig = Rig::new(way);
        let (hanging, queued) = (rig.stream(Hang), rig.stream(Count(3)));
        within(rig.begun.notified()).await;
        rig.source.kill();
        let killed = Some(CallError::Exited(Exit::Killed));
        assert_eq!(read(hanging).await, (vec![], killed.clone()), "by {way}");
        assert_eq!(read(queued).await, (vec![], killed.clone()), "by {way}");
        within(rig.source.wait()).await;
        let late = read(rig.stream(Count(3))).await;
        assert_eq!(late, (vec![], killed), "by {way}");
    }
}

#[tokio::test]
async fn a_reader_that_goes_ends_the_sink() {
    for way in WAYS {
        // After some values, and before the handler has begun.
        let rig = Rig::new(way);
        let mut stream = rig.stream(Count(u64::MAX));
        assert_eq!(within(stream.next()).await, Some(Ok(0)));
        drop(stream);
        within(rig.closed.notified()).await;

        let rig = Rig::new(way);
        drop(rig.stream(Count(u64::MAX)));
        within(rig.closed.notified()).await;
        within(rig.source.ask(Ping)).await.unwrap();
        assert_eq!(rig.client.mailbox().n_ports(), 0, "by {way}");
    }
}

#[tokio::test]
async fn the_death_of_the_readers_proc_ends_the_sink() {
    let rig = Rig::new("link");
    let mut stream = rig.stream(Count(u64::MAX));
    assert_eq!(within(stream.next()).await, Some(Ok(0)));
    let (home, away) = (&rig.procs[0], &rig.procs[1]);
    home.gateway().proc_died(*away.id(), "killed by signal 9");
    within(rig.closed.notified()).await;
    within(rig.source.ask(Ping)).await.unwrap();
}

#[tokio::test]
async fn the_death_of_the_actors_proc_ends_the_stream() {
    let rig = Rig::new("link");
    let stream = rig.stream(Keep);
    within(rig.begun.notified()).await;
    let (home, away) = (&rig.procs[0], &rig.procs[1]);
    away.gateway().proc_died(*home.id(), "killed by signal 9");
    let expected = CallError::ProcDied("killed by signal 9".to_owned());
    assert_eq!(read(stream).await.1, Some(expected));
    assert_eq!(away.pending_calls(), 0);
}

#[tokio::test]
async fn a_stream_that_was_not_asked_for_is_refused() {
    for way in WAYS {
        let rig = Rig::new(way);
        let answer = match &rig.by_ref {
            Some(source) => source.ask(&rig.client, Count(3)),
            None => rig.source.ask(Count(3)),
        };
        let error = within(answer).await.unwrap_err();
        let text = "the reply cannot be read: the answer is a stream: ask for it by `stream`";
        assert_eq!(error.to_string(), text, "by {way}");
        rig.source.tell(Count(3)).unwrap();
        within(rig.source.ask(Ping)).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn only_the_begin_of_a_stream_has_a_deadline_unless_one_is_set() {
    for way in ["handle", "ref"] {
        let rig = Rig::new(way);
        let mut stream = rig.stream(Keep);
        assert_eq!(stream.next().await, Some(Ok(7)));
        let limit = Duration::from_secs(24 * 3600);
        let day = tokio::time::timeout(limit, stream.next()).await;
        assert!(day.is_err(), "an event may take a day");

        let begin = tokio::time::Instant::now();
        let limit = Duration::from_secs(5);
        let mut stream = rig.stream(Keep).timeout(limit);
        assert_eq!(stream.next().await, Some(Ok(7)));
        assert_eq!(stream.next().await, Some(Err(CallError::Deadline(limit))));
        assert_eq!(begin.elapsed(), limit);

        // Behind a handler that hangs, no stream begins.
        rig.source.tell(Hang).unwrap();
        let begin = tokio::time::Instant::now();
        let expected = CallError::Deadline(Duration::from_secs(30));
        assert_eq!(rig.stream(Keep).next().await, Some(Err(expected)));
        assert_eq!(begin.elapsed(), Duration::from_secs(30));
        let begin = tokio::time::Instant::now();
        let expected = CallError::Deadline(Duration::from_secs(60));
        let mut stream = rig.stream(Keep).timeout(Duration::from_secs(60));
        assert_eq!(stream.next().await, Some(Err(expected)));
        assert_eq!(begin.elapsed(), Duration::from_secs(60));
    }
}

#[tokio::test]
async fn a_stream_over_a_link_leaves_nothing_behind() {
    let rig = Rig::new("link");
    for _ in 0..200 {
        assert_eq!(read(rig.stream(Count(3))).await.0, [0, 1, 2]);
    }
    within(rig.source.ask(Ping)).await.unwrap();
    assert_eq!(rig.client.mailbox().n_ports(), 0);
    for proc in &rig.procs {
        assert_eq!(proc.pending_calls(), 0);
    }
}

/// Two procs on gateways that reach each other without a socket, so that time may be paused.
fn two_procs_in_memory() -> (Proc, Proc) {
    let hub = LocalHub::new();
    let [home, away] = [0, 1].map(|rank| {
        let mut options = GatewayOptions::new(Handle::current(), ChannelTransport::Local);
        options.hub = hub.clone();
        crate::fixture::proc_on(&Gateway::new(options), rank)
    });
    (home, away)
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_goes_without_a_word_is_found_gone() {
    let (home, away) = two_procs_in_memory();
    let source = Source::default();
    let closed = source.closed.clone();
    let source = home.spawn(source);
    let client = away.client("client");
    let mut stream = source.bind().stream(&client, Count(u64::MAX));
    assert_eq!(stream.next().await, Some(Ok(0)));
    // Neither its destructor nor the death of its proc tells the sink.
    let _lost = ManuallyDrop::new(stream);
    drop(client);
    closed.notified().await;
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_goes_without_a_word_is_found_gone() {
    #[derive(Message)]
    struct Lose;
    struct Loser;
    #[actor]
    impl Loser {
        #[handler]
        fn lose(&mut self, _cx: &Cx<'_, Self>, _: Lose, reply: ReplyTo<Streaming<u64>>) {
            let _lost = ManuallyDrop::new(reply.stream());
        }
        #[handler]
        fn ping(&mut self, _cx: &Cx<'_, Self>, _: Ping) -> Result<()> {
            Ok(())
        }
    }
    let (home, away) = two_procs_in_memory();
    let loser = home.spawn(Loser);
    let client = away.client("client");
    let mut stream = loser.bind().stream(&client, Lose);
    loser.bind().ask(&client, Ping).await.unwrap();
    loser.stop();
    loser.wait().await;
    let begin = tokio::time::Instant::now();
    let expected = CallError::Exited(Exit::Stopped);
    assert_eq!(stream.next().await, Some(Err(expected)));
    assert!(begin.elapsed() <= Duration::from_secs(31));
}

#[tokio::test(start_paused = true)]
async fn a_stream_survives_hours_of_silence_on_either_side() {
    let (home, away) = two_procs_in_memory();
    let source = Source::default();
    let begun = source.begun.clone();
    let source = home.spawn(source);
    let client = away.client("client");
    let hours = Duration::from_secs(6 * 3600);

    // Nothing is sent: the reader asks after the sink now and then.
    let mut quiet = source.bind().stream(&client, Keep);
    assert_eq!(quiet.next().await, Some(Ok(7)));
    begun.notified().await;
    assert!(tokio::time::timeout(hours, quiet.next()).await.is_err());

    // Nothing is read: the sink asks after the reader, and then goes on.
    let end = STREAM_WINDOW.get() + 10;
    let mut unread = source.bind().stream(&client, Count(end));
    assert_eq!(unread.next().await, Some(Ok(0)));
    let pause = std::future::pending::<()>();
    assert!(tokio::time::timeout(hours, pause).await.is_err());
    assert_eq!(
        read(unread).await,
        ((1..end).collect::<Vec<_>>(), None),
        "every value is there"
    );
    source.stop();
    assert_eq!(
        quiet.next().await,
        Some(Err(CallError::Exited(Exit::Stopped)))
    );
}
