//! The proof that a sender has asked to fail with a message.
//!
//! A bounce that comes over a link may make its receiver fail only if the receiver has asked for that. Whether
//! it has, is not remembered: the message carries a ticket, which only its sender's gateway can write, and the
//! bounce brings it back among the headers. Whoever has not seen a message from one actor to another has no
//! ticket for these two.

use std::borrow::Cow;
use std::hash::BuildHasher;
use std::hash::RandomState;

use hypermesh_wire::{Named, TypeKey};
use serde::{Deserialize, Serialize};

use crate::{Envelope, EnvelopeHeader, LossPolicy, Undelivered};

/// Writes and checks the tickets of one gateway, by a secret of its own.
#[derive(Debug, Default)]
pub(crate) struct FailTickets {
    /// Keyed at random, and made to withstand those who look for collisions.
    secret: RandomState,
}

/// The ticket as it travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct FailTicket(u64);

impl Named for FailTicket {
    const KEY: TypeKey = TypeKey::of("hypermesh::FailTicket");

    fn name() -> Cow<'static, str> {
        Cow::Borrowed("hypermesh::FailTicket")
    }
}

impl FailTickets {
    fn ticket(&self, header: &EnvelopeHeader) -> FailTicket {
        FailTicket(self.secret.hash_one((header.src, header.dst)))
    }

    /// Gives the message its ticket, if its sender is to fail with it. One whose headers are full only
    /// notifies.
    pub(crate) fn stamp(&self, envelope: &mut Envelope) {
        if envelope.header.loss_policy() != LossPolicy::FailSender {
            return;
        }
        let ticket = self.ticket(&envelope.header);
        if let Err(error) = envelope.headers.set_as(&ticket) {
            tracing::warn!(dst = %envelope.header.dst, %error, "the sender will not fail with its message");
            envelope.header.set_loss_policy(LossPolicy::Notify);
        }
    }

    /// Checks what a bounce from a link says of its message: without the ticket, its sender only hears of it.
    pub(crate) fn check(&self, undelivered: &mut Undelivered) {
        if undelivered.header.loss_policy() != LossPolicy::FailSender {
            return;
        }
        let ticket = undelivered.headers.get_as::<FailTicket>();
        if ticket != Ok(Some(self.ticket(&undelivered.header))) {
            undelivered.header.set_loss_policy(LossPolicy::Notify);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Cause, Location, Port, ProcId};

    #[test]
    fn a_bounce_without_the_ticket_of_its_message_fails_nobody() {
        let (tickets, others) = (FailTickets::default(), FailTickets::default());
        let proc = ProcId::new(1, 2, 3);
        let dst = proc.named_actor("b").port(Port::Control(9));
        let message = |src: &str, stamp: Option<&FailTickets>| {
            let src = proc.named_actor(src);
            let mut envelope = Envelope::new(dst, Location::NONE, src, 7_u32);
            envelope.header.set_loss_policy(LossPolicy::FailSender);
            if let Some(tickets) = stamp {
                tickets.stamp(&mut envelope);
            }
            envelope
        };
        let check = |envelope: Envelope, fails: bool| {
            let mut undelivered = Undelivered::new(envelope, Cause::NoRoute);
            tickets.check(&mut undelivered);
            assert_eq!(undelivered.fails_sender(), fails);
        };
        check(message("a", Some(&tickets)), true);
        check(message("a", Some(&others)), false);
        check(message("a", None), false);
        let mut stolen = message("c", None);
        stolen.headers = message("a", Some(&tickets)).headers;
        check(stolen, false);
    }
}
