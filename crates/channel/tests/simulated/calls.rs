//! How often a connection is written and read for the messages on it. Each is a call of the system over a socket.

use hypermesh_channel::{Outcome, SimNetwork};

use crate::rig::*;

/// Returns how often the connections of a node were written and read.
fn calls(network: &SimNetwork, node: &str) -> (usize, usize) {
    let count = |what: &str| traced(network, &format!(" {node} {what} ")).len();
    (count("writes"), count("reads"))
}

#[tokio::test(start_paused = true)]
async fn a_burst_of_small_messages_is_written_and_read_at_a_hundred_or_more_at_once() {
    const COUNT: usize = 20_000;
    let network = network(1);
    let far = endpoint(&network, "b");
    let _server = far.serve_sink(addr("s"), Keeper::new(usize::MAX)).unwrap();
    let near = endpoint(&network, "a");
    let mut clerk = Clerk::new(&near, "s");
    clerk.link().watch().active().await.unwrap();
    let before = [calls(&network, "a"), calls(&network, "b")];
    let body = "x".repeat(64);
    for _ in 0..COUNT {
        clerk.post(&body);
    }
    for _ in 0..COUNT {
        assert_eq!(clerk.outcome(&body).await, Outcome::Acked);
    }
    let after = [calls(&network, "a"), calls(&network, "b")];
    for (before, after) in before.into_iter().zip(after) {
        let (writes, reads) = (after.0 - before.0, after.1 - before.1);
        assert!((1..=COUNT / 100).contains(&writes), "{writes} writes");
        assert!((1..=COUNT / 100).contains(&reads), "{reads} reads");
    }
    near.shutdown(SECOND).await;
    far.shutdown(SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn a_lone_message_is_one_write_and_so_is_its_acknowledgement() {
    let network = network(1);
    let far = endpoint(&network, "b");
    let _server = far.serve_sink(addr("s"), Keeper::new(usize::MAX)).unwrap();
    let near = endpoint(&network, "a");
    let mut clerk = Clerk::new(&near, "s");
    clerk.link().watch().active().await.unwrap();
    for body in ["one", "two", "three"] {
        // Between two pings.
        pass(MS * 100).await;
        let before = [calls(&network, "a").0, calls(&network, "b").0];
        clerk.post(body);
        assert_eq!(clerk.outcome(body).await, Outcome::Acked);
        let after = [calls(&network, "a").0, calls(&network, "b").0];
        assert_eq!(after, before.map(|writes| writes + 1), "{body}");
    }
    near.shutdown(SECOND).await;
    far.shutdown(SECOND).await;
}
