//! Which events follow from what happened to procs and actors. Holds no queue, clock or task.
//!
//! # Invariants
//!
//! - **INV-1**: a proc (rank and generation) ends once: one `Stopped` event, whatever is reported.
//! - **INV-2**: a member of an actor mesh has one terminal event, and at most one event about an
//!   undeliverable message before it.
//! - **INV-3**: an actor mesh is closed when all of its members have had their terminal events.
//! - **INV-4**: what happens to members while the mesh is being spawned is told once it is live, and
//!   not at all if the spawn is given up: its error tells.
//! - **INV-5**: a report about another generation of a proc or an actor changes nothing.
//! - **INV-6**: a member that was drained or killed, and not by a stop of its mesh, ends with its proc:
//!   that is how a proc ends its actors, and the end of the proc is the cause to be told.
//! - **INV-7**: a message that came back because its proc has died makes no event: that of the proc tells.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use hypermesh_alloc::ProcStopReason;
use hypermesh_alloc::actor::mailbox::{ActorId, Cause, ProcId};
use hypermesh_alloc::actor::{Exit, SupervisionEvent};
use hypermesh_ndslice::{Ordinal, Rank, RankMap, Region};

use crate::event::{ActorEvent, MemberStatus, ProcEvent};

/// What is known of the procs and the actor meshes of one proc mesh.
#[derive(Debug)]
pub(crate) struct Ledger {
    procs: Vec<ProcLife>,
    meshes: BTreeMap<u64, MeshLife>,
    /// Receivers outside of every actor mesh whose bounces were told.
    strays: HashSet<ActorId>,
}

/// How many receivers outside of every actor mesh are told of at most, each once.
const MAX_STRAYS: usize = 1024;

/// What an entry in the ledger makes its owner do.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Effect {
    /// Tell the streams of the proc mesh.
    Proc(ProcEvent),
    /// Tell the streams of the actor mesh with this key.
    Member(u64, ActorEvent),
    /// End the streams of the actor mesh with this key.
    Closed(u64),
}

/// The name of an actor mesh is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NameInUse;

#[derive(Debug)]
struct ProcLife {
    id: ProcId,
    end: Option<ProcStopReason>,
}

#[derive(Debug)]
struct MeshLife {
    name: Arc<str>,
    view: Region,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    /// The actors are being made; what happened to them so far (INV-4).
    Spawning(Vec<SupervisionEvent>),
    /// One entry per ordinal of the view, and how many have not ended.
    Live {
        members: Vec<MemberLife>,
        open: usize,
    },
    /// The spawn failed, or every member has ended. The name is free.
    Gone,
}

#[derive(Debug)]
struct MemberLife {
    actor: ActorId,
    bounced: bool,
    ended: bool,
}

impl Ledger {
    /// Opens the books for `procs`, in rank order, all of them running.
    pub(crate) fn new(procs: impl IntoIterator<Item = ProcId>) -> Self {
        let procs = procs
            .into_iter()
            .map(|id| ProcLife { id, end: None })
            .collect();
        Ledger {
            procs,
            meshes: BTreeMap::new(),
            strays: HashSet::new(),
        }
    }

    /// Reserves `name` for an actor mesh over `view` whose actors are about to be made.
    pub(crate) fn begin(&mut self, key: u64, name: &str, view: &Region) -> Result<(), NameInUse> {
        if self
            .meshes
            .get(&key)
            .is_some_and(|mesh| !matches!(mesh.phase, Phase::Gone))
        {
            return Err(NameInUse);
        }
        let phase = Phase::Spawning(Vec::new());
        self.meshes.insert(
            key,
            MeshLife {
                name: name.into(),
                view: view.clone(),
                phase,
            },
        );
        Ok(())
    }

    /// The actors of the mesh `key` were made; `generations` of them by rank of the proc mesh.
    pub(crate) fn commit(&mut self, key: u64, generations: &RankMap<u32>) -> Vec<Effect> {
        let Some(mesh) = self.meshes.get_mut(&key) else {
            return Vec::new();
        };
        let Phase::Spawning(held) = std::mem::replace(&mut mesh.phase, Phase::Gone) else {
            return Vec::new();
        };
        let member = |rank: Rank| {
            let proc = self.procs.get(usize::from(rank))?.id;
            let generation = *generations.get_by_rank(rank)?;
            let actor = ActorId {
                proc,
                actor: key,
                generation,
            };
            Some(MemberLife {
                actor,
                bounced: false,
                ended: false,
            })
        };
        let members: Vec<MemberLife> = mesh.view.ranks().filter_map(member).collect();
        mesh.phase = Phase::Live {
            open: members.len(),
            members,
        };
        let mut effects = Vec::new();
        for event in held {
            effects.extend(self.on_exit(&event));
        }
        for rank in 0..self.procs.len() {
            if let Some(reason) = self.procs[rank].end.clone() {
                self.end_members_on(rank, &reason, Some(key), &mut effects);
            }
        }
        effects
    }

    /// The spawn of the mesh `key` was given up (INV-4).
    pub(crate) fn abandon(&mut self, key: u64) {
        if let Some(mesh) = self.meshes.get_mut(&key) {
            mesh.phase = Phase::Gone;
        }
    }

    /// True unless `proc` has ended.
    pub(crate) fn is_alive(&self, proc: ProcId) -> bool {
        self.rank_of(proc)
            .is_some_and(|rank| self.procs[rank].end.is_none())
    }

    /// The proc with this id ended.
    pub(crate) fn on_proc_stopped(&mut self, id: ProcId, reason: &ProcStopReason) -> Vec<Effect> {
        let rank = id.rank as usize;
        let mut effects = Vec::new();
        match self.procs.get_mut(rank) {
            Some(proc) if proc.id == id && proc.end.is_none() => proc.end = Some(reason.clone()),
            // INV-1 and INV-5: told before, or another incarnation.
            _ => return effects,
        }
        effects.push(Effect::Proc(ProcEvent::Stopped(rank, reason.clone())));
        self.end_members_on(rank, reason, None, &mut effects);
        effects
    }

    /// An actor without a parent exited on one of the procs.
    pub(crate) fn on_exit(&mut self, event: &SupervisionEvent) -> Vec<Effect> {
        let Some(rank) = self.rank_of(event.actor.proc) else {
            return Vec::new();
        };
        let mut effects = Vec::new();
        let crash = event.exit.is_failure().then(|| {
            Effect::Proc(ProcEvent::Crashed(
                rank,
                format!("{}: {}", event.label, event.exit),
            ))
        });
        let Some(mesh) = self.meshes.get_mut(&event.actor.actor) else {
            effects.extend(crash);
            return effects;
        };
        match &mut mesh.phase {
            Phase::Spawning(held) => held.push(event.clone()),
            Phase::Gone => {}
            // INV-6
            Phase::Live { .. } if matches!(event.exit, Exit::Drained | Exit::Killed) => {}
            Phase::Live { .. } => {
                let status = MemberStatus::Exited(event.exit.clone());
                if let Some(told) = mesh.end_member(event.actor, status) {
                    effects.extend(crash);
                    effects.push(told);
                    effects.extend(mesh.close(event.actor.actor));
                }
            }
        }
        effects
    }

    /// A message of a client to `actor` came back.
    pub(crate) fn on_undelivered(&mut self, actor: ActorId, cause: &Cause) -> Vec<Effect> {
        let Some(rank) = self.rank_of(actor.proc) else {
            return self.on_stray(actor, cause);
        };
        // INV-7: the event comes, if it was not told yet.
        if self.procs[rank].end.is_some() || matches!(cause, Cause::ProcDied(_)) {
            return Vec::new();
        }
        let Some(mesh) = self.meshes.get_mut(&actor.actor) else {
            let text = format!("message to {actor} not delivered: {cause}");
            let is_new = self.is_new_stray(actor);
            return Vec::from_iter(is_new.then_some(Effect::Proc(ProcEvent::Crashed(rank, text))));
        };
        let Some(event) = mesh.bounce(actor, cause) else {
            return Vec::new();
        };
        let text = format!("{}: message not delivered: {cause}", event.name());
        vec![
            Effect::Proc(ProcEvent::Crashed(rank, text)),
            Effect::Member(actor.actor, event),
        ]
    }

    /// A message came back that was for nobody of this mesh, and no other mesh wants to know.
    fn on_stray(&mut self, actor: ActorId, cause: &Cause) -> Vec<Effect> {
        let text = format!("message to {actor} not delivered: {cause}");
        let is_new = self.is_new_stray(actor);
        Vec::from_iter(is_new.then_some(Effect::Proc(ProcEvent::Undeliverable(text))))
    }

    /// Remembers a receiver that belongs to no actor mesh; false if it was told of before.
    fn is_new_stray(&mut self, actor: ActorId) -> bool {
        self.strays.len() < MAX_STRAYS && self.strays.insert(actor)
    }

    /// Members of the mesh `key` were stopped as they were asked to; `exits` by rank of the proc mesh.
    pub(crate) fn on_stopped(&mut self, key: u64, exits: &[(usize, Exit)]) -> Vec<Effect> {
        let Some(mesh) = self.meshes.get_mut(&key) else {
            return Vec::new();
        };
        let mut effects = Vec::new();
        for (rank, exit) in exits {
            let Some(actor) = mesh.actor_on(*rank) else {
                continue;
            };
            effects.extend(mesh.end_member(actor, MemberStatus::Exited(exit.clone())));
        }
        effects.extend(mesh.close(key));
        effects
    }

    /// The rank of `proc`, if it is that generation of it (INV-5).
    fn rank_of(&self, proc: ProcId) -> Option<usize> {
        let rank = proc.rank as usize;
        self.procs
            .get(rank)
            .is_some_and(|life| life.id == proc)
            .then_some(rank)
    }

    /// Ends the members on the proc at `rank`: those of the mesh `only`, or of every mesh.
    fn end_members_on(
        &mut self,
        rank: usize,
        reason: &ProcStopReason,
        only: Option<u64>,
        effects: &mut Vec<Effect>,
    ) {
        let concerned = |key: &u64| only.is_none_or(|only| only == *key);
        for (key, mesh) in self.meshes.iter_mut().filter(|(key, _)| concerned(key)) {
            let Some(actor) = mesh.actor_on(rank) else {
                continue;
            };
            let status = MemberStatus::ProcStopped(reason.clone());
            if let Some(told) = mesh.end_member(actor, status) {
                effects.push(told);
                effects.extend(mesh.close(*key));
            }
        }
    }
}

impl MeshLife {
    /// The member on the proc at `rank`.
    fn actor_on(&self, rank: usize) -> Option<ActorId> {
        let ordinal = self.view.ordinal_of(Rank(rank)).ok()?;
        let Phase::Live { members, .. } = &self.phase else {
            return None;
        };
        members.get(ordinal.0).map(|member| member.actor)
    }

    /// The ordinal of `actor` and its member, if it is that generation of it (INV-5).
    fn member_of(&mut self, actor: ActorId) -> Option<(Ordinal, &mut MemberLife)> {
        let ordinal = self.view.ordinal_of(Rank(actor.proc.rank as usize)).ok()?;
        let Phase::Live { members, .. } = &mut self.phase else {
            return None;
        };
        let member = members.get_mut(ordinal.0)?;
        (member.actor == actor).then_some((ordinal, member))
    }

    /// Records the end of `actor`; nothing if it was recorded before (INV-2).
    fn end_member(&mut self, actor: ActorId, status: MemberStatus) -> Option<Effect> {
        let (ordinal, member) = self.member_of(actor)?;
        if std::mem::replace(&mut member.ended, true) {
            return None;
        }
        if let Phase::Live { open, .. } = &mut self.phase {
            *open -= 1;
        }
        Some(Effect::Member(
            actor.actor,
            self.event(ordinal, actor, status)?,
        ))
    }

    /// Records that a message to `actor` came back; nothing the second time (INV-2).
    fn bounce(&mut self, actor: ActorId, cause: &Cause) -> Option<ActorEvent> {
        let (ordinal, member) = self.member_of(actor)?;
        if member.ended || std::mem::replace(&mut member.bounced, true) {
            return None;
        }
        self.event(ordinal, actor, MemberStatus::Undeliverable(cause.clone()))
    }

    /// Closes the mesh if every member has ended (INV-3).
    fn close(&mut self, key: u64) -> Option<Effect> {
        if !matches!(self.phase, Phase::Live { open: 0, .. }) {
            return None;
        }
        self.phase = Phase::Gone;
        Some(Effect::Closed(key))
    }

    fn event(&self, at: Ordinal, actor: ActorId, status: MemberStatus) -> Option<ActorEvent> {
        let point = self.view.point_of(at).ok()?;
        Some(ActorEvent::new(self.name.clone(), point, actor, status))
    }
}

#[cfg(test)]
mod tests;
