//! Ports that pass on to another port, and ports that take what is sent to the actor itself.

use std::sync::{Arc, Mutex};

use hypermesh_mailbox::channel::ChannelTransport;
use hypermesh_mailbox::reducers::Sum;
use hypermesh_mailbox::{Cause, Envelope, Location, Port, PortSendReason, RecvError};
use hypermesh_wire::{Any, Named, Payload};

use crate::fixture::{Node, Sender, soon};

#[tokio::test]
async fn a_mapped_port_passes_on_in_order_bound_and_unbound() {
    let node = Node::alone();
    let mailbox = node.mailbox("a");
    let cx = Sender::of(&mailbox);
    let (texts, mut receiver) = mailbox.open_port::<String>();
    let numbers = texts.map(|n: u32| n.to_string());
    let flags = numbers.map(|flag: bool| u32::from(flag) + 40);
    assert_ne!(numbers.id(), texts.id());
    texts.send("a".to_owned()).unwrap();
    numbers.send(1).unwrap();
    let port = numbers.bind();
    assert_eq!((port.id(), numbers.bind().id()), (numbers.id(), port.id()));
    port.send(&cx, 2);
    flags.send(true).unwrap();
    flags.bind().send(&cx, false);
    texts.bind().send(&cx, "z".to_owned());
    assert_eq!(receiver.drain(), ["a", "1", "2", "41", "40", "z"]);
}

#[tokio::test]
async fn a_mapped_port_closes_with_the_one_behind_it() {
    let mut node = Node::alone();
    let mailbox = node.mailbox("a");
    let (texts, receiver) = mailbox.open_port::<String>();
    let numbers = texts.map(|n: u32| n.to_string());
    let flags = numbers.map(u32::from as fn(bool) -> u32);
    let port = numbers.bind();
    assert_eq!(mailbox.n_ports(), 3);
    drop(receiver);
    assert_eq!(mailbox.n_ports(), 0);
    let refused = numbers.send(7).unwrap_err();
    assert_eq!(
        (refused.message, refused.reason),
        (7, PortSendReason::Closed)
    );
    assert!(flags.send(true).unwrap_err().message);
    port.send(&Sender::of(&mailbox), 8);
    let bounce = node.bounced().await;
    assert_eq!(bounce.cause, Cause::PortGone);
    assert_eq!(bounce.payload.unwrap().take::<u32>().unwrap(), 8);
    let late = texts.map(|n: u32| n.to_string());
    assert_eq!(late.send(1).unwrap_err().message, 1);
    assert_eq!(mailbox.n_ports(), 0);
}

#[tokio::test]
async fn a_mapped_handle_is_a_sender_until_it_goes() {
    let node = Node::alone();
    let mailbox = node.mailbox("a");
    let (texts, mut receiver) = mailbox.open_port::<String>();
    for _ in 0..1000 {
        drop(texts.map(|n: u32| n.to_string()));
    }
    assert_eq!(mailbox.n_ports(), 1);
    let numbers = texts.map(|n: u32| n.to_string());
    let flags = numbers.map(u32::from as fn(bool) -> u32);
    drop((texts, numbers.clone(), numbers));
    assert_eq!(receiver.try_recv(), Ok(None), "one is left");
    flags.send(true).unwrap();
    drop(flags);
    assert_eq!(receiver.try_recv().unwrap().as_deref(), Some("1"));
    assert_eq!(receiver.try_recv(), Err(RecvError::Closed));
    assert_eq!(mailbox.n_ports(), 1);
}

#[tokio::test]
async fn a_full_port_refuses_what_would_be_mapped_and_maps_nothing() {
    let node = Node::alone();
    let mailbox = node.mailbox("a");
    let (texts, mut receiver) = mailbox.open_bounded_port::<String>(1);
    let mapped = Arc::new(Mutex::new(0));
    let count = mapped.clone();
    let numbers = texts.map(move |n: u32| {
        *count.lock().unwrap() += 1;
        n.to_string()
    });
    numbers.send(1).unwrap();
    assert_eq!(numbers.send(2).unwrap_err().message, 2);
    assert_eq!(
        (*mapped.lock().unwrap(), receiver.drain()),
        (1, vec!["1".to_owned()])
    );
    soon(numbers.ready()).await;
}

#[tokio::test]
async fn what_comes_over_a_link_is_decoded_and_mapped_where_it_is_received() {
    let (mut near, far) = Node::pair(ChannelTransport::Unix);
    let (sender, owner) = (near.mailbox("a"), far.mailbox("b"));
    let (texts, mut receiver) = owner.open_port::<String>();
    let numbers = texts.map(|n: u32| match n {
        13 => panic!("on purpose"),
        n => n.to_string(),
    });
    let port = numbers.bind();
    port.send(&Sender::of(&sender), 1);
    let garbage = Any::wire(u32::KEY, Payload::default());
    let to = port.location().clone();
    near.gateway.post(Envelope::of_any(
        port.id(),
        to.clone(),
        sender.id(),
        garbage,
    ));
    port.send(&Sender::of(&sender), 13);
    near.gateway
        .post(Envelope::new(port.id(), to, sender.id(), "text".to_owned()));
    port.send(&Sender::of(&sender), 2);
    for expected in ["1", "2"] {
        assert_eq!(soon(receiver.recv()).await.as_deref(), Ok(expected));
    }
    let mut causes = Vec::new();
    for _ in 0..3 {
        causes.push(near.bounced().await.cause.kind());
    }
    causes.sort_unstable();
    assert_eq!(causes, ["decode", "unknown", "wrong_type"]);
}

#[tokio::test]
async fn a_map_may_use_the_mailbox_that_it_is_called_by() {
    let node = Node::alone();
    let mailbox = node.mailbox("a");
    let (texts, mut receiver) = mailbox.open_port::<String>();
    let inner = mailbox.clone();
    let numbers = texts.map(move |n: u32| {
        let (handle, mut receiver) = inner.open_port::<u32>();
        handle.bind().send(&Sender::of(&inner), n);
        let (once, reply) = inner.open_once_port::<u32>();
        once.send(receiver.try_recv().unwrap().unwrap()).unwrap();
        inner.gateway().route_world(77, "local:1".parse().unwrap());
        inner.gateway().unroute_world(77);
        let mut reply = reply;
        reply.try_recv().unwrap().unwrap().to_string()
    });
    numbers.send(5).unwrap();
    numbers.bind().send(&Sender::of(&mailbox), 6);
    assert_eq!(receiver.drain(), ["5", "6"]);
    assert_eq!(mailbox.n_ports(), 2);
}

#[tokio::test]
async fn a_mapped_port_of_a_running_state_folds_what_it_makes() {
    let mut node = Node::alone();
    let mailbox = node.mailbox("a");
    let (sum, mut state) = mailbox.open_accum_port(Sum::<u8>::new());
    let texts = sum.map(|text: String| text.len() as u8);
    texts.send("four".to_owned()).unwrap();
    let port = texts.bind();
    port.send(&Sender::of(&mailbox), "eleven long".to_owned());
    assert_eq!(state.try_recv(), Some(15));
    port.send(&Sender::of(&mailbox), "x".repeat(250));
    assert_eq!(state.try_recv(), None);
    assert_eq!(node.bounced().await.cause.kind(), "reduce");
    drop(state);
    assert_eq!(mailbox.n_ports(), 0);
}

#[tokio::test]
async fn messages_to_the_actor_itself_go_to_the_port_that_is_bound_for_them() {
    let mut node = Node::alone();
    let mailbox = node.mailbox("a");
    let cx = Sender::of(&mailbox);
    let (first, mut receiver) = mailbox.open_port::<u32>();
    let (second, mut late) = mailbox.open_port::<u32>();
    let port = first.bind_handler().unwrap();
    assert_eq!(port.id(), mailbox.id().port(Port::Handler(u32::KEY)));
    assert_eq!(
        first.bind_handler().unwrap(),
        port,
        "again to the same port"
    );
    let error = second.bind_handler().unwrap_err();
    assert_eq!(error.port, first.id());
    port.send(&cx, 7);
    assert_eq!(
        (receiver.try_recv(), late.try_recv()),
        (Ok(Some(7)), Ok(None))
    );
    drop(receiver);
    port.send(&cx, 8);
    assert_eq!(node.bounced().await.cause, Cause::NoHandler);
    assert_eq!(second.bind_handler().unwrap(), port);
    port.send(&cx, 9);
    assert_eq!(late.try_recv(), Ok(Some(9)));
    // The key of the message decides, whatever the port says.
    node.gateway.post(Envelope::new(
        port.id(),
        Location::NONE,
        mailbox.id(),
        1_u64,
    ));
    assert_eq!(node.bounced().await.cause.kind(), "wrong_type");
    mailbox.close("stopped");
    port.send(&cx, 10);
    let cause = node.bounced().await.cause;
    assert_eq!(cause, Cause::OwnerExited("stopped".into()));
}
