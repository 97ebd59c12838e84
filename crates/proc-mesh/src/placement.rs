//! Where the procs of a mesh are: their ids, and the stops at which they are reached.
//!
//! # Invariants
//!
//! - **INV-1**: every rank of the mesh belongs to exactly one stop.
//! - **INV-2**: the stops are in the order of their lowest ranks, and none is empty.
//! - **INV-3**: there is one generation per rank.

use std::collections::HashMap;

use hypermesh_alloc::actor::mailbox::channel::ChannelAddr;
use hypermesh_alloc::actor::mailbox::{ProcId, WorldId};
use hypermesh_ndslice::{Extent, Ordinal, RankMap, RankMapError, RankSet, Region};
use serde::{Deserialize, Serialize};

/// Where the procs of a mesh are. Shared by every ref to the mesh.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "PlacementParts", into = "PlacementParts")]
pub struct Placement {
    world: WorldId,
    extent: Extent,
    generations: RankMap<u32>,
    stops: Vec<Stop>,
    /// The index of the stop of each rank; every rank has one (INV-1).
    stop_of: RankMap<Option<usize>>,
}

/// Procs that are reached at one address, and the one of them that hands casts on to the others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// The proc whose agent relays casts to `ranks`; without one it is the first that is selected.
    pub relay: Option<ProcId>,
    /// The address at which all of `ranks` are reached.
    pub addr: ChannelAddr,
    /// The ranks of the mesh that are here.
    pub ranks: RankSet,
}

/// One proc of a mesh under construction: which incarnation of its rank, and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The incarnation of the rank.
    pub generation: u32,
    /// The address at which the proc is reached.
    pub addr: ChannelAddr,
}

/// Error returned when the parts of a [`Placement`] do not fit together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlacementError {
    /// The number of procs is not the number of ranks.
    #[error("{procs} procs are placed on {ranks} ranks")]
    WrongCount {
        /// How many procs there are.
        procs: usize,
        /// How many ranks the mesh has.
        ranks: usize,
    },
    /// A rank is at no stop or at two, or the mesh does not have it.
    #[error("rank {rank} does not belong to exactly one stop of the mesh")]
    NotOneStop {
        /// The rank concerned.
        rank: usize,
    },
    /// A stop has no ranks, or comes after one with a higher lowest rank.
    #[error("the stop with the lowest rank {rank:?} is out of order")]
    Disorder {
        /// The lowest rank of the stop, if it has any.
        rank: Option<usize>,
    },
}

impl Placement {
    /// Places `members`, in rank order, on the ranks of `extent`.
    ///
    /// `relay` names the proc that relays casts for all procs at an address, if there is one.
    ///
    /// # Errors
    ///
    /// [`PlacementError::WrongCount`] if there is not one member for each rank.
    pub fn new(
        world: WorldId,
        extent: Extent,
        members: &[Member],
        relay: impl Fn(&ChannelAddr) -> Option<ProcId>,
    ) -> Result<Self, PlacementError> {
        if members.len() != extent.count() {
            return Err(PlacementError::WrongCount {
                procs: members.len(),
                ranks: extent.count(),
            });
        }
        let mut order: Vec<&ChannelAddr> = Vec::new();
        let mut ranks_at: HashMap<&ChannelAddr, Vec<usize>> = HashMap::new();
        for (rank, member) in members.iter().enumerate() {
            let ranks = ranks_at.entry(&member.addr).or_insert_with(|| {
                order.push(&member.addr);
                Vec::new()
            });
            ranks.push(rank);
        }
        let stop = |addr: &ChannelAddr| Stop {
            relay: relay(addr),
            addr: addr.clone(),
            ranks: ranks_at[addr].iter().copied().collect(),
        };
        let stops = order.into_iter().map(stop).collect();
        let region = Region::from(extent.clone());
        let generations = RankMap::from_fn(region, |Ordinal(rank)| members[rank].generation);
        let generations = generations.compressed();
        Placement::try_from(PlacementParts {
            world,
            extent,
            generations,
            stops,
        })
    }

    /// Returns the id and name of the world of the procs.
    #[must_use]
    pub fn world(&self) -> &WorldId {
        &self.world
    }

    /// Returns the extent of the whole mesh.
    #[must_use]
    pub fn extent(&self) -> &Extent {
        &self.extent
    }

    /// Returns the stops, in the order of their lowest ranks (INV-2).
    #[must_use]
    pub fn stops(&self) -> &[Stop] {
        &self.stops
    }

    /// The incarnation of each rank.
    pub(crate) fn generations(&self) -> &RankMap<u32> {
        &self.generations
    }

    /// Returns the id of the proc at `rank`, if the mesh has that rank.
    #[must_use]
    pub fn proc(&self, rank: usize) -> Option<ProcId> {
        let generation = self.generations.get(Ordinal(rank))?;
        Some(proc_id(&self.world, rank, *generation))
    }

    /// Returns the address at which the proc at `rank` is reached, if the mesh has that rank.
    #[must_use]
    pub fn addr(&self, rank: usize) -> Option<&ChannelAddr> {
        let stop = (*self.stop_of.get(Ordinal(rank))?)?;
        Some(&self.stops[stop].addr)
    }

    /// Returns the rank of `proc`, if that incarnation of it belongs to this mesh.
    #[must_use]
    pub fn rank_of(&self, proc: ProcId) -> Option<usize> {
        let rank = proc.rank as usize;
        (self.proc(rank) == Some(proc)).then_some(rank)
    }
}

fn proc_id(world: &WorldId, rank: usize, generation: u32) -> ProcId {
    let rank = u32::try_from(rank).expect("an extent has at most u32::MAX ranks");
    ProcId {
        world: world.id(),
        rank,
        generation,
    }
}

/// A placement as it travels.
#[derive(Serialize, Deserialize)]
struct PlacementParts {
    world: WorldId,
    extent: Extent,
    generations: RankMap<u32>,
    stops: Vec<Stop>,
}

impl From<Placement> for PlacementParts {
    fn from(placement: Placement) -> Self {
        let Placement {
            world,
            extent,
            generations,
            stops,
            stop_of: _,
        } = placement;
        PlacementParts {
            world,
            extent,
            generations,
            stops,
        }
    }
}

impl TryFrom<PlacementParts> for Placement {
    type Error = PlacementError;

    fn try_from(parts: PlacementParts) -> Result<Self, PlacementError> {
        let PlacementParts {
            world,
            extent,
            generations,
            stops,
        } = parts;
        let region = Region::from(extent.clone());
        if generations.region() != Some(&region) {
            return Err(PlacementError::WrongCount {
                procs: generations.count(),
                ranks: extent.count(),
            });
        }
        let stop_of = index_stops(&stops, region)?;
        Ok(Placement {
            world,
            extent,
            generations,
            stops,
            stop_of,
        })
    }
}

/// Returns the index of the stop of each rank, if INV-1 and INV-2 hold. Takes time and memory by the
/// number of runs, which a peer has to send.
fn index_stops(stops: &[Stop], region: Region) -> Result<RankMap<Option<usize>>, PlacementError> {
    let mut last_lowest = None;
    for stop in stops {
        let lowest = stop.ranks.min();
        if lowest <= last_lowest {
            return Err(PlacementError::Disorder { rank: lowest });
        }
        last_lowest = lowest;
    }
    let ranges = stops.iter().enumerate().flat_map(|(index, stop)| {
        let runs = stop.ranks.runs();
        runs.map(move |run| (run, Some(index)))
    });
    let stop_of = RankMap::from_ranges(region, None, ranges).map_err(|error| {
        let rank = match error {
            RankMapError::OverlappingRanges { second, .. } => second.start,
            RankMapError::OutOfRange { count, .. } => count,
            _ => 0,
        };
        PlacementError::NotOneStop { rank }
    })?;
    let gap = stop_of.runs().find(|(_, stop)| stop.is_none());
    match gap.map(|(gap, _)| gap.start) {
        Some(rank) => Err(PlacementError::NotOneStop { rank }),
        None => Ok(stop_of),
    }
}

#[cfg(test)]
mod tests;
