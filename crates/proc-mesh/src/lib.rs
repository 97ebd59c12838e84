//! Meshes of processes and of the actors in them: casts, calls, reductions, events.
//!
//! * A [`ProcMesh`] is made from an alloc and owns its procs; a [`ProcMeshRef`] refers to one, or to a
//!   part of one, and travels.
//! * [`ProcMesh::spawn`] makes an actor mesh, one actor per proc: a [`RootActorMesh`] for its owner, an
//!   [`ActorMeshRef`] for everybody else.
//! * [`cast`](ActorMeshRef::cast) sends one message to many members, [`call`](ActorMeshRef::call)
//!   collects one reply from each in a [`ValueMesh`], [`reduce`](ActorMeshRef::reduce) folds the
//!   replies on their way.
//! * [`ProcEvents`] and [`ActorEvents`] tell what becomes of procs and actors.
//!
//! # How a cast travels
//!
//! Procs that are reached at one address are a stop. The stops that hold selected ranks form a tree
//! that is a pure function of the placement and the selection (`plan.rs`): nothing is set up, and no
//! hop keeps state. A stop that dies in the middle of a cast loses those behind it; a call tells so for
//! each of their ranks. Up to the setting `CAST_FAN_OUT` stops are reached directly, so that casts and
//! direct messages of one sender arrive in the order they were sent.

// The macros write absolute paths, also when this crate itself uses them.
extern crate self as hypermesh_proc_mesh;

mod actor_mesh_ref;
mod mesh;
mod placement;
mod proc_mesh_ref;
mod value_mesh;

mod call;
mod cast;
mod cast_error;
mod cast_frame;
mod gather;
mod plan;
mod rank_failure;
mod reduce;
mod relay;
mod replies;
mod reply_relay;
mod reply_slot;
mod selected;

mod board;
mod event;
mod ledger;
mod proc_events;
mod pump;
mod sinks;

mod actor_mesh;
mod attached;
mod bring_up;
mod proc_mesh;
mod root_client;
mod roster;
mod sliced_proc_mesh;
mod spawn;
mod stop;

#[doc(hidden)]
pub mod macro_support;
pub mod metrics;
pub mod settings;
mod transport;

pub use hypermesh_alloc as alloc;
pub use hypermesh_ndslice as ndslice;

pub use actor_mesh::RootActorMesh;
pub use actor_mesh_ref::{ActorMeshId, ActorMeshRef};
pub use bring_up::SetUpError;
pub use call::{CallError, MeshCall};
pub use cast_error::CastError;
pub use event::{ActorEvent, MemberStatus, ProcEvent, SupervisionEventState};
pub use mesh::Mesh;
pub use placement::{Member, Placement, PlacementError, Stop};
pub use proc_events::{ActorEvents, ProcEvents};
pub use proc_mesh::{ProcMesh, StopError};
pub use proc_mesh_ref::{ProcMeshId, ProcMeshRef};
pub use rank_failure::RankFailure;
pub use reduce::{MeshReduce, Reduced};
pub use root_client::global_root_client;
pub use sliced_proc_mesh::SlicedProcMesh;
pub use spawn::{RankSpawnError, SharedSpawnable, SpawnError};
pub use stop::{StopActorError, StopOutcomes};
pub use transport::default_transport;
pub use value_mesh::{ValueMesh, ValueMeshError};
