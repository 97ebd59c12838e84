//! Peers that are no peers: each is refused or cut, and nobody else notices.

use std::{sync::Arc, time::Duration};

use hypermesh_channel::{Flow, Outcome, Payload, Peer, Sink, UnknownReason};
use hypermesh_testkit::Seed;
use tokio::{
    io::AsyncWriteExt,
    time::{Instant, advance},
};

use crate::{by_hand::*, rig::*};

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
                handshake(1, &[0; 9])[..12],
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
    let mut other = hello();
    other[8] = 2;
    check_refused(&other, Some(2)).await;
    check_refused(&handshake(1, &[0; 9]), Some(3)).await;
    let mut longer = [0; 11].to_vec();
    longer[8] = 1;
    check_refused(&handshake(1, &longer), Some(3)).await;
    check_refused(b"", None).await;
    check_refused(&hello()[..15], None).await;
}

#[tokio::test]
async fn a_session_of_a_kind_that_is_not_served_is_refused_and_the_connection_goes_on() {
    let endpoint = endpoint();
    let keeper = Keeper::new();
    let server = serve(&endpoint, &keeper);
    let mut wire = Wire::dial(&server).await;
    let other = Open {
        kind: 9,
        ..Open::new(1)
    };
    wire.send(&[other.frame(5)]).await;
    // What it said before it knew is thrown away.
    wire.send(&[data(5, 0, "early")]).await;
    let expected = Frame::control(REFUSED, 5, &refused(4));
    assert_eq!(wire.read().await, expected, "parcels are served");
    assert!(!wire.reopen(&Open::new(2)).await.resumed);
    wire.send(&[data(SESSION, 0, "good")]).await;
    assert_eq!(keeper.next_text().await, "good");
    assert_eq!(wire.read_ack().await, 1);
    assert_eq!(keeper.len(), 0);
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

#[tokio::test(start_paused = true)]
async fn a_connection_that_says_a_byte_per_second_is_closed() {
    let endpoint = endpoint();
    let keeper = Keeper::new();
    let server = serve(&endpoint, &keeper);
    let mut stream = connect(server.addr()).await;
    let since = Instant::now();
    for byte in hello() {
        if stream.write_all(&[byte]).await.is_err() {
            break;
        }
        advance(Duration::from_secs(1)).await;
    }
    assert!(read_to_end(&mut stream).await.is_empty());
    let took = since.elapsed();
    assert!(
        took >= Duration::from_secs(5) && took <= Duration::from_secs(7),
        "{took:?}"
    );
    let stats = server.stats();
    assert_eq!((stats.accepted, stats.refused), (0, 1));
}

#[tokio::test]
async fn a_connection_beyond_the_limit_waits_for_its_place() {
    let (here, there) = (endpoint(), endpoint_with(|limits| limits.connections = 1));
    let keeper = Keeper::new();
    let server = serve(&there, &keeper);
    let mut clerk = Clerk::new();
    let first = here.dial_link(server.addr()).unwrap();
    clerk.post(&first, payload("first"));
    clerk.assert_acked(1).await;
    // The links of one endpoint share a connection: this one is another's.
    let other = endpoint();
    let second = other.dial_link(server.addr()).unwrap();
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

#[tokio::test]
async fn a_session_beyond_the_limit_waits_for_its_place() {
    let (here, there) = (endpoint(), endpoint_with(|limits| limits.sessions = 1));
    let keeper = Keeper::new();
    let server = serve(&there, &keeper);
    let mut clerk = Clerk::new();
    let first = here.dial_link(server.addr()).unwrap();
    clerk.post(&first, payload("first"));
    clerk.assert_acked(1).await;
    let second = here.dial_link(server.addr()).unwrap();
    clerk.post(&second, payload("second"));
    // The first goes on meanwhile, over the same connection.
    clerk.post(&first, payload("third"));
    assert_eq!(clerk.next().await, (2, Outcome::Acked));
    soon(first.close(DEADLINE)).await;
    assert_eq!(clerk.next().await, (1, Outcome::Acked));
    assert_eq!(server.stats().accepted, 1);
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
    let bad: [&[u8]; 11] = [
        // An ack, which the dialling end never sends; and other words of the serving end.
        &ack(SESSION, 1).bytes(),
        &Opened::at(0).frame(SESSION).bytes(),
        &Frame::control(CLOSED, SESSION, &[0; 24]).bytes(),
        &Frame::control(LOST, SESSION, &[]).bytes(),
        // More parts than there are.
        &header(DATA, 0xff_ffff, 0, SESSION, 0),
        // A control frame that is longer than any.
        &header(ACK, 0, 8193, SESSION, 0),
        // Longer than what is not cut in chunks.
        &header(DATA, 0, (1 << 20) + 1, SESSION, 0),
        // A session without an id.
        &Frame::control(OPEN, 2, &[]).bytes(),
        // No such frame.
        &header(17, 0, 0, SESSION, 0),
        &[0xff; 64],
        // A message that follows another one, and does not.
        &[NEXT, 4, 0, 0, 1, 2, 3, 4],
    ];
    for (i, bytes) in bad.into_iter().enumerate() {
        let mut wire = Wire::open(&server, i as u8).await;
        wire.send_bytes(bytes).await;
        read_to_end(&mut wire.stream).await;
        keeper.until_lost(i + 1).await;
    }
    clerk.post(&good, payload("after"));
    clerk.assert_acked(1).await;
    assert_eq!(keeper.next_text().await, "before");
    assert_eq!(keeper.next_text().await, "after");
    assert_eq!(server.stats().broken, 11);
    assert_eq!(keeper.len(), 0);
}

#[tokio::test]
async fn random_bytes_never_stop_a_server() {
    let seed = Seed::from_env();
    let mut rng = seed.rng();
    let endpoint = endpoint();
    let keeper = Keeper::new();
    let server = serve(&endpoint, &keeper);
    // Nine others go on meanwhile.
    const COUNT: usize = 200;
    let others: Vec<_> = (0..9).map(|_| crate::rig::endpoint()).collect();
    let mut good: Vec<_> = others
        .iter()
        .map(|other| (other.dial_link(server.addr()).unwrap(), Clerk::new()))
        .collect();
    for i in 0..100 {
        // As a stranger, as a peer, and in a session.
        let mut bytes = Vec::new();
        if rng.chance(0.7) {
            bytes.extend(hello());
            if rng.chance(0.7) {
                bytes.extend(Open::new(i).frame(SESSION).bytes());
            }
        }
        bytes.extend((0..rng.below(200)).map(|_| rng.next_u64() as u8));
        for (link, clerk) in &mut good {
            (0..COUNT / 100).for_each(|_| clerk.post(link, payload("good")));
        }
        let mut stream = connect(server.addr()).await;
        let _ = stream.write_all(&bytes).await;
        let _ = stream.shutdown().await;
        read_to_end(&mut stream).await;
    }
    for (_, clerk) in &mut good {
        clerk.assert_acked(COUNT).await;
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
    let mut wire = Wire::open(&server, 1).await;
    wire.send(&[data(SESSION, 0, "whole")]).await;
    wire.send_bytes(&data(SESSION, 1, "cut off").bytes()[..18])
        .await;
    assert_eq!(keeper.next_text().await, "whole");
    // The ack says so too.
    assert_eq!(wire.read_ack().await, 1);
    drop(wire);
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
async fn a_panic_of_a_sink_ends_the_session_it_came_from_and_no_other() {
    for transport in TRANSPORTS {
        let endpoint = endpoint_for(transport);
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
        let unknown = Outcome::Unknown(UnknownReason::SessionLost);
        assert_eq!(clerk.next().await.1, unknown, "{transport}");
        clerk.post(&good, payload("two"));
        clerk.assert_acked(1).await;
        // The link itself goes on.
        clerk.post(&bad, payload("three"));
        clerk.assert_acked(1).await;
        assert_eq!(keeper.len(), 3, "{transport}");
    }
}

#[tokio::test]
async fn a_session_under_many_numbers_is_refused_where_there_is_no_place() {
    let endpoint = endpoint_with(|limits| limits.sessions = 2);
    let keeper = Keeper::new();
    let server = serve(&endpoint, &keeper);
    let mut wire = Wire::dial(&server).await;
    for number in 1..=2 {
        wire.session = number;
        wire.reopen(&Open::new(1)).await;
    }
    wire.send(&[Open::new(1).frame(3)]).await;
    let frame = wire.read().await;
    assert_eq!((frame.kind, frame.session, frame.body[0]), (REFUSED, 3, 6));
    // A number that is in use takes no place.
    wire.reopen(&Open::new(1)).await;
}

#[tokio::test]
async fn a_connection_forgets_the_sessions_that_another_one_took_over() {
    let endpoint = endpoint_with(|limits| {
        limits.sessions = 2;
        limits.ping_interval = Duration::from_millis(20);
        limits.ping_misses = 1000;
    });
    let keeper = Keeper::new();
    let server = serve(&endpoint, &keeper);
    let mut older = Wire::dial(&server).await;
    let mut newer = Wire::dial(&server).await;
    for wire in [&mut older, &mut newer] {
        for number in 1..=2 {
            wire.session = number;
            wire.send(&[Open::new(number as u8).frame(number)]).await;
            wire.read().await;
        }
    }
    // The answer comes when the close has been read.
    newer
        .send(&[Frame::control(CLOSE, 2, &[]), Open::new(1).frame(1)])
        .await;
    newer.read().await;
    // The first ping after a pong is said when the sessions were looked at once more.
    older.send(&[Frame::control(PING, 0, &[])]).await;
    while older.read_any().await.kind != PONG {}
    while older.read_any().await.kind != PING {}
    older.send(&[Open::new(3).frame(3)]).await;
    let frame = older.read().await;
    assert_eq!((frame.kind, frame.session), (OPENED, 3), "{frame:?}");
}
