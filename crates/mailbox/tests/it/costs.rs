//! What messages cost: allocations, bytes, and time as ratios.

use std::time::{Duration, Instant};

use hypermesh_mailbox::channel::ChannelTransport;
use hypermesh_mailbox::{Envelope, Location, Mailbox, OncePortRef, PortReceiver, PortRef};
use hypermesh_testkit::{CountingAllocator, counted};

use crate::fixture::{Node, Sender};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// Returns the shortest of many runs of `run`: the machine may be busy.
fn shortest(mut run: impl FnMut()) -> Duration {
    let time = |run: &mut dyn FnMut()| {
        let start = Instant::now();
        run();
        start.elapsed()
    };
    (0..50).map(|_| time(&mut run)).min().unwrap()
}

#[tokio::test]
async fn a_local_send_allocates_nothing_once_the_receiver_keeps_up() {
    let node = Node::alone();
    let mailbox = node.mailbox("a");
    let (handle, mut receiver) = mailbox.open_port::<[u64; 8]>();
    let port = handle.bind();
    let rounds = |receiver: &mut PortReceiver<_>| {
        for n in 0..100 {
            handle.send([n; 8]).unwrap();
            assert_eq!(receiver.try_recv(), Ok(Some([n; 8])));
        }
    };
    rounds(&mut receiver);
    let ((), allocated) = counted(|| rounds(&mut receiver));
    assert_eq!(allocated.calls, 0);
    // By a ref: the message, and its place in the queue. Nothing is encoded.
    let cx = Sender::of(&mailbox);
    let ((), allocated) = counted(|| {
        for n in 0..100 {
            port.send(&cx, [n; 8]);
            assert_eq!(receiver.try_recv(), Ok(Some([n; 8])));
        }
    });
    assert!(allocated.calls <= 200, "{allocated:?}");
}

#[tokio::test]
async fn a_local_send_costs_about_what_a_bare_channel_does() {
    let node = Node::alone();
    let (handle, mut receiver) = node.mailbox("a").open_port::<u64>();
    let (sender, mut bare) = tokio::sync::mpsc::unbounded_channel::<u64>();
    let ours = shortest(|| {
        (0..1000).for_each(|n| handle.send(n).unwrap());
        (0..1000).for_each(|n| assert_eq!(receiver.try_recv(), Ok(Some(n))));
    });
    let theirs = shortest(|| {
        (0..1000).for_each(|n| sender.send(n).unwrap());
        (0..1000).for_each(|n| assert_eq!(bare.try_recv(), Ok(n)));
    });
    // Without optimization; a benchmark says more.
    assert!(
        ours < 10 * theirs,
        "{ours:?}, and a bare channel {theirs:?}"
    );
}

/// Returns what it takes to deliver to a port of `mailbox`.
fn delivery(mailbox: &Mailbox, port: &PortRef<u32>, receiver: &mut PortReceiver<u32>) -> Duration {
    shortest(|| {
        for _ in 0..100 {
            let envelope = Envelope::new(port.id(), Location::NONE, mailbox.id(), 1_u32);
            mailbox.deliver(envelope).unwrap();
            assert_eq!(receiver.try_recv(), Ok(Some(1)));
        }
    })
}

#[tokio::test]
async fn finding_a_port_takes_as_long_among_many_as_among_few() {
    let node = Node::alone();
    let mailbox = node.mailbox("a");
    let (handle, mut receiver) = mailbox.open_port::<u32>();
    let port = handle.bind();
    let few = delivery(&mailbox, &port, &mut receiver);
    let ports: Vec<_> = (0..100_000).map(|_| mailbox.open_port::<u32>()).collect();
    let many = delivery(&mailbox, &port, &mut receiver);
    assert!(many < 4 * few, "{few:?} among few, {many:?} among many");
    drop(ports);
}

#[tokio::test]
async fn refs_are_small_beside_their_location() {
    let node = Node::new(0, ChannelTransport::Unix, &Default::default());
    let mailbox = hypermesh_mailbox::Mailbox::new(
        hypermesh_mailbox::ProcId::new(u64::MAX, u32::MAX, u32::MAX).actor(u64::MAX, u32::MAX),
        node.gateway.clone(),
    );
    let (handle, _receiver) = mailbox.open_port::<u32>();
    let (once, _once_receiver) = mailbox.open_once_port::<u32>();
    let location = mailbox.gateway().location();
    let size = |bytes: hypermesh_wire::Payload| bytes.len();
    let location = size(hypermesh_wire::encode(&location).unwrap());
    let port: PortRef<u32> = handle.bind();
    let once: OncePortRef<u32> = once.bind();
    for len in [
        size(hypermesh_wire::encode(&port).unwrap()),
        size(hypermesh_wire::encode(&once).unwrap()),
    ] {
        assert!(len <= 64 + location, "{len} with a location of {location}");
    }
}

#[tokio::test]
async fn an_envelope_is_shown_in_256_characters_without_its_content() {
    let node = Node::alone();
    let mailbox = node.mailbox("a");
    let far = hypermesh_mailbox::ProcId::new(u64::MAX, u32::MAX, u32::MAX);
    let src = far.actor(u64::MAX, u32::MAX);
    let key = hypermesh_wire::TypeKey::from_value(u64::MAX);
    let dst = src.port(hypermesh_mailbox::Port::Handler(key));
    let envelope = Envelope::new(dst, Location::NONE, src, "secret".repeat(1000));
    let shown = envelope.to_string();
    assert!(shown.len() <= 256, "{shown}");
    assert!(!shown.contains("secret"), "{shown}");
    assert!(
        shown.contains(&dst.to_string()) && shown.contains(&src.to_string()),
        "{shown}"
    );
    drop(mailbox);
}
