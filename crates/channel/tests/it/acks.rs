//! When a receiver acknowledges: at once if somebody waits for it, otherwise late.

use std::time::{Duration, Instant};

use hypermesh_channel::{Endpoint, Outcome, Tx};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};

use crate::rig::*;

const NEVER: Duration = Duration::from_secs(3600);
/// The bytes of the question for an acknowledgement.
const ASK: [u8; 8] = [4, 0, 0, 0, 0, 0, 0, 0];

/// An endpoint that acknowledges nothing by itself, but after 256 messages or 1 MiB.
fn silent() -> Endpoint {
    endpoint_with(|limits| limits.ack_delay = NEVER)
}

/// Reads one control frame from a server.
async fn read_control(stream: &mut UnixStream) -> Vec<u8> {
    let mut bytes = vec![0; 16];
    soon(stream.read_exact(&mut bytes)).await.unwrap();
    bytes
}

/// Connects to a server by hand, as the link `link`.
async fn link_by_hand(server: &hypermesh_channel::Server, link: [u8; 16]) -> UnixStream {
    let mut stream = connect(server.addr()).await;
    stream.write_all(&hello(link)).await.unwrap();
    let mut head = [0; 12];
    soon(stream.read_exact(&mut head)).await.unwrap();
    let rest = usize::from(u16::from_le_bytes([head[10], head[11]]));
    soon(stream.read_exact(&mut vec![0; rest])).await.unwrap();
    stream
}

#[tokio::test]
async fn what_nobody_waits_for_is_acknowledged_after_the_delay() {
    let delay = Duration::from_millis(30);
    let endpoint = endpoint_with(|limits| limits.ack_delay = delay);
    let keeper = Keeper::new();
    let server = serve(&endpoint, &keeper);
    let mut stream = link_by_hand(&server, [1; 16]).await;
    let sent = Instant::now();
    stream.write_all(&data("one")).await.unwrap();
    stream.write_all(&data("two")).await.unwrap();
    assert_eq!(read_control(&mut stream).await, control(2, 2));
    assert!(delay <= sent.elapsed(), "{:?}", sent.elapsed());
    // The next ones wait anew.
    stream.write_all(&data("three")).await.unwrap();
    assert_eq!(read_control(&mut stream).await, control(2, 3));
    assert!(2 * delay <= sent.elapsed(), "{:?}", sent.elapsed());
}

#[tokio::test]
async fn who_asks_is_answered_at_once_when_all_before_the_question_is_taken() {
    let endpoint = silent();
    let keeper = Keeper::with_allowance(1);
    let server = serve(&endpoint, &keeper);
    let mut stream = link_by_hand(&server, [1; 16]).await;
    let mut bytes = [data("one"), data("two")].concat();
    bytes.extend(ASK);
    stream.write_all(&bytes).await.unwrap();
    // The sink pauses: what it took is acknowledged all the same.
    assert_eq!(read_control(&mut stream).await, control(2, 1));
    keeper.allow(usize::MAX - 1);
    assert_eq!(read_control(&mut stream).await, control(2, 2));
    // A question without anything new has no answer: the next one is for what comes after it.
    stream.write_all(&ASK).await.unwrap();
    stream.write_all(&data("three")).await.unwrap();
    stream.write_all(&ASK).await.unwrap();
    assert_eq!(read_control(&mut stream).await, control(2, 3));
}

#[tokio::test]
async fn a_question_with_a_body_breaks_the_protocol() {
    let endpoint = silent();
    let keeper = Keeper::new();
    let server = serve(&endpoint, &keeper);
    let mut stream = link_by_hand(&server, [1; 16]).await;
    stream
        .write_all(&[4, 0, 0, 0, 1, 0, 0, 0, 9])
        .await
        .unwrap();
    read_to_end(&mut stream).await;
    keeper.until_lost(1).await;
    assert_eq!(server.stats().broken, 1);
}

#[tokio::test]
async fn a_link_asks_when_it_is_flushed_or_closed_and_not_before() {
    let endpoint = endpoint();
    let peer = ByHand::new();
    let link = endpoint.dial_link::<Numbered>(&peer.addr()).unwrap();
    let mut clerk = Clerk::new();
    clerk.post(&link, payload("one"));
    let mut stream = peer.accept().await;
    let mut one = vec![0; data("one").len()];
    soon(stream.read_exact(&mut one)).await.unwrap();
    assert_eq!(one, data("one"));
    // Were there a question behind the first message, it would come before the second.
    clerk.post(&link, payload("two"));
    let mut two = vec![0; data("two").len()];
    soon(stream.read_exact(&mut two)).await.unwrap();
    assert_eq!(two, data("two"));
    let answer = async {
        let mut ask = [0; 8];
        soon(stream.read_exact(&mut ask)).await.unwrap();
        assert_eq!(ask, ASK);
        stream.write_all(&control(2, 2)).await.unwrap();
        // What is acknowledged is not asked for again.
        soon(stream.read_exact(&mut two)).await.unwrap();
        assert_eq!(two, data("tre"));
        soon(stream.read_exact(&mut ask)).await.unwrap();
        assert_eq!(ask, ASK);
        stream.write_all(&control(2, 3)).await.unwrap();
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
        let endpoint = silent();
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
