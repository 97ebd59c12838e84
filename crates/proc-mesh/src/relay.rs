//! The part of every proc that hands casts on: to the procs around it, and to further stops.
//!
//! It runs on the thread that delivers the cast, whatever the actors of the proc are doing, and keeps
//! nothing but the folds that it waits for.

use std::sync::Arc;

use hypermesh_alloc::actor::mailbox::{
    Cause, Envelope, MailboxSender, Ordinals, RawPort, ports_of, replace_ports,
};
use hypermesh_alloc::actor::{CastOrigin, CastReply, Proc, ProcService};
use hypermesh_wire::macro_support::inventory;
use hypermesh_wire::{Any, Named, Payload};

use crate::cast_frame::{CONTROL_CAST, CastFrame, CastHop, ordinals};
use crate::plan::Leg;
use crate::reply_relay::ReplyRelay;

inventory::submit! {
    ProcService { control: CONTROL_CAST, make: |proc| Arc::new(CastRelay::new(proc)) }
}

/// Hands casts on, and folds what comes back where it may.
struct CastRelay {
    proc: Proc,
    replies: ReplyRelay,
}

impl CastRelay {
    fn new(proc: &Proc) -> Self {
        CastRelay {
            proc: proc.clone(),
            replies: ReplyRelay::new(proc),
        }
    }

    fn on_cast(&self, mut hop: CastHop) {
        // With one member below there is nothing to fold.
        if 1 < hop.frame.legs.iter().map(Leg::count).sum::<usize>() {
            if let Some(route) = self.replies.take_over(&hop) {
                hop.redirect(route);
            }
            if !hop.frame.cast.marks.is_empty() {
                hop.frame.payload = self.with_splits(&hop);
            }
        }
        let gateway = self.proc.gateway();
        for run in hop.frame.branches() {
            hop.pass_on(gateway, run);
        }
        let CastFrame {
            cast,
            payload,
            legs,
            ..
        } = &hop.frame;
        for (rank, actor) in legs.first().into_iter().flat_map(|leg| cast.members(leg)) {
            let body = Any::wire(cast.key, payload.clone());
            gateway.post(hop.envelope(rank, actor, body));
        }
    }

    /// Returns the message with this proc's own ports in the place of those with reducers, so that the
    /// answers from here on are folded before they go on.
    fn with_splits(&self, hop: &CastHop) -> Payload {
        let mut payload = hop.frame.payload.clone();
        let ports = match ports_of(&payload, &hop.frame.cast.marks) {
            Ok(ports) => ports,
            Err(error) => {
                tracing::warn!(%error, sender = %hop.sender, "a cast has bad marks");
                return payload;
            }
        };
        let members = ordinals(&hop.frame.legs);
        let mut splits = ports
            .into_iter()
            .map(|port| self.split(port, &members, hop));
        let replaced = replace_ports(&mut payload, &hop.frame.cast.marks, |port| {
            splits.next().unwrap_or(port)
        });
        if let Err(error) = replaced {
            tracing::warn!(%error, "the ports of a cast are passed on as they are");
        }
        payload
    }

    fn split(&self, port: RawPort, members: &Ordinals, hop: &CastHop) -> RawPort {
        let within = hop.frame.cast.within;
        match self
            .replies
            .mailbox()
            .open_split(port.clone(), members.clone(), within)
        {
            Ok((split, _)) => split,
            // What this program cannot fold is folded further up.
            Err(error) => {
                tracing::debug!(%error, "a port is passed on as it is");
                port
            }
        }
    }
}

impl MailboxSender for CastRelay {
    fn post(&self, envelope: Envelope) {
        let Envelope {
            header,
            to,
            mut headers,
            body,
        } = envelope;
        let refused = match body.key() {
            key if key == CastFrame::KEY => match CastOrigin::of(&headers) {
                Ok(Some(origin)) => match body.take::<CastFrame>() {
                    Ok(frame) => {
                        // Each receiver gets one of its own.
                        CastOrigin::remove(&mut headers);
                        let hop = CastHop::received(frame, header.src, origin, headers);
                        return self.on_cast(hop);
                    }
                    Err(error) => (*error.any, Cause::Decode(error.cause.to_string().into())),
                },
                Ok(None) => (body, Cause::Decode("a cast without an origin".into())),
                Err(error) => (body, Cause::Decode(error.to_string().into())),
            },
            key if key == CastReply::KEY => match body.take::<CastReply>() {
                Ok(reply) => return self.replies.on_reply(reply),
                Err(error) => (*error.any, Cause::Decode(error.cause.to_string().into())),
            },
            _ => {
                let expected = CastFrame::KEY;
                (body, Cause::WrongType { expected })
            }
        };
        let (body, cause) = refused;
        self.proc.gateway().bounce(
            Envelope {
                header,
                to,
                headers,
                body,
            },
            cause,
        );
    }
}
