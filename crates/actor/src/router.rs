//! Takes what the gateway has for a proc, and hands it to the actor it is for.

use hypermesh_mailbox::{
    CONTROL_UNDELIVERED, Cause, Envelope, MailboxSender, Port, Rejected, Undelivered,
};
use hypermesh_wire::{Named, TypeKey};

use crate::agent::{SpawnActor, spawn_actor};
use crate::call_error::CallError;
use crate::cell::rejected;
use crate::incoming::cause_of;
use crate::proc::Proc;
use crate::reply::ReplyTo;
use crate::reply_header::ReplyHeader;

/// The key of the one message to the agent that is served out of turn.
const SPAWN_ACTOR: TypeKey = <SpawnActor as Named>::KEY;

/// The end of a proc that is attached to its gateway.
pub(crate) struct Router {
    proc: Proc,
}

impl Router {
    pub(crate) fn new(proc: Proc) -> Self {
        Self { proc }
    }

    fn route(&self, envelope: Envelope) -> Result<(), Box<Rejected>> {
        match envelope.header.dst.port {
            Port::Control(CONTROL_UNDELIVERED) => {
                self.returned(envelope);
                Ok(())
            }
            Port::Control(number) if envelope.header.dst.actor == self.proc.agent_id() => {
                match self.proc.service(number) {
                    Some(service) => service.post(envelope),
                    None => return Err(rejected(envelope, Cause::PortNeverExisted)),
                }
                Ok(())
            }
            Port::Handler(SPAWN_ACTOR) if envelope.header.dst.actor == self.proc.agent_id() => {
                self.spawn(envelope)
            }
            Port::Control(_) | Port::Handler(_) | Port::Ephemeral { .. } => {
                self.proc.deliver(envelope)
            }
        }
    }

    /// Serves a request to spawn an actor at once, ahead of the messages for that actor.
    fn spawn(&self, envelope: Envelope) -> Result<(), Box<Rejected>> {
        let agent = match self.proc.shared().table.find(self.proc.agent_id()) {
            Ok(agent) => agent,
            Err(cause) => return Err(rejected(envelope, cause)),
        };
        let Envelope {
            header,
            to,
            headers,
            body,
        } = envelope;
        match body.take::<SpawnActor>() {
            Ok(request) => {
                let reply = match ReplyHeader::of(&headers) {
                    Some(header) => ReplyTo::there(header, agent, None, 0),
                    None => ReplyTo::nobody(),
                };
                spawn_actor(&self.proc, request, reply);
                Ok(())
            }
            Err(error) => {
                let cause = cause_of(error.cause);
                Err(rejected(
                    Envelope {
                        header,
                        to,
                        headers,
                        body: *error.any,
                    },
                    cause,
                ))
            }
        }
    }

    /// Takes a message of an actor of this proc that came back.
    fn returned(&self, envelope: Envelope) {
        let sender = envelope.header.dst.actor;
        let undelivered = match envelope.body.take::<Undelivered>() {
            Ok(undelivered) => undelivered,
            Err(error) => {
                tracing::warn!(actor = %sender, %error, "a bounce cannot be read and is dropped");
                return;
            }
        };
        let is_notice = self.proc.notice_returned(&undelivered);
        // Who asked is waiting for a reply, possibly in a handler: the answer must not queue.
        if let Some(header) = ReplyHeader::of(&undelivered.headers) {
            let error = CallError::from(undelivered.cause);
            header.refuse(self.proc.gateway(), sender, error);
            return;
        }
        if is_notice {
            return;
        }
        match self.proc.shared().table.find(sender) {
            Ok(cell) => cell.take_bounce(Box::new(undelivered)),
            Err(_) => {
                tracing::debug!(actor = %sender, %undelivered, "the sender of a bounce is gone");
            }
        }
    }

    /// Tells the sender of `envelope` that it was not delivered.
    fn give_back(&self, envelope: Envelope, cause: Cause) {
        let receiver = envelope.header.dst.actor;
        let gateway = self.proc.gateway();
        match ReplyHeader::of(&envelope.headers) {
            Some(header) if matches!(cause, Cause::OwnerExited(_)) => {
                header.refuse(gateway, receiver, self.proc.call_error(receiver, cause));
            }
            _ => gateway.bounce(envelope, cause),
        }
    }
}

impl MailboxSender for Router {
    fn post(&self, envelope: Envelope) {
        if let Err(rejected) = self.route(envelope) {
            self.give_back(rejected.envelope, rejected.cause);
        }
    }
}
