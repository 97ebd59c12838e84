//! What happens while nothing is sent, and what is said about it.

use hypermesh_channel::{LinkStatus, Outcome, SimNetwork};
use tokio::time::advance;

use crate::{
    log::{Log, sum},
    rig::*,
};

#[tokio::test(start_paused = true)]
async fn an_idle_link_needs_pings_and_nothing_else() {
    let network = network(1);
    let far = endpoint(&network, "b");
    let _server = far.serve_sink(addr("s"), Keeper::new(0)).unwrap();
    let near = endpoint(&network, "a");
    let clerk = Clerk::new(&near, "s");
    clerk.link().watch().active().await.unwrap();
    pass(10 * SECOND).await;
    let before = network.trace().lines().count();
    pass(3600 * SECOND).await;
    let trace = network.trace();
    let events: Vec<_> = trace.lines().skip(before).collect();
    // Every five seconds each end asks and the other answers, each of which is written and read, in two pieces perhaps.
    assert!(
        (5000..=12 * 720).contains(&events.len()),
        "{}",
        events.len()
    );
    for event in &events {
        // It may be read in two pieces.
        let n_bytes: u32 = event.rsplit(' ').next().unwrap().parse().unwrap_or(0);
        let is_ping = event.contains(" writes 16 ") || event.contains(" reads ") && n_bytes <= 16;
        assert!(is_ping, "{event}");
    }
    assert_eq!(clerk.link().status(), LinkStatus::Active);
    near.shutdown(SECOND).await;
    far.shutdown(SECOND).await;
}

/// Runs some traffic on a network, with a cut.
async fn traffic(network: SimNetwork) -> String {
    let far = endpoint(&network, "b");
    let keeper = Keeper::new(usize::MAX);
    let _server = far.serve_sink(addr("s"), keeper.clone()).unwrap();
    let near = endpoint(&network, "a");
    let mut clerk = Clerk::new(&near, "s");
    for body in ["one", "two", "three"] {
        clerk.post(body);
        pass(2 * MS).await;
        network.cut("a", "b");
        assert_eq!(clerk.outcome(body).await, Outcome::Acked);
    }
    near.shutdown(SECOND).await;
    far.shutdown(SECOND).await;
    network.trace()
}

#[tokio::test(start_paused = true)]
async fn networks_in_one_process_share_nothing() {
    let alone = traffic(SimNetwork::new(7)).await;
    let (again, other) = tokio::join!(traffic(SimNetwork::new(7)), traffic(SimNetwork::new(8)));
    assert_eq!(alone, again);
    assert_ne!(alone, other);
}

#[tokio::test(start_paused = true)]
async fn a_starved_process_does_not_blame_its_peers_and_says_so() {
    let (log, _listening) = Log::listen();
    let network = network(1);
    let far = endpoint(&network, "b");
    let _server = far.serve_sink(addr("s"), Keeper::new(usize::MAX)).unwrap();
    let near = endpoint(&network, "a");
    let mut clerk = Clerk::new(&near, "s");
    clerk.link().watch().active().await.unwrap();
    network.freeze("b");
    // As if the process had been stopped, again and again: five times what a silent peer is given.
    for _ in 0..10 {
        advance(10 * SECOND).await;
    }
    network.thaw("b");
    assert_eq!(clerk.link().status(), LinkStatus::Active);
    clerk.post("one");
    assert_eq!(clerk.outcome("one").await, Outcome::Acked);
    assert_eq!(traced(&network, "opens on").len(), 1);
    let lines = log.lines().join("\n");
    assert!(
        lines.contains("this process was stopped or starved"),
        "{lines}"
    );
    near.shutdown(SECOND).await;
    far.shutdown(SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn a_thousand_flaps_of_a_link_are_few_lines_that_count_them() {
    let (log, _listening) = Log::listen();
    let network = network(1);
    let far = endpoint(&network, "b");
    let server = far.serve_sink(addr("s"), Keeper::new(usize::MAX)).unwrap();
    let near = endpoint(&network, "a");
    let mut clerk = Clerk::new(&near, "s");
    for i in 0..=1000 {
        let body = i.to_string();
        clerk.post(&body);
        assert_eq!(clerk.outcome(&body).await, Outcome::Acked);
        if i < 1000 {
            network.cut("a", "b");
        }
    }
    let stats = clerk.link().stats();
    assert_eq!((stats.messages, stats.reconnects), (1001, 1000));
    drop(server);
    near.shutdown(SECOND).await;
    far.shutdown(SECOND).await;
    let lines = log.lines();
    assert!(
        lines.len() <= 20,
        "{} lines: {:#?}",
        lines.len(),
        &lines[..20]
    );
    assert_eq!(sum(&lines, "addr=sim:s", "flaps="), 1000, "{lines:#?}");
    assert_eq!(sum(&lines, "at=sim:s", "flaps="), 1000, "{lines:#?}");
}

#[tokio::test(start_paused = true)]
async fn the_counters_of_a_link_are_read_while_it_works() {
    let network = network(10);
    let far = endpoint_with(&network, "b", |limits| limits.receiver_queue_messages = 2);
    let keeper = Keeper::new(0);
    let _server = far.serve_sink(addr("s"), keeper.clone()).unwrap();
    let near = endpoint(&network, "a");
    let mut clerk = Clerk::new(&near, "s");
    let counts = |clerk: &Clerk| {
        let stats = clerk.link().stats();
        (stats.messages, stats.bytes, stats.unacked, stats.queued)
    };
    let bodies = ["1", "22", "333", "4444", "55555"];
    bodies.iter().for_each(|body| clerk.post(body));
    assert_eq!(counts(&clerk), (5, 15, 0, 5));
    pass(SECOND).await;
    assert_eq!(counts(&clerk), (5, 15, 2, 3), "as much as there is credit");
    network.cut("a", "b");
    pass(SECOND).await;
    assert_eq!(clerk.link().stats().reconnects, 1);
    assert_eq!(counts(&clerk), (5, 15, 2, 3));
    keeper.allow(1);
    assert_eq!(clerk.outcome("1").await, Outcome::Acked);
    pass(SECOND).await;
    assert_eq!(counts(&clerk), (5, 15, 2, 2));
    keeper.allow(10);
    for body in &bodies[1..] {
        assert_eq!(clerk.outcome(body).await, Outcome::Acked);
    }
    assert_eq!(counts(&clerk), (5, 15, 0, 0));
    near.shutdown(SECOND).await;
    far.shutdown(SECOND).await;
}
