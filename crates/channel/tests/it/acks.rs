//! When a receiver acknowledges: at once if somebody waits for it, otherwise late.

use std::time::{Duration, Instant};

use hypermesh_channel::{ChannelTransport, Endpoint, Outcome, Tx};

use crate::{by_hand::*, rig::*};

const NEVER: Duration = Duration::from_secs(3600);

/// An endpoint that acknowledges nothing by itself, but after 256 messages or 1 MiB.
fn silent() -> Endpoint {
    silent_for(ChannelTransport::Unix)
}

fn silent_for(transport: ChannelTransport) -> Endpoint {
    endpoint_for_with(transport, |limits| {
        limits.ack_delay = NEVER;
        // A tick, too, acknowledges what a receiver took before it paused.
        limits.ping_interval = NEVER;
    })
}

#[tokio::test]
async fn what_nobody_waits_for_is_acknowledged_after_the_delay() {
    let delay = Duration::from_millis(30);
    let endpoint = endpoint_with(|limits| limits.ack_delay = delay);
    let keeper = Keeper::new();
    let server = serve(&endpoint, &keeper);
    let mut wire = Wire::open(&server, 1).await;
    let sent = Instant::now();
    wire.send(&[data(SESSION, 0, "one")]).await;
    wire.send(&[data(SESSION, 1, "two")]).await;
    assert_eq!(wire.read_ack().await, 2);
    assert!(delay <= sent.elapsed(), "{:?}", sent.elapsed());
    // The next ones wait anew.
    wire.send(&[data(SESSION, 2, "three")]).await;
    assert_eq!(wire.read_ack().await, 3);
    assert!(2 * delay <= sent.elapsed(), "{:?}", sent.elapsed());
}

#[tokio::test]
async fn who_asks_is_answered_at_once_when_all_before_the_question_is_taken() {
    let endpoint = silent();
    let keeper = Keeper::with_allowance(1);
    let server = serve(&endpoint, &keeper);
    let mut wire = Wire::open(&server, 1).await;
    let (one, two) = (data(SESSION, 0, "one"), data(SESSION, 1, "two"));
    wire.send(&[one, two, ask(SESSION)]).await;
    // The sink pauses: what it took is acknowledged all the same.
    assert_eq!(wire.read_ack().await, 1);
    keeper.allow(usize::MAX - 1);
    assert_eq!(wire.read_ack().await, 2);
    // A question without anything new has no answer: the next one is for what comes after it.
    wire.send(&[ask(SESSION)]).await;
    wire.send(&[data(SESSION, 2, "three")]).await;
    wire.send(&[ask(SESSION)]).await;
    assert_eq!(wire.read_ack().await, 3);
    // A message that asks is a question too.
    let four = Frame {
        kind: DATA_ASK,
        ..data(SESSION, 3, "four")
    };
    wire.send(&[four]).await;
    assert_eq!(wire.read_ack().await, 4);
}

#[tokio::test]
async fn a_question_with_a_body_or_parts_breaks_the_protocol() {
    let endpoint = silent();
    let keeper = Keeper::new();
    let server = serve(&endpoint, &keeper);
    let bad = [
        Frame::control(ASK, SESSION, &[9]).bytes(),
        header(ASK, 1, 0, SESSION, 0),
    ];
    for (i, bytes) in (0..).zip(bad) {
        let mut wire = Wire::open(&server, i).await;
        wire.send_bytes(&bytes).await;
        read_to_end(&mut wire.stream).await;
        keeper.until_lost(usize::from(i) + 1).await;
    }
    assert_eq!(server.stats().broken, 2);
}

#[tokio::test]
async fn a_link_asks_when_it_is_flushed_or_closed_and_not_before() {
    let endpoint = endpoint();
    let peer = ByHand::new();
    let link = endpoint.dial_link::<Numbered>(&peer.addr()).unwrap();
    let mut clerk = Clerk::new();
    clerk.post(&link, payload("one"));
    let mut wire = peer.accept().await;
    wire.expect(0, "one").await;
    // Were there a question behind the first message, it would come before the second.
    clerk.post(&link, payload("two"));
    wire.expect(1, "two").await;
    let answer = async {
        let question = ask(wire.session);
        assert_eq!(wire.read().await, question);
        wire.ack(2).await;
        // What is acknowledged is not asked for again.
        wire.expect(2, "tre").await;
        assert_eq!(wire.read().await, question);
        wire.ack(3).await;
        assert_eq!(wire.read().await, Frame::control(CLOSE, wire.session, &[]));
    };
    let flush_and_close = async {
        assert_eq!(link.flush(DEADLINE).await, 0);
        clerk.post(&link, payload("tre"));
        let report = link.close(DEADLINE).await;
        assert_eq!((report.failed, report.unknown), (0, 0));
    };
    tokio::join!(answer, flush_and_close);
    clerk.assert_acked(3).await;
}

#[tokio::test]
async fn flush_close_and_send_do_not_wait_for_the_delay() {
    for transport in TRANSPORTS {
        let endpoint = silent_for(transport);
        let keeper = Keeper::new();
        let server = endpoint.serve_sink(transport, keeper).unwrap();
        let link = endpoint.dial_link(server.addr()).unwrap();
        let mut clerk = Clerk::new();
        for flushes in 0..3 {
            for _ in 0..flushes {
                clerk.post(&link, payload("posted"));
            }
            assert_eq!(soon(link.flush(NEVER)).await, 0, "{transport}");
            clerk.assert_acked(flushes).await;
        }
        clerk.post(&link, payload("last"));
        soon(link.close(NEVER)).await;
        clerk.assert_acked(1).await;
        let (addr, _receiver) = endpoint.serve::<String>(transport).unwrap();
        let sender: Tx<String> = endpoint.dial(&addr).unwrap();
        for _ in 0..3 {
            soon(sender.send("awaited".to_owned())).await.unwrap();
        }
    }
}

#[tokio::test]
async fn many_messages_are_acknowledged_without_a_question() {
    let endpoint = silent();
    let keeper = Keeper::new();
    let server = serve(&endpoint, &keeper);
    let link = endpoint.dial_link(server.addr()).unwrap();
    let mut clerk = Clerk::new();
    for _ in 0..1000 {
        clerk.post(&link, payload("many"));
    }
    // The last ones have no outcome yet, but no more than one round of them.
    for _ in 0..1000 - 256 {
        assert_eq!(clerk.next().await.1, Outcome::Acked);
    }
}

#[tokio::test]
async fn a_long_queue_needs_few_acknowledgements_and_the_last_comes_when_the_receiver_stops() {
    const COUNT: u64 = 20_001;
    let endpoint = silent();
    let keeper = Keeper::new();
    let server = serve(&endpoint, &keeper);
    let mut wire = Wire::open(&server, 1).await;
    let frames: Vec<_> = (0..COUNT).map(|seq| data(SESSION, seq, "x")).collect();
    // Cut anywhere, as the network does.
    for bytes in frames
        .iter()
        .flat_map(Frame::bytes)
        .collect::<Vec<_>>()
        .chunks(10_000)
    {
        wire.send_bytes(bytes).await;
    }
    for _ in 0..COUNT {
        keeper.next().await;
    }
    soon(server.stop()).await;
    let mut acks = 0;
    let last = loop {
        let frame = wire.read().await;
        if frame.kind == CLOSED {
            break word(&frame.body, 0);
        }
        assert_eq!(frame.kind, ACK);
        acks += 1;
    };
    assert_eq!(last, COUNT);
    assert!((1..=200).contains(&acks), "{acks}");
}
