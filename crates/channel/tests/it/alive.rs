//! Peers that fall silent, go away and come back. The clock is paused: the peers are in the same thread, so that time
//! passes only when nobody has anything to do.

use std::time::Duration;

use hypermesh_channel::{
    ChannelTransport, CloseReason, ConnectError, Endpoint, EndpointOptions, FailReason, Link,
    LinkStatus, Outcome, Refusal, UnknownReason,
};
use hypermesh_testkit::SocketDir;
use tokio::{
    runtime::Handle,
    time::{Instant, advance, timeout},
};

use crate::{by_hand::*, certificates::Authority, rig::*};

const HOUR: Duration = Duration::from_secs(3600);
const SECOND: Duration = Duration::from_secs(1);

fn ping() -> Frame {
    Frame::control(PING, 0, &[])
}

fn pong() -> Frame {
    Frame::control(PONG, 0, &[])
}

/// Answers the pings of a link until `until` is over, and returns how many there were.
async fn answer_pings(wire: &mut Wire, until: impl Future) -> usize {
    let mut count = 0;
    let answering = async {
        while let Ok(frame) = wire.try_read().await {
            if frame == ping() {
                count += 1;
                wire.send(&[pong()]).await;
            }
        }
    };
    tokio::select! {
        biased;
        _ = until => {}
        () = answering => panic!("the link ended the connection"),
    }
    count
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_falls_silent_is_cut_and_what_it_has_not_acknowledged_comes_again() {
    let (endpoint, peer) = (endpoint(), ByHand::new());
    let link = endpoint.dial_link(&peer.addr()).unwrap();
    let mut clerk = Clerk::new();
    let mut silent = peer.accept().await;
    clerk.post(&link, payload("one"));
    silent.expect(0, "one").await;
    let since = Instant::now();
    let (mut wire, open) = peer.resume(0).await;
    // Three pings are missed, the first of which comes within 5 s.
    let took = since.elapsed();
    assert!(took >= 15 * SECOND && took < 21 * SECOND, "{took:?}");
    for _ in 0..3 {
        assert_eq!(silent.read_any().await, ping());
    }
    assert!(
        soon(silent.try_read()).await.is_err(),
        "the old connection is ended"
    );
    assert_eq!((open.acked, open.sent), (0, 1));
    wire.expect(0, "one").await;
    wire.ack(1).await;
    clerk.assert_acked(1).await;
}

#[tokio::test(start_paused = true)]
async fn a_server_cuts_a_peer_that_falls_silent_and_keeps_its_session() {
    let endpoint = endpoint();
    let keeper = Keeper::new();
    let server = serve(&endpoint, &keeper);
    let mut wire = Wire::open(&server, 1).await;
    wire.send(&[data(SESSION, 0, "x")]).await;
    assert_eq!(wire.read_ack().await, 1);
    let since = Instant::now();
    for _ in 0..3 {
        assert_eq!(wire.read_any().await, ping());
    }
    assert!(soon(wire.try_read()).await.is_err());
    let took = since.elapsed();
    assert!(took >= 15 * SECOND && took < 21 * SECOND, "{took:?}");
    keeper.until_lost(1).await;
    let stats = server.stats();
    assert_eq!((stats.ended, stats.broken), (1, 0));
    let mut wire = Wire::dial(&server).await;
    assert!(wire.reopen(&Open::new(1)).await.resumed);
}

#[tokio::test(start_paused = true)]
async fn an_idle_link_stays_for_an_hour_with_nothing_but_pings() {
    for transport in [ChannelTransport::Local, ChannelTransport::Unix] {
        let (here, there) = (endpoint(), endpoint());
        let there = if transport == ChannelTransport::Local {
            &here
        } else {
            &there
        };
        let server = there.serve_sink(transport, Keeper::new()).unwrap();
        let link = here.dial_link::<Numbered>(server.addr()).unwrap();
        soon(link.watch().active()).await.unwrap();
        let mut watch = link.watch();
        watch.active().await.unwrap();
        let change = timeout(HOUR, watch.changed()).await;
        assert!(change.is_err(), "{transport}: {change:?}");
        let stats = server.stats();
        assert_eq!((stats.accepted, stats.ended), (1, 0), "{transport}");
    }
    let (endpoint, peer) = (endpoint(), ByHand::new());
    let link = endpoint.dial_link::<Numbered>(&peer.addr()).unwrap();
    let mut wire = peer.accept().await;
    soon(link.watch().active()).await.unwrap();
    // One every 5 s.
    let pings = answer_pings(&mut wire, timeout(HOUR, link.watch().closed())).await;
    assert!((700..=720).contains(&pings), "{pings}");
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_answers_and_acknowledges_nothing_ends_the_link_after_the_stall_timeout() {
    let (endpoint, peer) = (endpoint(), ByHand::new());
    let link = endpoint.dial_link(&peer.addr()).unwrap();
    let mut clerk = Clerk::new();
    let mut wire = peer.accept().await;
    clerk.post(&link, payload("one"));
    wire.expect(0, "one").await;
    let since = Instant::now();
    let mut watch = link.watch();
    answer_pings(&mut wire, watch.closed()).await;
    let took = since.elapsed();
    assert!(took >= 30 * SECOND && took <= 40 * SECOND, "{took:?}");
    assert_eq!(link.status(), LinkStatus::Closed(CloseReason::Stalled));
    assert_eq!(
        clerk.next().await.1,
        Outcome::Unknown(UnknownReason::Stalled)
    );
    // The peer is told, and nobody dials it again.
    loop {
        let frame = wire.read_any().await;
        if frame.kind == CLOSE {
            break;
        }
        assert_eq!(frame, ping());
    }
    peer.stay_alone(HOUR).await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_answer_the_open_ends_the_link_after_the_connect_timeout() {
    let (endpoint, peer) = (endpoint(), ByHand::new());
    let link = endpoint.dial_link(&peer.addr()).unwrap();
    let mut clerk = Clerk::new();
    clerk.post(&link, payload("one"));
    let since = Instant::now();
    let mut wire = peer.connection().await;
    wire.read_open().await;
    let mut watch = link.watch();
    answer_pings(&mut wire, watch.closed()).await;
    let took = since.elapsed();
    assert!(took >= 59 * SECOND && took <= 70 * SECOND, "{took:?}");
    let outcome = clerk.next().await.1;
    let Outcome::Failed(FailReason::Unreachable(unreachable)) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(unreachable.tried[0].error, ConnectError::Timeout);
}

#[tokio::test(start_paused = true)]
async fn an_outage_shorter_than_the_timeouts_fails_nothing() {
    let (endpoint, peer) = (endpoint(), ByHand::new());
    let link = endpoint.dial_link(&peer.addr()).unwrap();
    let mut clerk = Clerk::new();
    let mut wire = peer.accept().await;
    clerk.post(&link, payload("written"));
    wire.expect(0, "written").await;
    let dir = peer.stop();
    drop(wire);
    clerk.post(&link, payload("queued"));
    let outage = timeout(40 * SECOND, link.watch().closed()).await;
    assert!(outage.is_err(), "{outage:?}");
    let peer = ByHand::again(dir);
    let (mut wire, _) = peer.resume(0).await;
    wire.expect(0, "written").await;
    wire.expect(1, "queued").await;
    wire.ack(2).await;
    clerk.assert_acked(2).await;
    assert_eq!(link.status(), LinkStatus::Active);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_is_gone_for_good_leaves_what_was_written_unknown_and_the_rest_failed() {
    let (endpoint, peer) = (endpoint(), ByHand::new());
    let link = endpoint.dial_link(&peer.addr()).unwrap();
    let mut clerk = Clerk::new();
    let mut wire = peer.accept().await;
    clerk.post(&link, payload("written"));
    wire.expect(0, "written").await;
    let _dir = peer.stop();
    drop(wire);
    let since = Instant::now();
    let mut watch = link.watch();
    assert!(matches!(
        watch.changed().await,
        LinkStatus::Connecting { .. }
    ));
    clerk.post(&link, payload("queued"));
    let reason = watch.closed().await;
    let took = since.elapsed();
    assert!(took >= 59 * SECOND && took <= 62 * SECOND, "{took:?}");
    assert!(matches!(reason, CloseReason::Unreachable(_)), "{reason}");
    let [written, queued] = &clerk.outcomes(2).await[..] else {
        panic!("two outcomes");
    };
    assert!(matches!(written, Outcome::Unknown(_)), "{written:?}");
    assert_eq!(*queued, Outcome::Failed(reason.into()));
    clerk.post(&link, payload("late"));
    assert!(matches!(
        clerk.next().await.1,
        Outcome::Failed(FailReason::Unreachable(_))
    ));
}

#[tokio::test(start_paused = true)]
async fn an_idle_link_whose_peer_was_away_for_long_delivers_the_next_message() {
    let (endpoint, peer) = (endpoint(), ByHand::new());
    let link = endpoint.dial_link(&peer.addr()).unwrap();
    let mut clerk = Clerk::new();
    let wire = peer.accept().await;
    soon(link.watch().active()).await.unwrap();
    let dir = peer.stop();
    drop(wire);
    let away = timeout(600 * SECOND, link.watch().closed()).await;
    assert!(away.is_err(), "{away:?}");
    let peer = ByHand::again(dir);
    clerk.post(&link, payload("back"));
    let mut wire = peer.accept().await;
    wire.expect(0, "back").await;
    wire.ack(1).await;
    clerk.assert_acked(1).await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_lived_is_followed_by_the_next_within_two_milliseconds() {
    let (endpoint, peer) = (endpoint(), ByHand::new());
    let link = endpoint.dial_link::<Numbered>(&peer.addr()).unwrap();
    let mut wire = peer.accept().await;
    soon(link.watch().active()).await.unwrap();
    for _ in 0..10 {
        advance(SECOND).await;
        drop(wire);
        let since = Instant::now();
        (wire, _) = peer.resume(0).await;
        let took = since.elapsed();
        assert!(took <= Duration::from_millis(2), "{took:?}");
        soon(link.watch().active()).await.unwrap();
    }
}

#[tokio::test]
async fn a_lost_connection_is_replaced_within_50_milliseconds() {
    let (endpoint, peer) = (endpoint(), ByHand::new());
    let link = endpoint.dial_link(&peer.addr()).unwrap();
    let mut clerk = Clerk::new();
    let mut wire = peer.accept().await;
    soon(link.watch().active()).await.unwrap();
    let mut best = DEADLINE;
    // In real time, of which a busy machine may take some: the best of five counts.
    for seq in 0..5 {
        drop(wire);
        let since = std::time::Instant::now();
        clerk.post(&link, payload("again"));
        (wire, _) = peer.resume(seq).await;
        wire.expect(seq, "again").await;
        best = best.min(since.elapsed());
        wire.ack(seq + 1).await;
        clerk.assert_acked(1).await;
    }
    assert!(best < Duration::from_millis(50), "{best:?}");
}

/// Counts the attempts to connect that `link` makes in 10 s.
async fn attempts_in_ten_seconds(link: &Link<Numbered>) -> u32 {
    let mut watch = link.watch();
    let mut last = 0;
    let counting = async {
        loop {
            if let LinkStatus::Connecting { attempt, .. } = watch.changed().await {
                last = attempt;
            }
        }
    };
    let over: Result<(), _> = timeout(10 * SECOND, counting).await;
    assert!(over.is_err());
    last
}

#[tokio::test(start_paused = true)]
async fn a_dead_address_is_dialled_at_most_22_times_in_ten_seconds() {
    let dir = SocketDir::new();
    let endpoint = endpoint();
    let link = endpoint
        .dial_link(&at_path(&dir.path().join("nobody")))
        .unwrap();
    let attempts = attempts_in_ten_seconds(&link).await;
    assert!((10..=22).contains(&attempts), "{attempts}");
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_is_not_trusted_is_dialled_at_most_22_times_in_ten_seconds() {
    let mut options = EndpointOptions::new(Handle::current());
    options.tls = Some(tls(&Authority::new().certify(|_| ())));
    let stranger = Endpoint::new(options);
    let server = stranger
        .serve_sink(ChannelTransport::Tls, Keeper::new())
        .unwrap();
    let endpoint = endpoint();
    let link = endpoint.dial_link(server.addr()).unwrap();
    let attempts = attempts_in_ten_seconds(&link).await;
    assert!((5..=22).contains(&attempts), "{attempts}");
    assert_eq!(server.stats().accepted, 0);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_accepts_and_ends_is_dialled_at_most_22_times_in_ten_seconds() {
    // Before its answer, after it, and after the session was opened.
    for steps in 0..3 {
        let (endpoint, peer) = (endpoint(), ByHand::new());
        let link = endpoint.dial_link(&peer.addr()).unwrap();
        let mut clerk = Clerk::new();
        clerk.post(&link, payload("one"));
        let mut dials = 0;
        let serving = async {
            loop {
                let mut wire = match steps {
                    0 => peer.hello().await,
                    _ => peer.connection().await,
                };
                if steps == 2 {
                    let open = wire.read_open().await;
                    let opened = if dials == 0 {
                        Opened::fresh(&open)
                    } else {
                        Opened::at(0)
                    };
                    wire.answer(opened).await;
                    wire.expect(0, "one").await;
                }
                dials += 1;
            }
        };
        let over: Result<(), _> = timeout(10 * SECOND, serving).await;
        assert!(over.is_err());
        assert!((10..=22).contains(&dials), "{steps}: {dials}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_link_whose_receiver_stopped_dials_no_more() {
    let (endpoint, peer) = (endpoint(), ByHand::new());
    let link = endpoint.dial_link(&peer.addr()).unwrap();
    let mut clerk = Clerk::new();
    let mut wire = peer.accept().await;
    (0..3).for_each(|i| clerk.post(&link, payload(&i.to_string())));
    for seq in 0..3 {
        wire.expect(seq, &seq.to_string()).await;
    }
    // It says what it has taken, and the rest is certainly not delivered.
    let body = ack(wire.session, 2).body;
    wire.send(&[Frame::control(CLOSED, wire.session, &body)])
        .await;
    let failed = Outcome::Failed(FailReason::PeerClosed);
    assert_eq!(
        clerk.outcomes(3).await,
        [Outcome::Acked, Outcome::Acked, failed]
    );
    assert_eq!(link.status(), LinkStatus::Closed(CloseReason::PeerClosed));
    // The connection, which nobody needs, is ended though the link is still there.
    assert!(soon(wire.try_read()).await.is_err());
    drop(wire);
    peer.stay_alone(HOUR).await;
    // A new link to the same address works.
    let link = endpoint.dial_link(&peer.addr()).unwrap();
    clerk.post(&link, payload("new"));
    let mut wire = peer.accept().await;
    wire.expect(0, "new").await;
    wire.ack(1).await;
    clerk.assert_acked(1).await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_gives_a_session_up_again_and_again_is_left_alone() {
    let (endpoint, peer) = (endpoint(), ByHand::new());
    let link = endpoint.dial_link(&peer.addr()).unwrap();
    let mut clerk = Clerk::new();
    let mut wire = peer.connection().await;
    let mut opens = 0;
    let mut watch = link.watch();
    let serving = async {
        loop {
            let open = wire.read_open().await;
            wire.answer(Opened::fresh(&open)).await;
            clerk.post(&link, payload("x"));
            assert_eq!(wire.read().await.kind, DATA);
            wire.send(&[Frame::control(LOST, wire.session, &[])]).await;
            opens += 1;
        }
    };
    let reason = tokio::select! {
        biased;
        reason = soon(watch.closed()) => reason,
        () = serving => unreachable!("it serves for ever"),
    };
    assert!(matches!(reason, CloseReason::Refused(_)), "{reason}");
    assert!((1..10).contains(&opens), "{opens}");
    for _ in 0..opens {
        assert!(matches!(clerk.next().await.1, Outcome::Unknown(_)));
    }
}

/// Has a gateway say again and again that too much waits in it, after the receiver took so many messages more each time,
/// with a second between; returns how often the link came again, and why it ended, if it did.
async fn overrun(rounds: u64, progress: u64) -> (u64, Option<CloseReason>) {
    let (endpoint, peer) = (endpoint(), ByHand::new());
    let link = endpoint.dial_link(&peer.addr()).unwrap();
    let mut clerk = Clerk::new();
    (0..100).for_each(|_| clerk.post(&link, payload("x")));
    let mut wire = peer.accept().await;
    let mut round = 0;
    let mut watch = link.watch();
    let serving = async {
        while round < rounds {
            let _ = timeout(SECOND, std::future::pending::<()>()).await;
            wire.send(&[Frame::control(LOST, wire.session, &[2])]).await;
            while wire.read().await.kind != OPEN {}
            round += 1;
            wire.answer(Opened::at(round * progress)).await;
        }
    };
    let reason = tokio::select! {
        biased;
        reason = watch.closed() => Some(reason),
        () = serving => None,
    };
    (round, reason)
}

#[tokio::test(start_paused = true)]
async fn a_link_that_overruns_a_gateway_goes_on_while_it_gets_on() {
    let (rounds, reason) = overrun(90, 1).await;
    assert_eq!((rounds, reason), (90, None));
}

#[tokio::test(start_paused = true)]
async fn a_link_that_overruns_a_gateway_in_vain_ends_after_the_connect_timeout() {
    let (rounds, reason) = overrun(90, 0).await;
    assert!((30..=60).contains(&rounds), "{rounds}");
    assert_eq!(reason, Some(CloseReason::Refused(Refusal::Busy)));
}
