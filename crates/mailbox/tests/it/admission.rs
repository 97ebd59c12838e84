//! What peers may send, where somebody decides that.

use std::sync::Arc;

use hypermesh_mailbox::channel::{ChannelTransport, Peer};
use hypermesh_mailbox::{
    Admission, Cause, Envelope, FLAG_URGENT, Gateway, GatewayOptions, Location, Port, PortId,
    ProcId,
};
use tokio::runtime::Handle;

use crate::fixture::{DEADLINE, Node, Sender, WORLD, soon};

/// Peers speak for one proc, and control nothing but port 7.
#[derive(Debug)]
struct Only(ProcId);

impl Admission for Only {
    fn may_speak_for(&self, _: &Peer, src: ProcId) -> bool {
        src == self.0
    }

    fn may_control(&self, _: &Peer, dst: PortId) -> bool {
        dst.port == Port::Control(7)
    }
}

/// A node, and one that admits only the first.
fn pair() -> (Node, Node) {
    let near = Node::on(
        Gateway::new(GatewayOptions::new(
            Handle::current(),
            ChannelTransport::Unix,
        )),
        ProcId::new(WORLD, 0, 0),
    );
    let mut options = GatewayOptions::new(Handle::current(), ChannelTransport::Unix);
    options.admission = Some(Arc::new(Only(near.id)));
    let far = Node::on(Gateway::new(options), ProcId::new(WORLD, 1, 0));
    (near, far)
}

#[tokio::test]
async fn a_message_in_the_name_of_another_proc_is_dropped_and_counted() {
    let (mut near, far) = pair();
    let mut claimed = Node::on(near.gateway.clone(), ProcId::new(WORLD, 9, 0));
    let (sender, owner) = (near.mailbox("a"), far.mailbox("b"));
    let (handle, mut receiver) = owner.open_port::<u32>();
    let port = handle.bind();
    let liar = claimed.mailbox("liar");
    port.send(&Sender::of(&liar), 1);
    let nobody = far.id.named_actor("nobody").port(Port::Control(7));
    let to = port.location().clone();
    near.gateway
        .post(Envelope::new(nobody, to, liar.id(), 2_u32));
    port.send(&Sender::of(&sender), 3);
    assert_eq!(soon(receiver.recv()).await, Ok(3));
    assert_eq!(receiver.try_recv(), Ok(None));
    assert_eq!(soon(near.gateway.flush(DEADLINE)).await, 0);
    assert_eq!(far.gateway.stats().refused, 2);
    claimed.no_bounce();
    near.no_bounce();
}

#[tokio::test]
async fn control_ports_are_for_those_who_may_control() {
    let (mut near, far) = pair();
    let sender = near.mailbox("a");
    let to = Location::at(far.gateway.addr().unwrap());
    for (number, cause) in [(7, Cause::ActorNotFound), (8, Cause::NotAllowed)] {
        let dst = far.id.named_actor("b").port(Port::Control(number));
        near.gateway
            .post(Envelope::new(dst, to.clone(), sender.id(), 1_u32));
        assert_eq!(near.bounced().await.cause, cause);
    }
    let (handle, _receiver) = far.mailbox("d").open_port::<u32>();
    let mut urgent = Envelope::new(handle.bind().id(), to, sender.id(), 1_u32);
    urgent.header.flags |= FLAG_URGENT;
    near.gateway.post(urgent);
    assert_eq!(near.bounced().await.cause, Cause::NotAllowed);
    assert_eq!(far.gateway.stats().refused, 2);
    // What goes on inside of the process is nobody's business.
    let mut far = far;
    let dst = far.id.named_actor("b").port(Port::Control(8));
    let local = far.mailbox("c");
    far.gateway
        .post(Envelope::new(dst, Location::NONE, local.id(), 1_u32));
    assert_eq!(far.bounced().await.cause, Cause::ActorNotFound);
}
