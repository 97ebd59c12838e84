//! A cast on its way down the tree.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use hypermesh_alloc::actor::mailbox::{
    ActorId, CastOrdinal, Envelope, Gateway, Location, Ordinals, Port, PortId, ProcId, RawPort,
};
use hypermesh_alloc::actor::{AGENT_NAME, CallError, CastOrigin, CastReply, ReplyHeader};
use hypermesh_ndslice::{Rank, Region};
use hypermesh_wire::{Any, Headers, HeadersError, Marks, Message, Named, Payload, TypeKey};
use serde::{Deserialize, Serialize};

use crate::plan::{self, Leg};
use crate::reply_slot::ReplySlot;

/// The control port of every proc's agent that takes casts for the procs around it, and the replies
/// to those that it folds.
pub(crate) const CONTROL_CAST: u8 = 32;

/// What is the same everywhere in a cast.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Cast {
    /// The view that is cast to: receivers learn their points in it.
    pub(crate) view: Region,
    /// The world of the procs.
    pub(crate) world: u64,
    /// The key of the actors.
    pub(crate) actor: u64,
    /// Who casts.
    pub(crate) sender: ActorId,
    /// The type of the message.
    pub(crate) key: TypeKey,
    /// What the sender wants to travel with the message.
    pub(crate) headers: Headers,
    /// The parts of the message that are ports with reducers.
    pub(crate) marks: Marks,
    /// How many stops one node sends to.
    pub(crate) fan_out: u32,
    /// How long relays wait for the answers that they fold.
    pub(crate) within: Duration,
}

/// Where replies go.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
    pub(crate) reply: Option<ReplyRoute>,
    /// The number of the first leg in the whole cast.
    pub(crate) first: u32,
    /// The receiver's own leg, and those below it.
    pub(crate) legs: Vec<Leg>,
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

    /// The envelope for the member `actor` at `rank`.
    pub(crate) fn envelope(
        &self,
        rank: u32,
        actor: ActorId,
        reply: Option<&ReplyRoute>,
        body: Any,
    ) -> Envelope {
        let dst = actor.port(Port::Handler(self.key));
        let mut envelope = Envelope::of_any(dst, Location::NONE, self.sender, body);
        match self.headers_for(rank, reply) {
            Ok(headers) => envelope.headers = headers,
            // The sender filled them up to the limit, so that ours have no room.
            Err(error) => {
                tracing::warn!(%error, dst = %envelope.header.dst, "headers are left out");
            }
        }
        envelope
    }

    fn headers_for(&self, rank: u32, reply: Option<&ReplyRoute>) -> Result<Headers, HeadersError> {
        let mut headers = self.headers.clone();
        let at = self.view.ordinal_of(Rank(rank as usize));
        if let Ok(point) = at.and_then(|ordinal| self.view.point_of(ordinal)) {
            headers.set_as(&CastOrigin {
                sender: self.sender,
                point,
            })?;
        }
        CastOrdinal(rank.into()).stamp(&mut headers)?;
        if let Some(reply) = reply {
            headers.set_as(&reply.header(ReplySlot::of_rank(reply.gathering, rank)))?;
        }
        Ok(headers)
    }
}

impl ReplyRoute {
    /// The header by which a reply for `slot` finds its way.
    pub(crate) fn header(&self, slot: ReplySlot) -> ReplyHeader {
        ReplyHeader {
            port: self.port,
            location: self.location.clone(),
            key: CastReply::KEY,
            ordinal: Some(slot.ordinal()),
        }
    }

    /// Tells whoever gathers why there is no reply for `slot`.
    pub(crate) fn refuse(&self, gateway: &Gateway, from: ActorId, slot: ReplySlot, why: CallError) {
        self.header(slot).refuse(gateway, from, why);
    }
}

impl CastFrame {
    /// Sends the cast on to the legs in `run`, counted in this frame.
    pub(crate) fn pass_on(&self, gateway: &Gateway, run: Range<usize>) {
        let legs = self.legs[run.clone()].to_vec();
        let Some(head) = legs.first() else { return };
        let to = Location::at(head.addr.clone());
        let dst = relay_port(head.relay);
        let first = self
            .first
            .saturating_add(u32::try_from(run.start).unwrap_or(u32::MAX));
        let (cast, payload) = (self.cast.clone(), self.payload.clone());
        let frame = CastFrame {
            cast,
            payload,
            reply: self.reply.clone(),
            first,
            legs,
        };
        let mut headers = Headers::new();
        if let Some(reply) = &self.reply {
            // If the head cannot be reached, that is the reply of all below it.
            let slot = ReplySlot::of_branch(reply.gathering, first);
            headers
                .set_as(&reply.header(slot))
                .expect("a reply header is small and encodes");
        }
        let mut envelope = Envelope::of_any(dst, to, self.cast.sender, Any::local(frame));
        envelope.headers = headers;
        gateway.post(envelope);
    }

    /// The runs that the head of this frame passes it on to.
    pub(crate) fn branches(&self) -> Vec<Range<usize>> {
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
