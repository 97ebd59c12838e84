//! How the two sessions of a duplex link belong together: against peers that speak the protocol by hand.

use std::{future::Future, pin::pin, task::Poll, time::Duration};

use hypermesh_channel::{
    ChannelTransport, CloseReason, DuplexServer, Endpoint, Message, ProtocolError, RecvError,
};
use hypermesh_wire::{Named, TypeKey};

use crate::{by_hand::*, rig::*};

/// What the number of a way back has besides that of its link.
const BACK: u32 = 1 << 31;

/// Returns the beginning of a duplex link for numbers in both directions.
fn open() -> Open {
    Open {
        kind: TypeKey::of("duplex").with(u64::KEY).with(u64::KEY).value(),
        ..Open::new(1)
    }
}

fn serve(endpoint: &Endpoint) -> DuplexServer<u64, u64> {
    endpoint.serve_duplex(ChannelTransport::Unix).unwrap().1
}

/// Opens a link, and returns the beginning of its way back.
async fn open_link(wire: &mut Wire, open: &Open) -> Open {
    let number = wire.session;
    wire.reopen(open).await;
    let mut frame = wire.read().await;
    while frame.kind == CLOSED {
        frame = wire.read().await;
    }
    assert_eq!((frame.kind, frame.session), (OPEN, number | BACK));
    Open::decode(&frame.body)
}

/// Reads until a frame of this kind and session comes, past acknowledgements and answers.
async fn read_until(wire: &mut Wire, kind: u8, session: u32) {
    loop {
        let frame = wire.read().await;
        if (frame.kind, frame.session) == (kind, session) {
            return;
        }
        assert!([ACK, OPENED].contains(&frame.kind), "{frame:?}");
    }
}

fn closed(session: u32) -> Frame {
    Frame {
        kind: CLOSED,
        ..ack(session, 0)
    }
}

async fn is_pending(future: impl Future) -> bool {
    let mut future = pin!(future);
    std::future::poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_pending())).await
}

async fn assert_closed<M: Message + std::fmt::Debug>(rx: &mut hypermesh_channel::Rx<M>) {
    let received = soon(rx.recv()).await;
    assert!(matches!(received, Err(RecvError::Closed)), "{received:?}");
}

#[tokio::test]
async fn the_way_back_is_opened_on_each_connection_and_goes_on_where_it_was() {
    let endpoint = endpoint();
    let server = serve(&endpoint);
    let mut wire = Wire::dial(server.server()).await;
    let way_back = open_link(&mut wire, &open()).await;
    assert_eq!((way_back.kind, way_back.sent), (open().kind, 0));
    let back = wire.session | BACK;
    wire.send(&[Opened::fresh(&way_back).frame(back)]).await;
    let (tx, _rx) = soon(server.accept()).await.unwrap();
    tx.post(9).unwrap();
    assert_eq!(wire.read().await, data(back, 0, "\u{9}"));
    drop(wire);
    let mut wire = Wire::dial(server.server()).await;
    let again = open_link(&mut wire, &Open { turn: 2, ..open() }).await;
    assert_eq!((again.id, again.sent, again.turn), (way_back.id, 1, 2));
    wire.send(&[Opened::at(0).frame(back)]).await;
    assert_eq!(wire.read().await, data(back, 0, "\u{9}"));
    wire.send(&[ack(back, 1)]).await;
    assert_eq!(soon(tx.flush(DEADLINE)).await, 0);
    assert!(is_pending(server.accept()).await, "one link");
}

#[tokio::test]
async fn a_link_has_one_number_and_those_of_ways_back_are_not_for_the_dialling_end() {
    let endpoint = endpoint();
    let server = serve(&endpoint);
    let mut wire = Wire::dial(server.server()).await;
    open_link(&mut wire, &open()).await;
    wire.send(&[open().frame(wire.session + 1)]).await;
    let refusal = Frame::control(REFUSED, wire.session + 1, &refused(5));
    assert_eq!(wire.read().await, refusal);
    wire.send(&[open().frame(wire.session | BACK)]).await;
    read_to_end(&mut wire.stream).await;
    assert_eq!(server.server().stats().broken, 1);
}

#[tokio::test]
async fn a_link_that_ended_here_is_known_until_the_dialling_end_knows_it_too() {
    let endpoint = endpoint();
    let server = serve(&endpoint);
    let mut wire = Wire::dial(server.server()).await;
    let way_back = open_link(&mut wire, &open()).await;
    let (forth, back) = (wire.session, wire.session | BACK);
    wire.send(&[Opened::fresh(&way_back).frame(back)]).await;
    let (tx, rx) = soon(server.accept()).await.unwrap();
    drop(rx);
    read_until(&mut wire, CLOSED, forth).await;
    drop(tx);
    read_until(&mut wire, CLOSE, back).await;
    // The answers are lost, and the link comes again: both are said again.
    drop(wire);
    let mut wire = Wire::dial(server.server()).await;
    open_link(&mut wire, &Open { turn: 2, ..open() }).await;
    read_until(&mut wire, CLOSE, back).await;
    assert!(is_pending(server.accept()).await, "one link");
    wire.send(&[Frame::control(CLOSE, forth, &[]), closed(back)])
        .await;
    // Now it is forgotten, and what comes under its id is a new one.
    let anew = soon(async {
        let mut turn = 3;
        while is_pending(server.accept()).await {
            let mut wire = Wire::dial(server.server()).await;
            open_link(&mut wire, &Open { turn, ..open() }).await;
            turn += 1;
        }
    });
    anew.await;
}

#[tokio::test]
async fn a_link_whose_dialling_end_does_not_come_back_ends_after_the_lifetime_of_a_session() {
    let endpoint = endpoint_with(|limits| limits.session_lifetime = Duration::ZERO);
    let server = serve(&endpoint);
    let mut wire = Wire::dial(server.server()).await;
    open_link(&mut wire, &open()).await;
    wire.send(&[data(wire.session, 0, "\u{5}")]).await;
    let (tx, mut rx) = soon(server.accept()).await.unwrap();
    assert_eq!(wire.read_ack().await, 1);
    drop(wire);
    // The link is not forgotten before this is received.
    assert_eq!(soon(rx.recv()).await.unwrap(), 5);
    assert_closed(&mut rx).await;
    let reason = soon(tx.watch().closed()).await;
    assert!(matches!(reason, CloseReason::Unreachable(_)), "{reason:?}");
}

#[tokio::test]
async fn a_shutdown_tells_what_became_of_messages_on_ways_back() {
    let endpoint = endpoint();
    let server = serve(&endpoint);
    let mut wire = Wire::dial(server.server()).await;
    let way_back = open_link(&mut wire, &open()).await;
    let back = wire.session | BACK;
    wire.send(&[Opened::fresh(&way_back).frame(back)]).await;
    let (tx, _rx) = soon(server.accept()).await.unwrap();
    tx.post(1).unwrap();
    assert_eq!(wire.read().await, data(back, 0, "\u{1}"));
    tx.post(2).unwrap();
    assert_eq!(wire.read().await, data(back, 1, "\u{2}"));
    wire.send(&[ack(back, 1)]).await;
    let report = soon(endpoint.shutdown(Duration::from_millis(50))).await;
    assert_eq!(
        (report.failed, report.unknown, report.stuck_tasks),
        (0, 1, 0)
    );
}

#[tokio::test]
async fn the_dialling_end_answers_that_it_knows_the_end_of_either_direction() {
    let (endpoint, peer) = (endpoint(), ByHand::new());
    let (tx, mut rx) = endpoint.dial_duplex::<u64, u64>(&peer.addr()).unwrap();
    let mut wire = peer.connection().await;
    let open = wire.read_open().await;
    let (forth, back) = (wire.session, wire.session | BACK);
    wire.answer(Opened::fresh(&open)).await;
    let way_back = Open {
        id: [9; 16],
        ..open
    };
    wire.send(&[way_back.frame(back), data(back, 0, "\u{5}")])
        .await;
    read_until(&mut wire, OPENED, back).await;
    assert_eq!(soon(rx.recv()).await.unwrap(), 5);
    wire.send(&[Frame::control(CLOSE, back, &[])]).await;
    read_until(&mut wire, CLOSED, back).await;
    assert_closed(&mut rx).await;
    tx.post(6).unwrap();
    assert_eq!(wire.read().await, data(forth, 0, "\u{6}"));
    wire.send(&[closed(forth)]).await;
    read_until(&mut wire, CLOSE, forth).await;
    assert_eq!(soon(tx.watch().closed()).await, CloseReason::PeerClosed);
    // There is nothing left to connect for.
    read_to_end(&mut wire.stream).await;
}

#[tokio::test]
async fn a_direction_that_has_ended_is_opened_and_closed_again_as_it_brings_the_other_one() {
    let (endpoint, peer) = (endpoint(), ByHand::new());
    let (tx, mut rx) = endpoint.dial_duplex::<u64, u64>(&peer.addr()).unwrap();
    let mut wire = peer.accept().await;
    let forth = wire.session;
    soon(tx.close(DEADLINE)).await;
    read_until(&mut wire, CLOSE, forth).await;
    drop(wire);
    let mut wire = peer.connection().await;
    let open = wire.read_open().await;
    assert_eq!(wire.session, forth);
    read_until(&mut wire, CLOSE, forth).await;
    let back = forth | BACK;
    let way_back = Open {
        id: [9; 16],
        ..open
    };
    wire.send(&[way_back.frame(back), data(back, 0, "\u{5}")])
        .await;
    assert_eq!(soon(rx.recv()).await.unwrap(), 5);
}

#[tokio::test]
async fn a_way_back_that_nobody_waits_for_is_refused_and_one_of_another_link_is_an_error() {
    let (endpoint, peer) = (endpoint(), ByHand::new());
    let link = endpoint.dial::<u64>(&peer.addr()).unwrap();
    let mut wire = peer.connection().await;
    let open = wire.read_open().await;
    wire.answer(Opened::fresh(&open)).await;
    let nobody = (wire.session + 7) | BACK;
    wire.send(&[open.frame(nobody)]).await;
    assert_eq!(
        wire.read().await,
        Frame::control(REFUSED, nobody, &refused(12))
    );
    wire.send(&[open.frame(wire.session | BACK)]).await;
    let reason = soon(link.watch().closed()).await;
    assert!(
        matches!(reason, CloseReason::Protocol(ProtocolError::Frame(_))),
        "{reason:?}"
    );
}

#[tokio::test]
async fn a_long_message_in_one_direction_holds_the_other_one_up_for_few_chunks() {
    const CHUNK: u8 = 3;
    let (endpoint, peer) = (endpoint(), ByHand::new());
    let (tx, mut rx) = endpoint.dial_duplex::<Vec<u8>, u64>(&peer.addr()).unwrap();
    let mut wire = peer.connection().await;
    let open = wire.read_open().await;
    let opened = Opened {
        max_message: 1 << 30,
        ..Opened::fresh(&open)
    };
    wire.answer(opened).await;
    let back = wire.session | BACK;
    let way_back = Open {
        id: [9; 16],
        ..open
    };
    wire.send(&[way_back.frame(back)]).await;
    read_until(&mut wire, OPENED, back).await;
    // Of 256 KiB each.
    let all = 128;
    tx.post(vec![7; all << 18]).unwrap();
    assert_eq!(wire.read().await.kind, CHUNK);
    let question = Frame {
        kind: DATA_ASK,
        ..data(back, 0, "\u{5}")
    };
    wire.send(&[question]).await;
    // Nothing is read until it has come there.
    assert_eq!(soon(rx.recv()).await.unwrap(), 5);
    let mut chunks = 0;
    loop {
        let frame = wire.read().await;
        if (frame.kind, frame.session) == (ACK, back) {
            break;
        }
        assert_eq!(frame.kind, CHUNK, "{frame:?}");
        chunks += 1;
    }
    // Two, the one that was being written, and what the socket held: its buffer of 1 MiB is doubled by the kernel.
    let in_socket = (2 << 20) >> 18;
    assert!(chunks <= 2 + 1 + in_socket, "{chunks} of {all}");
}
