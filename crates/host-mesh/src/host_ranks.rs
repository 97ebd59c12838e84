//! Which ranks of a mesh of procs are on which host.
//!
//! # Invariants
//!
//! - **INV-1**: the ranks of a host follow one another, and hosts are in their own order: the extent of a
//!   mesh is that of its hosts followed by that of the procs of one host.

use std::ops::Range;

use hypermesh_ndslice::{Extent, ExtentError, Region};

/// The labels here; a mesh has its own.
const HOST: &str = "host";
const LOCAL: &str = "local";

/// The ranks of a mesh of procs: of hosts, and on each host.
#[derive(Clone, Debug)]
pub(crate) struct HostRanks {
    shape: Region,
}

impl HostRanks {
    /// Returns the ranks of `per_host` procs on each of `hosts`.
    pub(crate) fn new(hosts: usize, per_host: usize) -> Result<Self, ExtentError> {
        let extent = Extent::new([(HOST, hosts), (LOCAL, per_host)])?;
        let shape = Region::from(extent);
        Ok(Self { shape })
    }

    /// Returns the ranks on `host`; of a host that the mesh does not have, none (INV-1).
    pub(crate) fn on_host(&self, host: usize) -> Range<usize> {
        let here = self.shape.at(HOST, host);
        let run = here.ok().and_then(|here| here.runs().next());
        run.unwrap_or_default()
    }

    /// Returns the host of each rank, in rank order.
    pub(crate) fn hosts(&self) -> impl Iterator<Item = usize> {
        self.shape
            .base()
            .points()
            .filter_map(|point| point.get(HOST))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inv1_the_ranks_of_a_host_follow_one_another() {
        let ranks = HostRanks::new(3, 2).unwrap();
        assert_eq!(
            [0, 1, 2].map(|host| ranks.on_host(host)),
            [0..2, 2..4, 4..6]
        );
        assert_eq!(ranks.on_host(3), 0..0);
        assert_eq!(ranks.hosts().collect::<Vec<_>>(), [0, 0, 1, 1, 2, 2]);
    }

    #[test]
    fn more_ranks_than_there_are_make_no_mesh() {
        assert!(HostRanks::new(1 << 16, 1 << 16).is_err());
    }
}
