//! Who has reported while a mesh comes up. Holds no alloc, clock or task.
//!
//! # Invariants
//!
//! - **INV-1**: the roster is complete exactly when every rank has a running proc.
//! - **INV-2**: a proc that ends, or an alloc that fails or ends, before that is an error.

use std::collections::HashMap;

use hypermesh_alloc::actor::mailbox::ProcId;
use hypermesh_alloc::actor::mailbox::channel::ChannelAddr;
use hypermesh_alloc::{AllocatorError, CreateKey, ProcState};
use hypermesh_ndslice::Extent;

/// A proc that runs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Recruit {
    pub(crate) proc: ProcId,
    pub(crate) create_key: CreateKey,
    pub(crate) addr: ChannelAddr,
}

/// Who has reported so far, by rank.
#[derive(Debug)]
pub(crate) struct Roster {
    world: u64,
    extent: Extent,
    recruits: Vec<Option<Recruit>>,
    ranks: HashMap<CreateKey, usize>,
    open: usize,
}

impl Roster {
    /// Expects one running proc of `world` for each rank of `extent`.
    pub(crate) fn new(world: u64, extent: Extent) -> Self {
        let open = extent.count();
        Roster {
            world,
            recruits: vec![None; open],
            extent,
            ranks: HashMap::new(),
            open,
        }
    }

    /// True once every rank has a running proc (INV-1).
    pub(crate) fn is_complete(&self) -> bool {
        self.open == 0
    }

    /// Takes in what the alloc told; `None` is its end.
    pub(crate) fn on_state(&mut self, state: Option<ProcState>) -> Result<(), AllocatorError> {
        match state {
            Some(ProcState::Created {
                create_key, point, ..
            }) => {
                self.ranks.insert(create_key, point.rank());
                Ok(())
            }
            Some(ProcState::Running {
                create_key,
                proc_id,
                addr,
                ..
            }) => self.on_running(Recruit {
                proc: proc_id,
                create_key,
                addr,
            }),
            Some(ProcState::Stopped { create_key, reason }) => {
                // A proc that was never created has no rank; the alloc broke its promise then.
                let rank = self.ranks.get(&create_key).copied().unwrap_or_default();
                Err(AllocatorError::EarlyExit { rank, reason })
            }
            Some(ProcState::Failed { description, .. }) => {
                Err(AllocatorError::ProcFailed { description })
            }
            None => Err(AllocatorError::Incomplete(self.extent.clone())),
            Some(_) => Ok(()),
        }
    }

    fn on_running(&mut self, recruit: Recruit) -> Result<(), AllocatorError> {
        let rank = recruit.proc.rank as usize;
        self.ranks.insert(recruit.create_key, rank);
        let is_ours = recruit.proc.world == self.world;
        let Some(place) = self.recruits.get_mut(rank).filter(|_| is_ours) else {
            let description = format!(
                "{} reported, which is no proc of extent {}",
                recruit.proc, self.extent
            );
            return Err(AllocatorError::ProcFailed { description });
        };
        // A newer start of the rank takes the place of the older one.
        if place.replace(recruit).is_none() {
            self.open -= 1;
        }
        Ok(())
    }

    /// The ranks that have not reported.
    pub(crate) fn missing(&self) -> Vec<usize> {
        let open = self
            .recruits
            .iter()
            .enumerate()
            .filter(|(_, recruit)| recruit.is_none());
        open.map(|(rank, _)| rank).collect()
    }

    /// The procs in rank order. Those that have not reported are left out.
    pub(crate) fn into_recruits(self) -> Vec<Recruit> {
        self.recruits.into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests;
