//! Which stop of a cast sends to which: a pure function of the placement and the selected ranks.
//!
//! A leg is a stop that holds selected ranks. The sender is the root; the legs, in rank order, are
//! cut into at most `fan_out` runs; the first leg of a run receives the cast, serves its own ranks
//! and cuts the rest of its run in the same way. Nothing is set up and no hop keeps any state.
//!
//! # Invariants
//!
//! - **INV-1**: every selected rank is in exactly one leg, and every leg has a selected rank.
//! - **INV-2**: every leg is the head of exactly one run, so that it is served exactly once.

use std::ops::Range;

use hypermesh_alloc::actor::mailbox::ProcId;
use hypermesh_alloc::actor::mailbox::channel::ChannelAddr;
use hypermesh_ndslice::{RankMap, RankSet, tree};
use serde::{Deserialize, Serialize};

use crate::placement::{Placement, Stop};

/// The least fan-out that makes a tree.
pub(crate) const MIN_FAN_OUT: usize = 2;

/// One stop of a cast, with the ranks it serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Leg {
    /// The proc whose agent takes the cast.
    pub(crate) relay: ProcId,
    /// The address at which it and all of its ranks are reached.
    pub(crate) addr: ChannelAddr,
    /// Whom it hands the message to.
    pub(crate) crews: Vec<Crew>,
}

/// Ranks of one leg whose procs and actors are of the same generations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Crew {
    pub(crate) ranks: RankSet,
    pub(crate) proc_generation: u32,
    pub(crate) actor_generation: u32,
}

impl Leg {
    /// How many ranks the leg serves.
    pub(crate) fn count(&self) -> usize {
        self.crews.iter().map(|crew| crew.ranks.count()).sum()
    }

    /// The ranks the leg serves.
    pub(crate) fn ranks(&self) -> impl Iterator<Item = usize> + '_ {
        self.crews.iter().flat_map(|crew| crew.ranks.iter())
    }
}

/// Returns the legs of a cast to the `selected` ranks, in rank order (INV-1).
///
/// `actors` tells the generation of the addressed actor on each rank.
pub(crate) fn legs(placement: &Placement, actors: &RankMap<u32>, selected: &RankSet) -> Vec<Leg> {
    let leg = |stop: &Stop| {
        let ranks = stop.ranks.intersection(selected);
        let first = ranks.min()?;
        let relay = stop.relay.or_else(|| placement.proc(first))?;
        Some(Leg {
            relay,
            addr: stop.addr.clone(),
            crews: crews(placement, actors, &ranks),
        })
    };
    placement.stops().iter().filter_map(leg).collect()
}

/// Groups `ranks` by the generations of proc and actor.
fn crews(placement: &Placement, actors: &RankMap<u32>, ranks: &RankSet) -> Vec<Crew> {
    let mut crews: Vec<Crew> = Vec::new();
    for (proc_ranks, &proc_generation) in placement.generations().runs() {
        let proc_ranks = RankSet::from_ranges([proc_ranks]);
        for (actor_ranks, &actor_generation) in actors.runs() {
            let both = proc_ranks.intersection(&RankSet::from_ranges([actor_ranks]));
            let ranks = both.intersection(ranks);
            if ranks.is_empty() {
                continue;
            }
            let known = crews.iter_mut().find(|crew| {
                crew.proc_generation == proc_generation && crew.actor_generation == actor_generation
            });
            match known {
                Some(crew) => crew.ranks = crew.ranks.union(&ranks),
                None => crews.push(Crew {
                    ranks,
                    proc_generation,
                    actor_generation,
                }),
            }
        }
    }
    crews
}

/// Returns the runs of legs that the sender, who is no leg itself, sends to.
pub(crate) fn roots(n_legs: usize, fan_out: usize) -> impl Iterator<Item = Range<usize>> {
    let roots = tree::roots(0..n_legs, fan_out.max(MIN_FAN_OUT));
    roots.into_iter().flatten()
}

/// Returns the runs that the head of `run` sends to: a partition of the rest of `run` (INV-2).
pub(crate) fn branches(
    run: Range<usize>,
    fan_out: usize,
) -> impl Iterator<Item = Range<usize>> + use<> {
    let children = tree::children(run, fan_out.max(MIN_FAN_OUT));
    children.into_iter().flatten()
}

/// Returns the run whose head is leg `head`, as the hops below `runs` cut it.
pub(crate) fn run_of(
    head: usize,
    mut runs: impl Iterator<Item = Range<usize>>,
    fan_out: usize,
) -> Option<Range<usize>> {
    let run = runs.find(|run| run.contains(&head))?;
    tree::subtree(head, run, fan_out.max(MIN_FAN_OUT)).ok()
}

#[cfg(test)]
mod tests;
