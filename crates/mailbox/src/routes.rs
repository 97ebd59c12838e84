//! Where an envelope goes next. A rule: it opens no link and delivers nothing.
//!
//! # Invariants
//!
//! - **INV-1**: a proc that is attached here is reached here, whatever routes and location say.
//! - **INV-2**: after that the order is: the grave of a dead proc, the route of the proc, the route of its
//!   world, the way its messages came, the location.
//! - **INV-3**: what is learned from peers is bounded.

use std::sync::Arc;

use foldhash::fast::RandomState;
use hypermesh_channel::ChannelAddr;

use crate::snapshot_map::SnapshotMap;
use crate::{Cause, Location, MailboxSender, ProcId};

/// How many procs are remembered by the way their messages came, and how many as dead.
const MEMORY: usize = 1 << 16;

/// The next hop of an envelope.
pub(crate) enum Hop {
    /// A proc of this gateway.
    Here(Arc<dyn MailboxSender>),
    /// The gateway at this address.
    Via(Arc<ChannelAddr>),
    /// None.
    Nowhere(Cause),
}

/// Where an envelope came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// It was sent from this process.
    Here,
    /// It came over a link: its sender thought the receiver was here.
    Link,
}

pub(crate) struct Routes {
    attached: SnapshotMap<ProcId, Arc<dyn MailboxSender>, RandomState>,
    /// The newest generation that is attached of a (world, rank).
    newest: SnapshotMap<(u64, u32), u32, RandomState>,
    procs: SnapshotMap<ProcId, Arc<ChannelAddr>, RandomState>,
    worlds: SnapshotMap<u64, Arc<ChannelAddr>, RandomState>,
    /// Its keys come from peers, so it has the hash that withstands chosen ones.
    learned: SnapshotMap<ProcId, Arc<ChannelAddr>>,
    dead: SnapshotMap<ProcId, Arc<str>, RandomState>,
}

impl Routes {
    pub(crate) fn new() -> Self {
        Self {
            attached: SnapshotMap::new(),
            newest: SnapshotMap::new(),
            procs: SnapshotMap::new(),
            worlds: SnapshotMap::new(),
            learned: SnapshotMap::new(),
            dead: SnapshotMap::new(),
        }
    }

    /// Returns the next hop towards `dst`, which is at `to` if nothing better is known.
    pub(crate) fn resolve(&self, dst: ProcId, to: &Location, origin: Origin) -> Hop {
        if let Some(proc) = self.attached.get(&dst) {
            return Hop::Here(proc);
        }
        match self.newest.get(&(dst.world, dst.rank)) {
            Some(generation) if dst.generation < generation => {
                return Hop::Nowhere(Cause::StaleIncarnation {
                    running: ProcId { generation, ..dst },
                });
            }
            _ => {}
        }
        if let Some(death) = self.death_of(dst) {
            return Hop::Nowhere(death);
        }
        let routed = self.procs.get(&dst).or_else(|| self.worlds.get(&dst.world));
        let known = routed.or_else(|| self.learned.get(&dst));
        match known.or_else(|| to.shared().cloned()) {
            Some(addr) => Hop::Via(addr),
            None if origin == Origin::Link => Hop::Nowhere(Cause::ProcNotFound),
            None => Hop::Nowhere(Cause::NoRoute),
        }
    }

    pub(crate) fn is_attached(&self, proc: ProcId) -> bool {
        self.attached.get(&proc).is_some()
    }

    /// Returns whether it is attached now, and not another one of that id before.
    pub(crate) fn attach(&self, proc: ProcId, to: Arc<dyn MailboxSender>) -> bool {
        let is_new = self.attached.change(&proc, |map| {
            let is_new = !map.contains_key(&proc);
            if is_new {
                map.insert(proc, to);
            }
            is_new
        });
        if is_new {
            self.dead.remove(&proc);
            self.newest.change(&(proc.world, proc.rank), |map| {
                let newest = map
                    .entry((proc.world, proc.rank))
                    .or_insert(proc.generation);
                *newest = proc.generation.max(*newest);
            });
        }
        is_new
    }

    /// Returns what was attached, to be dropped by the caller.
    pub(crate) fn detach(&self, proc: ProcId) -> Option<Arc<dyn MailboxSender>> {
        let old = self.attached.remove(&proc)?;
        self.newest.change(&(proc.world, proc.rank), |map| {
            if map.get(&(proc.world, proc.rank)) == Some(&proc.generation) {
                map.remove(&(proc.world, proc.rank));
            }
        });
        Some(old)
    }

    pub(crate) fn route_proc(&self, proc: ProcId, via: ChannelAddr) {
        self.dead.remove(&proc);
        self.procs.insert(proc, via.into());
    }

    /// Returns the address that no proc is routed by any more, if this was the last one.
    pub(crate) fn unroute_proc(&self, proc: ProcId) -> Option<Arc<ChannelAddr>> {
        let via = self.procs.remove(&proc)?;
        let is_used = self.procs.values().contains(&via);
        (!is_used).then_some(via)
    }

    pub(crate) fn route_world(&self, world: u64, via: ChannelAddr) {
        self.worlds.insert(world, via.into());
    }

    pub(crate) fn unroute_world(&self, world: u64) {
        self.worlds.remove(&world);
    }

    /// Returns whether it is news that messages of `proc` come from the peer that is reached at `via`.
    pub(crate) fn is_news(&self, proc: ProcId, via: &ChannelAddr) -> bool {
        let known = self.learned.get(&proc);
        known.as_deref() != Some(via) && !self.is_attached(proc)
    }

    /// Remembers that messages of `proc` come from the peer that is reached at `via`, if that is news (INV-3).
    pub(crate) fn learn(&self, proc: ProcId, via: &ChannelAddr) {
        if self.is_news(proc, via) {
            self.learned
                .insert_bounded(proc, via.clone().into(), MEMORY);
        }
    }

    /// Returns why nothing reaches `proc` any more, if it is known to have died.
    pub(crate) fn death_of(&self, proc: ProcId) -> Option<Cause> {
        self.dead.get(&proc).map(Cause::ProcDied)
    }

    /// Forgets all ways to `proc`: what is sent there comes back with `why`.
    pub(crate) fn bury(&self, proc: ProcId, why: &str) {
        self.dead
            .insert_bounded(proc, crate::world::cut(why, 512).into(), MEMORY);
        self.procs.remove(&proc);
        self.learned.remove(&proc);
    }
}

#[cfg(test)]
mod tests;
