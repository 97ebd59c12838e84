//! What ports and processes do when they are full.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use hypermesh_mailbox::channel::{ChannelTransport, LocalHub};
use hypermesh_mailbox::{
    Cause, Envelope, FLAG_URGENT, Gateway, GatewayOptions, Location, Mailbox, Port, PortHandle,
    PortOptions, PortReceiver, PortSendReason, ProcId, QueuePolicy,
};
use hypermesh_wire::{Any, Blob, Named, Payload};
use tokio::runtime::Handle;

use crate::fixture::{DEADLINE, Node, Sender, WORLD, soon, spawn};

fn open(
    mailbox: &Mailbox,
    messages: usize,
    policy: QueuePolicy,
) -> (PortHandle<u32>, PortReceiver<u32>) {
    let mut options = PortOptions::default();
    options.messages = messages;
    options.policy = policy;
    options.name = Some("numbers".into());
    mailbox.open_port_with(options)
}

/// Checks what the port called "numbers" has counted: queued, rejected, dropped, replaced.
#[track_caller]
fn check_counts(mailbox: &Mailbox, expected: (usize, u64, u64, u64)) {
    let stats = mailbox.port_stats();
    let [numbers] = &stats[..] else {
        panic!("{stats:?}");
    };
    assert_eq!(&*numbers.name, "numbers");
    let found = (
        numbers.queued,
        numbers.rejected,
        numbers.dropped,
        numbers.replaced,
    );
    assert_eq!(found, expected);
}

#[tokio::test]
async fn reject_gives_the_new_message_back_and_counts_it() {
    let mut node = Node::alone();
    let mailbox = node.mailbox("a");
    let (_unnamed, _receiver) = mailbox.open_port::<u32>();
    let (handle, mut receiver) = open(&mailbox, 2, QueuePolicy::Reject);
    let port = handle.bind();
    for n in 0..3 {
        port.send(&Sender::of(&mailbox), n);
    }
    assert_eq!(handle.send(3).unwrap_err().message, 3);
    let bounce = node.bounced().await;
    assert_eq!(bounce.cause, Cause::QueueFull);
    assert_eq!(bounce.payload.unwrap().take::<u32>().unwrap(), 2);
    check_counts(&mailbox, (2, 2, 0, 0));
    assert_eq!(receiver.drain(), [0, 1]);
    check_counts(&mailbox, (0, 2, 0, 0));
}

#[tokio::test]
async fn drop_oldest_makes_room_and_bounces_what_came_by_a_ref() {
    let mut node = Node::alone();
    let mailbox = node.mailbox("a");
    let (handle, mut receiver) = open(&mailbox, 2, QueuePolicy::DropOldest);
    let port = handle.bind();
    port.send(&Sender::of(&mailbox), 0);
    for n in 1..4 {
        handle.send(n).unwrap();
    }
    let bounce = node.bounced().await;
    assert_eq!(bounce.cause, Cause::QueueFull);
    assert_eq!(bounce.payload.unwrap().take::<u32>().unwrap(), 0);
    check_counts(&mailbox, (2, 0, 2, 0));
    assert_eq!(receiver.drain(), [2, 3]);
    node.no_bounce();
}

#[tokio::test]
async fn latest_holds_the_newest_and_tells_nobody_of_those_before() {
    let mut node = Node::alone();
    let mailbox = node.mailbox("a");
    let (handle, mut receiver) = open(&mailbox, 1, QueuePolicy::Latest);
    let port = handle.bind();
    for n in 0..10 {
        port.send(&Sender::of(&mailbox), n);
        handle.send(n + 100).unwrap();
    }
    check_counts(&mailbox, (1, 0, 0, 19));
    assert_eq!(receiver.drain(), [109]);
    node.no_bounce();
}

#[tokio::test]
async fn a_sender_waits_for_room_and_for_the_end_of_the_port() {
    let node = Node::alone();
    let mailbox = node.mailbox("a");
    let (handle, mut receiver) = open(&mailbox, 1, QueuePolicy::Wait);
    soon(handle.ready()).await;
    handle.send(1).unwrap();
    {
        let mut waiting = pin!(handle.ready());
        let mut cx = Context::from_waker(Waker::noop());
        assert_eq!(waiting.as_mut().poll(&mut cx), Poll::Pending);
        assert_eq!(receiver.try_recv(), Ok(Some(1)));
        soon(waiting).await;
    }
    handle.send(2).unwrap();
    let waiter = handle.clone();
    let waiting = spawn(async move { waiter.ready().await });
    tokio::task::yield_now().await;
    drop(receiver);
    soon(waiting).await.unwrap();
    assert_eq!(handle.send(3).unwrap_err().reason, PortSendReason::Closed);
}

/// A message of `len` bytes to `port`, as if it had come over a link.
fn encoded(port: &PortHandle<Blob>, mailbox: &Mailbox, len: usize) -> Envelope {
    let payload = Payload {
        body: hypermesh_wire::encode(&Blob::from(vec![1; len]))
            .unwrap()
            .body,
        ..Payload::default()
    };
    let body = Any::wire(Blob::KEY, payload);
    Envelope::of_any(port.id(), Location::NONE, mailbox.id(), body)
}

#[tokio::test]
async fn a_port_is_full_of_bytes_before_it_is_full_of_messages() {
    let mut node = Node::alone();
    let mailbox = node.mailbox("a");
    let mut options = PortOptions::default();
    options.bytes = 1000;
    let (handle, mut receiver) = mailbox.open_port_with::<Blob>(options);
    _ = handle.bind();
    let sizes = |node: &Node| node.gateway.stats().queued_bytes;
    node.gateway.post(encoded(&handle, &mailbox, 400));
    let one = sizes(&node);
    assert!((400..500).contains(&one), "{one}");
    node.gateway.post(encoded(&handle, &mailbox, 400));
    node.gateway.post(encoded(&handle, &mailbox, 400));
    assert_eq!(node.bounced().await.cause, Cause::QueueFull);
    assert_eq!(sizes(&node), 2 * one);
    let refused = handle.send(Blob::from(vec![0; 1 << 20]));
    assert!(refused.is_ok(), "a value counts by its own size");
    assert_eq!(receiver.drain().len(), 3);
    assert_eq!(sizes(&node), 0);
    drop(receiver);
}

#[tokio::test]
async fn a_full_port_behind_a_link_holds_up_no_other() {
    let (mut near, far) = Node::pair(ChannelTransport::Unix);
    let (sender, owner) = (near.mailbox("a"), far.mailbox("b"));
    let (full, mut full_receiver) = owner.open_bounded_port::<u32>(1);
    let full = full.bind();
    let mut open: Vec<_> = (0..100).map(|_| owner.open_port::<u32>()).collect();
    for n in 0..100 {
        for (handle, _) in &open {
            handle.bind().send(&Sender::of(&sender), n);
        }
        full.send(&Sender::of(&sender), n);
    }
    for (_, receiver) in &mut open {
        for n in 0..100 {
            assert_eq!(soon(receiver.recv()).await, Ok(n));
        }
    }
    for n in 1..100 {
        let bounce = near.bounced().await;
        assert_eq!(bounce.cause, Cause::QueueFull);
        assert_eq!(bounce.payload.unwrap().take::<u32>().unwrap(), n);
    }
    assert_eq!(full_receiver.drain(), [0]);
    full.send(&Sender::of(&sender), 100);
    assert_eq!(
        soon(full_receiver.recv()).await,
        Ok(100),
        "the link goes on"
    );
}

/// Waits until `gateway` holds at least `bytes` in its queues.
async fn filled(gateway: &Gateway, bytes: u64) {
    soon(async {
        while gateway.stats().queued_bytes < bytes {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_process_that_holds_too_much_takes_nothing_but_bounces_and_what_is_urgent() {
    const LIMIT: u64 = 20_000;
    for transport in [ChannelTransport::Unix, ChannelTransport::Local] {
        let hub = LocalHub::new();
        let near = Node::new(0, transport, &hub);
        let mut options = GatewayOptions::new(Handle::current(), transport);
        options.hub = hub.clone();
        options.queued_bytes = LIMIT;
        let mut far = Node::on(Gateway::new(options), ProcId::new(WORLD, 1, 0));
        let (sender, owner) = (near.mailbox("a"), far.mailbox("b"));
        let (handle, mut receiver) = owner.open_port::<Blob>();
        let port = handle.bind();
        for _ in 0..100 {
            port.send(&Sender::of(&sender), Blob::from(vec![7; 1000]));
        }
        filled(&far.gateway, LIMIT).await;
        // What comes back goes through, and what is sent from here.
        let nobody = near.id.named_actor("nobody").port(Port::Control(9));
        let to = Location::at(near.gateway.addr().unwrap());
        far.gateway.post(Envelope::new(nobody, to, owner.id(), ()));
        assert_eq!(far.bounced().await.cause, Cause::ActorNotFound);
        assert!(far.gateway.stats().queued_bytes < LIMIT + 1100);
        // So does what is urgent.
        let (stop, mut stops) = owner.open_port::<u32>();
        let (dst, to) = (stop.bind().id(), port.location().clone());
        let mut urgent = Envelope::new(dst, to, sender.id(), 7_u32);
        urgent.header.flags |= FLAG_URGENT;
        near.gateway.post(urgent);
        assert_eq!(soon(stops.recv()).await, Ok(7));
        for _ in 0..100 {
            let blob = soon(receiver.recv()).await.unwrap();
            assert_eq!(blob.len(), 1000);
            assert!(far.gateway.stats().queued_bytes < LIMIT + 1100);
        }
        assert_eq!(far.gateway.stats().queued_bytes, 0);
        assert_eq!(soon(near.gateway.flush(DEADLINE)).await, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_owners_that_fill_each_others_ports_go_on_or_hear_of_it() {
    let mut node = Node::alone();
    let mailboxes = [node.mailbox("a"), node.mailbox("b")];
    let mut ports: Vec<_> = mailboxes
        .iter()
        .map(|mailbox| mailbox.open_bounded_port::<u32>(2))
        .collect();
    let refs = [ports[0].0.bind(), ports[1].0.bind()];
    let (done, mut finished) = tokio::sync::mpsc::unbounded_channel();
    for (idx, mailbox) in mailboxes.iter().enumerate() {
        let (_, mut receiver) = ports.remove(0);
        let (other, mailbox, done) = (refs[1 - idx].clone(), mailbox.clone(), done.clone());
        // Ends with the runtime of the test, or when the port is closed.
        _ = spawn(async move {
            while let Ok(hops) = receiver.recv().await {
                match hops {
                    0 => done.send(()).unwrap(),
                    _ => (0..2).for_each(|_| other.send(&Sender::of(&mailbox), hops - 1)),
                }
            }
        });
    }
    refs[0].send(&Sender::of(&mailboxes[0]), 9);
    // Each message becomes two, until 512 came to an end or were refused with all that would follow.
    let mut ended = 0_u32;
    while ended < 512 {
        tokio::select! {
            one = finished.recv() => { one.unwrap(); ended += 1; }
            bounce = node.bounced() => {
                assert_eq!(bounce.cause, Cause::QueueFull);
                ended += 1 << bounce.payload.unwrap().take::<u32>().unwrap();
            }
        }
    }
    assert_eq!(ended, 512);
}
