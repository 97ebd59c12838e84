//! Why a host cannot be started in this process.

use std::io;

use hypermesh_proc_mesh::alloc::actor::ProcError;

use crate::mailbox::ServeError;

/// Error of a host that could not be started in this process.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartHostError {
    /// It has no front address.
    #[error("the host cannot be reached")]
    Serve(#[from] ServeError),
    /// It has no service proc.
    #[error("the service proc of the host cannot be made")]
    Proc(#[from] ProcError),
    /// It has no agent.
    #[error("the agent of the host cannot be spawned: {0}")]
    Agent(String),
    /// It cannot start processes.
    #[error("the host cannot watch child processes")]
    Children(#[source] io::Error),
}
