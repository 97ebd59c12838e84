//! What cannot be delivered comes back to its sender, once.

use std::sync::Arc;

use hypermesh_mailbox::channel::{ChannelAddr, ChannelTransport, LocalHub};
use hypermesh_mailbox::{
    CONTROL_UNDELIVERED, Cause, Envelope, FLAG_BOUNCE, FLAG_SILENT, Location, MailboxSender, Port,
    ProcId, RETURNED_PAYLOAD_LIMIT, Undelivered,
};
use hypermesh_wire::{Any, Blob, Headers, Message, Named, Payload};

use crate::fixture::{Node, Sender, WORLD, gateway, soon};

const TRANSPORTS: [ChannelTransport; 3] = [
    ChannelTransport::Local,
    ChannelTransport::Unix,
    ChannelTransport::Tcp,
];

#[tokio::test]
async fn inside_a_process_the_very_value_comes_back() {
    let mut node = Node::alone();
    let mailbox = node.mailbox("a");
    let text = "a text on the heap".to_owned();
    let place = text.as_ptr();
    let dst = ProcId::new(1, 2, 3)
        .named_actor("nobody")
        .port(Port::Control(9));
    node.gateway
        .post(Envelope::new(dst, Location::NONE, mailbox.id(), text));
    let bounce = node.bounced().await;
    assert_eq!((bounce.header.dst, bounce.header.src), (dst, mailbox.id()));
    assert_eq!((bounce.cause, bounce.key), (Cause::NoRoute, String::KEY));
    let text = bounce.payload.unwrap().take::<String>().unwrap();
    assert_eq!(text.as_ptr(), place);
}

#[tokio::test]
async fn across_links_the_encoding_comes_back_up_to_a_limit() {
    for transport in TRANSPORTS {
        let (mut near, far) = Node::pair(transport);
        let mailbox = near.mailbox("a");
        let nobody = far.id.named_actor("nobody").port(Port::Control(9));
        let limit = RETURNED_PAYLOAD_LIMIT.get().as_usize();
        for (len, returned) in [(1, true), (limit - 10, true), (limit, false)] {
            let to = Location::at(far.gateway.addr().unwrap());
            let message = Blob::from(vec![3; len]);
            near.gateway
                .post(Envelope::new(nobody, to, mailbox.id(), message.clone()));
            let bounce = near.bounced().await;
            assert_eq!(
                (bounce.cause, bounce.header.dst),
                (Cause::ActorNotFound, nobody)
            );
            assert!(len as u64 <= bounce.size.unwrap(), "{transport} {len}");
            let payload = bounce
                .payload
                .map(|payload| payload.take::<Blob>().unwrap());
            assert_eq!(payload, returned.then_some(message), "{transport} {len}");
        }
    }
}

#[tokio::test]
async fn two_procs_that_bounce_at_each_other_fall_silent() {
    let (mut near, far) = Node::pair(ChannelTransport::Unix);
    let mailbox = near.mailbox("a");
    let to = Location::at(far.gateway.addr().unwrap());
    // The sender is gone when the bounce arrives.
    drop(near.attachment.take());
    let nobody = far.id.named_actor("nobody").port(Port::Control(9));
    near.gateway
        .post(Envelope::new(nobody, to, mailbox.id(), 1_u32));
    assert_eq!(soon(near.gateway.flush(crate::fixture::DEADLINE)).await, 0);
    assert_eq!(soon(far.gateway.flush(crate::fixture::DEADLINE)).await, 0);
    let dropped = near.gateway.stats().dropped + far.gateway.stats().dropped;
    assert_eq!(
        (
            far.gateway.stats().bounced,
            near.gateway.stats().bounced,
            dropped
        ),
        (1, 0, 1)
    );
    near.no_bounce();
}

#[tokio::test]
async fn a_silent_message_is_dropped_and_counted() {
    let mut node = Node::alone();
    let mailbox = node.mailbox("a");
    let dst = ProcId::new(1, 2, 3)
        .named_actor("nobody")
        .port(Port::Control(9));
    let mut envelope = Envelope::new(dst, Location::NONE, mailbox.id(), 1_u32);
    envelope.header.flags |= FLAG_SILENT;
    node.gateway.post(envelope);
    assert_eq!(
        (node.gateway.stats().dropped, node.gateway.stats().bounced),
        (1, 0)
    );
    node.no_bounce();
}

/// Sends `message` from the far proc to the port for bounces of the near one.
fn forge<M: Message>(near: &Node, far: &Node, flags: u8, message: M) {
    let dst = near
        .id
        .named_actor("a")
        .port(Port::Control(CONTROL_UNDELIVERED));
    let to = Location::at(near.gateway.addr().unwrap());
    let mut envelope = Envelope::new(dst, to, far.id.named_actor("liar"), message);
    envelope.header.flags = flags;
    far.gateway.post(envelope);
}

fn lost(src: ProcId, dst: ProcId) -> Undelivered {
    let dst = dst.named_actor("b").port(Port::Control(9));
    let envelope = Envelope::new(dst, Location::NONE, src.named_actor("a"), 1_u32);
    Undelivered::new(envelope, Cause::NoHandler)
}

#[tokio::test]
async fn a_forged_bounce_is_dropped_and_counted() {
    let (mut near, mut far) = Node::pair(ChannelTransport::Unix);
    forge(&near, &far, FLAG_BOUNCE, lost(far.id, near.id));
    forge(&near, &far, FLAG_BOUNCE, 17_u32);
    assert_eq!(soon(far.gateway.flush(crate::fixture::DEADLINE)).await, 0);
    assert_eq!(near.gateway.stats().forged_bounces, 2);
    // Without the flag it is an ordinary message to a port that takes none.
    forge(&near, &far, 0, lost(near.id, far.id));
    assert_eq!(far.bounced().await.cause, Cause::NotAllowed);
    near.no_bounce();
    // One that tells of a message of this actor is believed; a true one looks the same.
    forge(&near, &far, FLAG_BOUNCE, lost(near.id, far.id));
    assert_eq!(near.bounced().await.cause, Cause::NoHandler);
}

/// Bytes that are no envelope, straight onto a link.
struct Raw(Payload);

impl hypermesh_mailbox::channel::Parcel for Raw {
    fn payload(&self) -> &Payload {
        &self.0
    }

    fn complete(self, _: hypermesh_mailbox::channel::Outcome) {}
}

#[tokio::test]
async fn bytes_that_are_no_envelope_are_counted_and_harm_no_other() {
    use hypermesh_mailbox::channel::{Endpoint, EndpointOptions};
    let node = Node::new(0, ChannelTransport::Unix, &LocalHub::new());
    let mailbox = node.mailbox("a");
    let (handle, mut receiver) = mailbox.open_port::<u32>();
    let port = handle.bind();
    let peer = Endpoint::new(EndpointOptions::new(tokio::runtime::Handle::current()));
    let link = peer
        .dial_link::<Raw>(&node.gateway.addr().unwrap())
        .unwrap();
    for body in [vec![], vec![0xff; 300], vec![1; 40]] {
        link.post(Raw(Payload {
            body: body.into(),
            ..Payload::default()
        }));
    }
    assert_eq!(soon(link.flush(crate::fixture::DEADLINE)).await, 0);
    assert_eq!(node.gateway.stats().malformed, 3);
    port.send(&Sender::of(&mailbox), 5);
    assert_eq!(receiver.try_recv(), Ok(Some(5)));
}

#[tokio::test]
async fn a_payload_that_does_not_decode_bounces_from_its_consumer() {
    let (mut near, far) = Node::pair(ChannelTransport::Unix);
    let (sender, owner) = (near.mailbox("a"), far.mailbox("b"));
    let (handle, mut receiver) = owner.open_port::<String>();
    let (once, once_receiver) = owner.open_once_port::<String>();
    let (port, once) = (handle.bind(), once.bind());
    for (id, to) in [(port.id(), port.location()), (once.id(), once.location())] {
        let garbage = Payload {
            body: vec![200, 1].into(),
            ..Payload::default()
        };
        let body = Any::wire(String::KEY, garbage);
        near.gateway
            .post(Envelope::of_any(id, to.clone(), sender.id(), body));
    }
    port.send(&Sender::of(&sender), "fine".to_owned());
    assert_eq!(soon(receiver.recv()).await.as_deref(), Ok("fine"));
    assert!(
        soon(once_receiver)
            .await
            .unwrap_err()
            .to_string()
            .contains("does not decode")
    );
    for _ in 0..2 {
        let bounce = near.bounced().await;
        assert!(matches!(bounce.cause, Cause::Decode(_)), "{bounce}");
        assert_eq!(
            bounce.payload.unwrap().payload().unwrap().body[..],
            [200, 1]
        );
    }
}

#[tokio::test]
async fn a_link_that_cannot_be_made_bounces_with_the_reason() {
    let mut node = Node::alone();
    let mailbox = node.mailbox("a");
    let nowhere: ChannelAddr = "local:77".parse().unwrap();
    let dst = ProcId::new(1, 2, 3).named_actor("b").port(Port::Control(9));
    node.gateway.post(Envelope::new(
        dst,
        Location::at(nowhere),
        mailbox.id(),
        1_u32,
    ));
    let bounce = node.bounced().await;
    assert!(matches!(bounce.cause, Cause::LinkFailed(_)), "{bounce}");
    assert!(bounce.cause.to_string().contains("local:77"), "{bounce}");
    assert_eq!(bounce.payload.unwrap().take::<u32>().unwrap(), 1);
}

struct Panics;

impl MailboxSender for Panics {
    fn post(&self, _: Envelope) {
        panic!("on purpose");
    }
}

#[tokio::test]
async fn a_receiver_that_panics_bounces_what_it_got_and_harms_no_other() {
    let (mut near, far) = Node::pair(ChannelTransport::Unix);
    let (sender, owner) = (near.mailbox("a"), far.mailbox("b"));
    let bad = ProcId::new(WORLD, 5, 0);
    let _attachment = far.gateway.attach(bad, Arc::new(Panics)).unwrap();
    let (handle, mut receiver) = owner.open_port::<u32>();
    let port = handle.bind();
    let dst = bad.named_actor("x").port(Port::Control(9));
    for n in 0..10 {
        near.gateway
            .post(Envelope::new(dst, port.location().clone(), sender.id(), n));
        port.send(&Sender::of(&sender), n);
    }
    for n in 0..10 {
        assert_eq!(soon(receiver.recv()).await, Ok(n));
        let cause = near.bounced().await.cause;
        assert_eq!(
            cause,
            Cause::Unknown("the receiver panicked: on purpose".into())
        );
    }
}

#[tokio::test]
async fn headers_travel_with_the_message_and_come_back_with_it() {
    let (mut near, far) = Node::pair(ChannelTransport::Unix);
    let mailbox = near.mailbox("a");
    let key = hypermesh_wire::TypeKey::of("operation");
    let to = Location::at(far.gateway.addr().unwrap());
    let nobody = far.id.named_actor("nobody").port(Port::Control(9));
    let mut envelope = Envelope::new(nobody, to, mailbox.id(), 1_u32);
    let mut headers = Headers::new();
    headers.set(key, &b"cast 7"[..]).unwrap();
    envelope.headers = headers;
    near.gateway.post(envelope);
    assert_eq!(near.bounced().await.headers.get(key).unwrap(), "cast 7");
}

#[tokio::test]
async fn a_sender_without_gateway_is_no_trouble() {
    let hub = LocalHub::new();
    let far = Node::new(1, ChannelTransport::Local, &hub);
    let near = gateway(ChannelTransport::Local, &hub);
    let src = ProcId::new(WORLD, 0, 0).named_actor("a");
    let nobody = far.id.named_actor("nobody").port(Port::Control(9));
    let to = Location::at(far.gateway.addr().unwrap());
    near.post(Envelope::new(nobody, to, src, 1_u32));
    assert_eq!(soon(near.flush(crate::fixture::DEADLINE)).await, 0);
    assert_eq!(soon(far.gateway.flush(crate::fixture::DEADLINE)).await, 0);
    assert_eq!((near.stats().dropped, far.gateway.stats().bounced), (1, 1));
}
