//! Actors: procs, handlers, supervision and remote spawn.
//!
//! ```
//! use hypermesh_actor::{Cx, Message, Proc, Result, actor};
//!
//! #[derive(Message)] struct Add(u64);
//! #[derive(Message)] struct Get;
//! struct Counter { total: u64 }
//!
//! #[actor]
//! impl Counter {
//!     #[handler]
//!     async fn add(&mut self, _cx: &Cx<'_, Self>, Add(n): Add) {
//!         self.total += n;
//!     }
//!
//!     #[handler]
//!     fn get(&mut self, _cx: &Cx<'_, Self>, _: Get) -> Result<u64> {
//!         Ok(self.total)
//!     }
//! }
//!
//! async fn count(proc: &Proc) -> Result<u64> {
//!     let counter = proc.spawn(Counter { total: 0 });
//!     counter.tell(Add(3))?;
//!     Ok(counter.ask(Get).await?)
//! }
//! ```
//!
//! * [`Proc`] holds actors. [`ActorHandle`] is the local owner of one, [`ActorRef`] travels.
//! * [`actor`](macro@actor) writes the traits of an actor, whose handlers run one at a time.
//! * A parent hears of the end of a child before its next message: [`ChildEvent`], [`Directive`].
//! * [`ProcAgent`] is the actor on every proc that spawns, stops and reports on request.

// The macros write absolute paths, also when this crate itself uses them.
extern crate self as hypermesh_actor;

mod error;
mod exit;
mod failure;
mod supervision;

mod actor;
mod actor_ref;
mod ask;
mod call_error;
mod cast_origin;
pub mod context;
mod cx;
mod handle;
mod instance;
mod reply;
mod reply_header;
mod send_error;

mod answer;
mod birth;
mod catch;
mod cell;
mod children;
mod finish;
mod incoming;
mod lane;
mod life;
mod mail;
mod queue;
mod run;
mod yielding;

mod agent;
mod env;
mod exit_log;
mod pending;
mod proc;
mod registry;
mod remote;
mod router;
mod service;
mod shutdown;
mod spawn;
mod spawn_fault;
mod table;

#[doc(hidden)]
pub mod macro_support;
pub mod settings;

pub use hypermesh_macros::actor;
pub use hypermesh_mailbox as mailbox;
pub use hypermesh_wire::{Message, Named, RemoteMessage};

pub use actor::{Accepts, Actor, Handler, HandlerReturn, Referable, RemoteSpawn};
pub use actor_ref::ActorRef;
pub use agent::{
    AGENT_NAME, ActorReport, ActorStatus, Configure, ListActors, Ping, ProcAgent, ShutdownProc,
    SpawnActor, Spawned, StopActor, StopOutcome, Subscribe,
};
pub use ask::Ask;
pub use call_error::CallError;
pub use cast_origin::{CastOrigin, CastPlace};
pub use cx::{ChildInfo, Cx};
pub use env::Env;
pub use error::{Error, Result};
pub use exit::{Exit, Mode, Status};
pub use failure::{Failure, FailureCause, FailureFacts, Phase};
pub use handle::{ActorGuard, ActorHandle};
pub use instance::Instance;
pub use proc::{Coordinator, Proc, ProcError, ProcOptions, TooManySubscribers};
pub use registry::{
    DuplicateSpawnName, SpawnEntry, check as check_registry, spawn_name, spawn_names,
};
pub use remote::{RemoteSpawnError, RemoteSpawning};
pub use reply::ReplyTo;
pub use reply_header::{CastReply, ReplyHeader};
pub use send_error::SendError;
pub use service::ProcService;
pub use shutdown::ProcReport;
pub use spawn::SpawnError;
pub use spawn_fault::SpawnFault;
pub use supervision::{ChildEvent, Directive, SupervisionEvent};
