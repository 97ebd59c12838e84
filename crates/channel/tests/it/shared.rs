//! Links that share a connection, and receivers that share an address.

use std::time::Duration;

use hypermesh_channel::{
    ChannelTransport, CloseReason, FailReason, LinkStatus, Outcome, RecvError, Refusal, SendCause,
    ServeError,
};

use crate::{by_hand::*, rig::*};

/// Fewer with all the checks of a debug build.
const ROUNDS: usize = if cfg!(debug_assertions) {
    1_000
} else {
    10_000
};

#[tokio::test]
async fn receivers_of_different_kinds_share_an_address_and_one_may_stop() {
    for transport in TRANSPORTS {
        let (here, there) = (endpoint_for(transport), endpoint_for(transport));
        let here = if transport == ChannelTransport::Local {
            &there
        } else {
            &here
        };
        let keeper = Keeper::new();
        let server = there.serve_sink(transport, keeper.clone()).unwrap();
        let at = server.addr();
        let (_, mut texts) = there.serve::<String>(at).unwrap();
        let (_, mut numbers) = there.serve::<u64>(at).unwrap();
        let error = there.serve::<u64>(at).unwrap_err();
        assert!(
            matches!(&error, ServeError::AddrInUse(addr) if addr == at),
            "{error}"
        );
        let link = here.dial_link(at).unwrap();
        let (text, number) = (
            here.dial::<String>(at).unwrap(),
            here.dial::<u64>(at).unwrap(),
        );
        let mut clerk = Clerk::new();
        clerk.post(&link, payload("parcel"));
        clerk.assert_acked(1).await;
        soon(text.send("text".to_owned())).await.unwrap();
        soon(number.send(1)).await.unwrap();
        assert_eq!(keeper.next_text().await, "parcel");
        assert_eq!(soon(texts.recv()).await.unwrap(), "text");
        assert_eq!(soon(numbers.recv()).await.unwrap(), 1);
        assert_eq!(
            server.stats().accepted,
            1,
            "{transport}: one connection for all"
        );

        // One of them stops: its senders learn, and those of the others do not.
        soon(numbers.close()).await;
        assert_eq!(
            soon(number.watch().closed()).await,
            CloseReason::PeerClosed,
            "{transport}"
        );
        assert!(matches!(soon(numbers.recv()).await, Err(RecvError::Closed)));
        soon(text.send("more".to_owned())).await.unwrap();
        assert_eq!(soon(texts.recv()).await.unwrap(), "more");
        let refused = here.dial::<u64>(at).unwrap();
        let error = soon(refused.send(2)).await.unwrap_err();
        let cause = error.cause;
        assert!(
            matches!(
                cause,
                SendCause::Failed(FailReason::Refused(Refusal::Kind { .. }))
            ),
            "{transport}: {cause:?}"
        );

        // Its place is free for another one.
        let (_, mut numbers) = there.serve::<u64>(at).unwrap();
        let number = here.dial::<u64>(at).unwrap();
        soon(number.send(3)).await.unwrap();
        assert_eq!(soon(numbers.recv()).await.unwrap(), 3);
        assert_eq!(link.status(), LinkStatus::Active);
        assert_eq!(
            server.stats().accepted,
            1,
            "{transport}: all over the first connection"
        );

        // The address is served until the last one stops.
        soon(server.stop()).await;
        assert_eq!(soon(link.watch().closed()).await, CloseReason::PeerClosed);
        drop(numbers);
        soon(text.send("last".to_owned())).await.unwrap();
        soon(texts.close()).await;
        assert_eq!(soon(text.watch().closed()).await, CloseReason::PeerClosed);
        there.serve_sink(at, Keeper::new()).unwrap();
    }
}

#[tokio::test]
async fn a_receiver_that_takes_nothing_does_not_hold_up_others_on_the_connection() {
    for transport in TRANSPORTS {
        let endpoint = endpoint_for_with(transport, |limits| limits.receiver_queue_messages = 10);
        let (addr, mut slow) = endpoint.serve::<u64>(transport).unwrap();
        let (_, mut quick) = endpoint.serve::<String>(&addr).unwrap();
        let to_slow = endpoint.dial::<u64>(&addr).unwrap();
        let to_quick = endpoint.dial::<String>(&addr).unwrap();
        for i in 0..1000 {
            to_slow.post(i).unwrap();
        }
        for i in 0..1000 {
            to_quick.post(i.to_string()).unwrap();
        }
        for i in 0..1000 {
            assert_eq!(
                soon(quick.recv()).await.unwrap(),
                i.to_string(),
                "{transport}"
            );
        }
        assert_eq!(soon(to_quick.flush(DEADLINE)).await, 0);
        for i in 0..1000 {
            assert_eq!(soon(slow.recv()).await.unwrap(), i, "{transport}");
        }
        assert_eq!(quick.server().unwrap().stats().accepted, 1);
    }
}

#[tokio::test]
async fn many_short_links_one_after_the_other_leave_no_session() {
    // Were one left, there would be no place for another.
    let (here, there) = (endpoint(), endpoint_with(|limits| limits.sessions = 1));
    let keeper = Keeper::new();
    let server = serve(&there, &keeper);
    let mut clerk = Clerk::new();
    for _ in 0..ROUNDS {
        let link = here.dial_link(server.addr()).unwrap();
        clerk.post(&link, payload("x"));
        let report = soon(link.close(DEADLINE)).await;
        assert_eq!((report.failed, report.unknown), (0, 0));
        clerk.assert_acked(1).await;
    }
    assert_eq!(keeper.len(), ROUNDS);
    for endpoint in [here, there] {
        assert_eq!(soon(endpoint.shutdown(DEADLINE)).await.stuck_tasks, 0);
    }
    let stats = server.stats();
    assert_eq!((stats.accepted, stats.broken), (stats.ended, 0));
}

#[tokio::test]
async fn many_short_links_on_one_connection_leave_no_session() {
    for transport in TRANSPORTS {
        let endpoint = endpoint_for_with(transport, |limits| limits.sessions = 2);
        let keeper = Keeper::new();
        let server = endpoint.serve_sink(transport, keeper.clone()).unwrap();
        let mut clerk = Clerk::new();
        let lasting = endpoint.dial_link(server.addr()).unwrap();
        clerk.post(&lasting, payload("x"));
        clerk.assert_acked(1).await;
        for i in 0..ROUNDS / 3 {
            let link = endpoint.dial_link(server.addr()).unwrap();
            // Some say nothing at all, and some do not wait.
            match i % 3 {
                0 => {
                    clerk.post(&link, payload("x"));
                    soon(link.close(DEADLINE)).await;
                    clerk.assert_acked(1).await;
                }
                1 => {
                    clerk.post(&link, payload("x"));
                    drop(link);
                    clerk.assert_acked(1).await;
                }
                _ => drop(link),
            }
        }
        clerk.post(&lasting, payload("x"));
        clerk.assert_acked(1).await;
        assert_eq!(server.stats().accepted, 1, "{transport}");
    }
}

#[tokio::test]
async fn a_link_that_ends_before_the_peer_has_opened_it_is_closed_there_too() {
    let (endpoint, peer) = (endpoint(), ByHand::new());
    let lasting = endpoint.dial_link::<Numbered>(&peer.addr()).unwrap();
    let mut wire = peer.accept().await;
    soon(lasting.watch().active()).await.unwrap();
    for is_ended in [true, false] {
        let link = endpoint.dial_link::<Numbered>(&peer.addr()).unwrap();
        let open = wire.read_open().await;
        if is_ended {
            link.end();
        } else {
            soon(link.close(Duration::from_secs(3600))).await;
        }
        wire.answer(Opened::fresh(&open)).await;
        assert_eq!(wire.read().await, Frame::control(CLOSE, wire.session, &[]));
    }
    assert_eq!(lasting.status(), LinkStatus::Active);
}

#[tokio::test]
async fn a_session_that_is_given_up_by_the_peer_is_opened_anew_and_others_go_on() {
    let (endpoint, peer) = (endpoint(), ByHand::new());
    let mut clerk = Clerk::new();
    let first = endpoint.dial_link(&peer.addr()).unwrap();
    let mut wire = peer.accept().await;
    let first_session = wire.session;
    let second = endpoint.dial_link(&peer.addr()).unwrap();
    let open = wire.read_open().await;
    wire.answer(Opened::fresh(&open)).await;
    clerk.post(&second, payload("lost"));
    wire.expect(0, "lost").await;
    wire.send(&[Frame::control(LOST, wire.session, &[])]).await;
    let again = wire.read_open().await;
    assert_eq!((again.id, again.acked, again.sent), (open.id, 0, 1));
    wire.answer(Opened::fresh(&again)).await;
    assert!(matches!(clerk.next().await.1, Outcome::Unknown(_)));
    clerk.post(&first, payload("first"));
    wire.session = first_session;
    wire.expect(0, "first").await;
    wire.ack(1).await;
    clerk.assert_acked(1).await;
    assert_eq!(second.status(), LinkStatus::Active);
}
