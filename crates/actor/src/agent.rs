//! The agent of a proc: the well-known actor that spawns, stops and reports on request.
//!
//! # Invariants
//!
//! - **INV-1**: no request, however bad, ends the agent; each gets an answer.
//! - **INV-2**: the agent never waits for code of a user: what takes time is a task of its own, which
//!   ends with the agent, and answers before the agent is gone.

mod messages;
mod wait;

use hypermesh_mailbox::Undelivered;
use tokio::task::JoinSet;
use tokio::time::timeout;

pub use self::messages::{
    ActorReport, ActorStatus, Configure, ListActors, Ping, ShutdownProc, SpawnActor, Spawned,
    StopActor, StopOutcome, Subscribe, WaitOutcome, WaitStatus,
};
use crate::birth::Birth;
use crate::cx::Cx;
use crate::error::Result;
use crate::exit::{Exit, Mode};
use crate::proc::Proc;
use crate::registry;
use crate::reply::ReplyTo;
use crate::shutdown::ProcReport;
use crate::spawn::NewName;
use crate::spawn_fault::SpawnFault;

/// The name of the agent of every proc.
pub const AGENT_NAME: &str = "proc_agent";

/// The longest name that an actor can be given from outside, in bytes.
const MAX_NAME: usize = 256;

/// The agent of a proc.
#[derive(Debug)]
pub struct ProcAgent {
    /// The requests that take time.
    requests: JoinSet<()>,
}

impl ProcAgent {
    pub(crate) fn new() -> Self {
        Self {
            requests: JoinSet::new(),
        }
    }

    /// Runs `request` beside the agent (INV-2).
    fn start(&mut self, cx: &Cx<'_, Self>, request: impl Future<Output = ()> + Send + 'static) {
        while let Some(ended) = self.requests.try_join_next() {
            log_panic(ended);
        }
        self.requests.spawn_on(request, cx.proc().runtime());
    }
}

#[hypermesh_macros::actor]
impl ProcAgent {
    /// A request that comes by a ref is served before it gets here, see [`spawn_actor`].
    #[handler]
    fn spawn_actor(
        &mut self,
        cx: &Cx<'_, Self>,
        request: SpawnActor,
        reply: ReplyTo<Result<Spawned, SpawnFault>>,
    ) {
        spawn_actor(cx.proc(), request, reply);
    }

    #[handler]
    fn stop_actor(&mut self, cx: &Cx<'_, Self>, request: StopActor, reply: ReplyTo<StopOutcome>) {
        let StopActor {
            name,
            mode,
            timeout: limit,
        } = request;
        let table = &cx.proc().shared().table;
        let actor = match table.find_name(&name) {
            Some(actor) if actor.core().id() == cx.id() => {
                return reply.send(StopOutcome::NotFound);
            }
            Some(actor) => actor,
            None => {
                return reply.send(match table.exit_of_name(&name) {
                    Some((_, exit)) => StopOutcome::of(exit),
                    None => StopOutcome::NotFound,
                });
            }
        };
        actor.request(mode);
        self.start(cx, async move {
            let outcome = match timeout(limit, actor.core().wait()).await {
                Ok(exit) => StopOutcome::of(exit),
                Err(_) => {
                    actor.request(Mode::Kill);
                    StopOutcome::Timeout
                }
            };
            reply.send(outcome);
        });
    }

    #[handler]
    fn actor_status(
        &mut self,
        cx: &Cx<'_, Self>,
        ActorStatus { name }: ActorStatus,
    ) -> Result<Option<ActorReport>> {
        let table = &cx.proc().shared().table;
        if let Some(actor) = table.find_name(&name) {
            return Ok(Some(ActorReport::of(&*actor)));
        }
        let exited = |(actor, exit)| ActorReport::exited(actor, name.clone(), exit);
        Ok(table.exit_of_name(&name).map(exited))
    }

    #[handler]
    fn wait_status(&mut self, cx: &Cx<'_, Self>, wait: WaitStatus, reply: ReplyTo<WaitOutcome>) {
        let proc = cx.proc().clone();
        self.start(cx, async move {
            reply.send(wait::wait_status(&proc, &wait).await);
        });
    }

    #[handler]
    fn list_actors(&mut self, cx: &Cx<'_, Self>, _: ListActors) -> Result<Vec<ActorReport>> {
        let live = cx.proc().shared().table.live();
        let mut reports: Vec<_> = live.iter().map(|actor| ActorReport::of(&**actor)).collect();
        reports.sort_unstable_by_key(|report| report.actor);
        Ok(reports)
    }

    #[handler(on_error = "reply")]
    fn subscribe(&mut self, cx: &Cx<'_, Self>, request: Subscribe) -> Result<()> {
        Ok(cx.proc().subscribe(request.events, request.actor)?)
    }

    #[handler]
    fn shut_down(
        &mut self,
        cx: &Cx<'_, Self>,
        ShutdownProc { deadline }: ShutdownProc,
        reply: ReplyTo<ProcReport>,
    ) {
        let proc = cx.proc().clone();
        self.start(cx, async move {
            reply.send(proc.end_workload(deadline).await);
        });
    }

    #[handler]
    fn configure(&mut self, _cx: &Cx<'_, Self>, Configure { snapshot }: Configure) -> Result<()> {
        hypermesh_config::apply_parent(snapshot);
        Ok(())
    }

    #[handler]
    fn ping(&mut self, _cx: &Cx<'_, Self>, _: Ping) -> Result<()> {
        Ok(())
    }

    #[hook]
    fn on_undeliverable(&mut self, cx: &Cx<'_, Self>, undelivered: Undelivered) -> Result<()> {
        // All that the agent sends without being asked are supervision events.
        let gateway = cx.proc().gateway();
        gateway.log_undelivered(cx.label(), &undelivered);
        cx.proc().unsubscribe(undelivered.header.dst);
        Ok(())
    }

    #[hook]
    async fn cleanup(&mut self, _cx: &Cx<'_, Self>, _exit: &Exit) -> Result<()> {
        // Those that wait for the workload to end answer now.
        while let Some(ended) = self.requests.join_next().await {
            log_panic(ended);
        }
        Ok(())
    }
}

/// Spawns an actor by the name of its type, without waiting for anything.
///
/// The router calls it on the thread that delivers the request, so that a message to the new actor
/// that follows the request finds the actor's queue.
pub(crate) fn spawn_actor(
    proc: &Proc,
    request: SpawnActor,
    reply: ReplyTo<Result<Spawned, SpawnFault>>,
) {
    let SpawnActor {
        type_name,
        name,
        generation,
        params,
        env,
    } = request;
    if let Some(name) = name
        .as_ref()
        .filter(|name| name.is_empty() || MAX_NAME < name.len())
    {
        return reply.send(Err(SpawnFault::BadName {
            len: name.len(),
            max: MAX_NAME,
        }));
    }
    let proc_id = *proc.id();
    let Some(entry) = registry::find(&type_name) else {
        return reply.send(Err(SpawnFault::UnknownType {
            type_name,
            proc: proc_id,
        }));
    };
    let new = NewName {
        name,
        generation,
        env,
    };
    entry.start(proc, new, params, Birth::new(reply, type_name, proc_id));
}

fn log_panic(ended: std::result::Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "a request of the agent panicked");
    }
}
