//! Links that work: order, sizes, many at once, back-pressure, reconnecting.

use std::time::Duration;

use bytes::Bytes;
use hypermesh_channel::{
    AdoptedListener, ChannelAddr, ChannelTransport, FailReason, LinkStatus, LocalHub, Outcome,
    Payload, ServeAt,
};
use hypermesh_testkit::SocketDir;

use crate::rig::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_arrive_in_order_once_and_are_acked() {
    const COUNT: usize = 10_001;
    for transport in TRANSPORTS {
        let endpoint = endpoint_for(transport);
        let keeper = Keeper::new();
        let server = endpoint.serve_sink(transport, keeper.clone()).unwrap();
        let link = endpoint.dial_link(server.addr()).unwrap();
        let mut clerk = Clerk::new();
        (0..COUNT).for_each(|i| clerk.post(&link, payload(&i.to_string())));
        clerk.assert_acked(COUNT).await;
        for i in 0..COUNT {
            assert_eq!(keeper.next_text().await, i.to_string(), "{transport}");
        }
        assert_eq!(keeper.len(), 0, "{transport}");
        clerk.assert_no_more();
        assert_eq!(link.status(), LinkStatus::Active);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_links_at_once_deliver_each_message_once() {
    for transport in TRANSPORTS {
        // Of as many endpoints, then all of one, which share a connection.
        for dialers in [100, 1] {
            let hub = LocalHub::new();
            let server_side = endpoint_in(transport, &hub);
            let keeper = Keeper::new();
            let server = server_side.serve_sink(transport, keeper.clone()).unwrap();
            let endpoints: Vec<_> = (0..dialers).map(|_| endpoint_in(transport, &hub)).collect();
            let mut clerk = Clerk::new();
            let links: Vec<_> = (0..100)
                .map(|i| endpoints[i % dialers].dial_link(server.addr()).unwrap())
                .collect();
            for (i, link) in links.iter().enumerate() {
                clerk.post(link, payload(&i.to_string()));
            }
            for _ in 0..100 {
                assert_eq!(clerk.next().await.1, Outcome::Acked, "{transport}");
            }
            let mut texts = Vec::new();
            for _ in 0..100 {
                texts.push(keeper.next_text().await.parse::<usize>().unwrap());
            }
            texts.sort_unstable();
            assert_eq!(texts, (0..100).collect::<Vec<_>>(), "{transport}");
            assert_eq!(server.stats().accepted, dialers as u64, "{transport}");
            assert_eq!(keeper.peers().len(), 100, "{transport}");
        }
    }
}

#[tokio::test]
async fn messages_of_all_sizes_and_many_parts_arrive_whole() {
    for transport in TRANSPORTS {
        let endpoint = endpoint_for(transport);
        let keeper = Keeper::new();
        let server = endpoint.serve_sink(transport, keeper.clone()).unwrap();
        let link = endpoint.dial_link(server.addr()).unwrap();
        let mut clerk = Clerk::new();
        let part = |len: usize| Bytes::from((0..len).map(|i| i as u8).collect::<Vec<_>>());
        let sent: Vec<Payload> = [
            (0, vec![]),
            (1, vec![0, 1, 0]),
            (100, vec![8 << 20]),
            (3 << 20, vec![70_000, 600]),
            (5, vec![1000; 5000]),
            (300_000, vec![]),
        ]
        .into_iter()
        .map(|(body, parts)| Payload {
            body: part(body),
            parts: parts.into_iter().map(part).collect(),
        })
        .collect();
        sent.iter()
            .for_each(|payload| clerk.post(&link, payload.clone()));
        for payload in &sent {
            assert!(keeper.next().await == *payload, "{transport}: {payload}");
        }
        clerk.assert_acked(sent.len()).await;
    }
}

#[tokio::test]
async fn only_what_is_too_large_fails_and_in_its_turn() {
    for transport in TRANSPORTS {
        let server_side = endpoint_for_with(transport, |limits| limits.message = 100);
        let keeper = Keeper::new();
        // The smaller limit holds, and here it is that of the peer.
        let dialler = if transport == ChannelTransport::Local {
            server_side.clone()
        } else {
            endpoint_for_with(transport, |limits| limits.message = 200)
        };
        let server = server_side.serve_sink(transport, keeper.clone()).unwrap();
        let link = dialler.dial_link(server.addr()).unwrap();
        let mut clerk = Clerk::new();
        for len in [1, 100, 101, 2] {
            clerk.post(&link, sized(len));
        }
        let too_large = Outcome::Failed(FailReason::TooLarge { len: 101, max: 100 });
        assert_eq!(
            clerk.outcomes(4).await,
            [Outcome::Acked, Outcome::Acked, too_large, Outcome::Acked],
            "{transport}"
        );
        for len in [1, 100, 2] {
            assert_eq!(keeper.next().await.len(), len, "{transport}");
        }
    }
}

#[tokio::test]
async fn a_receiver_that_pauses_makes_the_sender_wait_and_loses_nothing() {
    for transport in TRANSPORTS {
        let endpoint = endpoint_for_with(transport, |limits| limits.sender_queue_bytes = 1 << 20);
        let keeper = Keeper::with_allowance(3);
        let server = endpoint.serve_sink(transport, keeper.clone()).unwrap();
        let link = endpoint.dial_link(server.addr()).unwrap();
        let mut clerk = Clerk::new();
        // Far more than the queue and the socket hold.
        let mut posted = 0;
        let refused = loop {
            match link.try_post(clerk.parcel(sized(10_000))) {
                Ok(()) => posted += 1,
                Err(error) if posted > 3 => break error,
                Err(_) => panic!("the queue is empty"),
            }
            assert!(posted < 10_000, "{transport}: the queue has a bound");
            // Lets the link fill the socket.
            tokio::task::yield_now().await;
        };
        assert!(
            matches!(refused.reason, FailReason::QueueFull { .. }),
            "{transport}"
        );
        clerk.assert_acked(3).await;
        keeper.allow(1_000_000);
        soon(link.ready()).await.unwrap();
        clerk.assert_acked(posted - 3).await;
        for _ in 0..posted {
            assert_eq!(keeper.next().await.len(), 10_000);
        }
    }
}

/// Returns an address at which nobody listens, and what is to be served there when somebody does.
fn later(
    transport: ChannelTransport,
    dir: &SocketDir,
) -> (ChannelAddr, Box<dyn FnOnce() -> ServeAt>) {
    if let ChannelTransport::Tcp | ChannelTransport::Tls = transport {
        // The port is taken from now on.
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
        let socket = socket.unwrap();
        let any = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
        socket.bind(&any.into()).unwrap();
        let port = socket.local_addr().unwrap().as_socket().unwrap().port();
        let addr = format!("{transport}:127.0.0.1:{port}").parse().unwrap();
        let listen = move || {
            socket.listen(8).unwrap();
            match transport {
                ChannelTransport::Tls => AdoptedListener::tls(socket.into()).into(),
                _ => AdoptedListener::tcp(socket.into()).into(),
            }
        };
        return (addr, Box::new(listen));
    }
    let addr: ChannelAddr = match transport {
        ChannelTransport::Unix => at_path(&dir.path().join("later")),
        _ => "sim:later".parse().unwrap(),
    };
    let at = addr.clone();
    (addr, Box::new(move || at.into()))
}

#[tokio::test]
async fn a_message_posted_before_the_server_exists_is_delivered() {
    let dir = SocketDir::new();
    // Of a number that nobody serves it is known at once.
    let is_dialled = |transport: &ChannelTransport| *transport != ChannelTransport::Local;
    for transport in TRANSPORTS.into_iter().filter(is_dialled) {
        let (addr, listen) = later(transport, &dir);
        let endpoint = endpoint_for(transport);
        let link = endpoint.dial_link(&addr).unwrap();
        let mut clerk = Clerk::new();
        clerk.post(&link, payload("early"));
        let mut watch = link.watch();
        soon(async {
            while !matches!(
                watch.changed().await,
                LinkStatus::Connecting { attempt: 2.., .. }
            ) {}
        })
        .await;
        let keeper = Keeper::new();
        let _server = endpoint.serve_sink(listen(), keeper.clone()).unwrap();
        clerk.assert_acked(1).await;
        assert_eq!(keeper.next_text().await, "early", "{transport}");
    }
}

#[tokio::test]
async fn both_ends_learn_who_the_other_is_and_where_to_answer() {
    for transport in TRANSPORTS {
        let hub = LocalHub::new();
        let make = |advertise: &str| {
            let mut options = options_for(transport);
            options.hub = hub.clone();
            options.advertise = Some(advertise.parse().unwrap());
            hypermesh_channel::Endpoint::new(options)
        };
        let (here, there) = (make("tcp:here:1"), make("tcp:there:1"));
        assert_ne!(here.incarnation(), there.incarnation());
        let keeper = Keeper::new();
        let server = there.serve_sink(transport, keeper.clone()).unwrap();
        let mut clerk = Clerk::new();
        let link = here.dial_link(server.addr()).unwrap();
        clerk.post(&link, payload("hello"));
        clerk.assert_acked(1).await;
        let peer = &keeper.peers()[0];
        assert_eq!(peer.incarnation, here.incarnation());
        assert_eq!(peer.advertised, Some("tcp:here:1".parse().unwrap()));
        assert_eq!(link.peer(), Some(there.incarnation()));
        assert_eq!(link.peer_advertised(), Some("tcp:there:1".parse().unwrap()));
        here.advertise("tcp:moved:1".parse().unwrap());
        let link = here.dial_link(server.addr()).unwrap();
        clerk.post(&link, payload("hello"));
        clerk.assert_acked(1).await;
        assert_eq!(
            keeper.peers()[1].advertised,
            Some("tcp:moved:1".parse().unwrap())
        );
    }
}

#[tokio::test]
async fn a_host_name_is_resolved_and_each_of_its_places_tried() {
    let endpoint = endpoint();
    let keeper = Keeper::new();
    let at: ChannelAddr = "tcp:127.0.0.1:0".parse().unwrap();
    let server = endpoint.serve_sink(at, keeper.clone()).unwrap();
    let ChannelAddr::Tcp { port, .. } = server.addr() else {
        panic!("tcp")
    };
    let link = endpoint
        .dial_link(&format!("tcp:localhost:{port}").parse().unwrap())
        .unwrap();
    let mut clerk = Clerk::new();
    clerk.post(&link, payload("by name"));
    clerk.assert_acked(1).await;
    assert_eq!(keeper.next_text().await, "by name");
}

#[tokio::test(start_paused = true)]
async fn a_local_link_needs_no_real_time() {
    let endpoint = endpoint();
    let keeper = Keeper::with_allowance(1);
    let server = endpoint
        .serve_sink(ChannelTransport::Local, keeper.clone())
        .unwrap();
    let link = endpoint.dial_link(server.addr()).unwrap();
    let mut clerk = Clerk::new();
    (0..3).for_each(|i| clerk.post(&link, payload(&i.to_string())));
    // Two hours later the receiver goes on, and nothing has failed in between.
    assert_eq!(link.flush(Duration::from_secs(7200)).await, 2);
    keeper.allow(2);
    clerk.assert_acked(3).await;
}
