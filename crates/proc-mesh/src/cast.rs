//! Sends one message to the selected members of an actor mesh.

use std::sync::Arc;
use std::time::Duration;

use hypermesh_alloc::actor::context;
use hypermesh_alloc::actor::mailbox::channel::settings::MESSAGE_LIMIT;
use hypermesh_alloc::actor::mailbox::{ActorId, Gateway, Mailbox, ProcId};
use hypermesh_alloc::actor::settings::CALL_TIMEOUT;
use hypermesh_alloc::actor::{Accepts, CallChain, CallError, CastOrigin};
use hypermesh_ndslice::{RankSet, Selection};
use hypermesh_wire::{Any, Headers, Message, Payload, encode_marked};

use crate::actor_mesh_ref::ActorMeshRef;
use crate::cast_error::CastError;
use crate::cast_frame::{Cast, CastFrame, CastHop, ReplyRoute};
use crate::plan::{self, Crew, Leg};
use crate::reply_slot::ReplySlot;
use crate::selected::Selected;
use crate::settings::CAST_FAN_OUT;

/// Who casts, apart from the borrowed context it was read from.
#[derive(Debug, Clone)]
pub(crate) struct Caster {
    pub(crate) sender: ActorId,
    pub(crate) gateway: Gateway,
    pub(crate) mailbox: Mailbox,
    headers: Headers,
}

impl Caster {
    pub(crate) fn new(cx: &impl context::Actor) -> Self {
        let mut headers = Headers::new();
        cx.stamp(&mut headers);
        Caster {
            sender: cx.sender(),
            gateway: cx.gateway().clone(),
            mailbox: cx.mailbox().clone(),
            headers,
        }
    }
}

/// A cast that was sent: what is needed to tell whom a failure concerns.
#[derive(Debug)]
pub(crate) struct Sent {
    /// The ranks of each leg.
    legs: Vec<Vec<usize>>,
    fan_out: usize,
}

impl Sent {
    /// The ranks below the leg `branch`.
    pub(crate) fn below(&self, branch: u32) -> Vec<usize> {
        let runs = plan::roots(self.legs.len(), self.fan_out);
        let run = plan::run_of(branch as usize, runs, self.fan_out).unwrap_or(0..0);
        self.legs[run].concat()
    }
}

impl<A> ActorMeshRef<A> {
    /// Sends `message` to the members that `sel` selects.
    ///
    /// Returning `Ok` means sent, not handled: a member that cannot be reached makes a bounce for the
    /// sender. Members in this process get clones, and the message is encoded at most once for all
    /// others. A port with a reducer inside the message is folded on the way back, with one answer from
    /// each member.
    ///
    /// # Errors
    ///
    /// [`CastError`] when the selection does not fit the mesh or leaves nothing, or when the message
    /// cannot be sent to other processes.
    pub fn cast<M>(
        &self,
        cx: &impl context::Actor,
        sel: Selection,
        message: M,
    ) -> Result<(), CastError>
    where
        A: Accepts<M>,
        M: Message + Clone,
    {
        let selected = Selected::of(&sel, self.shape())?;
        let within = CALL_TIMEOUT.get();
        send(&Caster::new(cx), self, &selected, message, within, None)?;
        Ok(())
    }
}

/// Casts `message` to `selected`; replies go by `reply`, if they are wanted.
pub(crate) fn send<A, M>(
    caster: &Caster,
    mesh: &ActorMeshRef<A>,
    selected: &Selected,
    message: M,
    within: Duration,
    reply: Option<ReplyRoute>,
) -> Result<Sent, CastError>
where
    A: Accepts<M>,
    M: Message + Clone,
{
    let placement = mesh.procs().placement();
    let world = placement.world().id();
    let legs = plan::legs(placement, mesh.generations(), selected.ranks());
    let (here, there) = split_here(legs, world, &caster.gateway);
    let (payload, marks) = match there.is_empty() {
        true => Default::default(),
        false => encode_marked(&message)?,
    };
    check_size(&payload)?;
    let fan_out = CAST_FAN_OUT.get();
    let reply_to = reply
        .as_ref()
        .map(|reply| (reply.port, reply.location.clone()));
    let cast = Cast {
        world,
        actor: mesh.key(),
        key: M::KEY,
        marks,
        fan_out: u32::try_from(fan_out).unwrap_or(u32::MAX),
        within,
    };
    let hop = CastHop {
        frame: CastFrame {
            cast: Arc::new(cast),
            payload,
            fold: reply.as_ref().and_then(|reply| reply.fold.clone()),
            legs: there,
        },
        sender: caster.sender,
        origin: CastOrigin::new(mesh.shape(), reply_to)?,
        headers: caster.headers.clone(),
        gathering: reply.as_ref().map(|reply| reply.gathering),
        first: 0,
    };
    // Our own process comes first: what it gets later, by whatever way, is behind this.
    for (rank, actor) in here.iter().flat_map(|leg| hop.frame.cast.members(leg)) {
        match &reply {
            Some(reply) if actor == caster.sender => {
                let slot = ReplySlot::of_rank(reply.gathering, rank);
                let chain = CallChain::default().then(actor, "caller");
                let error = CallError::WouldDeadlock(chain.then(actor, "caller"));
                reply.refuse(&caster.gateway, actor, slot, error);
            }
            _ => {
                let body = Any::local(message.clone());
                caster.gateway.post(hop.envelope(rank, actor, body));
            }
        }
    }
    let legs = &hop.frame.legs;
    for run in plan::roots(legs.len(), fan_out) {
        hop.pass_on(&caster.gateway, run);
    }
    let legs = legs.iter().map(|leg| leg.ranks().collect()).collect();
    Ok(Sent { legs, fan_out })
}

/// Parts the legs into those whose procs are in this process and all others.
fn split_here(legs: Vec<Leg>, world: u64, gateway: &Gateway) -> (Vec<Leg>, Vec<Leg>) {
    let (mut here, mut there) = (Vec::new(), Vec::new());
    for Leg { relay, addr, crews } in legs {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for crew in crews {
            let is_here = |rank: &usize| {
                let rank = u32::try_from(*rank).unwrap_or(u32::MAX);
                gateway.is_attached(ProcId::new(world, rank, crew.proc_generation))
            };
            let ranks: RankSet = crew.ranks.iter().filter(is_here).collect();
            let rest = crew.ranks.difference(&ranks);
            if !rest.is_empty() {
                theirs.push(Crew {
                    ranks: rest,
                    ..crew.clone()
                });
            }
            if !ranks.is_empty() {
                ours.push(Crew { ranks, ..crew });
            }
        }
        if !ours.is_empty() {
            here.push(Leg {
                relay,
                addr: addr.clone(),
                crews: ours,
            });
        }
        if !theirs.is_empty() {
            there.push(Leg {
                relay,
                addr,
                crews: theirs,
            });
        }
    }
    (here, there)
}

fn check_size(payload: &Payload) -> Result<(), CastError> {
    let (len, max) = (payload.len() as u64, MESSAGE_LIMIT.get().0);
    if max < len {
        return Err(CastError::TooLarge { len, max });
    }
    Ok(())
}
