//! What settings change. In a binary of its own: an override is seen by all tests of a process.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use hypermesh_actor::mailbox::channel::ChannelTransport;
use hypermesh_actor::mailbox::{Gateway, GatewayOptions, ProcId};
use hypermesh_actor::settings::{CALL_CYCLES, STREAM_WINDOW};
use hypermesh_actor::{
    ActorHandle, CallError, Cx, Message, Proc, ProcOptions, ReplyTo, Result, Streaming, actor,
};
use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::time::Instant;

fn proc(transport: ChannelTransport, rank: u32) -> Proc {
    Proc::new(ProcOptions {
        id: ProcId::new(7, rank, 0),
        name: "test".to_owned(),
        gateway: Gateway::new(GatewayOptions::new(Handle::current(), transport)),
        runtime: Handle::current(),
    })
    .unwrap()
}

struct Ask(Vec<ActorHandle<Relay>>);

/// Passes a question on, and says who gave up.
struct Relay(UnboundedSender<String>);

#[actor]
impl Relay {
    #[handler(local)]
    async fn relay(&mut self, cx: &Cx<'_, Self>, Ask(mut to): Ask) -> Result<()> {
        let next = to.remove(0);
        if let Err(error) = next.ask(Ask(to)).await {
            _ = self.0.send(format!("{}: {error}", cx.label()));
        }
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_cycle_that_is_not_looked_for_ends_with_the_first_question_and_is_named() {
    let _cycles = CALL_CYCLES.override_for_test(false);
    let proc = proc(ChannelTransport::Local, 0);
    let (texts, mut said) = unbounded_channel();
    let [a, b] = ["a", "b"].map(|name| proc.spawn_named(name, Relay(texts.clone())).unwrap());
    let begin = Instant::now();
    let limit = Duration::from_secs(3);
    let outer = a.ask(Ask(vec![b.clone(), a.clone(), b])).timeout(limit);
    assert_eq!(outer.await, Err(CallError::Deadline(limit)));
    let mut all = vec![said.recv().await.unwrap(), said.recv().await.unwrap()];
    assert_eq!(begin.elapsed(), limit);
    all.sort();
    assert_eq!(
        all,
        [
            "a: no reply before the end of the first question: a -> b",
            "b: no reply before the end of the first question: a -> b -> a",
        ]
    );
}

#[derive(Message)]
struct Count(u64);
struct Source;

#[actor]
impl Source {
    #[handler]
    async fn count(
        &mut self,
        _cx: &Cx<'_, Self>,
        Count(to): Count,
        reply: ReplyTo<Streaming<u64>>,
    ) -> Result<()> {
        let mut sink = reply.stream();
        for n in 0..to {
            sink.send(n).await?;
        }
        sink.finish();
        Ok(())
    }
}

#[tokio::test]
async fn streams_lose_nothing_with_a_window_of_one() {
    let _window = STREAM_WINDOW.override_for_test(1);
    let home = proc(ChannelTransport::Unix, 0);
    let away = proc(ChannelTransport::Unix, 1);
    let client = away.client("client");
    let source = home.spawn(Source);
    let by_ref = source.bind();
    for n in [0, 1, 2, 100] {
        let streams = [source.stream(Count(n)), by_ref.stream(&client, Count(n))];
        for mut stream in streams {
            for expected in 0..n {
                assert_eq!(stream.next().await, Some(Ok(expected)));
            }
            assert_eq!(stream.next().await, None);
        }
    }
}
