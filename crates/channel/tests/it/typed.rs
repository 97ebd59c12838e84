//! Links for messages of one type.

use hypermesh_channel::{
    ChannelTransport, CloseReason, FailReason, Layout, LinkStatus, Message, RecvError, Refusal,
    SendCause, UnknownReason,
};
use tokio::task::yield_now;

use crate::{by_hand::*, rig::*};

#[tokio::test]
async fn a_sent_message_is_in_the_queue_of_the_receiver() {
    for at in everywhere() {
        let endpoint = endpoint_for(at.0);
        let mut link = one_way::<(u32, String)>(&endpoint, at).await;
        let (tx, rx) = (&link.tx, &mut link.rx);
        for i in 0..10 {
            soon(tx.send((i, "a".repeat(i as usize * 1000))))
                .await
                .unwrap();
        }
        tx.post((10, String::new())).unwrap();
        assert_eq!(soon(tx.flush(DEADLINE)).await, 0);
        for i in 0..=10 {
            assert_eq!(soon(rx.recv()).await.unwrap().0, i, "{at:?}");
        }
        assert_eq!(tx.status(), LinkStatus::Active);
        let report = soon(tx.close(DEADLINE)).await;
        assert_eq!((report.failed, report.unknown), (0, 0));
        link.check_other().await;
    }
}

#[tokio::test]
async fn a_full_receiver_makes_the_sender_wait() {
    for at in everywhere() {
        let endpoint = endpoint_for_with(at.0, |limits| limits.receiver_queue_messages = 3);
        let mut link = one_way::<u64>(&endpoint, at).await;
        link.check_other().await;
        let (tx, rx) = (&link.tx, &mut link.rx);
        for i in 0..3 {
            soon(tx.send(i)).await.unwrap();
        }
        let mut fourth = Box::pin(tx.send(3));
        for _ in 0..100 {
            let waits = std::future::poll_fn(|cx| {
                std::task::Poll::Ready(fourth.as_mut().poll(cx).is_pending())
            });
            assert!(waits.await, "{at:?}");
            yield_now().await;
        }
        assert_eq!(soon(rx.recv()).await.unwrap(), 0);
        soon(fourth).await.unwrap();
        for i in 1..=3 {
            assert_eq!(soon(rx.recv()).await.unwrap(), i);
        }
    }
}

#[tokio::test]
async fn a_failed_message_comes_back() {
    for at in everywhere() {
        let endpoint = endpoint_for_with(at.0, |limits| limits.message = 1000);
        let mut link = one_way::<String>(&endpoint, at).await;
        let tx = link.tx.clone();
        let long = "x".repeat(2000);
        let error = soon(tx.send(long.clone())).await.unwrap_err();
        assert_eq!(error.message, long);
        let cause = &error.cause;
        assert!(
            matches!(cause, SendCause::Failed(FailReason::TooLarge { .. })),
            "{cause:?}"
        );
        assert!(tx.post(long).is_err());
        soon(tx.send("short".to_owned())).await.unwrap();
        soon(link.rx.close()).await;
        soon(tx.watch().closed()).await;
        let error = soon(tx.send("late".to_owned())).await.unwrap_err();
        assert_eq!(error.message, "late");
        assert!(
            matches!(error.cause, SendCause::Failed(FailReason::PeerClosed)),
            "{at:?}: {error:?}"
        );
        assert_eq!(tx.post("later".to_owned()).unwrap_err().message, "later");
        link.check_other().await;
    }
}

#[tokio::test]
async fn a_message_whose_fate_is_unknown_says_so() {
    let peer = ByHand::new();
    let endpoint = endpoint();
    let tx = endpoint.dial::<u8>(&peer.addr()).unwrap();
    let sent = async {
        let error = soon(tx.send(7)).await.unwrap_err();
        assert_eq!(error.message, 7);
        let cause = error.cause;
        assert!(
            matches!(cause, SendCause::Unknown(UnknownReason::PeerRestarted)),
            "{cause:?}"
        );
    };
    let cut = async {
        let mut wire = peer.accept().await;
        assert_eq!(wire.read().await.kind, DATA_ASK);
        drop(wire);
        let mut wire = peer.connection().await;
        let open = wire.read_open().await;
        let opened = Opened {
            incarnation: INCARNATION + 1,
            ..Opened::fresh(&open)
        };
        wire.answer(opened).await;
        wire
    };
    tokio::join!(sent, cut);
}

/// A message that encodes as something that does not decode.
struct Lying;

impl serde::Serialize for Lying {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(1)
    }
}

impl<'de> serde::Deserialize<'de> for Lying {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <(u64, u64)>::deserialize(deserializer).map(|_| Self)
    }
}

impl hypermesh_wire::Named for Lying {
    const KEY: hypermesh_wire::TypeKey = hypermesh_wire::TypeKey::of("it::Lying");

    fn name() -> std::borrow::Cow<'static, str> {
        "it::Lying".into()
    }
}

#[tokio::test]
async fn a_message_that_does_not_decode_is_skipped() {
    fn is_message<M: Message>() {}
    is_message::<Lying>();
    for at in everywhere() {
        let endpoint = endpoint_for(at.0);
        let mut link = one_way::<Lying>(&endpoint, at).await;
        for _ in 0..2 {
            soon(link.tx.send(Lying)).await.unwrap();
        }
        for _ in 0..2 {
            let received = soon(link.rx.recv()).await;
            assert!(matches!(received, Err(RecvError::Decode(_))), "{at:?}");
        }
        link.check_other().await;
    }
}

#[tokio::test]
async fn a_closed_receiver_gives_out_what_it_accepted_and_then_says_so() {
    for at in everywhere() {
        let endpoint = endpoint_for(at.0);
        let mut link = one_way::<u8>(&endpoint, at).await;
        let (tx, rx) = (&link.tx, &mut link.rx);
        soon(tx.send(1)).await.unwrap();
        soon(tx.send(2)).await.unwrap();
        soon(rx.close()).await;
        soon(tx.watch().closed()).await;
        assert_eq!(soon(rx.recv()).await.unwrap(), 1);
        assert_eq!(soon(rx.recv()).await.unwrap(), 2);
        for _ in 0..2 {
            assert!(
                matches!(soon(rx.recv()).await, Err(RecvError::Closed)),
                "{at:?}"
            );
        }
        link.check_other().await;
    }
}

#[tokio::test]
async fn a_receiver_learns_that_its_endpoint_was_shut_down() {
    let endpoint = endpoint();
    let (_, mut rx) = endpoint.serve::<u8>(ChannelTransport::Unix).unwrap();
    let (result, _) = tokio::join!(soon(rx.recv()), soon(endpoint.shutdown(DEADLINE)));
    assert!(matches!(result, Err(RecvError::Closed)));
}

/// A message that does not encode, if it is odd.
#[derive(Debug, PartialEq)]
struct Odd(u64);

impl serde::Serialize for Odd {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 % 2 == 1 {
            return Err(serde::ser::Error::custom("odd"));
        }
        serializer.serialize_u64(self.0)
    }
}

impl<'de> serde::Deserialize<'de> for Odd {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u64::deserialize(deserializer).map(Self)
    }
}

impl hypermesh_wire::Named for Odd {
    const KEY: hypermesh_wire::TypeKey = hypermesh_wire::TypeKey::of("it::Odd");

    fn name() -> std::borrow::Cow<'static, str> {
        "it::Odd".into()
    }
}

#[tokio::test]
async fn a_message_that_does_not_encode_comes_back_and_its_neighbours_arrive() {
    for at in everywhere() {
        let endpoint = endpoint_for(at.0);
        let OneWay {
            tx,
            mut rx,
            other: _other,
        } = one_way::<Odd>(&endpoint, at).await;
        for i in 0..10 {
            let result = if i < 5 {
                tx.post(Odd(i))
            } else {
                soon(tx.send(Odd(i))).await
            };
            match result {
                Ok(()) => assert_eq!(i % 2, 0, "{at:?}"),
                Err(error) => {
                    assert_eq!((error.message, i % 2), (Odd(i), 1), "{at:?}");
                    assert!(matches!(error.cause, SendCause::Encode(_)));
                }
            }
        }
        for i in [0, 2, 4, 6, 8] {
            assert_eq!(soon(rx.recv()).await.unwrap(), Odd(i), "{at:?}");
        }
        assert_eq!(tx.status(), LinkStatus::Active);
    }
}

/// Polls `future` up to `polls` times, with the other tasks between them, and drops it then.
async fn poll_some<F: Future>(polls: u64, future: F) -> Option<F::Output> {
    let mut future = std::pin::pin!(future);
    for _ in 0..polls {
        let poll = std::future::poll_fn(|cx| std::task::Poll::Ready(future.as_mut().poll(cx)));
        if let std::task::Poll::Ready(output) = poll.await {
            return Some(output);
        }
        yield_now().await;
    }
    None
}

#[tokio::test]
async fn a_cancelled_send_or_recv_loses_and_doubles_nothing() {
    let seed = hypermesh_testkit::Seed::from_env();
    let mut rng = seed.rng();
    // What is polled again and again leaves a simulated network no time; campaigns cancel there.
    for at in everywhere().filter(|(transport, _)| *transport != ChannelTransport::Sim) {
        let endpoint = endpoint_for_with(at.0, |limits| {
            limits.receiver_queue_messages = 5;
            limits.sender_queue_messages = 5;
        });
        let OneWay {
            tx,
            mut rx,
            other: _other,
        } = one_way::<u64>(&endpoint, at).await;
        let (mut acked, mut received) = (Vec::new(), Vec::new());
        for i in 0..2_000 {
            if let Some(result) = poll_some(rng.below(8), tx.send(i)).await {
                result.unwrap();
                acked.push(i);
            }
            _ = poll_some(rng.below(3), tx.ready()).await;
            _ = poll_some(rng.below(3), tx.flush(DEADLINE)).await;
            while let Some(message) = poll_some(rng.below(4), rx.recv()).await {
                received.push(message.unwrap());
            }
        }
        let (left, ()) = tokio::join!(tx.flush(DEADLINE), async {
            while let Some(message) = poll_some(1_000, rx.recv()).await {
                received.push(message.unwrap());
            }
        });
        assert_eq!(left, 0, "{at:?}");
        assert!(
            received.is_sorted_by(|a, b| a < b),
            "{at:?}: once and in order"
        );
        let missing: Vec<_> = acked.iter().filter(|i| !received.contains(i)).collect();
        assert!(missing.is_empty(), "{at:?}: {missing:?}");
        assert!(received.len() > 100 && acked.len() < 2_000, "{at:?}");
    }
}

/// Two programs with another idea of one type.
mod before {
    #[derive(Debug, hypermesh_wire::Message)]
    #[message(name = "it::Reading")]
    pub(super) struct Reading {
        pub(super) celsius: u32,
    }
}

mod after {
    #[derive(Debug, hypermesh_wire::Message)]
    #[message(name = "it::Reading")]
    pub(super) struct Reading {
        pub(super) kelvin: u32,
    }
}

#[tokio::test]
async fn two_types_of_one_name_with_other_fields_are_refused_before_the_first_message() {
    for transport in TRANSPORTS {
        let endpoint = endpoint_for(transport);
        let (addr, rx) = endpoint.serve::<before::Reading>(transport).unwrap();
        let tx = endpoint.dial::<after::Reading>(&addr).unwrap();
        let error = soon(tx.send(after::Reading { kelvin: 3 })).await;
        let expected = Refusal::Layout {
            name: "it::Reading".to_owned(),
            ours: Layout::of::<after::Reading>(),
            theirs: Layout::of::<before::Reading>(),
        };
        let cause = error.unwrap_err().cause;
        assert!(
            matches!(&cause, SendCause::Failed(FailReason::Refused(refusal)) if *refusal == expected),
            "{cause:?}"
        );
        assert_eq!(
            soon(tx.watch().closed()).await,
            CloseReason::Refused(expected)
        );
        // Who means the same is not touched.
        let mut rx = rx;
        let tx = endpoint.dial::<before::Reading>(&addr).unwrap();
        soon(tx.send(before::Reading { celsius: 4 })).await.unwrap();
        assert_eq!(soon(rx.recv()).await.unwrap().celsius, 4, "{transport}");
    }
}

#[tokio::test]
async fn another_layout_in_either_direction_of_a_duplex_link_is_refused() {
    use after::Reading as After;
    use before::Reading as Before;
    for transport in TRANSPORTS {
        let endpoint = endpoint_for(transport);
        let (addr, server) = endpoint.serve_duplex::<Before, Before>(transport).unwrap();
        let (tx, _rx) = endpoint.dial_duplex::<After, Before>(&addr).unwrap();
        let other = endpoint.dial_duplex::<Before, After>(&addr).unwrap();
        for reason in [
            soon(tx.watch().closed()).await,
            soon(other.0.watch().closed()).await,
        ] {
            assert!(
                matches!(reason, CloseReason::Refused(Refusal::Layout { .. })),
                "{transport}: {reason:?}"
            );
        }
        let (tx, _rx) = endpoint.dial_duplex::<Before, Before>(&addr).unwrap();
        soon(tx.send(Before { celsius: 5 })).await.unwrap();
        let (_, mut rx) = soon(server.accept()).await.unwrap();
        assert_eq!(soon(rx.recv()).await.unwrap().celsius, 5, "{transport}");
    }
}

#[tokio::test]
async fn a_peer_that_does_not_say_its_layout_is_served() {
    let endpoint = endpoint();
    let (_, mut rx) = endpoint
        .serve::<before::Reading>(ChannelTransport::Unix)
        .unwrap();
    let mut wire = Wire::dial(rx.server().unwrap()).await;
    let open = Open {
        kind: <before::Reading as hypermesh_wire::Named>::KEY.value(),
        ..Open::new(1)
    };
    assert!(!wire.reopen(&open).await.resumed);
    // The field of this type in its encoding is one byte.
    wire.send(&[data(SESSION, 0, "\u{7}")]).await;
    assert_eq!(soon(rx.recv()).await.unwrap().celsius, 7);
}
