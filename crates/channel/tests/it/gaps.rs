//! Sessions whose messages come twice or not in order: what costs the connection, and what the session.

use hypermesh_channel::{CloseReason, Outcome, ProtocolError, UnknownReason};

use crate::{by_hand::*, rig::*};

#[tokio::test]
async fn what_came_before_is_not_delivered_again_and_acknowledged_again() {
    let endpoint = endpoint();
    let keeper = Keeper::new();
    let server = serve(&endpoint, &keeper);
    let all: Vec<_> = (0..5)
        .map(|seq| data(SESSION, seq, &seq.to_string()))
        .collect();
    let mut wire = Wire::open(&server, 1).await;
    wire.send(&all[..2]).await;
    assert_eq!(wire.read_ack().await, 2);
    // All of a run is old, then some of it.
    wire.send(&all[..2]).await;
    assert_eq!(wire.read_ack().await, 2);
    wire.send(&all[1..4]).await;
    assert_eq!(wire.read_ack().await, 4);
    wire.send(&all[4..]).await;
    assert_eq!(wire.read_ack().await, 5);
    for seq in 0..5 {
        assert_eq!(keeper.next_text().await, seq.to_string());
    }
    assert_eq!((keeper.len(), server.stats().broken), (0, 0));
}

#[tokio::test]
async fn a_gap_cuts_the_connection_and_the_session_goes_on_before_it() {
    let endpoint = endpoint();
    let keeper = Keeper::new();
    let server = serve(&endpoint, &keeper);
    let mut wire = Wire::open(&server, 1).await;
    wire.send(&[data(SESSION, 0, "zero"), data(SESSION, 2, "two")])
        .await;
    read_to_end(&mut wire.stream).await;
    keeper.until_lost(1).await;
    assert_eq!(server.stats().broken, 1);
    let mut wire = Wire::dial(&server).await;
    let opened = wire.reopen(&Open::new(1)).await;
    assert_eq!(
        (opened.resumed, opened.next),
        (false, 0),
        "nothing was taken"
    );
    let all = ["zero", "one", "two"];
    let frames: Vec<_> = (0..)
        .zip(all)
        .map(|(seq, text)| data(SESSION, seq, text))
        .collect();
    wire.send(&frames[opened.next as usize..]).await;
    for text in all {
        assert_eq!(keeper.next_text().await, text);
    }
    assert_eq!(keeper.len(), 0);
}

/// Sends a gap, and waits until the connection is cut.
async fn send_gap(wire: &mut Wire, seq: u64) {
    wire.send(&[data(SESSION, seq + 1, "behind a gap")]).await;
    read_to_end(&mut wire.stream).await;
}

#[tokio::test]
async fn a_session_that_leaves_gaps_and_gets_on_goes_on() {
    let endpoint = endpoint();
    let keeper = Keeper::new();
    let server = serve(&endpoint, &keeper);
    let mut wire = Wire::open(&server, 1).await;
    for seq in 0..20 {
        wire.send(&[data(SESSION, seq, "next"), ask(SESSION)]).await;
        assert_eq!(wire.read_ack().await, seq + 1);
        send_gap(&mut wire, seq + 1).await;
        wire = Wire::dial(&server).await;
        let open = Open {
            sent: seq + 1,
            ..Open::new(1)
        };
        let opened = wire.reopen(&open).await;
        assert_eq!((opened.resumed, opened.next), (true, seq + 1));
    }
}

#[tokio::test]
async fn a_session_that_leaves_a_gap_after_three_resumes_in_vain_is_ended_and_no_other() {
    let endpoint = endpoint();
    let keeper = Keeper::new();
    let server = serve(&endpoint, &keeper);
    let good = endpoint.dial_link(server.addr()).unwrap();
    let mut clerk = Clerk::new();
    clerk.post(&good, payload("before"));
    clerk.assert_acked(1).await;
    let mut wire = Wire::open(&server, 1).await;
    wire.send(&[data(SESSION, 0, "one"), ask(SESSION)]).await;
    assert_eq!(wire.read_ack().await, 1);
    let open = Open {
        sent: 1,
        ..Open::new(1)
    };
    for _ in 0..3 {
        send_gap(&mut wire, 1).await;
        wire = Wire::dial(&server).await;
        assert!(wire.reopen(&open).await.resumed);
    }
    wire.send(&[data(SESSION, 2, "behind a gap")]).await;
    let frame = wire.read().await;
    assert_eq!(
        (frame.kind, frame.session, frame.body),
        (LOST, SESSION, vec![3])
    );
    // The connection goes on; the session is forgotten.
    assert!(!wire.reopen(&open).await.resumed);
    assert_eq!(server.stats().broken, 3);
    clerk.post(&good, payload("after"));
    clerk.assert_acked(1).await;
}

#[tokio::test]
async fn a_link_that_is_blamed_for_breaking_the_protocol_is_closed_and_others_go_on() {
    let (endpoint, peer) = (endpoint(), ByHand::new());
    let (link, other) = (
        endpoint.dial_link(&peer.addr()).unwrap(),
        endpoint.dial_link(&peer.addr()).unwrap(),
    );
    let mut clerk = Clerk::new();
    let mut wire = peer.accept().await;
    let session = wire.session;
    let open = wire.read_open().await;
    wire.answer(Opened::fresh(&open)).await;
    let (blamed, spared) = if session < wire.session {
        (&link, &other)
    } else {
        (&other, &link)
    };
    clerk.post(blamed, payload("one"));
    assert_eq!(wire.read().await.session, session);
    wire.send(&[Frame::control(LOST, session, &[3])]).await;
    let reason = soon(blamed.watch().closed()).await;
    assert_eq!(reason, CloseReason::Protocol(ProtocolError::Blamed));
    let unknown = Outcome::Unknown(UnknownReason::ConnectionLost);
    assert_eq!(clerk.next().await.1, unknown);
    clerk.post(spared, payload("two"));
    wire.expect(0, "two").await;
    wire.ack(1).await;
    clerk.assert_acked(1).await;
}
