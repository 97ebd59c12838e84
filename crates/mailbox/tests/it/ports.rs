//! Ports inside one process.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::StreamExt;
use hypermesh_mailbox::{
    Cause, Envelope, Location, Mailbox, Port, PortRef, PortSendReason, RecvError,
};

use crate::fixture::{Node, Sender, soon, spawn};

/// Not serializable, not cloneable.
#[derive(Debug, PartialEq)]
struct Local(u32);

#[tokio::test]
async fn a_port_receives_in_the_order_of_sending_and_then_closes() {
    let node = Node::alone();
    let (handle, mut receiver) = node.mailbox("a").open_port();
    assert_eq!(receiver.try_recv(), Ok(None));
    let second = handle.clone();
    for n in 0..3 {
        handle.send(Local(n)).unwrap();
    }
    assert_eq!(soon(receiver.recv()).await, Ok(Local(0)));
    assert_eq!(receiver.drain(), [Local(1), Local(2)]);
    drop(handle);
    assert_eq!(receiver.try_recv(), Ok(None), "a clone is left");
    second.send(Local(9)).unwrap();
    drop(second);
    assert_eq!(soon(receiver.recv()).await, Ok(Local(9)));
    assert_eq!(soon(receiver.recv()).await, Err(RecvError::Closed));
    assert_eq!(soon(receiver.recv()).await, Err(RecvError::Closed));
    assert!(soon(receiver.next()).await.is_none());
}

#[tokio::test]
async fn a_waiting_receiver_wakes_by_a_message_and_by_the_last_handle() {
    let node = Node::alone();
    let (handle, mut receiver) = node.mailbox("a").open_port::<u32>();
    let waiting = spawn(async move { (receiver.recv().await, receiver.recv().await) });
    handle.send(1).unwrap();
    drop(handle);
    assert_eq!(
        soon(waiting).await.unwrap(),
        (Ok(1), Err(RecvError::Closed))
    );
}

#[tokio::test]
async fn a_waiting_receiver_still_wakes_after_one_of_the_handles_is_dropped() {
    let node = Node::alone();
    let (handle, mut receiver) = node.mailbox("a").open_port::<u32>();
    let second = handle.clone();
    let waiting = spawn(async move { receiver.recv().await });
    tokio::task::yield_now().await;
    drop(second);
    handle.send(7).unwrap();
    assert_eq!(soon(waiting).await.unwrap(), Ok(7));
}

#[tokio::test]
async fn cancelled_receives_lose_nothing() {
    let node = Node::alone();
    let (handle, mut receiver) = node.mailbox("a").open_port::<u32>();
    for n in 0..10_000 {
        let early = {
            let mut cancelled = pin!(receiver.recv());
            poll_fn(|cx| Poll::Ready(cancelled.as_mut().poll(cx))).await
        };
        assert_eq!(early, Poll::Pending);
        handle.send(n).unwrap();
        assert_eq!(receiver.recv().await, Ok(n));
    }
}

#[tokio::test]
async fn binding_is_idempotent_and_keeps_the_order_of_handle_and_ref() {
    let node = Node::alone();
    let mailbox = node.mailbox("a");
    let cx = Sender::of(&mailbox);
    let (handle, mut receiver) = mailbox.open_port::<u32>();
    handle.send(1).unwrap();
    let port = handle.bind();
    assert_eq!(
        (port.clone(), handle.clone().bind()),
        (handle.bind(), port.clone())
    );
    port.send(&cx, 2);
    handle.send(3).unwrap();
    drop(handle);
    port.send(&cx, 4);
    for n in 1..=4 {
        assert_eq!(receiver.try_recv(), Ok(Some(n)));
    }
    assert_eq!(receiver.try_recv(), Ok(None), "refs may be anywhere");
}

#[tokio::test]
async fn a_port_that_was_never_bound_takes_no_envelope() {
    let mut node = Node::alone();
    let mailbox = node.mailbox("a");
    let (handle, _receiver) = mailbox.open_port::<u32>();
    let guess = Envelope::new(handle.id(), Location::NONE, mailbox.id(), 7_u32);
    node.gateway.post(guess);
    assert_eq!(node.bounced().await.cause, Cause::PortNeverExisted);
}

#[tokio::test]
async fn never_existed_gone_and_owner_exited_are_three_causes() {
    let mut node = Node::alone();
    let mailbox = node.mailbox("a");
    let cx = Sender::of(&mailbox);
    let (handle, receiver) = mailbox.open_port::<u32>();
    let gone = handle.bind();
    drop(receiver);
    gone.send(&cx, 1);
    assert_eq!(node.bounced().await.cause, Cause::PortGone);
    assert_eq!(handle.send(5).unwrap_err().reason, PortSendReason::Closed);

    let (handle, mut receiver) = mailbox.open_port::<u32>();
    let open = handle.bind();
    assert_ne!(open.id(), gone.id());
    gone.send(&cx, 2);
    assert_eq!(
        node.bounced().await.cause,
        Cause::PortGone,
        "a reused slot is another port"
    );
    assert_eq!(receiver.try_recv(), Ok(None));

    let mut never = open.id();
    never.port = Port::Ephemeral {
        slot: 77,
        generation: 0,
    };
    node.gateway
        .post(Envelope::new(never, Location::NONE, mailbox.id(), 3_u32));
    assert_eq!(node.bounced().await.cause, Cause::PortNeverExisted);

    handle.send(4).unwrap();
    mailbox.close("failed: no disk");
    mailbox.close("stopped");
    open.send(&cx, 5);
    let why = "failed: no disk";
    assert_eq!(node.bounced().await.cause, Cause::OwnerExited(why.into()));
    assert_eq!(
        handle.send(6).unwrap_err().reason,
        PortSendReason::OwnerExited(why.into())
    );
    assert_eq!(
        receiver.try_recv(),
        Ok(Some(4)),
        "what was queued still comes"
    );
    assert_eq!(receiver.try_recv(), Err(RecvError::OwnerExited(why.into())));
    let (late, _receiver) = mailbox.open_port::<u32>();
    assert_eq!(
        late.send(1).unwrap_err().reason,
        PortSendReason::OwnerExited(why.into())
    );
}

#[tokio::test]
async fn closing_a_mailbox_wakes_every_receiver() {
    let node = Node::alone();
    let mailbox = node.mailbox("a");
    let (handle, mut receiver) = mailbox.open_port::<u32>();
    let (once_handle, once) = mailbox.open_once_port::<u32>();
    let waiting = spawn(async move { (receiver.recv().await, once.await) });
    let exited = Err(RecvError::OwnerExited("stopped".into()));
    tokio::task::yield_now().await;
    mailbox.close("stopped");
    assert_eq!(soon(waiting).await.unwrap(), (exited.clone(), exited));
    drop((handle, once_handle));
}

#[tokio::test]
async fn dropping_receivers_frees_ports() {
    let node = Node::alone();
    let mailbox = node.mailbox("a");
    for _ in 0..10_000 {
        let (handle, receiver) = mailbox.open_port::<u32>();
        _ = handle.bind();
        let (once, once_receiver) = mailbox.open_once_port::<u32>();
        drop((receiver, once_receiver, handle, once));
    }
    assert_eq!(mailbox.n_ports(), 0);
}

#[tokio::test]
async fn a_wrong_type_bounces_naming_what_is_expected_and_the_port_goes_on() {
    let mut node = Node::alone();
    let mailbox = node.mailbox("a");
    let cx = Sender::of(&mailbox);
    let (handle, mut receiver) = mailbox.open_port::<u32>();
    let (once, mut once_receiver) = mailbox.open_once_port::<u32>();
    let (port, once) = (handle.bind(), once.bind());
    for id in [port.id(), once.id()] {
        node.gateway.post(Envelope::new(
            id,
            Location::NONE,
            mailbox.id(),
            "text".to_owned(),
        ));
        let bounce = node.bounced().await;
        assert_eq!(bounce.cause.to_string(), "the port takes u32");
        assert_eq!(bounce.payload.unwrap().take::<String>().unwrap(), "text");
    }
    port.send(&cx, 1);
    once.send(&cx, 2);
    assert_eq!(receiver.try_recv(), Ok(Some(1)));
    assert_eq!(once_receiver.try_recv(), Ok(Some(2)));
}

#[tokio::test]
async fn a_once_port_takes_one_message() {
    let mut node = Node::alone();
    let mailbox = node.mailbox("a");
    let (handle, receiver) = mailbox.open_once_port::<u32>();
    let id = handle.bind().id();
    for n in [1_u32, 2] {
        node.gateway
            .post(Envelope::new(id, Location::NONE, mailbox.id(), n));
    }
    assert_eq!(soon(receiver).await, Ok(1));
    let bounce = node.bounced().await;
    assert_eq!(bounce.cause, Cause::PortGone);
    assert_eq!(bounce.payload.unwrap().take::<u32>().unwrap(), 2);
    assert_eq!(mailbox.n_ports(), 0);
}

#[tokio::test]
async fn a_once_port_without_sender_closes_and_without_receiver_gives_back() {
    let node = Node::alone();
    let mailbox = node.mailbox("a");
    let (handle, receiver) = mailbox.open_once_port::<u32>();
    drop(handle);
    assert_eq!(soon(receiver).await, Err(RecvError::Closed));
    let (handle, receiver) = mailbox.open_once_port::<u32>();
    drop(receiver);
    assert_eq!(handle.send(7).unwrap_err().message, 7);
    let (handle, mut receiver) = mailbox.open_once_port::<u32>();
    handle.send(8).unwrap();
    assert_eq!(receiver.try_recv(), Ok(Some(8)));
    assert_eq!(receiver.try_recv(), Err(RecvError::Closed));
}

#[tokio::test]
async fn a_full_port_refuses_handles_and_bounces_refs() {
    let mut node = Node::alone();
    let mailbox = node.mailbox("a");
    let (handle, mut receiver) = mailbox.open_bounded_port::<u32>(2);
    let port = handle.bind();
    handle.send(1).unwrap();
    port.send(&Sender::of(&mailbox), 2);
    let refused = handle.send(3).unwrap_err();
    assert_eq!(
        (refused.message, refused.reason),
        (3, PortSendReason::Full { limit: 2 })
    );
    port.send(&Sender::of(&mailbox), 4);
    assert_eq!(node.bounced().await.cause, Cause::QueueFull);
    assert_eq!(receiver.drain(), [1, 2]);
    handle.send(5).unwrap();
}

#[tokio::test]
async fn a_batch_is_there_when_it_has_its_weight_or_nothing_more_comes() {
    let node = Node::alone();
    let (handle, mut receiver) = node.mailbox("a").open_port::<u32>();
    handle.send(1).unwrap();
    handle.send(2).unwrap();
    assert!(poll_once(receiver.recv_batch(3)).is_pending());
    handle.send(3).unwrap();
    handle.send(4).unwrap();
    assert_eq!(soon(receiver.recv_batch(3)).await, Ok(vec![1, 2, 3, 4]));
    assert!(
        poll_once(receiver.recv_batch(0)).is_pending(),
        "never empty"
    );
    handle.send(5).unwrap();
    assert!(poll_once(receiver.recv_batch(2)).is_pending());
    drop(handle);
    assert_eq!(soon(receiver.recv_batch(2)).await, Ok(vec![5]));
    assert_eq!(soon(receiver.recv_batch(2)).await, Err(RecvError::Closed));
}

#[tokio::test]
async fn inv5_a_waiting_receiver_is_woken_by_the_message_that_completes_the_weight() {
    let node = Node::alone();
    let mailbox = node.mailbox("a");
    // Numbers weigh what they are, so that a large one is urgent.
    let (handle, mut receiver) = mailbox.open_weighed_port::<u32>(|n| *n);
    let port = handle.bind();
    let waker = Arc::new(CountWakes::default());
    let counting = Waker::from(waker.clone());
    let mut cx = Context::from_waker(&counting);
    let mut waiting = Box::pin(receiver.recv_batch(10));
    assert!(waiting.as_mut().poll(&mut cx).is_pending());
    for n in [1, 2, 3] {
        port.send(&Sender::of(&mailbox), n);
        handle.send(1).unwrap();
    }
    assert_eq!(waker.count(), 0);
    port.send(&Sender::of(&mailbox), 1000);
    assert_eq!(waker.count(), 1);
    assert_eq!(soon(waiting).await, Ok(vec![1, 1, 2, 1, 3, 1, 1000]));
    // One after the other, each one wakes again.
    let mut single = pin!(receiver.recv());
    assert!(single.as_mut().poll(&mut cx).is_pending());
    handle.send(0).unwrap();
    assert_eq!(waker.count(), 2);
    assert_eq!(soon(single).await, Ok(0));
}

#[tokio::test]
async fn a_weighed_port_bounces_what_it_cannot_decode_or_keep() {
    let mut node = Node::alone();
    let mailbox = node.mailbox("a");
    let (handle, mut receiver) = mailbox.open_weighed_port::<u32>(|_| 1);
    let port = handle.bind();
    let key = <u32 as hypermesh_wire::Named>::KEY;
    let garbage = hypermesh_wire::Any::wire(key, hypermesh_wire::Payload::default());
    let envelope = Envelope::of_any(port.id(), Location::NONE, mailbox.id(), garbage);
    let rejected = mailbox.deliver(envelope).unwrap_err();
    assert!(
        matches!(rejected.cause, Cause::Decode(_)),
        "{:?}",
        rejected.cause
    );
    port.send(&Sender::of(&mailbox), 7);
    assert_eq!(soon(receiver.recv_batch(1)).await, Ok(vec![7]));
    drop(receiver);
    port.send(&Sender::of(&mailbox), 8);
    assert_eq!(node.bounced().await.cause, Cause::PortGone);
}

/// Polls `future` once.
fn poll_once<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

#[derive(Default)]
struct CountWakes(AtomicUsize);

impl CountWakes {
    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for CountWakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn a_mailbox_refuses_what_is_not_for_its_ports() {
    let node = Node::alone();
    let (a, b) = (node.mailbox("a"), node.mailbox("b"));
    let check = |mailbox: &Mailbox, port: Port, cause: Cause| {
        let envelope = Envelope::new(a.id().port(port), Location::NONE, a.id(), 1_u32);
        assert_eq!(mailbox.deliver(envelope).unwrap_err().cause, cause);
    };
    let port = Port::Ephemeral {
        slot: 0,
        generation: 0,
    };
    check(&b, port, Cause::ActorNotFound);
    check(&a, port, Cause::PortNeverExisted);
    check(
        &a,
        Port::Handler(hypermesh_wire::TypeKey::of("x")),
        Cause::NoHandler,
    );
}

#[tokio::test]
async fn what_waits_when_the_owner_ends_is_received_or_comes_back_with_its_status() {
    let mut node = Node::alone();
    let mailbox = node.mailbox("a");
    let cx = Sender::of(&mailbox);
    let (handle, mut drained) = mailbox.open_port::<u32>();
    let (other, stopped) = mailbox.open_port::<u32>();
    let (once, once_stopped) = mailbox.open_once_port::<u32>();
    for port in [handle.bind(), other.bind()] {
        (0..3).for_each(|n| port.send(&cx, n));
    }
    once.bind().send(&cx, 3);
    mailbox.close("stopped");
    assert_eq!(drained.drain(), [0, 1, 2]);
    drop((stopped, once_stopped));
    for n in 0..4 {
        let bounce = node.bounced().await;
        // A port for one message is gone as soon as it has that one.
        let expected = match n {
            3 => Cause::PortGone,
            _ => Cause::OwnerExited("stopped".into()),
        };
        assert_eq!(bounce.cause, expected);
        assert_eq!(bounce.payload.unwrap().take::<u32>().unwrap(), n);
    }
    node.no_bounce();
}

#[tokio::test]
async fn nothing_that_is_refused_removes_a_port() {
    let mut node = Node::alone();
    let mailbox = node.mailbox("a");
    let (handle, mut receiver) = mailbox.open_bounded_port::<u32>(1);
    let (once, once_receiver) = mailbox.open_once_port::<u32>();
    let (port, once) = (handle.bind(), once.bind());
    for round in 0..100 {
        for id in [port.id(), once.id()] {
            let wrong = Envelope::new(id, Location::NONE, mailbox.id(), true);
            node.gateway.post(wrong);
            assert_eq!(node.bounced().await.cause.kind(), "wrong_type");
        }
        (0..2).for_each(|_| port.send(&Sender::of(&mailbox), round));
        assert_eq!(node.bounced().await.cause, Cause::QueueFull);
        assert_eq!((receiver.drain(), mailbox.n_ports()), (vec![round], 2));
    }
    once.send(&Sender::of(&mailbox), 7);
    assert_eq!((soon(once_receiver).await, mailbox.n_ports()), (Ok(7), 1));
}

#[tokio::test]
async fn many_ports_are_awaited_together_and_cancelled_waits_lose_nothing() {
    let node = Node::alone();
    let mailbox = node.mailbox("a");
    let mut rng = hypermesh_testkit::Seed::from_env().rng();
    let (handles, mut receivers): (Vec<_>, Vec<_>) =
        (0..8).map(|_| mailbox.open_port::<u64>()).unzip();
    let mut received = vec![Vec::new(); 8];
    for n in 0..10_000 {
        handles[rng.below(8) as usize].send(n).unwrap();
        if rng.below(3) == 0 {
            continue;
        }
        // All waits but one are cancelled each time.
        let waits = receivers
            .iter_mut()
            .map(|receiver| Box::pin(receiver.recv()));
        let (message, idx, _) = soon(futures_util::future::select_all(waits)).await;
        received[idx].push(message.unwrap());
    }
    for (receiver, received) in receivers.iter_mut().zip(&mut received) {
        received.extend(receiver.drain());
        assert!(received.is_sorted());
    }
    assert_eq!(received.concat().len(), 10_000);
}

#[tokio::test]
async fn refs_compare_by_id_alone() {
    let node = Node::alone();
    let (handle, _receiver) = node.mailbox("a").open_port::<u32>();
    let (near, elsewhere) = (handle.bind(), Location::at("tcp:h:1".parse().unwrap()));
    let far = PortRef::<u32>::new(near.id(), elsewhere, None);
    assert_ne!(near.location(), far.location());
    assert_eq!(near, far);
    let refs: std::collections::HashSet<_> = [near, far].into();
    assert_eq!(refs.len(), 1);
}
