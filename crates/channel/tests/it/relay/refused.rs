//! What a gateway refuses, and who harms nobody behind one.

use hypermesh_channel::{
    ChannelTransport, CloseReason, ConnectError, DialError, LinkStatus, MAX_GATEWAYS, Refusal,
    Route,
};

use crate::{by_hand::*, rig::*};

use super::{Destination, Gateway, end_of, lost_path, post_numbers};

#[tokio::test]
async fn who_is_no_gateway_refuses() {
    let (not, to) = (
        Destination::new(ChannelTransport::Unix),
        Destination::new(ChannelTransport::Unix),
    );
    let client = endpoint();
    let link = client
        .dial_link::<Numbered>(Route::via([not.addr()], to.addr()))
        .unwrap();
    assert_eq!(
        end_of(&link).await,
        CloseReason::Refused(Refusal::NotGateway)
    );
    // Its own links go on.
    let direct = client.dial_link(&not.addr()).unwrap();
    let mut clerk = Clerk::new();
    clerk.post(&direct, payload("0"));
    clerk.assert_acked(1).await;
}

#[tokio::test]
async fn a_path_back_to_the_gateway_is_refused() {
    let gateway = Gateway::new(ChannelTransport::Unix);
    let to = Destination::new(ChannelTransport::Unix);
    let client = endpoint();
    let own = || gateway.addr();
    for gateways in [vec![own(), own()], vec![own(), to.addr(), own()]] {
        let link = client
            .dial_link::<Numbered>(Route::via(gateways, to.addr()))
            .unwrap();
        assert_eq!(end_of(&link).await, CloseReason::Refused(Refusal::Loop));
    }
    let link = client
        .dial_link::<Numbered>(Route::via([own()], own()))
        .unwrap();
    assert_eq!(end_of(&link).await, CloseReason::Refused(Refusal::Loop));
}

#[tokio::test]
async fn a_path_through_too_many_gateways_is_refused_at_both_ends() {
    let gateway = Gateway::new(ChannelTransport::Unix);
    let client = endpoint();
    let many = vec![gateway.addr(); MAX_GATEWAYS + 1];
    let error = client
        .dial_link::<Numbered>(Route::via(many, at_path("/s".as_ref())))
        .unwrap_err();
    assert_eq!(error, DialError::TooManyGateways(MAX_GATEWAYS + 1));
    let mut wire = Wire::dial(&gateway.server).await;
    let open = Open {
        path: &["unix:@h"; MAX_GATEWAYS + 1],
        ..Open::new(1)
    };
    wire.send(&[open.frame(5)]).await;
    let refused = wire.read().await;
    assert_eq!(
        (refused.kind, refused.session, refused.body[0]),
        (REFUSED, 5, 9)
    );
    // An address of no kind, and a body that is cut, end the connection.
    let bad = Open {
        path: &["unix:@h", "nothing"],
        ..Open::new(1)
    };
    wire.send(&[bad.frame(5)]).await;
    read_to_end(&mut wire.stream).await;
    assert_eq!(gateway.server.stats().broken, 1);
}

#[tokio::test]
async fn what_is_inside_of_a_gateway_is_nobody_elses() {
    let gateway = Gateway::new(ChannelTransport::Unix);
    let inside = gateway
        .endpoint
        .serve_sink(ChannelTransport::Local, Keeper::new())
        .unwrap();
    let client = endpoint();
    let route = Route::via([gateway.addr()], inside.addr().clone());
    let link = client.dial_link::<Numbered>(route).unwrap();
    let error = lost_path(&link).await;
    assert_eq!(
        error.tried[0].error,
        ConnectError::Refused(Refusal::NextHop)
    );
}

#[tokio::test]
async fn one_slow_destination_does_not_slow_another() {
    let gateway = Gateway::new(ChannelTransport::Unix);
    let slow = Destination::keeping(ChannelTransport::Unix, Keeper::with_allowance(1));
    let fast = Destination::new(ChannelTransport::Unix);
    let client = endpoint();
    let to_slow = client
        .dial_link(Route::via([gateway.addr()], slow.addr()))
        .unwrap();
    let to_fast = client
        .dial_link(Route::via([gateway.addr()], fast.addr()))
        .unwrap();
    let (mut clerk, mut fast_clerk) = (Clerk::new(), Clerk::new());
    // Twice what the receiver takes.
    (0..128).for_each(|_| clerk.post(&to_slow, sized(1 << 20)));
    clerk.assert_acked(1).await;
    for _ in 0..10 {
        post_numbers(&mut fast_clerk, &to_fast, 0, 1000);
        fast_clerk.post(&to_fast, sized(4 << 20));
        fast_clerk.assert_acked(1001).await;
    }
    clerk.assert_no_more();
    slow.keeper.allow(usize::MAX - 1);
    clerk.assert_acked(127).await;
}

#[tokio::test]
async fn who_floods_a_gateway_harms_nobody_else() {
    let gateway = Gateway::with(ChannelTransport::Unix, |limits| {
        limits.relay_queue_bytes = 1 << 20;
        limits.message = 1 << 20;
    });
    // It accepts the connection, and reads nothing of what follows.
    let slow = ByHand::new();
    let client = endpoint();
    let link = client
        .dial_link(Route::via([gateway.addr()], slow.addr()))
        .unwrap();
    let mut clerk = Clerk::new();
    clerk.post(&link, payload("x"));
    let mut wire = slow.connection().await;
    let open = wire.read_open().await;
    wire.answer(Opened::fresh(&open)).await;
    (0..100).for_each(|_| clerk.post(&link, sized(1 << 18)));
    // Its receiver gives more credit than the gateway keeps: the relay ends, and the session goes on in a new one.
    let to = Destination::new(ChannelTransport::Unix);
    let good = client
        .dial_link(Route::via([gateway.addr()], to.addr()))
        .unwrap();
    let mut good_clerk = Clerk::new();
    post_numbers(&mut good_clerk, &good, 0, 1000);
    good_clerk.assert_acked(1000).await;
    assert_eq!(gateway.server.stats().accepted, 1, "on the same connection");
    let error = lost_path(&link).await;
    assert_eq!(error.tried[0].error, ConnectError::Refused(Refusal::Busy));
    assert_eq!(good.status(), LinkStatus::Active);
}

#[tokio::test]
async fn a_peer_that_breaks_the_protocol_behind_a_gateway_harms_nobody_else() {
    let gateway = Gateway::new(ChannelTransport::Unix);
    let to = Destination::new(ChannelTransport::Unix);
    let client = endpoint();
    let good = client
        .dial_link(Route::via([gateway.addr()], to.addr()))
        .unwrap();
    let mut clerk = Clerk::new();
    clerk.post(&good, payload("before"));
    clerk.assert_acked(1).await;
    let hop: &'static str = to.addr().to_string().leak();
    let chunk = |bytes: &[u8]| [&header(3, 0, bytes.len() as u32, 5, 0)[..], bytes].concat();
    let bad: [Vec<u8>; 4] = [
        // A gap.
        data(5, 7, "x").bytes(),
        // Chunks of no message.
        chunk(&[0xff; 100]),
        // A message that is over before its chunk is.
        chunk(&[header(DATA, 0, 1, 5, 0), vec![1; 50]].concat()),
        // A chunk of another message.
        [chunk(&header(DATA, 0, 9, 5, 0)), {
            let mut other = chunk(b"x");
            other[12] = 3;
            other
        }]
        .concat(),
    ];
    for (i, bytes) in bad.into_iter().enumerate() {
        let mut wire = Wire::dial(&gateway.server).await;
        let open = Open {
            path: Box::leak(Box::new([hop])),
            ..Open::new(i as u8 + 10)
        };
        // The first times it is to come again, by another path perhaps.
        for code in [1, 1, 1, 3] {
            wire.send(&[open.frame(5)]).await;
            assert_eq!(wire.read().await.kind, OPENED, "{i}");
            wire.send_bytes(&bytes).await;
            let frame = wire.read().await;
            assert_eq!((frame.kind, frame.session), (LOST, 5), "{i}");
            assert_eq!(frame.body, [code], "{i}");
        }
    }
    clerk.post(&good, payload("after"));
    clerk.assert_acked(1).await;
    assert_eq!(
        to.server.stats().accepted,
        1,
        "the gateway kept its connection"
    );
    assert_eq!(to.server.stats().broken, 0);
}

#[tokio::test]
async fn a_destination_that_breaks_the_protocol_harms_no_link_to_another() {
    let gateway = Gateway::new(ChannelTransport::Unix);
    let (bad, to) = (ByHand::new(), Destination::new(ChannelTransport::Unix));
    let client = endpoint();
    let good = client
        .dial_link(Route::via([gateway.addr()], to.addr()))
        .unwrap();
    let to_bad = client
        .dial_link(Route::via([gateway.addr()], bad.addr()))
        .unwrap();
    let (mut clerk, mut bad_clerk) = (Clerk::new(), Clerk::new());
    clerk.post(&good, payload("before"));
    clerk.assert_acked(1).await;
    bad_clerk.post(&to_bad, payload("x"));
    let mut wire = bad.connection().await;
    let open = wire.read_open().await;
    wire.answer(Opened::fresh(&open)).await;
    // It acknowledges what was never sent.
    wire.ack(1000).await;
    let reason = end_of(&to_bad).await;
    assert!(matches!(reason, CloseReason::Protocol(_)), "{reason:?}");
    clerk.post(&good, payload("after"));
    clerk.assert_acked(1).await;
    assert_eq!(gateway.server.stats().accepted, 1, "on the same connection");
}
