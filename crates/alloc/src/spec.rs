//! What an allocator is asked for.

use std::collections::BTreeMap;

use hypermesh_ndslice::Extent;

use crate::actor::mailbox::channel::ChannelTransport;

/// What an allocator is asked for: how many procs, in which shape, and how they are reached.
#[derive(Clone, Debug)]
pub struct AllocSpec {
    /// The shape of the ranks; a shape without dimensions is one proc.
    pub extent: Extent,
    /// What the places for the procs must match.
    pub constraints: AllocConstraints,
    /// What the procs are called in labels and logs; the world's name if `None`.
    pub proc_name: Option<String>,
    /// How the procs are reached.
    pub transport: ChannelTransport,
    /// What one rank stands for.
    pub proc_allocation_mode: ProcAllocationMode,
}

impl AllocSpec {
    /// Returns the specification of one proc per rank of `extent`, without constraints or names.
    pub fn new(extent: Extent, transport: ChannelTransport) -> Self {
        Self {
            extent,
            constraints: AllocConstraints::default(),
            proc_name: None,
            transport,
            proc_allocation_mode: ProcAllocationMode::default(),
        }
    }
}

/// What the places for procs must match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllocConstraints {
    /// Labels that the allocator matches, and hands on to the procs.
    pub match_labels: BTreeMap<String, String>,
}

/// What one rank of an allocation stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProcAllocationMode {
    /// A proc. An allocator of many hosts reads the first dimensions as hosts and the last as the
    /// procs of each.
    #[default]
    ProcLevel,
    /// A host, which starts procs of its own.
    HostLevel,
}
