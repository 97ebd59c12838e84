//! Links that do not work: what their parcels are told, and when.

use std::time::Duration;

use hypermesh_channel::{
    CloseReason, ConnectError, Endpoint, EndpointOptions, FailReason, Link, LinkStatus, Outcome,
    Parcel, Payload, ProtocolError, Refusal, UnknownReason,
};
use hypermesh_testkit::SocketDir;
use tokio::sync::mpsc;

use crate::{by_hand::*, rig::*};

/// Waits until the link has ended, and returns why.
async fn closed<P: Parcel>(link: &Link<P>) -> CloseReason {
    soon(link.watch().closed()).await
}

#[tokio::test]
async fn a_peer_that_is_never_there_is_reported_with_every_place_and_error() {
    let endpoint = endpoint_with(|limits| limits.connect_timeout = Duration::from_millis(100));
    let dir = SocketDir::new();
    let path = dir.path().join("nobody");
    let link = endpoint.dial_link(&at_path(&path)).unwrap();
    let mut clerk = Clerk::new();
    clerk.post(&link, payload("one"));
    let (_, Outcome::Failed(FailReason::Unreachable(unreachable))) = clerk.next().await else {
        panic!("unreachable");
    };
    assert!(unreachable.attempts > 3, "{unreachable}");
    assert_eq!(unreachable.tried.len(), 1);
    assert_eq!(unreachable.tried[0].place, path.to_str().unwrap());
    let kind = std::io::ErrorKind::NotFound;
    assert!(
        matches!(&unreachable.tried[0].error, ConnectError::Io { kind: k, .. } if *k == kind),
        "{unreachable}"
    );
    assert_eq!(
        closed(&link).await,
        CloseReason::Unreachable(unreachable.clone())
    );
    // What comes later fails at once, and a new link may be made.
    clerk.post(&link, payload("two"));
    assert_eq!(
        clerk.next().await.1,
        Outcome::Failed(FailReason::Unreachable(unreachable))
    );
    let keeper = Keeper::new();
    let server = endpoint.serve_sink(at_path(&path), keeper).unwrap();
    let link = endpoint.dial_link(server.addr()).unwrap();
    clerk.post(&link, payload("three"));
    clerk.assert_acked(1).await;
}

#[tokio::test]
async fn a_peer_that_was_there_and_is_gone_fails_long_before_the_connect_timeout() {
    let peer = ByHand::new();
    let endpoint = endpoint_with(|limits| limits.gone_timeout = Some(Duration::from_millis(250)));
    let link = endpoint.dial_link(&peer.addr()).unwrap();
    let wire = peer.accept().await;
    soon(link.watch().active()).await.unwrap();
    let _dir = peer.stop();
    drop(wire);
    let mut clerk = Clerk::new();
    clerk.post(&link, payload("one"));
    assert!(matches!(
        clerk.next().await.1,
        Outcome::Failed(FailReason::Unreachable(_))
    ));
    assert!(matches!(closed(&link).await, CloseReason::Unreachable(_)));
}

/// Dials a peer that answers with `bytes`, and checks why the link ends.
async fn check_answer(bytes: &[u8], reason: CloseReason) {
    let peer = ByHand::new();
    let endpoint = endpoint();
    let link = endpoint.dial_link(&peer.addr()).unwrap();
    let mut clerk = Clerk::new();
    clerk.post(&link, payload("one"));
    let mut wire = peer.hello().await;
    wire.send_bytes(bytes).await;
    assert_eq!(clerk.next().await.1, Outcome::Failed(reason.clone().into()));
    assert_eq!(closed(&link).await, reason);
}

#[tokio::test]
async fn a_refusal_that_does_not_pass_ends_the_link_at_once() {
    check_answer(
        &handshake(9, &refused(2)),
        CloseReason::Refused(Refusal::Version { ours: 1, theirs: 9 }),
    )
    .await;
    check_answer(
        &handshake(1, &refused(3)),
        CloseReason::Refused(Refusal::Malformed),
    )
    .await;
    check_answer(
        &handshake(1, &refused(5)),
        CloseReason::Refused(Refusal::Identity),
    )
    .await;
    check_answer(
        &handshake(2, &refused(77)),
        CloseReason::Refused(Refusal::Unknown(77)),
    )
    .await;
}

#[tokio::test]
async fn an_answer_that_is_none_ends_the_link_at_once() {
    use hypermesh_channel::HandshakeError::{Magic, Malformed, Version};
    let broken = |error| CloseReason::Protocol(ProtocolError::Handshake(error));
    check_answer(b"HTTP/1.1 400 Bad Request", broken(Magic(*b"HTTP/1.1"))).await;
    check_answer(&handshake(1, &[0, 1, 2]), broken(Malformed("incarnation"))).await;
    check_answer(
        &handshake(3, &accepted(7)),
        broken(Version { ours: 1, theirs: 3 }),
    )
    .await;
}

#[tokio::test]
async fn a_peer_that_is_busy_is_tried_again() {
    let peer = ByHand::new();
    let endpoint = endpoint();
    let link = endpoint.dial_link(&peer.addr()).unwrap();
    let mut clerk = Clerk::new();
    clerk.post(&link, payload("one"));
    for _ in 0..3 {
        let mut wire = peer.hello().await;
        wire.send_bytes(&handshake(1, &refused(6))).await;
    }
    let mut wire = peer.accept().await;
    wire.expect(0, "one").await;
    wire.ack(1).await;
    clerk.assert_acked(1).await;
}

#[tokio::test]
async fn a_peer_that_has_no_place_for_a_session_is_tried_again_on_the_same_connection() {
    let peer = ByHand::new();
    let endpoint = endpoint();
    let link = endpoint.dial_link(&peer.addr()).unwrap();
    let mut clerk = Clerk::new();
    clerk.post(&link, payload("one"));
    let mut wire = peer.connection().await;
    for _ in 0..3 {
        wire.read_open().await;
        wire.send(&[Frame::control(REFUSED, wire.session, &refused(6))])
            .await;
    }
    let open = wire.read_open().await;
    wire.answer(Opened::fresh(&open)).await;
    wire.expect(0, "one").await;
    wire.ack(1).await;
    clerk.assert_acked(1).await;
}

/// Dials a peer that refuses the session with `code`, and checks why the link ends.
async fn check_refused_session(code: u8, refusal: impl FnOnce(Refusal) -> bool) {
    let peer = ByHand::new();
    let endpoint = endpoint();
    let link = endpoint.dial_link(&peer.addr()).unwrap();
    let mut clerk = Clerk::new();
    clerk.post(&link, payload("one"));
    let mut wire = peer.connection().await;
    wire.read_open().await;
    wire.send(&[Frame::control(REFUSED, wire.session, &refused(code))])
        .await;
    let (_, Outcome::Failed(FailReason::Refused(why))) = clerk.next().await else {
        panic!("refused");
    };
    assert_eq!(closed(&link).await, CloseReason::Refused(why.clone()));
    assert!(refusal(why.clone()), "{why}");
}

#[tokio::test]
async fn a_session_that_is_refused_for_good_ends_at_once() {
    check_refused_session(4, |why| matches!(why, Refusal::Kind { .. })).await;
    check_refused_session(5, |why| why == Refusal::Identity).await;
    check_refused_session(77, |why| why == Refusal::Unknown(77)).await;
}

#[tokio::test]
async fn a_forged_acknowledgement_ends_the_link() {
    let peer = ByHand::new();
    let endpoint = endpoint();
    let link = endpoint.dial_link(&peer.addr()).unwrap();
    let mut wire = peer.accept().await;
    let mut clerk = Clerk::new();
    clerk.post(&link, payload("one"));
    wire.expect(0, "one").await;
    wire.ack(2).await;
    assert_eq!(
        clerk.next().await.1,
        Outcome::Unknown(UnknownReason::ConnectionLost)
    );
    let error = ProtocolError::Ack {
        acked: 2,
        written: 1,
    };
    assert_eq!(closed(&link).await, CloseReason::Protocol(error));
}

#[tokio::test]
async fn a_stranger_kind_of_link_is_refused_on_every_transport() {
    for transport in TRANSPORTS {
        let endpoint = endpoint_for(transport);
        let (addr, mut rx) = endpoint.serve::<String>(transport).unwrap();
        let link = endpoint.dial_link(&addr).unwrap();
        let mut clerk = Clerk::new();
        clerk.post(&link, payload("one"));
        let outcome = clerk.next().await.1;
        let Outcome::Failed(FailReason::Refused(Refusal::Kind { asked, .. })) = &outcome else {
            panic!("{transport}: {outcome:?}");
        };
        assert_eq!(asked, "parcels");
        let tx = endpoint.dial::<String>(&addr).unwrap();
        soon(tx.send("right".to_owned())).await.unwrap();
        assert_eq!(soon(rx.recv()).await.unwrap(), "right");
    }
}

#[tokio::test]
async fn a_server_that_stops_says_how_much_it_took() {
    for transport in TRANSPORTS {
        let endpoint = endpoint_for(transport);
        let keeper = Keeper::with_allowance(2);
        let server = endpoint.serve_sink(transport, keeper.clone()).unwrap();
        let link = endpoint.dial_link(server.addr()).unwrap();
        let mut clerk = Clerk::new();
        (0..5).for_each(|i| clerk.post(&link, payload(&i.to_string())));
        clerk.assert_acked(2).await;
        soon(server.stop()).await;
        let failed = Outcome::Failed(FailReason::PeerClosed);
        assert_eq!(clerk.outcomes(3).await, vec![failed; 3], "{transport}");
        assert_eq!(closed(&link).await, CloseReason::PeerClosed, "{transport}");
        assert_eq!(keeper.len(), 2);
        soon(server.stop()).await;
    }
}

#[test]
fn a_runtime_that_goes_leaves_no_parcel_without_an_outcome() {
    // In a simulated network it is the nodes that crash.
    for transport in real_transports() {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let mut options = EndpointOptions::new(runtime.handle().clone());
        options.tls = Some(certified());
        let endpoint = Endpoint::new(options);
        let keeper = Keeper::with_allowance(1);
        let server = endpoint.serve_sink(transport, keeper).unwrap();
        let link = endpoint.dial_link(server.addr()).unwrap();
        let (sender, mut outcomes) = mpsc::unbounded_channel();
        let mut clerk = Clerk::new();
        (0..3).for_each(|_| clerk.post(&link, payload("x")));
        #[expect(
            clippy::disallowed_methods,
            reason = "the test is outside of any runtime"
        )]
        runtime.handle().block_on(async {
            sender.send(clerk.next().await.1).unwrap();
        });
        runtime.shutdown_timeout(DEADLINE);
        link.post(clerk.parcel(payload("late")));
        let rest = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        rest.block_on(async {
            for _ in 0..3 {
                sender.send(clerk.next().await.1).unwrap();
            }
        });
        assert_eq!(outcomes.try_recv(), Ok(Outcome::Acked), "{transport}");
        for _ in 0..2 {
            let outcome = outcomes.try_recv().unwrap();
            assert_ne!(outcome, Outcome::Acked, "{transport}");
        }
        assert_eq!(
            outcomes.try_recv(),
            Ok(Outcome::Failed(FailReason::Closed)),
            "{transport}"
        );
        assert_eq!(link.status(), LinkStatus::Closed(CloseReason::Closed));
    }
}

/// A parcel that posts another one when it is completed.
struct Chain {
    left: usize,
    payload: Payload,
    link: Link<Chain>,
    done: mpsc::UnboundedSender<Outcome>,
}

impl Parcel for Chain {
    fn payload(&self) -> &Payload {
        &self.payload
    }

    fn complete(self, outcome: Outcome) {
        let Self {
            left,
            payload,
            link,
            done,
        } = self;
        if left == 0 {
            let _ = done.send(outcome);
        } else {
            link.clone().post(Self {
                left: left - 1,
                payload,
                link,
                done,
            });
        }
    }
}

#[tokio::test]
async fn a_parcel_may_post_on_its_own_link_when_it_is_completed() {
    for transport in TRANSPORTS {
        let endpoint = endpoint_for(transport);
        let server = endpoint.serve_sink(transport, Keeper::new()).unwrap();
        let link = endpoint.dial_link(server.addr()).unwrap();
        let (done, mut outcomes) = mpsc::unbounded_channel();
        link.post(Chain {
            left: 50,
            payload: payload("x"),
            link: link.clone(),
            done,
        });
        assert_eq!(soon(outcomes.recv()).await, Some(Outcome::Acked));
    }
}

/// A parcel that panics when it is completed, and whose last word is its drop.
struct Touchy {
    payload: Payload,
    _gone: mpsc::UnboundedSender<()>,
}

impl Parcel for Touchy {
    fn payload(&self) -> &Payload {
        &self.payload
    }

    fn complete(self, _: Outcome) {
        panic!("a touchy parcel");
    }
}

#[tokio::test]
async fn a_panic_at_a_completion_does_not_end_the_link() {
    for transport in TRANSPORTS {
        let endpoint = endpoint_for(transport);
        let keeper = Keeper::new();
        let server = endpoint.serve_sink(transport, keeper.clone()).unwrap();
        let link = endpoint.dial_link(server.addr()).unwrap();
        let (gone, mut all_gone) = mpsc::unbounded_channel();
        for _ in 0..3 {
            link.post(Touchy {
                payload: payload("x"),
                _gone: gone.clone(),
            });
        }
        drop(gone);
        assert_eq!(soon(all_gone.recv()).await, None);
        assert_eq!(link.status(), LinkStatus::Active, "{transport}");
        assert_eq!(keeper.len(), 3);
    }
}
