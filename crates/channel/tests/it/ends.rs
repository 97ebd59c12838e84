//! How links and endpoints end: close, drop, shutdown.

use std::time::Duration;

use hypermesh_channel::{
    ChannelTransport, CloseReason, DialError, FailReason, LinkStatus, Outcome, ServeError,
    UnknownReason,
};

use crate::{by_hand::*, rig::*};

const SHORT: Duration = Duration::from_millis(50);

#[tokio::test]
async fn close_waits_until_all_is_acked_and_may_be_called_twice() {
    for transport in TRANSPORTS {
        let endpoint = endpoint_for(transport);
        let keeper = Keeper::new();
        let server = endpoint.serve_sink(transport, keeper.clone()).unwrap();
        let link = endpoint.dial_link(server.addr()).unwrap();
        let mut clerk = Clerk::new();
        (0..1000).for_each(|_| clerk.post(&link, payload("x")));
        let report = soon(link.close(DEADLINE)).await;
        assert_eq!((report.failed, report.unknown), (0, 0), "{transport}");
        clerk.assert_acked(1000).await;
        assert_eq!(keeper.len(), 1000);
        assert_eq!(link.status(), LinkStatus::Closed(CloseReason::Closed));
        soon(link.close(DEADLINE)).await;
        clerk.post(&link, payload("late"));
        assert_eq!(clerk.next().await.1, Outcome::Failed(FailReason::Closed));
        keeper.until_lost(1).await;
    }
}

#[tokio::test]
async fn close_ends_at_its_deadline_and_counts_what_is_unknown() {
    let peer = ByHand::new();
    let endpoint = endpoint();
    let link = endpoint.dial_link(&peer.addr()).unwrap();
    let mut wire = peer.accept().await;
    let mut clerk = Clerk::new();
    (0..3).for_each(|_| clerk.post(&link, payload("x")));
    for seq in 0..3 {
        wire.expect(seq, "x").await;
    }
    let report = soon(link.close(SHORT)).await;
    assert_eq!((report.failed, report.unknown), (0, 3));
    let unknown = Outcome::Unknown(UnknownReason::Closed);
    assert_eq!(clerk.outcomes(3).await, vec![unknown; 3]);
}

#[tokio::test]
async fn close_of_a_link_that_is_not_connected_ends_at_its_deadline() {
    let dir = hypermesh_testkit::SocketDir::new();
    let endpoint = endpoint();
    let link = endpoint
        .dial_link(&at_path(&dir.path().join("nobody")))
        .unwrap();
    let mut clerk = Clerk::new();
    clerk.post(&link, payload("x"));
    let report = soon(link.close(SHORT)).await;
    assert_eq!((report.failed, report.unknown), (1, 0));
    assert_eq!(clerk.next().await.1, Outcome::Failed(FailReason::Closed));
    // With nothing to deliver there is nothing to wait for.
    let link = endpoint
        .dial_link::<Numbered>(&at_path(&dir.path().join("nobody")))
        .unwrap();
    soon(link.close(Duration::from_secs(3600))).await;
}

#[tokio::test]
async fn a_dropped_link_still_delivers_what_was_posted() {
    for transport in TRANSPORTS {
        let endpoint = endpoint_for(transport);
        let keeper = Keeper::new();
        let server = endpoint.serve_sink(transport, keeper.clone()).unwrap();
        let link = endpoint.dial_link(server.addr()).unwrap();
        let mut clerk = Clerk::new();
        (0..1000).for_each(|_| clerk.post(&link, payload("x")));
        drop(link);
        clerk.assert_acked(1000).await;
        keeper.until_lost(1).await;
        assert_eq!(keeper.len(), 1000, "{transport}");
    }
}

#[tokio::test]
async fn shutdown_delivers_what_it_can_and_ends_everything() {
    for transport in TRANSPORTS {
        let (here, there) = (endpoint_for(transport), endpoint_for(transport));
        let keeper = Keeper::new();
        let server_side = if transport == ChannelTransport::Local {
            &here
        } else {
            &there
        };
        let server = server_side.serve_sink(transport, keeper.clone()).unwrap();
        let link = here.dial_link(server.addr()).unwrap();
        let mut clerk = Clerk::new();
        (0..1000).for_each(|_| clerk.post(&link, payload("x")));
        let report = soon(here.shutdown(DEADLINE)).await;
        assert_eq!(
            (report.failed, report.unknown, report.stuck_tasks),
            (0, 0, 0),
            "{transport}"
        );
        clerk.assert_acked(1000).await;
        let error = here.dial_link::<Numbered>(server.addr()).unwrap_err();
        assert!(
            matches!(error, DialError::Closed | DialError::PeerClosed(_)),
            "{error}"
        );
        let error = here.serve_sink(transport, Keeper::new()).unwrap_err();
        assert!(matches!(error, ServeError::Closed), "{error}");
        let report = soon(there.shutdown(DEADLINE)).await;
        assert_eq!(report.stuck_tasks, 0);
        soon(here.shutdown(DEADLINE)).await;
    }
}

#[tokio::test]
async fn shutdown_does_not_wait_longer_than_it_may() {
    let peer = ByHand::new();
    let endpoint = endpoint();
    let mut clerk = Clerk::new();
    let link = endpoint.dial_link(&peer.addr()).unwrap();
    let _silent = peer.accept().await;
    clerk.post(&link, payload("x"));
    let paused = endpoint
        .serve_sink(ChannelTransport::Unix, Keeper::with_allowance(0))
        .unwrap();
    let to_paused = endpoint.dial_link(paused.addr()).unwrap();
    clerk.post(&to_paused, payload("x"));
    soon(to_paused.watch().active()).await.unwrap();
    let report = soon(endpoint.shutdown(SHORT)).await;
    assert_eq!(report.failed + report.unknown, 2);
    assert_eq!(report.stuck_tasks, 0);
    clerk.next().await;
    clerk.next().await;
    clerk.assert_no_more();
}

#[tokio::test]
async fn a_peer_that_never_reads_holds_up_neither_close_nor_shutdown() {
    const COUNT: usize = 100;
    let (endpoint, peer) = (endpoint(), ByHand::new());
    let mut clerk = Clerk::new();
    let link = endpoint.dial_link(&peer.addr()).unwrap();
    let mut wire = peer.accept().await;
    soon(link.watch().active()).await.unwrap();
    // Far more than the socket holds.
    (0..COUNT).for_each(|_| clerk.post(&link, sized(50_000)));
    let report = soon(link.close(SHORT)).await;
    assert_eq!(report.failed + report.unknown, COUNT as u64);
    assert!(report.unknown > 0 && report.failed > 0, "{report:?}");
    assert_eq!(clerk.outcomes(COUNT).await.len(), COUNT);
    assert_eq!(soon(endpoint.shutdown(SHORT)).await.stuck_tasks, 0);
    // What was written ends in the middle of a message, and nothing follows that. On a machine that stands still it may
    // end between two.
    let bytes = read_to_end(&mut wire.stream).await;
    let mut rest = &bytes[..];
    let close = Frame::control(CLOSE, wire.session, &[]).bytes();
    for seq in 0.. {
        if rest.is_empty() || rest == close {
            break;
        }
        let (now, later) = rest.split_at(rest.len().min(HEADER + 50_000));
        let n = now.len().min(HEADER);
        assert_eq!(now[..n], header(DATA, 0, 50_000, wire.session, seq)[..n]);
        assert!(now[n..].iter().all(|byte| *byte == b'x'), "{seq}");
        rest = later;
    }
}

#[tokio::test]
async fn a_peer_that_never_answers_holds_up_neither_close_nor_shutdown() {
    let (endpoint, peer) = (endpoint(), ByHand::new());
    let mut clerk = Clerk::new();
    // In the handshake of the connection, and at the beginning of the session.
    for is_greeted in [false, true] {
        let link = endpoint.dial_link(&peer.addr()).unwrap();
        clerk.post(&link, payload("x"));
        let mut wire = peer.hello().await;
        if is_greeted {
            wire.send_bytes(&handshake(1, &accepted(INCARNATION))).await;
            wire.read_open().await;
        }
        let report = soon(link.close(SHORT)).await;
        assert_eq!((report.failed, report.unknown), (1, 0), "{is_greeted}");
        assert_eq!(clerk.next().await.1, Outcome::Failed(FailReason::Closed));
        let silent = endpoint.dial_link::<Numbered>(&peer.addr()).unwrap();
        drop(silent);
    }
    assert_eq!(soon(endpoint.shutdown(SHORT)).await.stuck_tasks, 0);
}

#[tokio::test]
async fn the_last_endpoint_that_goes_ends_its_links_at_once() {
    for transport in TRANSPORTS {
        let endpoint = endpoint_for(transport);
        let keeper = Keeper::with_allowance(1);
        let server = endpoint.serve_sink(transport, keeper.clone()).unwrap();
        let link = endpoint.dial_link(server.addr()).unwrap();
        let mut clerk = Clerk::new();
        (0..3).for_each(|_| clerk.post(&link, payload("x")));
        clerk.assert_acked(1).await;
        drop(endpoint.clone());
        assert_eq!(link.status(), LinkStatus::Active);
        drop(endpoint);
        soon(link.watch().closed()).await;
        let rest = clerk.outcomes(2).await;
        assert!(
            rest.iter().all(|outcome| *outcome != Outcome::Acked),
            "{transport}: {rest:?}"
        );
        keeper.until_lost(1).await;
    }
}

#[tokio::test]
async fn flush_tells_how_many_have_no_outcome() {
    let endpoint = endpoint();
    let keeper = Keeper::with_allowance(2);
    let server = endpoint
        .serve_sink(ChannelTransport::Unix, keeper.clone())
        .unwrap();
    let link = endpoint.dial_link(server.addr()).unwrap();
    assert_eq!(soon(link.flush(DEADLINE)).await, 0);
    let mut clerk = Clerk::new();
    (0..5).for_each(|_| clerk.post(&link, payload("x")));
    clerk.assert_acked(2).await;
    assert_eq!(link.flush(SHORT).await, 3);
    keeper.allow(3);
    assert_eq!(soon(link.flush(DEADLINE)).await, 0);
    clerk.assert_acked(3).await;
}

#[tokio::test]
async fn a_link_dialled_again_to_a_peer_that_is_gone_ends_soon() {
    let dir = hypermesh_testkit::SocketDir::new();
    let endpoint = endpoint_with(|limits| limits.gone_timeout = Some(Duration::from_millis(250)));
    let addr = at_path(&dir.path().join("gone"));
    let link = endpoint.redial_link(&addr).unwrap();
    let mut clerk = Clerk::new();
    clerk.post(&link, payload("x"));
    // The setting for a first dial is a minute; a test's deadline is less.
    let outcome = soon(clerk.next()).await.1;
    assert!(
        matches!(outcome, Outcome::Failed(FailReason::Unreachable(_))),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn a_link_that_is_ended_gives_every_parcel_its_outcome_at_once() {
    let dir = hypermesh_testkit::SocketDir::new();
    let endpoint = endpoint();
    let link = endpoint
        .dial_link(&at_path(&dir.path().join("nobody")))
        .unwrap();
    let mut clerk = Clerk::new();
    (0..3).for_each(|_| clerk.post(&link, payload("x")));
    link.end();
    let failed = Outcome::Failed(FailReason::Closed);
    assert_eq!(soon(clerk.outcomes(3)).await, vec![failed; 3]);
}

#[tokio::test]
async fn both_ends_that_close_at_once_finish() {
    for transport in TRANSPORTS {
        for _ in 0..20 {
            let endpoint = endpoint_for(transport);
            let keeper = Keeper::new();
            let server = endpoint.serve_sink(transport, keeper.clone()).unwrap();
            let link = endpoint.dial_link(server.addr()).unwrap();
            let mut clerk = Clerk::new();
            soon(link.watch().active()).await.unwrap();
            (0..100).for_each(|_| clerk.post(&link, payload("x")));
            let closing = async { tokio::join!(link.close(DEADLINE), server.stop()) };
            let (report, ()) = soon(closing).await;
            let outcomes = clerk.outcomes(100).await;
            let acked = outcomes
                .iter()
                .filter(|outcome| **outcome == Outcome::Acked);
            // A receiver that stops says what it took: nothing is left in doubt.
            assert_eq!(acked.count(), keeper.len(), "{transport}");
            assert_eq!(report.failed, 100 - keeper.len() as u64, "{transport}");
            assert_eq!(report.unknown, 0, "{transport}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_link_whose_peer_is_gone_gives_every_outcome_within_the_linger() {
    let (endpoint, peer) = (endpoint(), ByHand::new());
    let mut clerk = Clerk::new();
    let link = endpoint.dial_link(&peer.addr()).unwrap();
    let mut wire = peer.accept().await;
    clerk.post(&link, payload("written"));
    wire.expect(0, "written").await;
    let _dir = peer.stop();
    drop(wire);
    assert_ne!(link.watch().changed().await, LinkStatus::Active);
    (0..10).for_each(|_| clerk.post(&link, payload("queued")));
    let since = tokio::time::Instant::now();
    drop(link);
    assert!(matches!(clerk.next().await.1, Outcome::Unknown(_)));
    let failed = Outcome::Failed(FailReason::Closed);
    assert_eq!(clerk.outcomes(10).await, vec![failed; 10]);
    let took = since.elapsed();
    assert!(
        took >= Duration::from_secs(4) && took <= Duration::from_secs(6),
        "{took:?}"
    );
}

#[tokio::test]
async fn a_server_with_many_connections_that_nobody_reads_stops_soon() {
    let endpoint = endpoint();
    let keeper = Keeper::new();
    let server = serve(&endpoint, &keeper);
    let mut wires = Vec::new();
    for id in 0..100 {
        wires.push(Wire::open(&server, id).await);
    }
    // Some are in their handshake.
    for _ in 0..100 {
        wires.push(Wire::new(connect(server.addr()).await, 0));
    }
    soon(server.stop()).await;
    keeper.until_lost(100).await;
    let stats = server.stats();
    assert_eq!((stats.accepted, stats.ended), (100, 100));
    assert_eq!(soon(endpoint.shutdown(SHORT)).await.stuck_tasks, 0);
}
