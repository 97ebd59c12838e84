//! What does not wait for others, and what is not lost without a word.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use hypermesh_mailbox::channel::ChannelTransport;
use hypermesh_mailbox::{Cause, Envelope, Gateway, Location, MailboxSender, Port, ProcId};

use crate::fixture::{DEADLINE, Node, Sender, WORLD, soon};

/// Passes on to what is below, as a layer of a proc does.
struct Layer(Arc<dyn MailboxSender>);

impl MailboxSender for Layer {
    fn post(&self, envelope: Envelope) {
        self.0.post(envelope);
    }
}

/// Keeps the hops that are left of what it gets.
#[derive(Default)]
struct Hops(Mutex<Vec<u8>>);

impl MailboxSender for Hops {
    fn post(&self, envelope: Envelope) {
        self.0.lock().unwrap().push(envelope.header.ttl);
    }
}

#[tokio::test]
async fn layers_inside_a_process_cost_no_hops() {
    let node = Node::alone();
    let mailbox = node.mailbox("a");
    let hops = Arc::new(Hops::default());
    let layers = (0..100).fold(hops.clone() as Arc<dyn MailboxSender>, |below, _| {
        Arc::new(Layer(below))
    });
    let layered = ProcId::new(WORLD, 5, 0);
    let _attachment = node.gateway.attach(layered, layers).unwrap();
    let dst = layered.named_actor("x").port(Port::Control(9));
    node.gateway
        .post(Envelope::new(dst, Location::NONE, mailbox.id(), ()));
    assert_eq!(*hops.0.lock().unwrap(), [64]);
}

/// Takes what it gets only when it is told to.
struct Blocks {
    entered: Mutex<mpsc::Sender<()>>,
    go_on: Mutex<mpsc::Receiver<()>>,
}

impl MailboxSender for Blocks {
    fn post(&self, _: Envelope) {
        self.entered.lock().unwrap().send(()).unwrap();
        self.go_on.lock().unwrap().recv().unwrap();
    }
}

#[tokio::test]
async fn a_delivery_that_blocks_holds_up_no_other_and_no_change_of_routes() {
    let node = Node::alone();
    let mailbox = node.mailbox("a");
    let (entered, has_entered) = mpsc::channel();
    let (release, go_on) = mpsc::channel();
    let blocks = Blocks {
        entered: Mutex::new(entered),
        go_on: Mutex::new(go_on),
    };
    let blocked = ProcId::new(WORLD, 5, 0);
    let attachment = node.gateway.attach(blocked, Arc::new(blocks)).unwrap();
    let post = {
        let (gateway, src) = (node.gateway.clone(), mailbox.id());
        let dst = blocked.named_actor("x").port(Port::Control(9));
        thread::spawn(move || gateway.post(Envelope::new(dst, Location::NONE, src, ())))
    };
    has_entered.recv().unwrap();
    // All of this on one thread, while the other is in the middle of its delivery.
    let other = ProcId::new(WORLD, 6, 0);
    let hops = Arc::new(Hops::default());
    let held = node.gateway.attach(other, hops.clone()).unwrap();
    node.gateway.route_proc(blocked, "local:1".parse().unwrap());
    node.gateway.unroute_proc(blocked);
    let dst = other.named_actor("x").port(Port::Control(9));
    node.gateway
        .post(Envelope::new(dst, Location::NONE, mailbox.id(), ()));
    let (handle, mut receiver) = mailbox.open_port::<u32>();
    handle.bind().send(&Sender::of(&mailbox), 1);
    assert_eq!(
        (receiver.try_recv(), hops.0.lock().unwrap().len()),
        (Ok(Some(1)), 1)
    );
    drop((attachment, held));
    assert!(!node.gateway.is_attached(blocked));
    release.send(()).unwrap();
    post.join().unwrap();
}

/// Counts what it gets.
#[derive(Default)]
struct Counts(AtomicUsize);

impl MailboxSender for Counts {
    fn post(&self, _: Envelope) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Attaches and detaches a proc until told to end.
fn flicker(gateway: &Gateway, proc: ProcId, to: &Arc<Counts>, until: &mpsc::Receiver<()>) {
    while until.try_recv() == Err(mpsc::TryRecvError::Empty) {
        drop(gateway.attach(proc, to.clone()).unwrap());
        thread::yield_now();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn procs_that_come_and_go_lose_no_message_without_a_word() {
    let (mut near, far) = Node::pair(ChannelTransport::Unix);
    let mailbox = near.mailbox("a");
    let proc = ProcId::new(WORLD, 5, 0);
    let counts = Arc::new(Counts::default());
    let (end, until) = mpsc::channel();
    let flickering = {
        let (gateway, counts) = (far.gateway.clone(), counts.clone());
        thread::spawn(move || flicker(&gateway, proc, &counts, &until))
    };
    let dst = proc.named_actor("x").port(Port::Control(9));
    let to = Location::at(far.gateway.addr().unwrap());
    for n in 0..2000_u32 {
        near.gateway
            .post(Envelope::new(dst, to.clone(), mailbox.id(), n));
        if n % 500 == 0 {
            assert_eq!(soon(near.gateway.flush(DEADLINE)).await, 0);
        }
    }
    assert_eq!(soon(near.gateway.flush(DEADLINE)).await, 0);
    end.send(()).unwrap();
    flickering.join().unwrap();
    assert_eq!(soon(far.gateway.flush(DEADLINE)).await, 0);
    let bounced = far.gateway.stats().bounced;
    assert_eq!(counts.0.load(Ordering::Relaxed) as u64 + bounced, 2000);
    for _ in 0..bounced {
        assert_eq!(near.bounced().await.cause, Cause::ProcNotFound);
    }
}

#[tokio::test]
async fn after_the_last_gateway_no_task_is_left() {
    let alive = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    assert_eq!(alive(), 0);
    let (near, far) = Node::pair(ChannelTransport::Unix);
    let (sender, owner) = (near.mailbox("a"), far.mailbox("b"));
    let (handle, mut receiver) = owner.open_port::<u32>();
    handle.bind().send(&Sender::of(&sender), 1);
    assert_eq!(soon(receiver.recv()).await, Ok(1));
    assert_ne!(alive(), 0);
    soon(near.gateway.shutdown(DEADLINE)).await;
    soon(far.gateway.shutdown(DEADLINE)).await;
    drop((near, far, sender, owner, handle, receiver));
    soon(async {
        while alive() != 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
