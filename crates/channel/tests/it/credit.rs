//! Receivers that do not keep up, and ends that do not keep to the credit.

use std::time::Duration;

use hypermesh_channel::{ChannelTransport, FailReason, LinkStatus, Outcome};
use tokio::task::yield_now;

use crate::{by_hand::*, rig::*};

#[tokio::test(start_paused = true)]
async fn a_receiver_that_reads_nothing_for_long_fails_nothing_and_holds_no_more_than_its_credit() {
    const WINDOW: usize = 100;
    const QUEUE: usize = 200;
    for transport in [ChannelTransport::Local, ChannelTransport::Unix] {
        let endpoint = endpoint_with(|limits| {
            limits.receiver_queue_messages = WINDOW;
            limits.sender_queue_messages = QUEUE;
        });
        let (addr, mut rx) = endpoint.serve::<u64>(transport).unwrap();
        let tx = endpoint.dial::<u64>(&addr).unwrap();
        let mut posted = 0;
        // What the receiver holds is acknowledged; after that the queue of the sender fills up.
        while posted < (WINDOW + QUEUE) as u64 {
            soon(tx.ready()).await.unwrap();
            tx.post(posted).unwrap();
            posted += 1;
        }
        let waiting = QUEUE;
        assert_eq!(
            tx.flush(Duration::from_secs(600)).await,
            waiting,
            "{transport}"
        );
        assert_eq!(tx.status(), LinkStatus::Active, "{transport}");
        assert_eq!(
            rx.server().unwrap().stats().accepted,
            1,
            "{transport}: one connection all the time"
        );
        // No room, and the message comes back.
        let error = tx.post(posted).unwrap_err();
        assert_eq!(error.message, posted);
        let mut ready = Box::pin(tx.ready());
        for _ in 0..100 {
            let waits = std::future::poll_fn(|cx| {
                std::task::Poll::Ready(ready.as_mut().poll(cx).is_pending())
            });
            assert!(waits.await, "{transport}");
            yield_now().await;
        }
        for i in 0..posted {
            assert_eq!(soon(rx.recv()).await.unwrap(), i, "{transport}");
        }
        soon(ready).await.unwrap();
        tx.post(posted).unwrap();
        assert_eq!(soon(rx.recv()).await.unwrap(), posted);
        assert_eq!(soon(tx.flush(DEADLINE)).await, 0);
    }
}

#[tokio::test]
async fn a_window_smaller_than_a_message_lets_one_after_the_other_through() {
    for transport in TRANSPORTS {
        let endpoint = endpoint_for_with(transport, |limits| {
            limits.receiver_queue_bytes = 10;
            limits.receiver_queue_messages = 1;
        });
        let (addr, mut rx) = endpoint.serve::<String>(transport).unwrap();
        let tx = endpoint.dial::<String>(&addr).unwrap();
        let texts: Vec<_> = (0..20)
            .map(|i| i.to_string().repeat(1 << (i % 18)))
            .collect();
        for text in &texts {
            tx.post(text.clone()).unwrap();
        }
        for text in &texts {
            assert!(
                soon(rx.recv()).await.unwrap() == *text,
                "{transport}: {}",
                text.len()
            );
        }
        assert_eq!(soon(tx.flush(DEADLINE)).await, 0, "{transport}");
    }
}

#[tokio::test]
async fn a_link_writes_within_its_credit_and_goes_on_with_more() {
    let (endpoint, peer) = (endpoint(), ByHand::new());
    let link = endpoint.dial_link(&peer.addr()).unwrap();
    let mut clerk = Clerk::new();
    (0..6).for_each(|_| clerk.post(&link, payload("12345")));
    let mut wire = peer.connection().await;
    let open = wire.read_open().await;
    let opened = Opened {
        credit: (2, u64::MAX),
        ..Opened::fresh(&open)
    };
    wire.answer(opened).await;
    wire.expect(0, "12345").await;
    wire.expect(1, "12345").await;
    // Had it written more, that would come before the answer to this.
    let ping = Frame::control(PING, 0, &[]);
    let pong = Frame::control(PONG, 0, &[]);
    wire.send(std::slice::from_ref(&ping)).await;
    assert_eq!(wire.read().await, pong);
    // One message more, then one byte more than three messages have, then less than before.
    wire.send(&[ack_with(wire.session, 2, 3, u64::MAX)]).await;
    wire.expect(2, "12345").await;
    wire.send(std::slice::from_ref(&ping)).await;
    assert_eq!(wire.read().await, pong);
    wire.send(&[ack_with(wire.session, 3, 1, 0)]).await;
    wire.send(std::slice::from_ref(&ping)).await;
    assert_eq!(wire.read().await, pong);
    // All there is: other limits stay.
    wire.send(&[ack_with(wire.session, 3, u64::MAX, u64::MAX)])
        .await;
    for seq in 3..6 {
        wire.expect(seq, "12345").await;
    }
    wire.ack(6).await;
    clerk.assert_acked(6).await;
    clerk.post(&link, sized((1 << 20) + 1));
    let too_large = FailReason::TooLarge {
        len: (1 << 20) + 1,
        max: 1 << 20,
    };
    assert_eq!(wire.read().await.kind, VOID);
    wire.ack(7).await;
    assert_eq!(clerk.next().await.1, Outcome::Failed(too_large));
}

#[tokio::test]
async fn credit_in_bytes_admits_a_message_while_less_has_come() {
    let (endpoint, peer) = (endpoint(), ByHand::new());
    let link = endpoint.dial_link(&peer.addr()).unwrap();
    let mut clerk = Clerk::new();
    (0..4).for_each(|_| clerk.post(&link, payload("12345")));
    let mut wire = peer.connection().await;
    let open = wire.read_open().await;
    let opened = Opened {
        credit: (u64::MAX, 6),
        ..Opened::fresh(&open)
    };
    wire.answer(opened).await;
    wire.expect(0, "12345").await;
    wire.expect(1, "12345").await;
    wire.send(&[Frame::control(PING, 0, &[])]).await;
    assert_eq!(wire.read().await.kind, PONG);
    wire.send(&[ack_with(wire.session, 2, u64::MAX, 16)]).await;
    wire.expect(2, "12345").await;
    wire.expect(3, "12345").await;
    wire.ack(4).await;
    clerk.assert_acked(4).await;
}

/// Sends `frames` to a server that takes nothing and has credit for 4 messages and 100 bytes, and checks whether it
/// cuts the connection.
async fn check_credit(frames: &[Frame], is_cut: bool) {
    let endpoint = endpoint_with(|limits| {
        limits.receiver_queue_messages = 4;
        limits.receiver_queue_bytes = 100;
    });
    let deaf = Keeper::with_allowance(0);
    let server = serve(&endpoint, &deaf);
    let mut wire = Wire::dial(&server).await;
    let opened = wire.reopen(&Open::new(1)).await;
    assert_eq!(opened.credit, (4, 100));
    wire.send(frames).await;
    if is_cut {
        read_to_end(&mut wire.stream).await;
        deaf.until_lost(1).await;
        assert_eq!(server.stats().broken, 1);
        // The session is there, and so is its credit.
        let mut wire = Wire::dial(&server).await;
        let opened = wire.reopen(&Open::new(1)).await;
        assert_eq!(
            (opened.resumed, opened.next, opened.credit),
            (false, 0, (4, 100)),
            "nothing was taken, so that it is as new"
        );
        wire.send(&frames[..1]).await;
        deaf.allow(1);
        assert_eq!(wire.read_ack().await, 1);
    } else {
        wire.send(&[Frame::control(PING, 0, &[])]).await;
        assert_eq!(wire.read().await.kind, PONG);
        deaf.allow(frames.len());
        let mut taken = 0;
        while taken < frames.len() as u64 {
            taken = wire.read_ack().await;
        }
        assert_eq!(server.stats().broken, 0);
    }
}

#[tokio::test]
async fn who_sends_beyond_its_credit_is_cut() {
    let frames = |lens: &[usize]| -> Vec<Frame> {
        let texts = lens.iter().map(|len| "x".repeat(*len));
        (0..)
            .zip(texts)
            .map(|(seq, text)| data(SESSION, seq, &text))
            .collect()
    };
    check_credit(&frames(&[1, 1, 1, 1]), false).await;
    check_credit(&frames(&[1, 1, 1, 1, 1]), true).await;
    // The last one may be of any size.
    check_credit(&frames(&[99, 100_000]), false).await;
    check_credit(&frames(&[1000]), false).await;
    check_credit(&frames(&[100, 0]), true).await;
    check_credit(&frames(&[1, 100_000, 1]), true).await;
}

/// Sends a message of `len` bytes to a server that takes nothing and has credit for 100, then the beginning of a long one,
/// which is a `kind` of frame, and checks whether that is enough to be cut.
async fn check_begin(len: usize, kind: u8, is_cut: bool) {
    let endpoint = endpoint_with(|limits| limits.receiver_queue_bytes = 100);
    let deaf = Keeper::with_allowance(0);
    let server = serve(&endpoint, &deaf);
    let mut wire = Wire::open(&server, 1).await;
    wire.send(&[data(SESSION, 0, &"x".repeat(len))]).await;
    wire.send_bytes(&header(kind, 0, 1 << 19, SESSION, 1)).await;
    if is_cut {
        read_to_end(&mut wire.stream).await;
        deaf.until_lost(1).await;
    } else {
        let begin = header(DATA, 0, (1 << 19) - HEADER as u32, SESSION, 1);
        let rest = if kind == CHUNK {
            &begin[..]
        } else {
            &begin[..0]
        };
        wire.send_bytes(&[rest, &vec![1; (1 << 19) - rest.len()]].concat())
            .await;
        deaf.allow(2);
        while wire.read_ack().await < 2 {}
    }
    assert_eq!(server.stats().broken, u64::from(is_cut));
}

#[tokio::test]
async fn who_begins_a_long_message_beyond_its_credit_is_cut_before_it_comes() {
    for kind in [DATA, CHUNK] {
        check_begin(100, kind, true).await;
        // One that is larger than the credit may begin within it.
        check_begin(99, kind, false).await;
    }
}

#[tokio::test]
async fn a_long_message_that_came_before_is_acknowledged_again_and_not_kept() {
    let endpoint = endpoint_with(|limits| limits.receiver_queue_bytes = 100);
    let keeper = Keeper::new();
    let server = serve(&endpoint, &keeper);
    let mut wire = Wire::open(&server, 1).await;
    let long = data(SESSION, 0, &"x".repeat(100_000)).bytes();
    let chunk = [
        header(CHUNK, 0, long.len() as u32, SESSION, 0),
        long.clone(),
    ]
    .concat();
    for bytes in [&long, &long, &chunk, &chunk] {
        wire.send_bytes(bytes).await;
        assert_eq!(wire.read_ack().await, 1);
    }
    assert_eq!(keeper.next_text().await.len(), 100_000);
    // Of the beginning of one nothing more is needed.
    wire.send_bytes(&header(CHUNK, 0, 1 << 19, SESSION, 0))
        .await;
    assert_eq!(wire.read_ack().await, 1);
    assert_eq!((keeper.len(), server.stats().broken), (0, 0));
}

#[tokio::test]
async fn no_message_comes_after_the_last_number_there_is() {
    let endpoint = endpoint();
    let keeper = Keeper::new();
    let server = serve(&endpoint, &keeper);
    let first = u64::MAX - 4;
    let open = Open {
        acked: first,
        sent: first,
        ..Open::new(1)
    };
    let mut wire = Wire::dial(&server).await;
    let opened = wire.reopen(&open).await;
    assert_eq!(
        (opened.resumed, opened.next, opened.credit.0),
        (false, first, u64::MAX)
    );
    for seq in first..u64::MAX {
        wire.send(&[data(SESSION, seq, "x")]).await;
        assert_eq!(wire.read_ack().await, seq + 1);
    }
    wire.send(&[data(SESSION, u64::MAX, "x")]).await;
    read_to_end(&mut wire.stream).await;
    keeper.until_lost(1).await;
    assert_eq!((keeper.len(), server.stats().broken), (4, 1));
}

#[tokio::test]
async fn a_message_above_the_limit_is_refused_and_those_around_it_are_taken() {
    // A short frame, one in memory of its own, and the size where that begins.
    for len in [1001, 65_536, 100_000, (1 << 20) - HEADER] {
        let endpoint = endpoint_with(|limits| limits.message = 1000);
        let keeper = Keeper::new();
        let server = serve(&endpoint, &keeper);
        let mut wire = Wire::dial(&server).await;
        assert_eq!(wire.reopen(&Open::new(1)).await.max_message, 1000);
        let texts = ["x".repeat(1000), "y".repeat(len), "z".to_owned()];
        let frames: Vec<_> = (0..)
            .zip(&texts)
            .map(|(seq, text)| data(SESSION, seq, text))
            .collect();
        wire.send(&frames).await;
        let mut is_refused = false;
        loop {
            let frame = wire.read().await;
            if frame == nack(SESSION, 1, 1) {
                assert!(!is_refused, "{len}: once");
                is_refused = true;
                continue;
            }
            assert_eq!(frame.kind, ACK, "{len}: {frame:?}");
            let next = word(&frame.body, 0);
            // The refusal comes before the acknowledgement of its number.
            assert_eq!(is_refused, next > 1, "{len}");
            if next == 3 {
                break;
            }
        }
        assert_eq!(keeper.next_text().await, texts[0], "{len}");
        assert_eq!(keeper.next_text().await, texts[2], "{len}");
        assert_eq!((keeper.len(), server.stats().broken), (0, 0), "{len}");
    }
}

#[tokio::test]
async fn a_refused_message_fails_alone_and_its_number_is_used_up() {
    let (endpoint, peer) = (endpoint(), ByHand::new());
    let link = endpoint.dial_link(&peer.addr()).unwrap();
    let mut clerk = Clerk::new();
    (0..4).for_each(|i| clerk.post(&link, payload(&i.to_string())));
    let mut wire = peer.accept().await;
    for seq in 0..4 {
        wire.expect(seq, &seq.to_string()).await;
    }
    let session = wire.session;
    wire.send(&[nack(session, 1, 1), nack(session, 2, 77), ack(session, 4)])
        .await;
    let failed = |reason| Outcome::Failed(reason);
    assert_eq!(
        clerk.outcomes(4).await,
        [
            Outcome::Acked,
            failed(FailReason::RefusedTooLarge),
            failed(FailReason::RefusedMessage(77)),
            Outcome::Acked,
        ]
    );
    // What has an outcome has no other: a late refusal changes nothing.
    wire.send(&[nack(session, 0, 1)]).await;
    clerk.post(&link, payload("4"));
    wire.expect(4, "4").await;
    wire.ack(5).await;
    clerk.assert_acked(1).await;
    clerk.assert_no_more();
}
