//! What a sender hears of a message that is lost, and when it is to fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hypermesh_mailbox::channel::ChannelTransport;
use hypermesh_mailbox::{
    CONTROL_UNDELIVERED, Cause, Envelope, FLAG_BOUNCE, Gateway, GatewayOptions, Location,
    LossPolicy, Port, PortRef, ProcId, Undelivered,
};
use tokio::runtime::Handle;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::fixture::{DEADLINE, Node, Sender, WORLD, soon};

/// A ref to a port of an actor that is not there.
fn nowhere(node: &Node) -> PortRef<u32> {
    let dst = node.id.named_actor("nobody").port(Port::Control(9));
    PortRef::new(dst, Location::at(node.gateway.addr().unwrap()), None)
}

#[tokio::test]
async fn each_send_chooses_what_its_loss_means() {
    for transport in [ChannelTransport::Local, ChannelTransport::Unix] {
        let (mut near, far) = Node::pair(transport);
        let mailbox = near.mailbox("a");
        let cx = Sender::of(&mailbox);
        for target in [nowhere(&far), nowhere(&near)] {
            for (policy, fails) in [(LossPolicy::Notify, false), (LossPolicy::FailSender, true)] {
                target.send_with(&cx, 1, policy);
                let bounce = near.bounced().await;
                assert_eq!(bounce.cause, Cause::ActorNotFound);
                assert_eq!(
                    (bounce.header.loss_policy(), bounce.fails_sender()),
                    (policy, fails)
                );
            }
            target.send(&cx, 1);
            assert!(!near.bounced().await.fails_sender(), "the default");
        }
        nowhere(&far).send_with(&cx, 1, LossPolicy::Drop);
        assert_eq!(soon(near.gateway.flush(DEADLINE)).await, 0);
        assert_eq!(
            (far.gateway.stats().dropped, far.gateway.stats().bounced),
            (1, 3)
        );
        near.no_bounce();
    }
}

#[tokio::test]
async fn a_fault_that_is_found_at_home_fails_the_sender_and_one_over_a_link_does_not() {
    let (mut near, far) = Node::pair(ChannelTransport::Unix);
    let (mailbox, owner) = (near.mailbox("a"), far.mailbox("b"));
    let (handle, _receiver) = owner.open_port::<String>();
    let (local, _local_receiver) = mailbox.open_port::<String>();
    for (port, fails) in [(handle.bind(), false), (local.bind(), true)] {
        let wrong = PortRef::<u32>::new(port.id(), port.location().clone(), None);
        wrong.send(&Sender::of(&mailbox), 7);
        let bounce = near.bounced().await;
        assert_eq!(
            (bounce.cause.kind(), bounce.fails_sender()),
            ("wrong_type", fails)
        );
    }
}

#[tokio::test]
async fn nobody_fails_by_a_bounce_that_only_claims_that_it_was_asked_for() {
    let (mut near, far) = Node::pair(ChannelTransport::Unix);
    let mailbox = near.mailbox("a");
    let lost = Envelope::new(
        far.id.named_actor("b").port(Port::Control(9)),
        Location::NONE,
        mailbox.id(),
        1_u32,
    );
    let mut undelivered = Undelivered::new(lost, Cause::NoHandler);
    undelivered.header.set_loss_policy(LossPolicy::FailSender);
    let port = mailbox.id().port(Port::Control(CONTROL_UNDELIVERED));
    let to = Location::at(near.gateway.addr().unwrap());
    let mut forged = Envelope::new(port, to, far.id.named_actor("b"), undelivered);
    forged.header.flags = FLAG_BOUNCE;
    far.gateway.post(forged);
    let bounce = near.bounced().await;
    assert_eq!(bounce.cause, Cause::NoHandler);
    assert!(!bounce.fails_sender());
}

#[tokio::test]
async fn a_message_that_is_too_large_bounces_alone() {
    let mut options = GatewayOptions::new(Handle::current(), ChannelTransport::Unix);
    options.limits.message = 10_000;
    let mut near = Node::on(Gateway::new(options), ProcId::new(WORLD, 0, 0));
    let far = Node::on(
        Gateway::new(GatewayOptions::new(
            Handle::current(),
            ChannelTransport::Unix,
        )),
        ProcId::new(WORLD, 1, 0),
    );
    let (sender, owner) = (near.mailbox("a"), far.mailbox("b"));
    let (handle, mut receiver) = owner.open_port::<String>();
    let port = handle.bind();
    for n in 0..2001 {
        let len = if n == 1000 { 20_000 } else { 10 };
        port.send(&Sender::of(&sender), "x".repeat(len));
    }
    for _ in 0..2000 {
        assert_eq!(soon(receiver.recv()).await.unwrap().len(), 10);
    }
    let bounce = near.bounced().await;
    assert!(
        matches!(bounce.cause, Cause::TooLarge { max: 10_000, .. }),
        "{bounce}"
    );
    near.no_bounce();
}

/// Counts what is logged.
struct Lines(Arc<AtomicUsize>);

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == tracing::Level::WARN
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[tokio::test(start_paused = true)]
async fn a_million_losses_in_a_moment_write_ten_lines() {
    let node = Node::alone();
    let mailbox = node.mailbox("a");
    let dst = node.id.named_actor("nobody").port(Port::Control(9));
    let lost = Envelope::new(dst, Location::NONE, mailbox.id(), 1_u32);
    let undelivered = Undelivered::new(lost, Cause::ActorNotFound);
    let lines = Arc::new(AtomicUsize::new(0));
    let subscribed = hypermesh_testkit::subscribe(Lines(lines.clone()));
    for _ in 0..1_000_000 {
        node.gateway.log_undelivered("a", &undelivered);
    }
    drop(subscribed);
    assert_eq!(lines.load(Ordering::Relaxed), 10);
}

#[tokio::test]
async fn a_burst_of_bounces_makes_as_many_messages() {
    let (mut near, far) = Node::pair(ChannelTransport::Unix);
    let mailbox = near.mailbox("a");
    for _ in 0..1000 {
        nowhere(&far).send(&Sender::of(&mailbox), 1);
    }
    for _ in 0..1000 {
        assert_eq!(near.bounced().await.cause, Cause::ActorNotFound);
    }
    assert_eq!(soon(far.gateway.flush(DEADLINE)).await, 0);
    let (ours, theirs) = (near.gateway.stats(), far.gateway.stats());
    assert_eq!(
        (ours.bounced, theirs.bounced, ours.dropped, theirs.dropped),
        (0, 1000, 0, 0)
    );
}
