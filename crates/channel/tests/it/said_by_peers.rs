//! What a peer says of messages that it cannot have, has already said, or that wait to be sent again.

use hypermesh_channel::{CloseReason, LinkStatus, Outcome, ProtocolError};

use crate::{by_hand::*, rig::*};

/// What a peer says that cannot be, after three messages of which one is acknowledged.
enum Lie {
    /// On the same connection.
    Frame(fn(u32) -> Frame),
    /// As the answer on the next connection.
    Answer(Opened),
}

/// Tells a link a lie, and checks that it ends for it, and what becomes of its messages.
async fn check_lie(lie: Lie, error: ProtocolError) {
    let (endpoint, peer) = (endpoint(), ByHand::new());
    let link = endpoint.dial_link(&peer.addr()).unwrap();
    let mut clerk = Clerk::new();
    (0..4).for_each(|i| clerk.post(&link, payload(&i.to_string())));
    let mut wire = peer.connection().await;
    let open = wire.read_open().await;
    let opened = Opened {
        credit: (3, 100),
        ..Opened::fresh(&open)
    };
    wire.answer(opened).await;
    for seq in 0..3 {
        wire.expect(seq, &seq.to_string()).await;
    }
    wire.send(&[ack_with(wire.session, 1, 3, 100)]).await;
    clerk.assert_acked(1).await;
    match lie {
        Lie::Frame(lie) => wire.send(&[lie(wire.session)]).await,
        Lie::Answer(opened) => {
            drop(wire);
            wire = peer.connection().await;
            wire.read_open().await;
            wire.answer(opened).await;
        }
    }
    let reason = CloseReason::Protocol(error);
    assert_eq!(soon(link.watch().closed()).await, reason);
    let [one, two, three] = &clerk.outcomes(3).await[..] else {
        panic!("three outcomes");
    };
    assert!(matches!(one, Outcome::Unknown(_)), "{reason}: {one:?}");
    assert!(matches!(two, Outcome::Unknown(_)), "{reason}: {two:?}");
    assert_eq!(*three, Outcome::Failed(reason.into()));
    clerk.assert_no_more();
    drop(wire);
    // The address is not lost: another link may be made.
    let link = endpoint.dial_link(&peer.addr()).unwrap();
    clerk.post(&link, payload("honest"));
    let mut wire = peer.accept().await;
    wire.expect(0, "honest").await;
    wire.ack(1).await;
    clerk.assert_acked(1).await;
}

#[tokio::test]
async fn a_peer_that_says_what_cannot_be_ends_the_link() {
    let beyond = |acked| ProtocolError::Ack { acked, written: 3 };
    let resume = |next| ProtocolError::Resume { next, acked: 1 };
    check_lie(Lie::Frame(|session| ack(session, 4)), beyond(4)).await;
    check_lie(
        Lie::Frame(|session| ack(session, u64::MAX)),
        beyond(u64::MAX),
    )
    .await;
    check_lie(Lie::Frame(|session| nack(session, 3, 1)), beyond(4)).await;
    check_lie(
        Lie::Frame(|session| nack(session, u64::MAX, 1)),
        beyond(u64::MAX),
    )
    .await;
    check_lie(Lie::Answer(Opened::at(4)), beyond(4)).await;
    check_lie(Lie::Answer(Opened::at(0)), resume(0)).await;
    let other = Opened {
        incarnation: INCARNATION + 1,
        ..Opened::at(1)
    };
    check_lie(Lie::Answer(other), resume(1)).await;
}

#[tokio::test]
async fn an_acknowledgement_that_is_no_news_changes_nothing() {
    let (endpoint, peer) = (endpoint(), ByHand::new());
    let link = endpoint.dial_link(&peer.addr()).unwrap();
    let mut clerk = Clerk::new();
    (0..3).for_each(|i| clerk.post(&link, payload(&i.to_string())));
    let mut wire = peer.accept().await;
    for seq in 0..3 {
        wire.expect(seq, &seq.to_string()).await;
    }
    for next in [2, 1, 0, 2] {
        wire.ack(next).await;
    }
    clerk.assert_acked(2).await;
    wire.send(&[Frame::control(PING, 0, &[])]).await;
    assert_eq!(wire.read().await.kind, PONG);
    clerk.assert_no_more();
    wire.ack(3).await;
    clerk.assert_acked(1).await;
    assert_eq!(link.status(), LinkStatus::Active);
}

#[tokio::test]
async fn what_is_acknowledged_while_it_waits_to_be_sent_again_is_not_sent() {
    let (endpoint, peer) = (endpoint(), ByHand::new());
    let link = endpoint.dial_link(&peer.addr()).unwrap();
    let mut clerk = Clerk::new();
    (0..3).for_each(|i| clerk.post(&link, payload(&i.to_string())));
    let mut wire = peer.connection().await;
    let open = wire.read_open().await;
    let few = |opened: Opened| Opened {
        credit: (3, u64::MAX),
        ..opened
    };
    wire.answer(few(Opened::fresh(&open))).await;
    for seq in 0..3 {
        wire.expect(seq, &seq.to_string()).await;
    }
    drop(wire);
    clerk.post(&link, payload("3"));
    let mut wire = peer.connection().await;
    wire.read_open().await;
    // The peer goes on at the first, and finds at once that it has two of them: what is on its way already may
    // come again, and nothing of that after the acknowledgement has been read.
    let (session, answer) = (wire.session, few(Opened::at(0)).frame(wire.session));
    wire.send(&[answer, ack_with(session, 3, 3, u64::MAX), ask_back()])
        .await;
    clerk.assert_acked(3).await;
    while wire.read().await.kind != PONG {}
    wire.ack(3).await;
    wire.expect(3, "3").await;
    wire.ack(4).await;
    clerk.assert_acked(1).await;
}

fn ask_back() -> Frame {
    Frame::control(PING, 0, &[])
}
