//! Many connections at once.

use hypermesh_channel::{CloseReason, Outcome, SimNetwork};
use tokio::{io::AsyncReadExt, time::Instant};

use crate::rig::*;

#[tokio::test(start_paused = true)]
async fn a_thousand_silent_connections_are_closed_after_five_seconds_and_keep_nobody_out() {
    // All the places for those that are not let in yet, and some more.
    const SILENT: usize = 1024 + 100;
    let network = network(1);
    let far = endpoint(&network, "b");
    let server = far.serve_sink(addr("s"), Keeper::new(usize::MAX)).unwrap();
    let silent = network.node("m");
    let began = Instant::now();
    let mut streams = Vec::new();
    for _ in 0..SILENT {
        streams.push(silent.connect("s").await.unwrap());
    }
    let near = endpoint(&network, "a");
    let mut clerk = Clerk::new(&near, "s");
    clerk.post("good");
    assert_eq!(clerk.outcome("good").await, Outcome::Acked);
    // Those that are not answered have five seconds, and who comes meanwhile tries again each second.
    assert!(began.elapsed() < 8 * SECOND, "{:?}", began.elapsed());
    for stream in streams {
        let (mut reader, _writer) = stream.split();
        // The last ones were told that there is no place; a reset ends a stream, too.
        let _ = reader.read_to_end(&mut Vec::new()).await;
    }
    assert!(began.elapsed() < 8 * SECOND, "{:?}", began.elapsed());
    let stats = server.stats();
    assert_eq!(stats.accepted, 1);
    assert!(SILENT as u64 <= stats.refused, "{stats:?}");
    near.shutdown(SECOND).await;
    far.shutdown(SECOND).await;
}

/// Connects so many endpoints to a node, each with a link.
async fn connect(network: &SimNetwork, n: usize) -> Vec<(hypermesh_channel::Endpoint, Clerk)> {
    let mut all = Vec::new();
    for i in 0..n {
        let near = endpoint(network, &format!("n{i}"));
        let mut clerk = Clerk::new(&near, "s");
        clerk.post("x");
        assert_eq!(clerk.outcome("x").await, Outcome::Acked);
        all.push((near, clerk));
    }
    all
}

#[tokio::test(start_paused = true)]
async fn a_server_with_a_thousand_connections_stops_soon_and_all_of_them_know() {
    const LINKS: usize = 1000;
    let network = network(1);
    let far = endpoint(&network, "b");
    let server = far.serve_sink(addr("s"), Keeper::new(usize::MAX)).unwrap();
    let all = connect(&network, LINKS).await;
    let began = Instant::now();
    server.stop().await;
    assert!(began.elapsed() < 3 * SECOND, "{:?}", began.elapsed());
    for (_, clerk) in &all {
        assert_eq!(clerk.link().watch().closed().await, CloseReason::PeerClosed);
    }
    let stats = server.stats();
    assert_eq!((stats.accepted, stats.broken), (LINKS as u64, 0));
    assert_eq!(stats.ended, stats.accepted);
    for (near, _) in all {
        assert_eq!(near.shutdown(SECOND).await.stuck_tasks, 0);
    }
    assert_eq!(far.shutdown(SECOND).await.stuck_tasks, 0);
}
