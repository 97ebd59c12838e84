//! Actors: procs, handlers, supervision and remote spawn.
//!
//! ```
//! use hypermesh_actor::{Cx, Message, Proc, Result, actor};
//! #[derive(Message)] struct Add(u64);  #[derive(Message)] struct Get;
//! struct Counter { total: u64 }
//! #[actor]
//! impl Counter {
//!     #[handler]
//!     async fn add(&mut self, _cx: &Cx<'_, Self>, Add(n): Add) { self.total += n; }
//!     #[handler]
//!     fn get(&mut self, _cx: &Cx<'_, Self>, _: Get) -> Result<u64> { Ok(self.total) }
//! }
//!
//! # async fn count(proc: &Proc) -> Result<u64> {
//! let counter = proc.spawn(Counter { total: 0 });
//! counter.tell(Add(3))?;
//! # Ok(counter.ask(Get).await?) }
//! ```
//! * [`Proc`] holds actors. [`ActorHandle`] is the local owner of one, [`ActorRef`] travels.
//! * [`actor`](macro@actor) writes the traits of an actor, whose handlers run one at a time.
//! * A parent hears of the end of a child before its next message: [`ChildEvent`], [`Directive`].
//! * [`ProcAgent`] is the actor on every proc that spawns, stops and reports on request.

extern crate self as hypermesh_actor; // The macros write absolute paths.
mod activity;
mod actor;
mod actor_ref;
mod agent;
mod answer;
mod ask;
mod birth;
mod call_error;
mod cast_origin;
mod catch;
mod cell;
mod children;
mod clock;
pub mod context;
mod cx;
mod env;
mod error;
mod exit;
mod exit_log;
mod failure;
mod finish;
mod handle;
mod incoming;
mod instance;
mod lane;
mod life;
#[doc(hidden)]
pub mod macro_support;
mod mail;
mod monitoring;
mod pending;
mod proc;
mod protocol;
mod queue;
mod registry;
mod remote;
mod reply;
mod reply_header;
mod restart;
mod router;
mod run;
mod select_ports;
mod send_error;
mod service;
pub mod settings;
mod shutdown;
mod spawn;
mod spawn_fault;
mod supervision;
mod table;
mod yielding;

pub use activity::{ActorActivity, ActorEvent, CurrentHandler, EventOutcome};
pub use actor::{Accepts, Actor, Handler, HandlerReturn, Referable, RemoteSpawn};
pub use actor_ref::ActorRef;
pub use agent::{
    AGENT_NAME, ActorReport, ActorStatus, Configure, ListActors, Ping, ProcAgent, ShutdownProc,
    SpawnActor, Spawned, StopActor, StopOutcome, Subscribe, WaitOutcome, WaitStatus,
};
pub use ask::{Ask, CallChain, CallLink};
pub use call_error::CallError;
pub use cast_origin::{CastOrigin, CastPlace};
pub use clock::Timer;
pub use cx::{ChildInfo, Cx};
pub use env::{Env, EnvError, EnvVars};
pub use error::{Error, Result};
pub use exit::{Departure, Exit, Mode, Status};
pub use failure::{Failure, FailureCause, FailureFacts, Phase};
pub use handle::{ActorGuard, ActorHandle};
pub use hypermesh_macros::{actor, protocol};
pub use hypermesh_mailbox as mailbox;
pub use hypermesh_wire::{Message, Named, RemoteMessage};
pub use instance::Instance;
pub use monitoring::{AdoptFault, Guarded, Monitor, MonitorCounts, MonitorEvent, Orphan};
pub use proc::{
    ActorGroup, Coordinator, GroupWatch, LookupError, Proc, ProcError, ProcOptions, RegisterError,
    TooManySubscribers,
};
pub use protocol::{Protocol, ProtocolOf};
pub use registry::{
    DuplicateSpawnName, SpawnEntry, check as check_registry, spawn_name, spawn_names,
};
pub use remote::{RemoteSpawnError, RemoteSpawning};
pub use reply::{ReplySink, ReplyStream, ReplyTo, SinkError, Streaming};
pub use reply_header::{CastReply, ReplyHeader};
pub use restart::{Backoff, RestartGroup, RestartPolicy, Strategy};
pub use run::Executor;
pub use select_ports::Select;
pub use send_error::SendError;
pub use service::ProcService;
pub use shutdown::ProcReport;
pub use spawn::SpawnError;
pub use spawn_fault::SpawnFault;
pub use supervision::{ChildEvent, Directive, SupervisionEvent};
pub use table::Zombie;
