//! Parcels that are written by whoever posts them, because the link is idle.

use std::{
    io::Read,
    time::{Duration, Instant},
};

use hypermesh_channel::{Endpoint, FailReason, Link};
use tokio::task::{JoinSet, yield_now};

use crate::{by_hand::*, rig::*};

/// Longer than parcels of a burst are apart.
const CALM: Duration = Duration::from_micros(100);

/// Lets the other tasks run until a parcel is none of a burst any more.
async fn calm() {
    let start = Instant::now();
    while start.elapsed() < CALM {
        yield_now().await;
    }
}

/// A link to a peer that speaks by hand, both at work.
async fn connected(
    endpoint: &Endpoint,
    clerk: &mut Clerk,
    peer: &ByHand,
) -> (Link<Numbered>, Wire) {
    let link = endpoint.dial_link::<Numbered>(&peer.addr()).unwrap();
    clerk.post(&link, payload("hello"));
    let mut wire = peer.accept().await;
    wire.expect(0, "hello").await;
    calm().await;
    (link, wire)
}

#[tokio::test]
async fn a_post_on_an_idle_link_is_with_the_peer_when_it_returns() {
    let (endpoint, peer) = (endpoint(), ByHand::new());
    let mut clerk = Clerk::new();
    let (link, wire) = connected(&endpoint, &mut clerk, &peer).await;
    let expected = data(wire.session, 1, "now").bytes();
    let mut stream = wire.stream.into_std().unwrap();
    clerk.post(&link, payload("now"));
    // Nothing else ran on the one thread of this runtime since then.
    let mut bytes = vec![0; expected.len()];
    assert_eq!(stream.read(&mut bytes).unwrap(), bytes.len());
    assert_eq!(bytes, expected);
}

#[tokio::test]
async fn what_does_not_fit_is_written_by_the_task() {
    const LEN: usize = 10_000;
    let (endpoint, peer) = (endpoint(), ByHand::new());
    let mut clerk = Clerk::new();
    let (link, mut wire) = connected(&endpoint, &mut clerk, &peer).await;
    // More than any socket keeps, each one alone, so that some post meets a full socket.
    let texts: Vec<String> = (0..200u8)
        .map(|i| char::from(b'a' + i % 26).to_string().repeat(LEN))
        .collect();
    for text in &texts {
        clerk.post(&link, payload(text));
        calm().await;
    }
    for (seq, text) in (1..).zip(&texts) {
        wire.expect(seq, text).await;
    }
}

#[tokio::test]
async fn a_peer_that_does_not_read_makes_the_queue_full_and_not_the_memory() {
    const WAITING: usize = 10;
    let peer = ByHand::new();
    let endpoint = endpoint_with(|limits| limits.sender_queue_messages = WAITING);
    let mut clerk = Clerk::new();
    let (link, _wire) = connected(&endpoint, &mut clerk, &peer).await;
    let mut refused = None;
    // The task of the link has no turn: none of these is one of a burst, and nobody takes what is left.
    for _ in 0..200 {
        let start = Instant::now();
        while start.elapsed() < CALM {
            std::hint::spin_loop();
        }
        if let Err(error) = link.try_post(clerk.parcel(sized(10_000))) {
            refused = Some(error.reason);
            break;
        }
    }
    let full = matches!(
        refused,
        Some(FailReason::QueueFull {
            messages: WAITING,
            ..
        })
    );
    assert!(full, "{refused:?}");
}

#[tokio::test]
async fn a_post_on_a_lost_connection_arrives_over_the_next_one() {
    let (endpoint, peer) = (endpoint(), ByHand::new());
    let mut clerk = Clerk::new();
    let (link, wire) = connected(&endpoint, &mut clerk, &peer).await;
    // The task of the link has no turn between the loss and the post.
    drop(wire);
    clerk.post(&link, payload("again"));
    let (mut wire, _) = peer.resume(1).await;
    wire.expect(1, "again").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parcels_of_one_thread_arrive_in_order_however_they_are_written() {
    const POSTERS: usize = 4;
    const COUNT: usize = 3000;
    for transport in TRANSPORTS {
        let endpoint = endpoint_for(transport);
        let keeper = Keeper::new();
        let server = endpoint.serve_sink(transport, keeper.clone()).unwrap();
        let link = endpoint.dial_link::<Numbered>(server.addr()).unwrap();
        let mut posters = JoinSet::new();
        for poster in 0..POSTERS {
            let link = link.clone();
            posters.spawn(async move {
                let mut clerk = Clerk::new();
                for i in 0..COUNT {
                    clerk.post(&link, payload(&format!("{poster} {i}")));
                    // Bursts of different lengths with pauses of different lengths.
                    if i % (7 + poster) == 0 {
                        calm().await;
                    } else if i % 3 == 0 {
                        yield_now().await;
                    }
                }
                link.flush(DEADLINE).await;
                clerk.assert_acked(COUNT).await;
                clerk.assert_no_more();
            });
        }
        let mut next = [0; POSTERS];
        for _ in 0..POSTERS * COUNT {
            let text = keeper.next_text().await;
            let (poster, i) = text.split_once(' ').unwrap();
            let next = &mut next[poster.parse::<usize>().unwrap()];
            assert_eq!(i.parse(), Ok(*next), "{transport}: of poster {poster}");
            *next += 1;
        }
        while let Some(poster) = posters.join_next().await {
            poster.unwrap();
        }
        assert_eq!(keeper.len(), 0);
    }
}
