//! Meshes of hosts, processes and actors, addressed by n-dimensional rank.
//!
//! A program asks for a [`HostMesh`], spawns a [`ProcMesh`] on it and meshes of actors in those. One
//! [`cast`](ActorMeshRef::cast) reaches all of them or a slice, [`call`](ActorMeshRef::call) returns one value
//! for each rank, [`reduce`](ActorMeshRef::reduce) folds the replies along a tree. A failure comes back as
//! a fact about a rank, and nothing is left running afterwards.
//!
//! ```no_run
#![doc = include_str!("../examples/quickstart.rs")]
//! ```
//!
//! This crate re-exports the public API of the crates below and adds [`prelude`] and [`init`]; it has no
//! logic of its own. Each layer can also be used alone: [`mod@proc_mesh`], [`mod@alloc`],
//! [`mod@actor`], [`mod@mailbox`], [`mod@channel`].

mod init;
pub mod prelude;

#[doc(hidden)]
pub mod macro_support {
    pub use hypermesh_host_mesh::macro_support::*;
}

pub use hypermesh_host_mesh::proc_mesh;
pub use hypermesh_ndslice as ndslice;
pub use hypermesh_wire as wire;
pub use proc_mesh::alloc;
pub use proc_mesh::alloc::actor;
pub use proc_mesh::alloc::actor::mailbox;
pub use proc_mesh::alloc::actor::mailbox::channel;

pub use init::{InitError, init};

// Hosts, and how a program becomes a child of them.
pub use hypermesh_host_mesh::{
    BootstrapCommand, HostMesh, HostMeshError, HostMeshRef, HostOutcome, HostShutdown, Name,
    ParseHostMeshRefError, RankStatus, ShutdownReport, bootstrap_or_die,
};

// Meshes of processes and of actors.
pub use hypermesh_host_mesh::proc_mesh::{
    ActorEvent, ActorEvents, ActorMeshId, ActorMeshRef, CallError, CastError, MemberStatus, Mesh,
    ProcEvent, ProcEvents, ProcMesh, ProcMeshId, ProcMeshRef, RankFailure, Reduced, RootActorMesh,
    SharedSpawnable, SlicedProcMesh, SpawnError, StopActorError, StopError, SupervisionEventState,
    ValueMesh, ValueMeshError, default_transport, global_root_client,
};

// Who starts processes and who ends them.
pub use hypermesh_host_mesh::proc_mesh::alloc::{
    Alloc, AllocConstraints, AllocSpec, Allocator, AllocatorError, CreateKey, LocalAlloc,
    LocalAllocator, ProcAllocationMode, ProcState, ProcStopReason, ProcessAlloc, ProcessAllocator,
    serve_with_config,
};

// Actors.
pub use hypermesh_host_mesh::proc_mesh::alloc::actor::{
    Accepts, Actor, ActorGroup, ActorHandle, ActorRef, AdoptFault, Backoff, ChildEvent, Cx,
    Departure, Directive, Env, EnvError, EnvVars, Error, Executor, Exit, Failure, FailureCause,
    GroupWatch, Handler, Instance, LookupError, Mode, Monitor, MonitorEvent, Orphan, Proc,
    ProcAgent, Protocol, ProtocolOf, Referable, RegisterError, RemoteSpawn, ReplySink, ReplyStream,
    ReplyTo, RestartGroup, RestartPolicy, Result, Select, SinkError, Strategy, Streaming,
    SupervisionEvent, Timer, Zombie, context,
};
pub use hypermesh_macros::{actor, protocol};

// Messages, where they go and how their answers are folded.
pub use hypermesh_host_mesh::proc_mesh::alloc::actor::mailbox::{
    ActorId, OncePortRef, PortId, PortRef, ProcId, ReduceError, Reducer, Undelivered, WorldId,
    channel::{ChannelAddr, ChannelTransport, ServeAddr},
    reducers, register_reducer,
};
pub use hypermesh_wire::{Blob, Message, Named, RemoteMessage};

// Shapes of ranks.
pub use hypermesh_ndslice::{
    CollectMesh, Extent, ExtentError, Layout, Ordinal, Point, Range, Rank, RankMap, RankMapError,
    RankSet, Region, Selection, SelectionError, Shape, ShapeError, View, ViewExt, extent, sel,
    sel_from_shape, shape, try_extent, try_shape,
};

// Settings.
pub use hypermesh_config::config;
