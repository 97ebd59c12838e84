//! Sessions over several connections: what comes again, what does not, and when the peer has forgotten.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use hypermesh_channel::{
    ChannelTransport, FailReason, Flow, LinkStatus, Outcome, Payload, Peer, Sink, UnknownReason,
};
use tokio::{sync::mpsc, task::block_in_place, time::advance};

use crate::{
    by_hand::*,
    proxy::{Fate, Proxy},
    rig::*,
};

#[tokio::test]
async fn after_a_loss_what_was_not_acknowledged_comes_again_in_order_and_nothing_else() {
    // A queue of messages so large that the socket takes a few of them only.
    const COUNT: u64 = 200;
    const LEN: usize = 50_000;
    let (endpoint, peer) = (endpoint(), ByHand::new());
    let link = endpoint.dial_link(&peer.addr()).unwrap();
    let mut clerk = Clerk::new();
    (0..COUNT).for_each(|_| clerk.post(&link, sized(LEN)));
    let mut first = peer.accept().await;
    for seq in 0..2 {
        assert_eq!(first.read().await.seq, seq);
    }
    first.ack(1).await;
    clerk.assert_acked(1).await;
    drop(first);
    let (mut second, open) = peer.resume(1).await;
    assert_eq!(open.acked, 1);
    assert!(
        (2..COUNT).contains(&open.sent),
        "{open:?}: the socket took them all?"
    );
    for seq in 1..COUNT {
        let frame = second.read().await;
        assert_eq!((u64::from(frame.seq), frame.body.len()), (seq, LEN));
        second.ack(seq + 1).await;
    }
    clerk.assert_acked(COUNT as usize - 1).await;
    clerk.assert_no_more();
    assert_eq!(link.status(), LinkStatus::Active);
}

#[tokio::test]
async fn on_each_of_ten_reconnects_the_unacknowledged_tail_comes_before_new_messages() {
    let (endpoint, peer) = (endpoint(), ByHand::new());
    let link = endpoint.dial_link(&peer.addr()).unwrap();
    let mut clerk = Clerk::new();
    let mut wire = peer.accept().await;
    let (mut id, mut acked, mut posted) = (None, 0, 0);
    for _ in 0..10 {
        for _ in 0..3 {
            clerk.post(&link, payload(&posted.to_string()));
            posted += 1;
        }
        for seq in acked..posted {
            wire.expect(seq, &seq.to_string()).await;
        }
        // One is acknowledged there, and one by the connection that comes after it.
        wire.ack(acked + 1).await;
        assert_eq!(clerk.next().await, (acked, Outcome::Acked));
        drop(wire);
        let (next, open) = peer.resume(acked + 2).await;
        assert_eq!((open.acked, open.sent), (acked + 1, posted));
        assert_eq!(*id.get_or_insert(open.id), open.id, "the session stays");
        assert_eq!(clerk.next().await, (acked + 1, Outcome::Acked));
        (wire, acked) = (next, acked + 2);
    }
    for seq in acked..posted {
        wire.expect(seq, &seq.to_string()).await;
    }
    wire.ack(posted).await;
    clerk.assert_acked((posted - acked) as usize).await;
    clerk.assert_no_more();
}

#[tokio::test]
async fn the_newest_connection_of_a_session_wins_at_once_and_the_one_before_is_not_heard() {
    let endpoint = endpoint();
    let keeper = Keeper::new();
    let server = serve(&endpoint, &keeper);
    let mut first = Wire::open(&server, 9).await;
    first.send(&[data(SESSION, 0, "one")]).await;
    assert_eq!(keeper.next_text().await, "one");
    let mut second = Wire::dial(&server).await;
    let open = Open {
        sent: 1,
        ..Open::new(9)
    };
    let opened = second.reopen(&open).await;
    assert_eq!((opened.resumed, opened.next), (true, 1));
    // What still comes over the old connection is not delivered, and does not end it.
    first.send(&[data(SESSION, 1, "late")]).await;
    first.send(&[Frame::control(PING, 0, &[])]).await;
    loop {
        // An acknowledgement of the first message may have been on its way.
        let frame = first.read().await;
        if frame.kind == PONG {
            break;
        }
        assert_eq!(frame.kind, ACK, "{frame:?}");
    }
    second.send(&[data(SESSION, 1, "two")]).await;
    assert_eq!(keeper.next_text().await, "two");
    assert_eq!(second.read_ack().await, 2);
    // The end of the old one is not the end of the session.
    drop(first);
    second.send(&[data(SESSION, 2, "three")]).await;
    assert_eq!(keeper.next_text().await, "three");
    drop(second);
    keeper.until_lost(1).await;
    assert_eq!(keeper.len(), 0);
    assert_eq!(keeper.peers().len(), 1);
}

#[tokio::test]
async fn a_restarted_peer_gets_what_was_queued_and_what_was_written_is_unknown() {
    const WRITTEN: usize = 3;
    let (here, before, after) = (
        endpoint(),
        endpoint_with(|limits| limits.receiver_queue_messages = WRITTEN),
        endpoint(),
    );
    let (deaf, keeper) = (Keeper::with_allowance(0), Keeper::new());
    let at = ChannelTransport::Tcp;
    let first = before.serve_sink(at, deaf.clone()).unwrap();
    let second = after.serve_sink(at, keeper.clone()).unwrap();
    let proxy = Proxy::new(&first, || Fate::WHOLE).await;
    let link = here.dial_link(&proxy.addr).unwrap();
    let mut clerk = Clerk::new();
    (0..7).for_each(|i| clerk.post(&link, payload(&i.to_string())));
    deaf.until_offered().await;
    assert_eq!(link.peer(), Some(before.incarnation()));
    proxy.move_to(&second);
    let unknown = Outcome::Unknown(UnknownReason::PeerRestarted);
    assert_eq!(clerk.outcomes(WRITTEN).await, vec![unknown; WRITTEN]);
    clerk.assert_acked(7 - WRITTEN).await;
    for i in WRITTEN..7 {
        assert_eq!(keeper.next_text().await, i.to_string());
    }
    assert_eq!(
        (link.status(), link.peer()),
        (LinkStatus::Active, Some(after.incarnation()))
    );
    assert_eq!((deaf.len(), keeper.len()), (0, 0));
}

#[tokio::test]
async fn a_peer_that_has_forgotten_the_session_gets_what_was_queued() {
    let (endpoint, peer) = (endpoint(), ByHand::new());
    let link = endpoint.dial_link(&peer.addr()).unwrap();
    let mut clerk = Clerk::new();
    (0..5).for_each(|i| clerk.post(&link, payload(&i.to_string())));
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
    drop(wire);
    let mut wire = peer.connection().await;
    let open = wire.read_open().await;
    assert_eq!((open.acked, open.sent), (1, 3));
    wire.answer(Opened::fresh(&open)).await;
    let unknown = Outcome::Unknown(UnknownReason::SessionLost);
    assert_eq!(clerk.outcomes(2).await, vec![unknown; 2]);
    for seq in 3..5 {
        wire.expect(seq, &seq.to_string()).await;
    }
    wire.ack(5).await;
    clerk.assert_acked(2).await;
}

#[tokio::test(start_paused = true)]
async fn a_session_is_remembered_for_its_lifetime_and_no_longer() {
    let lifetime = Duration::from_secs(300);
    let endpoint = endpoint_with(|limits| limits.session_lifetime = lifetime);
    let keeper = Keeper::new();
    let server = serve(&endpoint, &keeper);
    let mut wire = Wire::open(&server, 1).await;
    let texts = ["one", "two", "three"];
    for (seq, text) in (0..).zip(texts) {
        wire.send(&[data(SESSION, seq, text)]).await;
        assert_eq!(keeper.next_text().await, text);
        assert_eq!(wire.read_ack().await, seq + 1);
    }
    drop(wire);
    keeper.until_lost(1).await;
    advance(lifetime - Duration::from_secs(1)).await;
    let open = Open {
        acked: 1,
        sent: 4,
        ..Open::new(1)
    };
    let mut wire = Wire::dial(&server).await;
    let opened = wire.reopen(&open).await;
    assert_eq!((opened.resumed, opened.next), (true, 3));
    drop(wire);
    keeper.until_lost(2).await;
    advance(lifetime + Duration::from_secs(1)).await;
    let mut wire = Wire::dial(&server).await;
    let opened = wire.reopen(&open).await;
    // The three that came before are not asked for again, and neither is the one that may have.
    assert_eq!((opened.resumed, opened.next), (false, 4));
    wire.send(&[data(SESSION, 4, "five")]).await;
    assert_eq!(keeper.next_text().await, "five");
    assert_eq!(wire.read_ack().await, 5);
}

#[tokio::test]
async fn a_session_that_was_closed_is_forgotten_at_once() {
    let endpoint = endpoint();
    let keeper = Keeper::new();
    let server = serve(&endpoint, &keeper);
    let mut wire = Wire::open(&server, 1).await;
    wire.send(&[data(SESSION, 0, "one"), Frame::control(CLOSE, SESSION, &[])])
        .await;
    keeper.until_lost(1).await;
    assert_eq!(keeper.next_text().await, "one");
    // Its number on the connection may be used again.
    let open = Open {
        sent: 1,
        ..Open::new(1)
    };
    wire.send(&[open.frame(SESSION)]).await;
    let mut frame = wire.read().await;
    if frame.kind == ACK {
        frame = wire.read().await;
    }
    assert_eq!((frame.kind, frame.body[8]), (OPENED, 0), "not resumed");
}

#[tokio::test]
async fn a_session_is_resumed_by_nobody_but_who_opened_it() {
    let endpoint = endpoint();
    let keeper = Keeper::new();
    let server = serve(&endpoint, &keeper);
    let (_, _rx) = endpoint.serve::<String>(server.addr()).unwrap();
    let mut wire = Wire::open(&server, 1).await;
    wire.send(&[data(SESSION, 0, "one")]).await;
    assert_eq!(wire.read_ack().await, 1);
    let thieves = [
        Open {
            incarnation: INCARNATION + 1,
            ..Open::new(1)
        },
        Open {
            kind: <String as hypermesh_wire::Named>::KEY.value(),
            ..Open::new(1)
        },
    ];
    for thief in thieves {
        let mut other = Wire::dial(&server).await;
        other.send(&[thief.frame(SESSION)]).await;
        assert_eq!(
            other.read().await,
            Frame::control(REFUSED, SESSION, &refused(5))
        );
    }
    // The live connection does not notice, and the session is resumed by its owner.
    wire.send(&[data(SESSION, 1, "two")]).await;
    assert_eq!(wire.read_ack().await, 2);
    drop(wire);
    keeper.until_lost(1).await;
    let mut wire = Wire::dial(&server).await;
    let opened = wire.reopen(&Open::new(1)).await;
    assert_eq!((opened.resumed, opened.next), (true, 2));
}

#[tokio::test]
async fn what_a_paused_receiver_did_not_take_comes_again_over_the_next_connection() {
    let endpoint = endpoint();
    let keeper = Keeper::with_allowance(1);
    let server = serve(&endpoint, &keeper);
    let all: Vec<_> = (0..4)
        .map(|seq| data(SESSION, seq, &seq.to_string()))
        .collect();
    let mut first = Wire::open(&server, 1).await;
    first.send(&all[..3]).await;
    assert_eq!(first.read_ack().await, 1);
    let mut second = Wire::dial(&server).await;
    let opened = second.reopen(&Open::new(1)).await;
    assert_eq!((opened.resumed, opened.next), (true, 1));
    second.send(&all[1..]).await;
    keeper.allow(10);
    for seq in 0..4 {
        assert_eq!(keeper.next_text().await, seq.to_string());
    }
    while second.read_ack().await < 4 {}
    assert_eq!(keeper.len(), 0);
}

/// A sink that takes each message when it is told to.
struct Slow {
    begun: mpsc::UnboundedSender<Payload>,
    go_on: Mutex<std::sync::mpsc::Receiver<()>>,
}

impl Sink for Slow {
    fn deliver(&self, _: &Peer, batch: &mut Vec<Payload>) -> Flow {
        for message in batch.drain(..) {
            let _ = self.begun.send(message);
            // The sender goes at the end of the test, whatever happens; another thread does what this one would do.
            let _ = block_in_place(|| self.go_on.lock().unwrap().recv());
        }
        Flow::Continue
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_connection_that_takes_a_session_over_is_answered_when_the_delivery_before_has_ended() {
    let endpoint = endpoint();
    let (begun, mut deliveries) = mpsc::unbounded_channel();
    let (go_on, steps) = std::sync::mpsc::channel();
    let slow = Arc::new(Slow {
        begun,
        go_on: Mutex::new(steps),
    });
    let server = endpoint.serve_sink(ChannelTransport::Unix, slow).unwrap();
    let mut first = Wire::open(&server, 1).await;
    first.send(&[data(SESSION, 0, "one")]).await;
    assert_eq!(soon(deliveries.recv()).await.unwrap().body, "one");
    let mut second = Wire::dial(&server).await;
    second.send(&[Open::new(1).frame(SESSION)]).await;
    second.send(&[Frame::control(PING, 0, &[])]).await;
    assert_eq!(
        second.read().await.kind,
        PONG,
        "before the answer to the open"
    );
    go_on.send(()).unwrap();
    let answer = second.read().await;
    assert_eq!(
        (answer.kind, word(&answer.body, 9)),
        (OPENED, 1),
        "it has the message"
    );
    go_on.send(()).unwrap();
    second.send(&[data(SESSION, 1, "two")]).await;
    assert_eq!(soon(deliveries.recv()).await.unwrap().body, "two");
    assert_eq!(second.read_ack().await, 2);
}

#[tokio::test]
async fn a_restarted_peer_that_takes_less_gets_what_it_takes() {
    const COUNT: usize = 60;
    const MAX: usize = 20;
    // However many were written before.
    for written in [0, 1, 3, 24, 25, 59] {
        let (endpoint, peer) = (endpoint(), ByHand::new());
        let link = endpoint.dial_link(&peer.addr()).unwrap();
        let mut clerk = Clerk::new();
        let texts: Vec<_> = (0..COUNT).map(|i| "x".repeat(50 * (i % 2))).collect();
        texts
            .iter()
            .for_each(|text| clerk.post(&link, payload(text)));
        let mut wire = peer.connection().await;
        let open = wire.read_open().await;
        let opened = Opened {
            credit: (written as u64, 1 << 20),
            ..Opened::fresh(&open)
        };
        wire.answer(opened).await;
        for (seq, text) in (0..).zip(&texts[..written]) {
            wire.expect(seq, text).await;
        }
        drop(wire);
        let mut wire = peer.connection().await;
        let open = wire.read_open().await;
        let opened = Opened {
            incarnation: INCARNATION + 1,
            max_message: MAX as u64,
            ..Opened::fresh(&open)
        };
        wire.answer(opened).await;
        for (seq, text) in texts.iter().enumerate().skip(written) {
            if MAX < text.len() {
                let frame = wire.read().await;
                assert_eq!((frame.kind, frame.seq), (VOID, seq as u32), "{written}");
            } else {
                wire.expect(seq as u64, text).await;
            }
        }
        wire.ack(COUNT as u64).await;
        let unknown = Outcome::Unknown(UnknownReason::PeerRestarted);
        assert_eq!(clerk.outcomes(written).await, vec![unknown; written]);
        let rest = clerk.outcomes(COUNT - written).await;
        for (outcome, text) in rest.iter().zip(&texts[written..]) {
            let (len, max) = (text.len() as u64, MAX as u64);
            let expected = if max < len {
                Outcome::Failed(FailReason::TooLarge { len, max })
            } else {
                Outcome::Acked
            };
            assert_eq!(*outcome, expected, "{written}");
        }
    }
}
