//! What comes in over links: headers are decoded and checked, envelopes are passed on. While the queues of this
//! process hold too much, links wait; those for bounces and urgent messages do not.

mod admission;
mod lessons;

use std::pin::Pin;
use std::sync::Weak;

use hypermesh_channel::{ChannelAddr, Flow, Peer, Sink};
use hypermesh_wire::Payload;

pub use self::admission::Admission;
use self::lessons::Lessons;
use crate::gateway::{Gateway, Shared};
use crate::routes::Origin;
use crate::{
    CONTROL_UNDELIVERED, Cause, Envelope, EnvelopeHeader, Port, ProcId, Undelivered, wire_form,
};

/// Takes what the servers of one gateway receive.
pub(crate) struct Inbound {
    gateway: Weak<Shared>,
    lessons: Lessons,
}

impl Inbound {
    pub(crate) fn new(gateway: Weak<Shared>) -> Self {
        let lessons = Lessons::default();
        Self { gateway, lessons }
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
            lessons: &self.lessons,
            session: peer.session,
        };
        for (n_taken, payload) in batch.iter_mut().enumerate() {
            // Bounces go through: senders learn of their losses even if no queue here has room.
            if gateway.budget().is_full() && !wire_form::is_urgent(payload) {
                batch.drain(..n_taken);
                return Flow::Pause;
            }
            take(&gateway, peer, std::mem::take(payload), &mut way_back);
        }
        batch.clear();
        Flow::Continue
    }

    fn ready(&self, _: &Peer) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let gateway = Gateway::upgrade(&self.gateway);
        Box::pin(async move {
            // A gateway that has ended takes everything, and drops it.
            let Some(budget) = gateway.map(|gateway| gateway.budget().clone()) else {
                return;
            };
            // Ends when its queues are read: no deadline, as that is up to the program.
            budget.ready().await;
        })
    }

    fn lost(&self, peer: &Peer) {
        self.lessons.forget(peer.session);
    }
}

/// The way back to the senders of one batch.
struct WayBack<'a> {
    addr: Option<&'a ChannelAddr>,
    /// The sender that was looked up last: mostly the next message has the same.
    last: Option<ProcId>,
    lessons: &'a Lessons,
    session: u64,
}

impl WayBack<'_> {
    fn learn(&mut self, gateway: &Gateway, src: ProcId) {
        let Some(addr) = self.addr else { return };
        let routes = gateway.routes();
        if self.last.replace(src) != Some(src)
            && routes.is_news(src, addr)
            && self.lessons.admit(self.session)
        {
            routes.learn(src, addr);
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
    let src = envelope.header.src.proc;
    let admission = gateway.admission();
    if admission.is_some_and(|admission| !admission.may_speak_for(peer, src)) {
        gateway.counters().refused.add(1);
        tracing::debug!(%peer, %src, "a peer may not send for this proc");
        return;
    }
    way_back.learn(gateway, src);
    if let Some(envelope) = admit(gateway, peer, envelope) {
        gateway.pass(envelope, Origin::Link);
    }
}

/// Returns the envelope if it may be passed on.
fn admit(gateway: &Gateway, peer: &Peer, envelope: Envelope) -> Option<Envelope> {
    let EnvelopeHeader { dst, .. } = envelope.header;
    if dst.port != Port::Control(CONTROL_UNDELIVERED) {
        if !matches!(dst.port, Port::Control(_)) && !envelope.header.is_urgent() {
            return Some(envelope);
        }
        let admission = gateway.admission();
        if admission.is_none_or(|admission| admission.may_control(peer, dst)) {
            return Some(envelope);
        }
        gateway.counters().refused.add(1);
        gateway.bounce(envelope, Cause::NotAllowed);
        return None;
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
        Ok(mut undelivered) if undelivered.header.src == dst.actor => {
            gateway.fail_tickets().check(&mut undelivered);
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
