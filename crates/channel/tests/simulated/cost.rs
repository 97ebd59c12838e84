//! What links cost on the wire, and how long one waits for another.

use std::num::NonZeroU64;

use bytes::Bytes;
use hypermesh_channel::{Outcome, Payload, SimConditions, SimNetwork};
use tokio::time::Instant;

use crate::rig::*;

/// What a new connection costs besides messages: the hello, and the open of each session.
const GREETING: u64 = 300;

/// Returns how many bytes a node has written on the connection with this number.
fn written(network: &SimNetwork, connection: usize, node: &str) -> u64 {
    let what = format!("#{connection} {node} writes ");
    let lines = traced(network, &what);
    let bytes = lines.iter().map(|line| {
        let (_, rest) = line.split_once(" writes ").unwrap();
        rest.split(' ').next().unwrap().parse::<u64>().unwrap()
    });
    bytes.sum()
}

/// Returns the number of the last connection that was opened.
fn last_connection(network: &SimNetwork) -> usize {
    let opened = traced(network, "opens on");
    let (_, rest) = opened.last().unwrap().split_once('#').unwrap();
    rest.split(' ').next().unwrap().parse().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_link_begins_after_a_round_trip_and_a_connection_after_one_more() {
    let network = network(10);
    let far = endpoint(&network, "b");
    let _server = far.serve_sink(addr("s"), Keeper::new(usize::MAX)).unwrap();
    let near = endpoint(&network, "a");
    let began = Instant::now();
    let first = Clerk::new(&near, "s");
    first.link().watch().active().await.unwrap();
    // The network takes a latency to connect, and its timers count whole milliseconds.
    let took = began.elapsed();
    assert!(took <= 10 * MS + 2 * 20 * MS + 5 * MS, "{took:?}");
    let began = Instant::now();
    let second = Clerk::new(&near, "s");
    second.link().watch().active().await.unwrap();
    let took = began.elapsed();
    assert!(took <= 20 * MS + 2 * MS, "{took:?}");
    near.shutdown(SECOND).await;
    far.shutdown(SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn a_reconnect_sends_what_was_not_acknowledged_and_no_more() {
    const LEN: usize = 1000;
    let network = network(10);
    let far = endpoint(&network, "b");
    let keeper = Keeper::new(usize::MAX);
    let _server = far.serve_sink(addr("s"), keeper.clone()).unwrap();
    let near = endpoint(&network, "a");
    let mut clerk = Clerk::new(&near, "s");
    let body = "x".repeat(LEN);
    for _ in 0..500 {
        clerk.post(&body);
    }
    for _ in 0..500 {
        assert_eq!(clerk.outcome(&body).await, Outcome::Acked);
    }
    // Of these the peer gets nothing at first.
    network.partition("a", "b");
    (0..40).for_each(|_| clerk.post(&body));
    pass(SECOND).await;
    network.cut("a", "b");
    network.heal("a", "b");
    for _ in 0..40 {
        assert_eq!(clerk.outcome(&body).await, Outcome::Acked);
    }
    let bytes = written(&network, last_connection(&network), "a");
    let unacked = 40 * (LEN as u64 + 4);
    assert!(
        (unacked..=unacked + GREETING).contains(&bytes),
        "{bytes} of {unacked}"
    );
    // Of these the peer got all, and its acknowledgements are lost.
    network.partition_one_way("b", "a");
    (0..40).for_each(|_| clerk.post(&body));
    pass(SECOND).await;
    network.cut("a", "b");
    network.heal("a", "b");
    for _ in 0..40 {
        assert_eq!(clerk.outcome(&body).await, Outcome::Acked);
    }
    let bytes = written(&network, last_connection(&network), "a");
    assert!(bytes <= GREETING, "{bytes}");
    assert_eq!(keeper.kept().split(' ').count(), 580);
    near.shutdown(SECOND).await;
    far.shutdown(SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn a_message_costs_a_header_and_four_bytes_for_each_part() {
    let network = network(1);
    let far = endpoint_with(&network, "b", |limits| limits.ping_interval = 3600 * SECOND);
    let _server = far.serve_sink(addr("s"), Keeper::new(usize::MAX)).unwrap();
    let near = endpoint_with(&network, "a", |limits| limits.ping_interval = 3600 * SECOND);
    let mut clerk = Clerk::new(&near, "s");
    clerk.link().watch().active().await.unwrap();
    let connection = last_connection(&network);
    let lens: [(usize, &[usize]); 7] = [
        (0, &[]),
        (1, &[]),
        (1000, &[0, 7]),
        (70_000, &[]),
        (100, &[600; 100]),
        (5, &[900_000]),
        (2 << 20, &[5 << 20, 3]),
    ];
    for (body, parts) in lens {
        let before = written(&network, connection, "a");
        let body = "x".repeat(body);
        let payload = Payload {
            body: Bytes::from(body.clone()),
            parts: parts.iter().map(|len| Bytes::from(vec![1; *len])).collect(),
        };
        let (n, tables) = (payload.len() as u64, 4 * parts.len() as u64);
        clerk.link().post(clerk.parcel_of(payload));
        assert_eq!(clerk.outcome(&body).await, Outcome::Acked);
        let cost = written(&network, connection, "a") - before;
        // A long message is chunks, each with a header.
        let chunks = if n < 1 << 20 {
            0
        } else {
            n.div_ceil(256 << 10) + 1
        };
        assert!(
            (n + 16 + tables..=n + 32 + tables + 16 * chunks).contains(&cost),
            "{cost} for {n} in {} parts",
            parts.len()
        );
    }
    near.shutdown(SECOND).await;
    far.shutdown(SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn a_short_message_waits_for_no_more_than_two_chunks_of_a_long_one() {
    const BANDWIDTH: u64 = 8 << 20;
    const CHUNK: u64 = 256 << 10;
    let network = network(1);
    let slow = SimConditions::new(MS..=MS).with_bandwidth(NonZeroU64::new(BANDWIDTH).unwrap());
    network.set_default_conditions(slow);
    let far = endpoint(&network, "b");
    let keeper = Keeper::new(usize::MAX);
    let server = far.serve_sink(addr("s"), keeper.clone()).unwrap();
    let near = endpoint(&network, "a");
    let (long, mut short) = (Clerk::new(&near, "s"), Clerk::new(&near, "s"));
    long.link().watch().active().await.unwrap();
    short.link().watch().active().await.unwrap();
    // The longest that there may be.
    let payload = Payload {
        body: Bytes::from_static(b"long"),
        parts: [Bytes::from(vec![0; (256 << 20) - 4])]
            .into_iter()
            .collect(),
    };
    long.link().post(long.parcel_of(payload));
    // Two chunks, what the network itself keeps, two latencies, and the delay of the acknowledgement; a third chunk
    // would take 31 ms more.
    let chunks = 2 * CHUNK + (256 << 10);
    let most = SECOND * chunks as u32 / BANDWIDTH as u32 + 2 * MS + 18 * MS;
    for i in 0..25 {
        pass(SECOND).await;
        let (text, began) = (i.to_string(), Instant::now());
        short.post(&text);
        assert_eq!(short.outcome(&text).await, Outcome::Acked);
        assert!(began.elapsed() <= most, "{i}: {:?}", began.elapsed());
    }
    assert_eq!(long.link().flush(MS).await, 1, "still on its way");
    // What is of the same link waits behind it.
    long.post("after");
    assert_eq!(long.link().flush(100 * SECOND).await, 0);
    assert!(keeper.kept().ends_with("long after"));
    assert_eq!(server.stats().accepted, 1, "all over one connection");
    near.shutdown(SECOND).await;
    far.shutdown(SECOND).await;
}
