//! The actor that speaks for a host.

use std::sync::Arc;

use hypermesh_macros::actor;
use hypermesh_proc_mesh::alloc::actor::{Cx, Result};
use hypermesh_proc_mesh::alloc::children::Ladder;

use crate::host::Host;

pub(crate) mod roll;
pub(crate) mod verbs;

use verbs::{
    Claim, HostProc, HostRefusal, HostReport, ListProcs, ShutdownHost, SpawnProcs, StopProcs,
};

/// The well-known actor of each host: starts and ends procs there, and tells what becomes of them.
pub struct HostAgent {
    host: Arc<Host>,
    /// The token of the owner, once there is one.
    owner: Option<u64>,
}

impl HostAgent {
    pub(crate) fn new(host: Arc<Host>) -> Self {
        Self { host, owner: None }
    }
}

#[actor]
impl HostAgent {
    #[handler]
    fn claim(
        &mut self,
        _cx: &Cx<'_, Self>,
        Claim { token }: Claim,
    ) -> Result<Result<(), HostRefusal>> {
        match *self.owner.get_or_insert(token) {
            owner if owner == token => Ok(Ok(())),
            _ => Ok(Err(HostRefusal::AlreadyOwned)),
        }
    }

    #[handler]
    fn spawn_procs(
        &mut self,
        _cx: &Cx<'_, Self>,
        request: SpawnProcs,
    ) -> Result<Result<(), HostRefusal>> {
        Ok(self.host.spawn_procs(&request))
    }

    #[handler]
    fn stop_procs(&mut self, _cx: &Cx<'_, Self>, request: StopProcs) -> Result<()> {
        let StopProcs { world, drain, term } = request;
        self.host.stop_procs(world, Ladder { drain, term });
        Ok(())
    }

    #[handler]
    fn list_procs(&mut self, _cx: &Cx<'_, Self>, _: ListProcs) -> Result<Vec<HostProc>> {
        Ok(self.host.list())
    }

    #[handler]
    async fn shutdown_host(
        &mut self,
        _cx: &Cx<'_, Self>,
        request: ShutdownHost,
    ) -> Result<Result<HostReport, HostRefusal>> {
        let ShutdownHost { token, drain, term } = request;
        if self.owner.is_some_and(|owner| owner != token) {
            return Ok(Err(HostRefusal::AlreadyOwned));
        }
        Ok(Ok(self.host.shutdown(Ladder { drain, term }).await))
    }
}
