//! Meshes of hosts: bring-up, ownership and two-phase shutdown.
//!
//! A host is a front address, a service proc with a [`HostAgent`], and the worker processes that it has
//! started. A [`HostMesh`] owns hosts, a [`HostMeshRef`] refers to them; [`HostMeshRef::spawn`] starts a
//! [`ProcMesh`](proc_mesh::ProcMesh) on them.

extern crate self as hypermesh_host_mesh;

mod name;

mod host_id;
mod host_mesh_ref;
mod settings;

mod agent;
mod host;
mod host_error;
mod host_processes;
mod trampoline;

mod host_alloc;
mod host_ranks;
mod spawning;

mod error;
mod host_mesh;
mod shutdown;

#[doc(hidden)]
pub mod macro_support;

pub use agent::HostAgent;
pub use agent::verbs::{
    Claim, HostNotice, HostProc, HostRefusal, HostReport, ListProcs, ShutdownHost, SpawnProcs,
    StopProcs,
};
pub use error::{HostMeshError, Result};
pub use host_alloc::StartProcsError;
pub use host_error::StartHostError;
pub use host_id::HostAgentRef;
pub use host_mesh::HostMesh;
pub use host_mesh_ref::{HostMeshRef, ParseHostMeshRefError, ParseReason};
pub use host_processes::StartHostsError;
pub use hypermesh_proc_mesh as proc_mesh;
pub use hypermesh_proc_mesh::alloc::bootstrap::{BootstrapCommand, bootstrap_or_die};
pub use name::{Name, NameError};
pub use settings::{HOST_SPAWN_READY_TIMEOUT, HOST_SPAWN_TOTAL_TIMEOUT, HOST_START_TIMEOUT};
pub use shutdown::{HostOutcome, HostShutdown, ShutdownReport};
pub use spawning::RankStatus;
pub use trampoline::TrampolineError;

use hypermesh_proc_mesh::alloc::actor::mailbox;
use mailbox::channel;
