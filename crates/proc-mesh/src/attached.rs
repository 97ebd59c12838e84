//! Procs that somebody else started, as an alloc: they are stopped through their agents.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hypermesh_alloc::actor::mailbox::channel::{ChannelAddr, ChannelTransport};
use hypermesh_alloc::actor::mailbox::{DeathWatch, Gateway, Location, ProcId, WorldId};
use hypermesh_alloc::actor::{ActorRef, Instance, ProcAgent, ShutdownProc};
use hypermesh_alloc::settings::PROCESS_EXIT_TIMEOUT;
use hypermesh_alloc::{Alloc, AllocSpec, AllocatorError, CreateKey, ProcState, ProcStopReason};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinSet;

use crate::proc_mesh_ref::{AGENT, ProcMeshRef};
use crate::transport::default_transport;

/// How long an agent may take to answer beyond the time that it gives its actors.
const ANSWER_MARGIN: Duration = Duration::from_secs(5);

/// Procs that somebody else started.
///
/// Dropping it ends nothing: the procs belong to whoever started them.
pub(crate) struct AttachedAlloc {
    mesh: ProcMeshRef,
    spec: AllocSpec,
    addr: ChannelAddr,
    /// The procs that have not ended.
    alive: HashMap<ProcId, CreateKey>,
    /// Those that this process learns to be dead. Each proc dies once, so the queue is bounded by
    /// their number.
    deaths: UnboundedReceiver<ProcId>,
    _watch: DeathWatch,
    /// The requests to stop, each with its end.
    stops: JoinSet<(ProcId, ProcStopReason)>,
    is_stopping: bool,
    client: Arc<Instance<()>>,
}

impl AttachedAlloc {
    /// Takes the procs `alive` of `mesh` for an alloc; `client` asks their agents.
    pub(crate) fn new(
        mesh: ProcMeshRef,
        alive: HashMap<ProcId, CreateKey>,
        client: Arc<Instance<()>>,
    ) -> Self {
        let first = mesh
            .placement()
            .stops()
            .first()
            .map(|stop| stop.addr.clone());
        let addr = first.unwrap_or_else(|| ChannelAddr::any(default_transport()));
        let spec = AllocSpec::new(mesh.placement().extent().clone(), addr.transport());
        // Without a bound, because a proc dies once: it holds no more than the procs of the mesh.
        let (died, deaths) = unbounded_channel();
        let world = mesh.world_id().id();
        let watch =
            client
                .proc()
                .gateway()
                .on_proc_death(Arc::new(move |proc: ProcId, _: &str| {
                    if proc.world == world {
                        // If the alloc is gone, nobody asks any more.
                        _ = died.send(proc);
                    }
                }));
        let stops = JoinSet::new();
        let is_stopping = false;
        AttachedAlloc {
            mesh,
            spec,
            addr,
            alive,
            deaths,
            _watch: watch,
            stops,
            is_stopping,
            client,
        }
    }

    fn ended(&mut self, proc: ProcId, reason: ProcStopReason) -> Option<ProcState> {
        let create_key = self.alive.remove(&proc)?;
        Some(ProcState::Stopped { create_key, reason })
    }

    /// Asks the agent of `proc` to end it.
    fn stop_one(&mut self, proc: ProcId) {
        let Some(addr) = self.mesh.placement().addr(proc.rank as usize) else {
            return;
        };
        let location = Location::at(addr.clone());
        let agent: ActorRef<ProcAgent> = ActorRef::attest(proc.named_actor(AGENT), location, AGENT);
        let deadline = PROCESS_EXIT_TIMEOUT.get();
        let ask = agent.ask(&*self.client, ShutdownProc { deadline });
        let ask = ask.timeout(deadline + ANSWER_MARGIN);
        let end = async move {
            match ask.await {
                Ok(_) => (proc, ProcStopReason::Stopped),
                Err(error) => {
                    tracing::warn!(%proc, %error, "a proc did not confirm its end");
                    (proc, ProcStopReason::Unknown)
                }
            }
        };
        self.stops
            .spawn_on(end, self.client.proc().gateway().runtime());
    }
}

#[async_trait]
impl Alloc for AttachedAlloc {
    async fn next(&mut self) -> Option<ProcState> {
        while !self.alive.is_empty() {
            let (proc, reason) = tokio::select! {
                Some(stopped) = self.stops.join_next() => match stopped {
                    Ok(stopped) => stopped,
                    Err(error) => {
                        tracing::error!(%error, "asking a proc to stop failed");
                        continue;
                    }
                },
                Some(proc) = self.deaths.recv() => (proc, ProcStopReason::Unknown),
                else => return None,
            };
            if let Some(state) = self.ended(proc, reason) {
                return Some(state);
            }
        }
        None
    }

    fn spec(&self) -> &AllocSpec {
        &self.spec
    }

    fn world_id(&self) -> &WorldId {
        self.mesh.world_id()
    }

    fn transport(&self) -> ChannelTransport {
        self.spec.transport
    }

    async fn stop(&mut self) -> Result<(), AllocatorError> {
        if !std::mem::replace(&mut self.is_stopping, true) {
            for proc in self.alive.keys().copied().collect::<Vec<_>>() {
                self.stop_one(proc);
            }
        }
        Ok(())
    }

    fn client_router_addr(&self) -> ChannelAddr {
        self.addr.clone()
    }

    fn gateway(&self) -> Option<Gateway> {
        Some(self.client.proc().gateway().clone())
    }
}

impl fmt::Debug for AttachedAlloc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "AttachedAlloc({:?}, {} alive)",
            self.mesh,
            self.alive.len()
        )
    }
}
