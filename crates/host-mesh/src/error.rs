//! Why an operation on a mesh of hosts did not succeed.

use std::fmt;
use std::io;
use std::sync::Arc;

use hypermesh_config::ConfigError;
use hypermesh_ndslice::{Extent, ExtentError};
use hypermesh_proc_mesh::alloc::AllocatorError;
use hypermesh_proc_mesh::alloc::actor::CallError;

use crate::agent::verbs::HostRefusal;
use crate::channel::ChannelAddr;
use crate::host_alloc::StartProcsError;
use crate::host_error::StartHostError;
use crate::host_processes::StartHostsError;
use crate::mailbox::ServeError;
use crate::name::NameError;
use crate::shutdown::ShutdownReport;
use crate::spawning::RankStatus;
use crate::trampoline::TrampolineError;

/// The result of an operation on a mesh of hosts.
pub type Result<T, E = HostMeshError> = std::result::Result<T, E>;

/// Error of an operation on a mesh of hosts.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostMeshError {
    /// Settings of this process cannot be used.
    #[error("settings cannot be used: {}", Joined(.0))]
    Settings(Vec<ConfigError>),
    /// The name is none.
    #[error("the mesh cannot be named so")]
    Name(#[from] NameError),
    /// The command that started this process is not known.
    #[error("the command that started this process is not known")]
    Command(#[source] io::Error),
    /// This process cannot be reached.
    #[error("this process cannot be reached by the mesh")]
    Serve(#[from] ServeError),
    /// The host in this process cannot be started.
    #[error("the host in this process cannot be started")]
    StartHost(#[from] StartHostError),
    /// The host processes cannot be started; none of them is left.
    #[error("the hosts cannot be started")]
    StartHosts(#[from] StartHostsError),
    /// The hosts on the procs of an alloc cannot be started.
    #[error("the hosts on the allocated procs cannot be started")]
    Trampoline(#[from] TrampolineError),
    /// The extents of the hosts and of the procs per host do not fit together.
    #[error("{per_host} procs on each host of {hosts} make no extent")]
    Configuration {
        /// The extent of the hosts.
        hosts: Extent,
        /// The extent of the procs of each host.
        per_host: Extent,
        /// Why.
        source: Box<ExtentError>,
    },
    /// A host does not let this process own it.
    #[error("the host at {addr} does not let this process own it")]
    Claim {
        /// The address of the host.
        addr: ChannelAddr,
        /// Why.
        source: HostRefusal,
    },
    /// A host does not answer.
    #[error("the host at {addr} does not answer")]
    Silent {
        /// The address of the host.
        addr: ChannelAddr,
        /// What happened to the request.
        source: CallError,
    },
    /// The hosts did not begin to start the procs.
    #[error("the procs of {name:?} cannot be started")]
    StartProcs {
        /// The name of the mesh of procs.
        name: String,
        /// Why.
        source: StartProcsError,
    },
    /// Not every proc came up; none of them is left.
    #[error("the procs of {name:?} did not come up\n{}", Statuses(.statuses))]
    Spawn {
        /// The name of the mesh of procs.
        name: String,
        /// How each rank was doing, with the address of its host, when the mesh was given up.
        statuses: Vec<(ChannelAddr, RankStatus)>,
        /// The first thing that went wrong.
        source: AllocatorError,
    },
    /// Not every host confirmed that it is empty.
    #[error("not every host confirmed that it is empty: {0}")]
    Shutdown(Arc<ShutdownReport>),
    /// The mesh has been shut down.
    #[error("the mesh of hosts has been shut down")]
    Closed,
}

/// One line for each rank.
struct Statuses<'a>(&'a [(ChannelAddr, RankStatus)]);

impl fmt::Display for Statuses<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (rank, (host, status)) in self.0.iter().enumerate() {
            let separator = if rank == 0 { "" } else { "\n" };
            write!(f, "{separator}  rank {rank} on host {host}: {status}")?;
        }
        Ok(())
    }
}

struct Joined<'a>(&'a [ConfigError]);

impl fmt::Display for Joined<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, error) in self.0.iter().enumerate() {
            let separator = if i == 0 { "" } else { "; " };
            write!(f, "{separator}{error}")?;
        }
        Ok(())
    }
}
