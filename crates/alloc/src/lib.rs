//! Who starts procs and who ends them.
//!
//! * [`Allocator`] and [`Alloc`] are the contract: an allocator starts one proc per rank of an
//!   extent, and the allocation tells how each of them fares. [`LocalAllocator`] makes procs in this
//!   process, [`ProcessAllocator`] in child processes.
//! * [`bootstrap`] is how a program becomes such a child: `main` calls
//!   [`run_if_child`](bootstrap::run_if_child) first, or [`bootstrap_or_die`] and nothing else.
//! * [`children`] owns child processes: it starts, watches, stops and reaps them, and no child
//!   outlives it.
//! * [`worker`] is the child that hosts one proc.
//!
//! # What ends a child
//!
//! The owner's stop ladder: a request over the child's control socket, SIGTERM, SIGKILL. The death
//! of its owner, by any cause: the kernel kills the child (`PR_SET_PDEATHSIG`, Linux), and the child
//! kills itself and its process group when the control socket ends. What leaves both the group and
//! the session of its child (`setsid`) is found by neither.

mod allocator;
mod feed;
mod local;
mod proc_state;
mod process;
mod spec;
mod states;
pub mod worker;

pub mod bootstrap;
mod chain;
pub mod children;
mod kernel;

#[doc(hidden)]
pub mod macro_support;
mod ports;
mod serve;
pub mod settings;
pub mod shim;

pub use allocator::{Alloc, Allocator, AllocatorError};
pub use bootstrap::{BootstrapCommand, bootstrap_or_die};
pub use hypermesh_actor as actor;
pub use local::{LocalAlloc, LocalAllocator};
pub use ports::{ParsePortRangeError, PortRange};
pub use proc_state::{CreateKey, ProcState, ProcStopReason};
pub use process::{ProcessAlloc, ProcessAllocator, stop_reason};
pub use serve::{ServeConfigError, serve_with_config};
pub use spec::{AllocConstraints, AllocSpec, ProcAllocationMode};
