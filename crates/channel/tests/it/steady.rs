//! What a message costs does not depend on how much waits, or on how many links there are. Only ratios within one test
//! are compared, of the best of many rounds each.

use std::time::{Duration, Instant};

use hypermesh_channel::{ChannelTransport, Link, Tx};
use hypermesh_testkit::SocketDir;

use crate::rig::*;

/// A cost that grows with the queue or the links would be a thousand times the other one; the rest is the noise of a
/// machine that does other things, too.
const MOST: u32 = 2;

/// Returns the shortest of some rounds.
fn shortest(mut round: impl FnMut()) -> Duration {
    let time = |()| {
        let start = Instant::now();
        round();
        start.elapsed()
    };
    [(); 30].map(time).into_iter().min().unwrap()
}

#[tokio::test]
async fn a_post_costs_the_same_behind_a_long_queue() {
    const ROUND: u64 = 200;
    const LONG: u64 = 300_000;
    let dir = SocketDir::new();
    let endpoint = endpoint();
    let tx: Tx<u64> = endpoint.dial(&at_path(&dir.path().join("nobody"))).unwrap();
    let post = |n: u64| (0..n).for_each(|i| tx.post(i).unwrap());
    let short = shortest(|| post(ROUND));
    post(LONG);
    let long = shortest(|| post(ROUND));
    assert!(long < MOST * short, "{short:?} and {long:?}");
}

#[tokio::test]
async fn a_message_costs_the_same_beside_many_links() {
    const ROUND: usize = 100;
    const LINKS: usize = 3_000;
    let endpoint = endpoint();
    let keeper = Keeper::new();
    let server = endpoint
        .serve_sink(ChannelTransport::Local, keeper.clone())
        .unwrap();
    let dial = || endpoint.dial_link::<Numbered>(server.addr()).unwrap();
    let link = dial();
    let mut clerk = Clerk::new();
    let alone = shortest_exchange(&link, &mut clerk, ROUND).await;
    let links: Vec<_> = (0..LINKS).map(|_| dial()).collect();
    for link in &links {
        soon(link.watch().active()).await.unwrap();
    }
    let beside = shortest_exchange(&link, &mut clerk, ROUND).await;
    assert!(beside < MOST * alone, "{alone:?} and {beside:?}");
    assert_eq!(server.stats().accepted, 1);
}

/// Posts and waits for the outcomes, and returns the shortest of some rounds.
async fn shortest_exchange(link: &Link<Numbered>, clerk: &mut Clerk, n: usize) -> Duration {
    let mut shortest = DEADLINE;
    for _ in 0..30 {
        let start = Instant::now();
        (0..n).for_each(|_| clerk.post(link, payload("x")));
        assert_eq!(soon(link.flush(DEADLINE)).await, 0);
        shortest = shortest.min(start.elapsed());
        clerk.assert_acked(n).await;
    }
    shortest
}
