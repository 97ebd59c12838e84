//! Gateways: sessions of two endpoints that a third one carries.

mod refused;

use std::{sync::Arc, time::Duration};

use hypermesh_channel::{
    ChannelAddr, ChannelTransport, CloseReason, ConnectError, Endpoint, EndpointOptions, Limits,
    Link, LinkStatus, Outcome, Refusal, Route, Server, Unreachable,
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
        cut_after: 2_000 + rng.below(20_000) as usize,
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
