//! Gateways: sessions of two endpoints that a third one carries.

use std::{sync::Arc, time::Duration};

use hypermesh_channel::{
    ChannelAddr, ChannelTransport, CloseReason, ConnectError, DialError, Endpoint, EndpointOptions,
    Limits, Link, LinkStatus, MAX_GATEWAYS, Outcome, Refusal, Route, Server, Unreachable,
};
use hypermesh_testkit::Seed;
use tokio::runtime::Handle;

use crate::{
    by_hand::*,
    proxy::{Fate, Proxy},
    rig::*,
};

const SOCKETS: [ChannelTransport; 3] = [
    ChannelTransport::Unix,
    ChannelTransport::Tcp,
    ChannelTransport::Tls,
];

/// An endpoint that carries links of others.
struct Gateway {
    endpoint: Endpoint,
    server: Server,
}

impl Gateway {
    fn new(at: impl Into<hypermesh_channel::ServeAt>) -> Self {
        Self::with(at, |_| ())
    }

    fn with(at: impl Into<hypermesh_channel::ServeAt>, change: impl FnOnce(&mut Limits)) -> Self {
        let mut options = EndpointOptions::new(Handle::current());
        options.tls = Some(certified());
        options.gateway = true;
        change(&mut options.limits);
        let endpoint = Endpoint::new(options);
        let server = endpoint.serve_sink(at, Keeper::new()).unwrap();
        Self { endpoint, server }
    }

    fn addr(&self) -> ChannelAddr {
        self.server.addr().clone()
    }

    /// Ends it in the middle of whatever it does.
    async fn kill(self) {
        drop(self.server);
        soon(self.endpoint.shutdown(Duration::ZERO)).await;
    }
}

/// A serving endpoint behind gateways.
struct Destination {
    endpoint: Endpoint,
    server: Server,
    keeper: Arc<Keeper>,
}

impl Destination {
    fn new(transport: ChannelTransport) -> Self {
        Self::keeping(transport, Keeper::new())
    }

    fn keeping(transport: ChannelTransport, keeper: Arc<Keeper>) -> Self {
        let endpoint = endpoint();
        let server = endpoint.serve_sink(transport, keeper.clone()).unwrap();
        Self {
            endpoint,
            server,
            keeper,
        }
    }

    fn addr(&self) -> ChannelAddr {
        self.server.addr().clone()
    }

    /// Checks that the messages from `begin` to `end` came, once each and in order.
    async fn assert_numbers(&self, begin: usize, end: usize) {
        for i in begin..end {
            assert_eq!(self.keeper.next_text().await, i.to_string());
        }
        assert_eq!(self.keeper.len(), 0);
    }
}

fn post_numbers(clerk: &mut Clerk, link: &Link<Numbered>, begin: usize, end: usize) {
    for i in begin..end {
        clerk.post(link, payload(&i.to_string()));
    }
}

/// Waits until the path of a link has failed, and returns what is said of that.
async fn lost_path(link: &Link<Numbered>) -> Arc<Unreachable> {
    let mut watch = link.watch();
    soon(async {
        let mut status = watch.current();
        loop {
            match status {
                LinkStatus::Connecting {
                    last_error: Some(error),
                    ..
                } => return error,
                _ => status = watch.changed().await,
            }
        }
    })
    .await
}

/// Waits until the link has ended.
async fn end_of(link: &Link<Numbered>) -> CloseReason {
    soon(link.watch().closed()).await
}

#[tokio::test]
async fn order_and_outcomes_are_those_of_a_link_without_a_gateway() {
    for transport in SOCKETS {
        let gateway = Gateway::new(transport);
        let to = Destination::new(transport);
        let client = endpoint();
        let route = Route::via([gateway.addr()], to.addr());
        let link = client.dial_link(route).unwrap();
        let mut clerk = Clerk::new();
        post_numbers(&mut clerk, &link, 0, 1000);
        clerk.assert_acked(1000).await;
        to.assert_numbers(0, 1000).await;
        assert_eq!(link.addr(), &to.addr());
        assert_eq!(link.peer(), Some(to.endpoint.incarnation()), "{transport}");
        // What a connection proves, it proves of the gateway.
        let peers = to.keeper.peers();
        assert_eq!(peers.len(), 1);
        assert_eq!(peers[0].incarnation, client.incarnation());
        assert_eq!(peers[0].identity, None);
        let report = soon(link.close(DEADLINE)).await;
        assert_eq!((report.failed, report.unknown), (0, 0));
        to.keeper.until_lost(1).await;
    }
}

#[tokio::test]
async fn typed_links_and_several_gateways_work_as_one() {
    let gateways: Vec<_> = (0..3)
        .map(|_| Gateway::new(ChannelTransport::Unix))
        .collect();
    let server = endpoint();
    let (addr, mut rx) = server.serve::<String>(ChannelTransport::Tcp).unwrap();
    let client = endpoint();
    let route = Route::via(gateways.iter().map(Gateway::addr), addr);
    let tx = client.dial::<String>(route).unwrap();
    for i in 0..100 {
        soon(tx.send(i.to_string())).await.unwrap();
        assert_eq!(soon(rx.recv()).await.unwrap(), i.to_string());
    }
}

#[tokio::test]
async fn the_receiver_stops_and_whoever_posts_through_a_gateway_knows() {
    let gateway = Gateway::new(ChannelTransport::Unix);
    let to = Destination::new(ChannelTransport::Unix);
    let client = endpoint();
    let link = client
        .dial_link(Route::via([gateway.addr()], to.addr()))
        .unwrap();
    let mut clerk = Clerk::new();
    clerk.post(&link, payload("0"));
    clerk.assert_acked(1).await;
    soon(to.server.stop()).await;
    assert_eq!(end_of(&link).await, CloseReason::PeerClosed);
}

#[tokio::test]
async fn large_messages_go_through_in_chunks_and_small_ones_between_them() {
    for transport in SOCKETS {
        let gateway = Gateway::new(transport);
        let to = Destination::new(transport);
        let client = endpoint();
        let link = client
            .dial_link(Route::via([gateway.addr()], to.addr()))
            .unwrap();
        let mut clerk = Clerk::new();
        let lens = [
            100,
            60 << 10,
            70 << 10,
            (1 << 20) - 16,
            1 << 20,
            9 << 20,
            0,
            5 << 20,
        ];
        for len in lens {
            clerk.post(&link, sized(len));
        }
        // With parts, which are not put together on the way either.
        let mut parts = sized(3);
        for len in [0, 700, 80 << 10, 2 << 20] {
            parts.parts.push(sized(len).body);
        }
        clerk.post(&link, parts.clone());
        clerk.assert_acked(lens.len() + 1).await;
        for len in lens {
            let got = to.keeper.next().await;
            assert_eq!((got.body.len(), &got), (len, &sized(len)), "{transport}");
        }
        assert_eq!(to.keeper.next().await, parts);
    }
}

#[tokio::test]
async fn a_gateway_that_is_killed_and_comes_back_loses_nothing_and_doubles_nothing() {
    for round in 0..3 {
        let dir = hypermesh_testkit::SocketDir::new();
        let at = at_path(&dir.path().join("gateway"));
        let mut gateway = Gateway::new(at.clone());
        let to = Destination::new(ChannelTransport::Tcp);
        let client = endpoint();
        let link = client
            .dial_link(Route::via([at.clone()], to.addr()))
            .unwrap();
        let mut clerk = Clerk::new();
        post_numbers(&mut clerk, &link, 0, 5_000);
        // Somewhere in the middle.
        clerk.assert_acked(1 + round * 1_000).await;
        gateway.kill().await;
        post_numbers(&mut clerk, &link, 5_000, 10_000);
        gateway = Gateway::new(at);
        clerk.assert_acked(9_999 - round * 1_000).await;
        clerk.assert_no_more();
        to.assert_numbers(0, 10_000).await;
        assert_eq!(to.keeper.peers().len(), 1, "one session");
        soon(client.shutdown(DEADLINE)).await;
        gateway.kill().await;
    }
}

#[tokio::test]
async fn connections_that_are_cut_on_both_sides_of_a_gateway_lose_nothing() {
    let seed = Seed::from_env();
    let mut rng = seed.rng();
    let fate = move || Fate {
        cut_after: 4_000 + rng.below(40_000) as usize,
        is_mute: false,
    };
    let gateway = Gateway::new(ChannelTransport::Tcp);
    let to = Destination::new(ChannelTransport::Tcp);
    let near = Proxy::new(&gateway.server, fate.clone()).await;
    let far = Proxy::new(&to.server, fate).await;
    let client = endpoint();
    let route = Route::via([near.addr.clone()], far.addr.clone());
    let link = client.dial_link(route).unwrap();
    let mut clerk = Clerk::new();
    post_numbers(&mut clerk, &link, 0, 10_000);
    clerk.assert_acked(10_000).await;
    to.assert_numbers(0, 10_000).await;
    assert_eq!(to.keeper.peers().len(), 1, "one session");
    assert!(gateway.server.stats().accepted > 1, "{seed:?}");
    assert!(to.server.stats().accepted > 1, "{seed:?}");
}

#[tokio::test]
async fn a_second_path_goes_on_with_the_same_session() {
    let (first, second) = (
        Gateway::new(ChannelTransport::Unix),
        Gateway::new(ChannelTransport::Tcp),
    );
    let to = Destination::new(ChannelTransport::Unix);
    let client = endpoint();
    let route = Route::via([first.addr()], to.addr())
        .or_via([second.addr()])
        .or_direct();
    let link = client.dial_link(route).unwrap();
    let mut clerk = Clerk::new();
    post_numbers(&mut clerk, &link, 0, 1000);
    clerk.assert_acked(300).await;
    first.kill().await;
    post_numbers(&mut clerk, &link, 1000, 2000);
    clerk.assert_acked(1200).await;
    assert_eq!(second.server.stats().accepted, 1);
    second.kill().await;
    post_numbers(&mut clerk, &link, 2000, 3000);
    clerk.assert_acked(1500).await;
    to.assert_numbers(0, 3000).await;
    assert_eq!(to.keeper.peers().len(), 1, "one session");
}

#[tokio::test]
async fn a_path_that_never_leads_anywhere_is_no_hindrance() {
    let dir = hypermesh_testkit::SocketDir::new();
    let nobody = at_path(&dir.path().join("nobody"));
    let no_gateway = Destination::new(ChannelTransport::Unix);
    let gateway = Gateway::new(ChannelTransport::Unix);
    let to = Destination::new(ChannelTransport::Unix);
    let client = endpoint();
    let route = Route::via([nobody], to.addr())
        .or_via([no_gateway.addr()])
        .or_via([gateway.addr()]);
    let link = client.dial_link(route).unwrap();
    let mut clerk = Clerk::new();
    post_numbers(&mut clerk, &link, 0, 10);
    clerk.assert_acked(10).await;
    to.assert_numbers(0, 10).await;
}

#[tokio::test]
async fn a_next_hop_that_is_not_there_is_a_typed_reason_and_may_come_later() {
    let dir = hypermesh_testkit::SocketDir::new();
    let at = at_path(&dir.path().join("later"));
    let gateway = Gateway::new(ChannelTransport::Unix);
    let client = endpoint();
    let link = client
        .dial_link(Route::via([gateway.addr()], at.clone()))
        .unwrap();
    let mut clerk = Clerk::new();
    clerk.post(&link, payload("0"));
    let error = lost_path(&link).await;
    assert_eq!(error.addr, at);
    assert_eq!(error.tried[0].place, format!("{}>{at}", gateway.addr()));
    assert_eq!(
        error.tried[0].error,
        ConnectError::Refused(Refusal::NextHop)
    );
    let to = endpoint();
    let keeper = Keeper::new();
    let _server = to.serve_sink(at, keeper.clone()).unwrap();
    clerk.assert_acked(1).await;
    assert_eq!(keeper.next_text().await, "0");
}

#[tokio::test]
async fn a_next_hop_that_does_not_come_fails_the_link_with_the_reason() {
    let dir = hypermesh_testkit::SocketDir::new();
    let at = at_path(&dir.path().join("nobody"));
    let gateway = Gateway::new(ChannelTransport::Unix);
    let client = endpoint_with(|limits| limits.connect_timeout = Duration::from_millis(200));
    let link = client.dial_link(Route::via([gateway.addr()], at)).unwrap();
    let mut clerk = Clerk::new();
    clerk.post(&link, payload("0"));
    let reason = CloseReason::Refused(Refusal::NextHop);
    assert_eq!(clerk.next().await.1, Outcome::Failed(reason.clone().into()));
    assert_eq!(end_of(&link).await, reason);
}

#[tokio::test]
async fn a_destination_that_restarts_is_found_again() {
    let gateway = Gateway::new(ChannelTransport::Unix);
    let mut to = ByHand::new();
    let client = endpoint();
    let link = client
        .dial_link(Route::via([gateway.addr()], to.addr()))
        .unwrap();
    let mut clerk = Clerk::new();
    let mut first = None;
    for incarnation in [7, 8, 9] {
        clerk.post(&link, payload("x"));
        let mut wire = to.connection().await;
        let open = wire.read_open().await;
        assert_eq!(*first.get_or_insert(open.id), open.id, "one session");
        wire.answer(Opened {
            incarnation,
            ..Opened::fresh(&open)
        })
        .await;
        let seq = incarnation - 7;
        wire.expect(seq, "x").await;
        wire.ack(seq + 1).await;
        clerk.assert_acked(1).await;
        assert_eq!(link.peer().unwrap().value(), incarnation);
        drop(wire);
        to = ByHand::again(to.stop());
        // What is posted before that may be on its way, and is `Unknown` then.
        lost_path(&link).await;
    }
}

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
        wire.send(&[open.frame(5)]).await;
        assert_eq!(wire.read().await.kind, OPENED, "{i}");
        wire.send_bytes(&bytes).await;
        let frame = wire.read().await;
        assert_eq!((frame.kind, frame.session), (LOST, 5), "{i}");
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

#[tokio::test]
async fn an_opening_that_comes_too_late_takes_nothing_over() {
    let to = Destination::new(ChannelTransport::Unix);
    let open = |turn| Open {
        turn,
        ..Open::new(1)
    };
    let mut second = Wire::dial(&to.server).await;
    second.send(&[open(2).frame(5)]).await;
    assert_eq!(second.read().await.kind, OPENED);
    // The first one was longer on its way.
    let mut first = Wire::dial(&to.server).await;
    first.send(&[open(1).frame(5), data(5, 0, "late")]).await;
    let refused = first.read().await;
    assert_eq!((refused.kind, refused.body[0]), (REFUSED, 6));
    second.send(&[data(5, 0, "in time"), ask(5)]).await;
    assert_eq!(to.keeper.next_text().await, "in time");
    assert_eq!(second.read().await.kind, ACK);
    // The third one does, also on the connection of the first and under another number.
    first.send(&[open(3).frame(6)]).await;
    assert_eq!(first.read().await.kind, OPENED);
    second.send(&[data(5, 1, "late")]).await;
    first.send(&[data(6, 1, "third"), ask(6)]).await;
    assert_eq!(to.keeper.next_text().await, "third");
    // And again, under two numbers of one connection: the older one says nothing more.
    first.send(&[open(4).frame(7), data(6, 2, "late")]).await;
    while first.read().await.kind != OPENED {}
    first
        .send(&[data(7, 2, "fourth"), Frame::control(CLOSE, 6, &[])])
        .await;
    assert_eq!(to.keeper.next_text().await, "fourth");
    first.send(&[data(7, 3, "fifth")]).await;
    assert_eq!(to.keeper.next_text().await, "fifth");
    assert_eq!(to.keeper.peers().len(), 1);
}

#[tokio::test]
async fn relays_count_as_links() {
    let gateway = Gateway::with(ChannelTransport::Unix, |limits| limits.sessions = 1);
    let to = Destination::new(ChannelTransport::Unix);
    let client = endpoint();
    let mut clerk = Clerk::new();
    let first = client
        .dial_link(Route::via([gateway.addr()], to.addr()))
        .unwrap();
    clerk.post(&first, payload("0"));
    clerk.assert_acked(1).await;
    let second = client
        .dial_link(Route::via([gateway.addr()], to.addr()))
        .unwrap();
    let error = lost_path(&second).await;
    assert_eq!(error.tried[0].error, ConnectError::Refused(Refusal::Busy));
    clerk.post(&second, payload("1"));
    soon(first.close(DEADLINE)).await;
    // The place is free.
    clerk.assert_acked(1).await;
}

#[tokio::test]
async fn a_receiver_keeps_the_session_while_its_path_is_lost() {
    let to = Destination::new(ChannelTransport::Unix);
    let dir = hypermesh_testkit::SocketDir::new();
    let at = at_path(&dir.path().join("gateway"));
    let mut gateway = Gateway::new(at.clone());
    let client = endpoint();
    let link = client
        .dial_link(Route::via([at.clone()], to.addr()))
        .unwrap();
    let mut clerk = Clerk::new();
    for life in 0..3 {
        clerk.post(&link, payload("x"));
        clerk.assert_acked(1).await;
        if life == 0 {
            // Only the near connection is lost: the gateway tells the other end.
            soon(gateway.server.stop()).await;
            to.keeper.until_lost(1).await;
            let keeper = Keeper::new();
            gateway.server = gateway.endpoint.serve_sink(at.clone(), keeper).unwrap();
        }
    }
    assert_eq!(to.keeper.peers().len(), 1, "one session");
}

#[tokio::test]
async fn nothing_is_left_when_all_ends() {
    for transport in SOCKETS {
        let gateway = Gateway::new(transport);
        let to = Destination::new(transport);
        let client = endpoint();
        let mut clerk = Clerk::new();
        let links: Vec<_> = (0..20)
            .map(|_| {
                client
                    .dial_link(Route::via([gateway.addr()], to.addr()))
                    .unwrap()
            })
            .collect();
        links.iter().for_each(|link| clerk.post(link, payload("x")));
        for _ in &links {
            assert_eq!(clerk.next().await.1, Outcome::Acked);
        }
        // The gateway first, with the links open: that takes no longer than without.
        let report = soon(gateway.endpoint.shutdown(DEADLINE)).await;
        assert_eq!(
            (report.failed, report.unknown, report.stuck_tasks),
            (0, 0, 0)
        );
        links.iter().for_each(|link| clerk.post(link, payload("y")));
        let report = soon(client.shutdown(Duration::from_millis(50))).await;
        assert_eq!((report.failed, report.stuck_tasks), (20, 0), "{transport}");
        assert_eq!(soon(to.endpoint.shutdown(DEADLINE)).await.stuck_tasks, 0);
        let stats = to.server.stats();
        assert_eq!(stats.accepted, stats.ended);
    }
}
