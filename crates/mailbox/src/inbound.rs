//! What comes in over links: headers are decoded and checked, envelopes are passed on.

use std::sync::Weak;

use hypermesh_channel::{ChannelAddr, Flow, Peer, Sink};
use hypermesh_wire::Payload;

use crate::gateway::{Gateway, Shared};
use crate::routes::Origin;
use crate::{
    CONTROL_UNDELIVERED, Cause, Envelope, EnvelopeHeader, Port, ProcId, Undelivered, wire_form,
};

/// Takes what the servers of one gateway receive.
pub(crate) struct Inbound {
    gateway: Weak<Shared>,
}

impl Inbound {
    pub(crate) fn new(gateway: Weak<Shared>) -> Self {
        Self { gateway }
    }
}

impl Sink for Inbound {
    fn deliver(&self, peer: &Peer, batch: &mut Vec<Payload>) -> Flow {
        let Some(gateway) = Gateway::upgrade(&self.gateway) else {
            // The servers of a gateway stop with it; what still comes in goes nowhere.
            batch.clear();
            return Flow::Continue;
        };
        let mut way_back = WayBack {
            addr: peer.advertised.as_ref(),
            last: None,
        };
        for payload in batch.drain(..) {
            take(&gateway, peer, payload, &mut way_back);
        }
        Flow::Continue
    }
}

/// The way back to the senders of one batch.
struct WayBack<'a> {
    addr: Option<&'a ChannelAddr>,
    /// The sender that was looked up last: mostly the next message has the same.
    last: Option<ProcId>,
}

impl WayBack<'_> {
    fn learn(&mut self, gateway: &Gateway, src: ProcId) {
        let Some(addr) = self.addr else { return };
        if self.last.replace(src) != Some(src) {
            gateway.routes().learn(src, addr);
        }
    }
}

/// Passes on one envelope. Whatever is wrong with it, or goes wrong with it, concerns no other.
fn take(gateway: &Gateway, peer: &Peer, payload: Payload, way_back: &mut WayBack<'_>) {
    let envelope = match wire_form::open(payload) {
        Ok(envelope) => envelope,
        Err(error) => {
            gateway.counters().malformed.add(1);
            tracing::debug!(%peer, %error, "a peer sent something that is no envelope");
            return;
        }
    };
    way_back.learn(gateway, envelope.header.src.proc);
    if let Some(envelope) = admit(gateway, envelope) {
        gateway.pass(envelope, Origin::Link);
    }
}

/// Returns the envelope if it may be passed on.
fn admit(gateway: &Gateway, envelope: Envelope) -> Option<Envelope> {
    let EnvelopeHeader { dst, .. } = envelope.header;
    if dst.port != Port::Control(CONTROL_UNDELIVERED) {
        return Some(envelope);
    }
    if !envelope.header.is_bounce() {
        gateway.bounce(envelope, Cause::NotAllowed);
        return None;
    }
    // A bounce is decoded where its receiver lives, and dropped unless it tells of a message that
    // this receiver can have sent: nobody fails by a forged bounce.
    if !gateway.routes().is_attached(dst.actor.proc) {
        return Some(envelope);
    }
    let Envelope {
        header,
        to,
        headers,
        body,
    } = envelope;
    match body.take::<Undelivered>() {
        Ok(undelivered) if undelivered.header.src == dst.actor => {
            let body = hypermesh_wire::Any::local(undelivered);
            Some(Envelope {
                header,
                to,
                headers,
                body,
            })
        }
        refused => {
            gateway.counters().forged_bounces.add(1);
            tracing::debug!(%dst, src = %header.src, ok = refused.is_ok(), "forged bounce dropped");
            None
        }
    }
}
