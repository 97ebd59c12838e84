//! The actor that turns an allocated proc into a host.

use std::fmt;

use hypermesh_macros::{Message, actor};
use hypermesh_ndslice::Selection;
use hypermesh_proc_mesh::alloc::actor::{Cx, Env, RemoteSpawn, Result, context};
use hypermesh_proc_mesh::alloc::bootstrap::BootstrapCommand;
use hypermesh_proc_mesh::alloc::{AllocatorError, actor};
use hypermesh_proc_mesh::{CallError, ProcMesh, RankFailure, SpawnError};

use crate::channel::ChannelAddr;
use crate::host::{Host, HostHandle};
use crate::mailbox::{Gateway, GatewayOptions};
use crate::shutdown::{DROP_LADDER, DROP_TIMEOUT};

/// How a trampoline makes its host.
#[derive(Clone, Debug, Message)]
pub(crate) struct TrampolineParams {
    /// Where the host binds: an address that leaves the choice to the system.
    pub(crate) bind: ChannelAddr,
    /// What starts the workers; the command that started the process of the proc if `None`.
    pub(crate) command: Option<BootstrapCommand>,
}

/// Asks for the front address of the host.
#[derive(Clone, Copy, Debug, Message)]
pub(crate) struct FrontAddr;

/// Has a host with a gateway of its own; the host ends with it.
pub(crate) struct HostTrampoline {
    host: HostHandle,
    gateway: Gateway,
}

impl RemoteSpawn for HostTrampoline {
    type Params = TrampolineParams;

    async fn create(params: TrampolineParams, env: &Env) -> Result<Self> {
        let command = params.command.map_or_else(BootstrapCommand::current, Ok)?;
        let runtime = env.proc().runtime().clone();
        let gateway = Gateway::new(GatewayOptions::new(runtime, params.bind.transport()));
        let host = Host::start(&gateway, command)?;
        Ok(Self { host, gateway })
    }
}

#[actor(spawn = "hypermesh.host_trampoline")]
impl HostTrampoline {
    #[handler]
    fn front_addr(&mut self, _cx: &Cx<'_, Self>, _: FrontAddr) -> Result<ChannelAddr> {
        Ok(self.host.host.front().clone())
    }

    #[hook]
    async fn cleanup(&mut self, _cx: &Cx<'_, Self>, _exit: &actor::Exit) -> Result<()> {
        self.host.host.shutdown(DROP_LADDER).await;
        self.host.proc.shutdown(DROP_TIMEOUT).await;
        self.gateway.shutdown(DROP_TIMEOUT).await;
        Ok(())
    }
}

/// Makes a host on every proc of `procs` and returns their addresses in rank order.
pub(crate) async fn start_trampolines(
    cx: &impl context::Actor,
    procs: &ProcMesh,
    params: &TrampolineParams,
) -> std::result::Result<Vec<ChannelAddr>, TrampolineError> {
    let trampolines = procs
        .spawn::<HostTrampoline>(cx, "host_trampoline", params)
        .await;
    let trampolines = trampolines.map_err(|error| TrampolineError::Spawn(Box::new(error)))?;
    let answers = trampolines.call(cx, Selection::all(), FrontAddr).await?;
    let answers = answers.values().cloned().enumerate();
    let addr = |(rank, answer): (usize, std::result::Result<_, RankFailure>)| {
        let failed = |failure| TrampolineError::Host {
            rank,
            failure: Box::new(failure),
        };
        answer.map_err(failed)
    };
    answers.map(addr).collect()
}

/// Error of hosts on the procs of an alloc that did not come up; the procs are gone.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrampolineError {
    /// The procs did not come up.
    #[error("the procs did not come up")]
    Alloc(#[from] AllocatorError),
    /// The actors that start the hosts could not be spawned.
    #[error("the actors that start the hosts could not be spawned")]
    Spawn(#[source] Box<SpawnError>),
    /// The actors that start the hosts could not be asked.
    #[error("the actors that start the hosts could not be asked")]
    Call(#[from] CallError),
    /// A host did not start.
    #[error("the host at rank {rank} did not start: {failure}")]
    Host {
        /// The rank of its proc.
        rank: usize,
        /// What happened.
        failure: Box<RankFailure>,
    },
}

impl fmt::Debug for HostTrampoline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostTrampoline")
            .field("front", self.host.host.front())
            .finish()
    }
}
