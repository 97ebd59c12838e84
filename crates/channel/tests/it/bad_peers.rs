//! Peers that are no peers: each is refused or cut, and nobody else notices.

use std::{sync::Arc, time::Duration};

use hypermesh_channel::{Flow, Outcome, Payload, Peer, Sink, UnknownReason};
use hypermesh_testkit::Seed;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::rig::*;

/// Sends `bytes` as the start of a connection, ends the stream, and checks what the server says: the
/// code of a refusal, or nothing.
async fn check_refused(bytes: &[u8], code: Option<u8>) {
    let endpoint = endpoint();
    let keeper = Keeper::new();
    let server = serve(&endpoint, &keeper);
    let mut stream = connect(server.addr()).await;
    stream.write_all(bytes).await.unwrap();
    stream.shutdown().await.unwrap();
    let said = read_to_end(&mut stream).await;
    match code {
        Some(code) => {
            assert_eq!(
                said[..12],
                answer(1, &[0; 9])[..12],
                "the preamble of an answer"
            );
            assert_eq!(said[12], code);
        }
        None => assert!(said.is_empty(), "{said:?}"),
    }
    assert_eq!((server.stats().accepted, keeper.len()), (0, 0));
    // The server goes on.
    let link = endpoint.dial_link(server.addr()).unwrap();
    let mut clerk = Clerk::new();
    clerk.post(&link, payload("good"));
    clerk.assert_acked(1).await;
    assert_eq!((server.stats().accepted, server.stats().refused), (1, 1));
}

#[tokio::test]
async fn a_stranger_is_refused_with_the_reason() {
    check_refused(b"GET / HTTP/1.1\r\n\r\n", Some(1)).await;
    let mut other = hello([1; 16]);
    other[8] = 2;
    check_refused(&other, Some(2)).await;
    check_refused(&answer(1, &[0; 20]), Some(3)).await;
    let mut kind = hello([1; 16]);
    kind[12 + 24] = 9;
    check_refused(&kind, Some(4)).await;
    check_refused(b"", None).await;
    check_refused(&hello([1; 16])[..30], None).await;
}

#[tokio::test]
async fn a_silent_connection_is_closed_and_keeps_nobody_out() {
    let endpoint = endpoint_with(|limits| {
        limits.handshake_timeout = Duration::from_millis(100);
        limits.handshakes = 10;
    });
    let keeper = Keeper::new();
    let server = serve(&endpoint, &keeper);
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(connect(server.addr()).await);
    }
    // While they fill all the places a good one is told to come again, and it does.
    let link = endpoint.dial_link(server.addr()).unwrap();
    let mut clerk = Clerk::new();
    clerk.post(&link, payload("good"));
    clerk.assert_acked(1).await;
    for mut stream in silent {
        read_to_end(&mut stream).await;
    }
}

#[tokio::test]
async fn a_link_beyond_the_limit_waits_for_its_place() {
    let endpoint = endpoint_with(|limits| limits.connections = 1);
    let keeper = Keeper::new();
    let server = serve(&endpoint, &keeper);
    let mut clerk = Clerk::new();
    let first = endpoint.dial_link(server.addr()).unwrap();
    clerk.post(&first, payload("first"));
    clerk.assert_acked(1).await;
    let second = endpoint.dial_link(server.addr()).unwrap();
    clerk.post(&second, payload("second"));
    let mut watch = second.watch();
    soon(async {
        while !watch
            .changed()
            .await
            .to_string_of_error()
            .contains("no place")
        {}
    })
    .await;
    soon(first.close(DEADLINE)).await;
    clerk.assert_acked(1).await;
}

/// The text of the last error of a link that is connecting.
trait StatusText {
    fn to_string_of_error(&self) -> String;
}

impl StatusText for hypermesh_channel::LinkStatus {
    fn to_string_of_error(&self) -> String {
        match self {
            Self::Connecting {
                last_error: Some(error),
                ..
            } => error.to_string(),
            _ => String::new(),
        }
    }
}

#[tokio::test]
async fn a_peer_that_breaks_the_protocol_is_cut_and_others_do_not_notice() {
    let endpoint = endpoint_with(|limits| limits.message = 1000);
    let keeper = Keeper::new();
    let server = serve(&endpoint, &keeper);
    let good = endpoint.dial_link(server.addr()).unwrap();
    let mut clerk = Clerk::new();
    clerk.post(&good, payload("before"));
    clerk.assert_acked(1).await;
    let bad: [&[u8]; 4] = [
        // An ack, which the dialling end never sends.
        &control(2, 1),
        // A message above the limit.
        &[1, 0, 0, 0, 233, 3, 0, 0],
        // More parts than there are.
        &[1, 255, 255, 255, 0, 0, 0, 0],
        &[0xff; 64],
    ];
    for (i, bytes) in bad.into_iter().enumerate() {
        let mut stream = connect(server.addr()).await;
        stream.write_all(&hello([i as u8; 16])).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        read_to_end(&mut stream).await;
        keeper.until_lost(i + 1).await;
    }
    clerk.post(&good, payload("after"));
    clerk.assert_acked(1).await;
    assert_eq!(keeper.next_text().await, "before");
    assert_eq!(keeper.next_text().await, "after");
    assert_eq!(server.stats().broken, 4);
    assert_eq!(keeper.len(), 0);
}

#[tokio::test]
async fn random_bytes_never_stop_a_server() {
    let seed = Seed::from_env();
    let mut rng = seed.rng();
    let endpoint = endpoint();
    let keeper = Keeper::new();
    let server = serve(&endpoint, &keeper);
    for i in 0..100 {
        let mut bytes = if rng.chance(0.5) {
            hello([i; 16])
        } else {
            Vec::new()
        };
        bytes.extend((0..rng.below(200)).map(|_| rng.next_u64() as u8));
        let mut stream = connect(server.addr()).await;
        let _ = stream.write_all(&bytes).await;
        let _ = stream.shutdown().await;
        read_to_end(&mut stream).await;
    }
    let link = endpoint.dial_link(server.addr()).unwrap();
    let mut clerk = Clerk::new();
    clerk.post(&link, payload("good"));
    clerk.assert_acked(1).await;
    soon(server.stop()).await;
    assert_eq!(server.stats().accepted, server.stats().ended);
}

#[tokio::test]
async fn a_message_that_is_cut_is_not_delivered() {
    let endpoint = endpoint();
    let keeper = Keeper::new();
    let server = serve(&endpoint, &keeper);
    let mut stream = connect(server.addr()).await;
    stream.write_all(&hello([1; 16])).await.unwrap();
    stream.write_all(&data("whole")).await.unwrap();
    stream.write_all(&data("cut off")[..10]).await.unwrap();
    assert_eq!(keeper.next_text().await, "whole");
    // The ack says so too.
    let mut said = vec![0; 12 + 19 + 16];
    soon(stream.read_exact(&mut said)).await.unwrap();
    assert_eq!(said[12 + 19..], control(2, 1));
    drop(stream);
    keeper.until_lost(1).await;
    assert_eq!(keeper.len(), 0);
    assert_eq!(
        server.stats().broken,
        0,
        "a lost connection is nobody's fault"
    );
}

/// A sink that panics at one message, and keeps the others.
struct Touchy(Arc<Keeper>);

impl Sink for Touchy {
    fn deliver(&self, peer: &Peer, batch: &mut Vec<Payload>) -> Flow {
        if batch.iter().any(|message| message.body == "bad") {
            panic!("a bad message");
        }
        self.0.deliver(peer, batch)
    }

    fn lost(&self, peer: &Peer) {
        self.0.lost(peer);
    }
}

#[tokio::test]
async fn a_panic_of_a_sink_ends_the_connection_it_came_from_and_no_other() {
    for transport in TRANSPORTS {
        let endpoint = endpoint();
        let keeper = Keeper::new();
        let server = endpoint
            .serve_sink(transport, Arc::new(Touchy(keeper.clone())))
            .unwrap();
        let (good, bad) = (
            endpoint.dial_link(server.addr()).unwrap(),
            endpoint.dial_link(server.addr()).unwrap(),
        );
        let mut clerk = Clerk::new();
        clerk.post(&good, payload("one"));
        clerk.assert_acked(1).await;
        clerk.post(&bad, payload("bad"));
        let unknown = Outcome::Unknown(UnknownReason::ConnectionLost);
        assert_eq!(clerk.next().await.1, unknown, "{transport}");
        clerk.post(&good, payload("two"));
        clerk.assert_acked(1).await;
        // The link itself goes on.
        clerk.post(&bad, payload("three"));
        clerk.assert_acked(1).await;
        assert_eq!(keeper.len(), 3, "{transport}");
    }
}
