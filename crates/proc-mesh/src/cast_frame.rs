//! A cast on its way down the tree.
//!
//! A cast goes to a stop as one message: a [`CastFrame`] in the body, and beside it, in the headers, what
//! every member gets as well: the [`CastOrigin`] and whatever else the sender wants to travel with the
//! message. So a hop decodes of a cast what it needs to hand it on, and nothing else.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use hypermesh_alloc::actor::mailbox::{
    ActorId, Envelope, Gateway, Location, Ordinals, Port, PortId, ProcId, RawPort,
};
use hypermesh_alloc::actor::{
    AGENT_NAME, CallError, CastOrigin, CastPlace, CastReply, ReplyHeader,
};
use hypermesh_wire::{Any, Headers, Marks, Message, Named, Payload, TypeKey};
use serde::{Deserialize, Serialize};

use crate::plan::{self, Leg};
use crate::reply_slot::{From, ReplySlot};

/// The control port of every proc's agent that takes casts for the procs around it, and the replies
/// to those that it folds.
pub(crate) const CONTROL_CAST: u8 = 32;

/// What relays need to know of a cast, the same at all of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Cast {
    /// The world of the procs.
    pub(crate) world: u64,
    /// The key of the actors.
    pub(crate) actor: u64,
    /// The type of the message.
    pub(crate) key: TypeKey,
    /// The parts of the message that are ports with reducers.
    pub(crate) marks: Marks,
    /// How many stops one node sends to.
    pub(crate) fan_out: u32,
    /// How long relays wait for the answers that they fold.
    pub(crate) within: Duration,
}

/// Where replies go.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ReplyRoute {
    /// The port that takes a [`CastReply`] from each member.
    pub(crate) port: PortId,
    /// Where to dial for it.
    pub(crate) location: Location,
    /// Which of the gatherings behind the port.
    pub(crate) gathering: u32,
    /// Where relays send what they have folded, if they may.
    pub(crate) fold: Option<Fold>,
}

/// How relays may fold replies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Fold {
    /// The port with the reducer.
    pub(crate) into: RawPort,
    /// The type of one reply.
    pub(crate) key: TypeKey,
}

/// A cast as one stop receives it: the message, and the stops to pass it on to.
#[derive(Debug, Clone, PartialEq, Message, Serialize, Deserialize)]
#[message(serde)]
pub(crate) struct CastFrame {
    pub(crate) cast: Arc<Cast>,
    pub(crate) payload: Payload,
    /// How replies may be folded on the way, if they may.
    pub(crate) fold: Option<Fold>,
    /// The receiver's own leg, and those below it.
    pub(crate) legs: Vec<Leg>,
}

/// A cast at one node of the tree: its frame, and what travels in the headers.
#[derive(Debug)]
pub(crate) struct CastHop {
    pub(crate) frame: CastFrame,
    /// Who casts.
    pub(crate) sender: ActorId,
    /// What all members are told.
    pub(crate) origin: CastOrigin,
    /// What else the sender wants to travel with the message.
    pub(crate) headers: Headers,
    /// Which of the gatherings behind the port of replies waits; `None` if none does.
    pub(crate) gathering: Option<u32>,
    /// The number of the first leg in the whole cast, if replies are waited for.
    pub(crate) first: u32,
}

impl Cast {
    /// The actors of `leg`, with their ranks.
    pub(crate) fn members<'a>(&'a self, leg: &'a Leg) -> impl Iterator<Item = (u32, ActorId)> + 'a {
        leg.crews.iter().flat_map(move |crew| {
            let member = move |rank: usize| {
                // Ranks of extents fit; a peer that sends others is told that there is no such proc.
                let rank = u32::try_from(rank).unwrap_or(u32::MAX);
                let proc = ProcId::new(self.world, rank, crew.proc_generation);
                (rank, proc.actor(self.actor, crew.actor_generation))
            };
            crew.ranks.iter().map(member)
        })
    }
}

impl ReplyRoute {
    /// Tells whoever gathers why there is no reply for `slot`.
    pub(crate) fn refuse(&self, gateway: &Gateway, from: ActorId, slot: ReplySlot, why: CallError) {
        let header = ReplyHeader {
            port: self.port,
            location: self.location.clone(),
            key: CastReply::KEY,
            ordinal: Some(slot.ordinal()),
        };
        header.refuse(gateway, from, why);
    }
}

impl CastFrame {
    /// The runs that the head of this frame passes it on to.
    pub(crate) fn branches(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        plan::branches(0..self.legs.len(), self.cast.fan_out as usize)
    }

    /// All actors that this frame is for.
    pub(crate) fn members(&self) -> impl Iterator<Item = ActorId> + '_ {
        self.legs
            .iter()
            .flat_map(|leg| self.cast.members(leg))
            .map(|(_, actor)| actor)
    }
}

impl CastHop {
    /// Returns the cast that a relay has got from `sender`: `headers` are those beside place and origin.
    pub(crate) fn received(
        frame: CastFrame,
        sender: ActorId,
        (place, origin): (CastPlace, CastOrigin),
        headers: Headers,
    ) -> Self {
        let slot = place.reply.map(ReplySlot::of_ordinal);
        let first = match slot.map(|slot| slot.from) {
            Some(From::Branch(first) | From::Rank(first)) => first,
            None => 0,
        };
        CastHop {
            frame,
            sender,
            origin,
            headers,
            gathering: slot.map(|slot| slot.gathering),
            first,
        }
    }

    /// The route of replies, if relays may fold them.
    pub(crate) fn folding_route(&self) -> Option<ReplyRoute> {
        let (gathering, fold) = (self.gathering?, self.frame.fold.clone()?);
        // One that cannot be read folds nothing; members say the same of it.
        let (port, location) = self.origin.reply().ok()??;
        Some(ReplyRoute {
            port,
            location,
            gathering,
            fold: Some(fold),
        })
    }

    /// Lets the replies from here on go by `route`.
    pub(crate) fn redirect(&mut self, route: ReplyRoute) {
        match self.origin.with_reply(route.port, route.location) {
            Ok(origin) => {
                self.origin = origin;
                self.gathering = Some(route.gathering);
                self.frame.fold = route.fold;
            }
            Err(error) => tracing::warn!(%error, "the origin of a cast cannot be read"),
        }
    }

    /// Sends the cast on to the legs in `run`, counted in this frame.
    pub(crate) fn pass_on(&self, gateway: &Gateway, run: Range<usize>) {
        let CastFrame {
            cast,
            payload,
            fold,
            legs,
        } = &self.frame;
        let legs = legs[run.clone()].to_vec();
        let Some(head) = legs.first() else { return };
        let (to, dst) = (Location::at(head.addr.clone()), relay_port(head.relay));
        let frame = CastFrame {
            cast: cast.clone(),
            payload: payload.clone(),
            fold: fold.clone(),
            legs,
        };
        let first = u32::try_from(run.start).unwrap_or(u32::MAX);
        let first = self.first.saturating_add(first);
        // If the head cannot be reached, that is the reply of all below it.
        let branch = |gathering| ReplySlot::of_branch(gathering, first).ordinal();
        let place = CastPlace {
            rank: None,
            reply: self.gathering.map(branch),
        };
        gateway.post(self.stamped(dst, to, place, Any::local(frame)));
    }

    /// The envelope for the member `actor` at `rank`.
    pub(crate) fn envelope(&self, rank: u32, actor: ActorId, body: Any) -> Envelope {
        let dst = actor.port(Port::Handler(self.frame.cast.key));
        let member = |gathering| ReplySlot::of_rank(gathering, rank).ordinal();
        let place = CastPlace {
            rank: Some(rank),
            reply: self.gathering.map(member),
        };
        self.stamped(dst, Location::NONE, place, body)
    }

    fn stamped(&self, dst: PortId, to: Location, place: CastPlace, body: Any) -> Envelope {
        let mut envelope = Envelope::of_any(dst, to, self.sender, body);
        let mut headers = self.headers.clone();
        match self.origin.stamp(place, &mut headers) {
            Ok(()) => envelope.headers = headers,
            // The sender filled them up to the limit, so that ours have no room.
            Err(error) => tracing::warn!(%error, %dst, "headers are left out"),
        }
        envelope
    }
}

/// The ranks that `legs` serve, as ordinals of whoever answers.
pub(crate) fn ordinals(legs: &[Leg]) -> Ordinals {
    legs.iter()
        .flat_map(Leg::ranks)
        .map(|rank| rank as u64)
        .collect()
}

/// The port of `proc` that takes casts to be handed on.
pub(crate) fn relay_port(proc: ProcId) -> PortId {
    proc.named_actor(AGENT_NAME)
        .port(Port::Control(CONTROL_CAST))
}

#[cfg(test)]
mod tests;
