//! Routing over real links, and the life of gateways.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hypermesh_mailbox::channel::{ChannelTransport, LocalHub};
use hypermesh_mailbox::{
    Cause, Envelope, Location, MESSAGE_TTL, OncePortRef, Port, PortRef, ProcId,
};

use crate::fixture::{DEADLINE, Node, Sender, WORLD, gateway, soon, spawn};

#[tokio::test]
async fn messages_cross_links_in_order_over_every_transport() {
    for transport in [
        ChannelTransport::Local,
        ChannelTransport::Unix,
        ChannelTransport::Tcp,
    ] {
        let (near, far) = Node::pair(transport);
        let (sender, owner) = (near.mailbox("a"), far.mailbox("b"));
        let (handle, mut receiver) = owner.open_port::<u64>();
        let port = handle.bind();
        for n in 0..1000 {
            port.send(&Sender::of(&sender), n);
        }
        for n in 0..1000 {
            assert_eq!(soon(receiver.recv()).await, Ok(n), "{transport}");
        }
        assert_eq!(soon(near.gateway.flush(DEADLINE)).await, 0);
    }
}

#[tokio::test]
async fn a_ref_that_travels_reaches_its_port_from_a_third_proc() {
    let hub = LocalHub::new();
    let [a, b, c] = [0, 1, 2].map(|rank| Node::new(rank, ChannelTransport::Unix, &hub));
    let (at_a, at_b, at_c) = (a.mailbox("a"), b.mailbox("b"), c.mailbox("c"));
    let (refs, mut received) = at_c.open_port::<(PortRef<u32>, OncePortRef<String>)>();
    let (handle, mut numbers) = at_a.open_port::<u32>();
    let (once, text) = at_a.open_once_port::<String>();
    // a tells b, who tells c, who answers a: nobody told c an address.
    let (relay, mut relayed) = at_b.open_port::<(PortRef<u32>, OncePortRef<String>)>();
    relay
        .bind()
        .send(&Sender::of(&at_a), (handle.bind(), once.bind()));
    refs.bind()
        .send(&Sender::of(&at_b), soon(relayed.recv()).await.unwrap());
    let (port, once) = soon(received.recv()).await.unwrap();
    assert_eq!(port, handle.bind());
    port.send(&Sender::of(&at_c), 7);
    once.send(&Sender::of(&at_c), "seven".to_owned());
    assert_eq!(soon(numbers.recv()).await, Ok(7));
    assert_eq!(soon(text).await.as_deref(), Ok("seven"));
}

#[tokio::test]
async fn a_message_inside_a_process_opens_no_socket_whatever_its_location() {
    let node = Node::alone();
    let mailbox = node.mailbox("a");
    let (handle, mut receiver) = mailbox.open_port::<u32>();
    _ = handle.bind();
    let elsewhere = Location::at("tcp:127.0.0.1:1".parse().unwrap());
    node.gateway
        .post(Envelope::new(handle.id(), elsewhere, mailbox.id(), 1_u32));
    assert_eq!(receiver.try_recv(), Ok(Some(1)));
}

#[tokio::test]
async fn unknown_procs_and_old_incarnations_are_told_apart() {
    let (mut near, far) = Node::pair(ChannelTransport::Unix);
    let mailbox = near.mailbox("a");
    let to = Location::at(far.gateway.addr().unwrap());
    let running = ProcId::new(WORLD, 7, 2);
    let _newer = Node::on(far.gateway.clone(), running);
    for (rank, generation, cause) in [
        (7, 1, Cause::StaleIncarnation { running }),
        (7, 3, Cause::ProcNotFound),
        (8, 0, Cause::ProcNotFound),
        (7, 2, Cause::ActorNotFound),
    ] {
        let dst = ProcId::new(WORLD, rank, generation)
            .named_actor("x")
            .port(Port::Control(9));
        near.gateway
            .post(Envelope::new(dst, to.clone(), mailbox.id(), ()));
        assert_eq!(near.bounced().await.cause, cause, "{dst}");
    }
}

#[tokio::test]
async fn a_proc_that_was_detached_is_not_found_at_its_own_address() {
    let mut node = Node::alone();
    let mailbox = node.mailbox("a");
    let other = Node::on(node.gateway.clone(), ProcId::new(WORLD, 1, 0));
    let (handle, _receiver) = other.mailbox("b").open_port::<u32>();
    let port = handle.bind();
    drop(other.attachment);
    port.send(&Sender::of(&mailbox), 1);
    assert_eq!(node.bounced().await.cause, Cause::ProcNotFound);
}

#[tokio::test]
async fn a_proc_id_that_is_attached_is_refused_to_the_second() {
    let node = Node::alone();
    let mailbox = node.mailbox("a");
    let (handle, mut receiver) = mailbox.open_port::<u32>();
    let second = node.gateway.attach(node.id, Arc::new(node.gateway.clone()));
    let error = second.unwrap_err();
    assert_eq!(
        error.to_string(),
        "proc abc.0.0 is attached to this gateway already"
    );
    handle.bind().send(&Sender::of(&mailbox), 1);
    assert_eq!(receiver.try_recv(), Ok(Some(1)));
}

#[tokio::test]
async fn gateways_that_point_at_each_other_return_the_message_after_64_hops() {
    let (mut near, far) = Node::pair(ChannelTransport::Unix);
    let mailbox = near.mailbox("a");
    near.gateway.route_world(9, far.gateway.addr().unwrap());
    far.gateway.route_world(9, near.gateway.addr().unwrap());
    let dst = ProcId::new(9, 0, 0).named_actor("x").port(Port::Control(9));
    near.gateway.post(Envelope::new(
        dst,
        Location::NONE,
        mailbox.id(),
        "whole".to_owned(),
    ));
    let bounce = near.bounced().await;
    assert_eq!((bounce.cause, bounce.header.ttl), (Cause::TtlExpired, 0));
    assert_eq!(MESSAGE_TTL.get(), 64);
    assert_eq!(bounce.payload.unwrap().take::<String>().unwrap(), "whole");
}

#[tokio::test]
async fn a_message_without_hops_left_is_delivered_here() {
    let node = Node::alone();
    let mailbox = node.mailbox("a");
    let (handle, mut receiver) = mailbox.open_port::<u32>();
    _ = handle.bind();
    let mut envelope = Envelope::new(handle.id(), Location::NONE, mailbox.id(), 1_u32);
    envelope.header.ttl = 0;
    node.gateway.post(envelope);
    assert_eq!(receiver.try_recv(), Ok(Some(1)));
}

/// A front gateway that relays between `near` and a proc behind it.
#[tokio::test]
async fn a_front_relays_there_and_bounces_find_back_hop_by_hop() {
    let hub = LocalHub::new();
    let mut near = Node::new(0, ChannelTransport::Unix, &hub);
    let front = gateway(ChannelTransport::Unix, &hub);
    let behind = Node::new(1, ChannelTransport::Unix, &hub);
    let front_addr = front.addr().unwrap();
    front.route_proc(behind.id, behind.gateway.addr().unwrap());
    behind.gateway.set_location(front_addr.clone());
    let (sender, owner) = (near.mailbox("a"), behind.mailbox("b"));
    let (handle, mut receiver) = owner.open_port::<u32>();
    let port = handle.bind();
    assert_eq!(port.location().addr(), Some(&front_addr));
    port.send(&Sender::of(&sender), 1);
    assert_eq!(soon(receiver.recv()).await, Ok(1));
    drop(receiver);
    port.send(&Sender::of(&sender), 2);
    let bounce = near.bounced().await;
    assert_eq!(bounce.cause, Cause::PortGone);
    assert_eq!(bounce.payload.unwrap().take::<u32>().unwrap(), 2);
}

#[tokio::test]
async fn a_dead_proc_bounces_and_observers_hear_of_it() {
    let mut node = Node::alone();
    let mailbox = node.mailbox("a");
    let dead = ProcId::new(WORLD, 3, 0);
    let heard = Arc::new(Mutex::new(Vec::new()));
    let seen = heard.clone();
    let watch = node.gateway.on_proc_death(Arc::new(move |proc, why: &str| {
        seen.lock().unwrap().push((proc, why.to_owned()));
    }));
    node.gateway
        .route_proc(dead, "tcp:127.0.0.1:1".parse().unwrap());
    node.gateway.proc_died(dead, "killed by signal 9");
    let dst = dead.named_actor("x").port(Port::Control(9));
    node.gateway
        .post(Envelope::new(dst, Location::NONE, mailbox.id(), 1_u32));
    let cause = Cause::ProcDied("killed by signal 9".into());
    assert_eq!(node.bounced().await.cause, cause);
    drop(watch);
    node.gateway.proc_died(ProcId::new(WORLD, 4, 0), "unseen");
    assert_eq!(
        *heard.lock().unwrap(),
        [(dead, "killed by signal 9".to_owned())]
    );
}

#[tokio::test]
async fn a_peer_that_restarts_at_its_address_is_dialled_again() {
    let hub = LocalHub::new();
    let mut near = Node::new(0, ChannelTransport::Unix, &hub);
    let sender = near.mailbox("a");
    let first = Node::new(1, ChannelTransport::Unix, &hub);
    let addr = first.gateway.addr().unwrap();
    let (handle, mut receiver) = first.mailbox("b").open_port::<u32>();
    handle.bind().send(&Sender::of(&sender), 1);
    assert_eq!(soon(receiver.recv()).await, Ok(1));
    let old = handle.bind();
    first.gateway.shutdown(DEADLINE).await;
    drop((handle, receiver, first));

    let second = gateway(ChannelTransport::Unix, &hub);
    second.serve(addr).unwrap();
    let second = Node::on(second, ProcId::new(WORLD, 1, 1));
    let (handle, mut receiver) = second.mailbox("b").open_port::<u32>();
    let port = handle.bind();
    // Until the pause of a failed address is over, messages come back; none is lost in silence.
    let deadline = tokio::time::Instant::now() + DEADLINE;
    loop {
        assert!(
            tokio::time::Instant::now() < deadline,
            "the address stays unreachable"
        );
        port.send(&Sender::of(&sender), 2);
        tokio::select! {
            received = soon(receiver.recv()) => {
                assert_eq!(received, Ok(2));
                break;
            }
            bounce = near.bounced() => {
                assert!(matches!(bounce.cause, Cause::LinkFailed(_) | Cause::Unknown(_)), "{bounce}");
            }
        }
    }
    old.send(&Sender::of(&sender), 3);
    let running = ProcId::new(WORLD, 1, 1);
    assert_eq!(
        near.bounced().await.cause,
        Cause::StaleIncarnation { running }
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_first_sends_at_once_make_one_link_and_all_arrive() {
    let (near, far) = Node::pair(ChannelTransport::Unix);
    let (sender, owner) = (near.mailbox("a"), far.mailbox("b"));
    let (handle, mut receiver) = owner.open_port::<u32>();
    let port = handle.bind();
    let sends = (0..1000).map(|n| {
        let (port, cx) = (port.clone(), Sender::of(&sender));
        spawn(async move { port.send(&cx, n) })
    });
    for send in sends.collect::<Vec<_>>() {
        soon(send).await.unwrap();
    }
    let mut received = HashSet::new();
    while received.len() < 1000 {
        received.insert(soon(receiver.recv()).await.unwrap());
    }
}

#[tokio::test]
async fn a_flush_ends_at_its_deadline_with_the_number_still_open() {
    let node = Node::new(0, ChannelTransport::Unix, &LocalHub::new());
    let mailbox = node.mailbox("a");
    // Nobody serves there, and a first dial goes on trying.
    let nowhere = Location::at("unix:@hypermesh-mailbox-test-nobody".parse().unwrap());
    let dst = ProcId::new(1, 2, 3).named_actor("b").port(Port::Control(9));
    for n in 0..3 {
        node.gateway
            .post(Envelope::new(dst, nowhere.clone(), mailbox.id(), n));
    }
    assert_eq!(soon(node.gateway.flush(Duration::from_millis(20))).await, 3);
}

#[tokio::test]
async fn after_a_shutdown_messages_come_back_and_nothing_arrives() {
    let (mut near, far) = Node::pair(ChannelTransport::Unix);
    let (sender, owner) = (near.mailbox("a"), far.mailbox("b"));
    let (handle, mut receiver) = owner.open_port::<u32>();
    let port = handle.bind();
    port.send(&Sender::of(&sender), 1);
    let report = soon(near.gateway.shutdown(DEADLINE)).await;
    assert_eq!(
        (report.failed, report.unknown, report.stuck_tasks),
        (0, 0, 0)
    );
    assert_eq!(
        soon(receiver.recv()).await,
        Ok(1),
        "what was posted before is delivered"
    );
    port.send(&Sender::of(&sender), 2);
    let bounce = near.bounced().await;
    assert!(matches!(bounce.cause, Cause::LinkFailed(_)), "{bounce}");
    soon(near.gateway.shutdown(DEADLINE)).await;
}
