//! Procs on hosts as an alloc, so that a mesh of procs comes up and ends in one way wherever it lives.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use hypermesh_ndslice::Extent;
use hypermesh_proc_mesh::alloc::actor::{CallError, Instance, context};
use hypermesh_proc_mesh::alloc::children::Ladder;
use hypermesh_proc_mesh::alloc::settings::exit_ladder;
use hypermesh_proc_mesh::alloc::{
    Alloc, AllocConstraints, AllocSpec, AllocatorError, ProcAllocationMode, ProcState,
};
use tokio::time::{Instant, timeout_at};

use crate::agent::verbs::{HostNotice, HostRefusal, SpawnProcs, StopProcs};
use crate::channel::ChannelAddr;
use crate::host_id::service_proc;
use crate::host_mesh_ref::HostMeshRef;
use crate::host_ranks::HostRanks;
use crate::mailbox::{DeathWatch, Gateway, PortReceiver, ProcId, ServeError, WorldId};
use crate::settings::{HOST_SPAWN_READY_TIMEOUT, HOST_SPAWN_TOTAL_TIMEOUT};
use crate::shutdown::ANSWER_TIMEOUT;
use crate::spawning::{RankStatus, Spawning};

/// Procs that were started on the hosts of a mesh. Dropping it kills them.
pub(crate) struct HostAlloc {
    spec: AllocSpec,
    world: WorldId,
    hosts: HostMeshRef,
    client: Instance<()>,
    client_router_addr: ChannelAddr,
    notices: PortReceiver<HostNotice>,
    _losses: DeathWatch,
    spawning: Arc<Mutex<Spawning>>,
    ready: VecDeque<ProcState>,
    /// When the ranks that have not reported are given up.
    patience: Option<Patience>,
}

/// How much longer the start of the procs may take.
#[derive(Clone, Copy, Debug)]
struct Patience {
    idle_until: Instant,
    total_until: Instant,
}

impl Patience {
    fn new() -> Self {
        let now = Instant::now();
        let total_until = now + HOST_SPAWN_TOTAL_TIMEOUT.get();
        Self {
            idle_until: now + HOST_SPAWN_READY_TIMEOUT.get(),
            total_until,
        }
    }

    fn on_progress(&mut self) {
        self.idle_until = Instant::now() + HOST_SPAWN_READY_TIMEOUT.get();
    }

    fn until(&self) -> Instant {
        self.idle_until.min(self.total_until)
    }
}

/// How the ranks are doing, readable while the alloc is somebody else's.
#[derive(Clone)]
pub(crate) struct Statuses(Arc<Mutex<Spawning>>);

impl Statuses {
    pub(crate) fn read(&self) -> Vec<RankStatus> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .statuses()
    }
}

/// Error of a mesh of procs whose hosts did not begin to start it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartProcsError {
    /// This process cannot be reached by the hosts.
    #[error("the hosts would not reach this process")]
    Serve(#[from] ServeError),
    /// A host did not answer.
    #[error("host {host} at {addr} does not answer")]
    Silent {
        /// The place of the host in the mesh.
        host: usize,
        /// Its address.
        addr: ChannelAddr,
        /// What happened to the request.
        source: CallError,
    },
    /// A host refused.
    #[error("host {host} at {addr} refuses")]
    Refused {
        /// The place of the host in the mesh.
        host: usize,
        /// Its address.
        addr: ChannelAddr,
        /// Why.
        source: HostRefusal,
    },
}

impl HostAlloc {
    /// Begins to start procs on `hosts`, on each of them those that `ranks` says.
    pub(crate) async fn start(
        cx: &impl context::Actor,
        hosts: &HostMeshRef,
        name: &str,
        extent: Extent,
        ranks: &HostRanks,
    ) -> Result<Self, StartProcsError> {
        let client = cx.proc().client("host_alloc");
        let gateway = client.proc().gateway().clone();
        let client_router_addr = gateway.addr()?;
        let world = WorldId::new(name);
        let transport = client_router_addr.transport();
        let (port, notices) = client.mailbox().open_port::<HostNotice>();

        let services: BTreeMap<ProcId, u32> = hosts.services().zip(0..).collect();
        let losses = port.clone();
        let losses = gateway.on_proc_death(Arc::new(move |proc, why| {
            if let Some(&host) = services.get(&proc) {
                // A receiver that is gone has no procs left to lose.
                _ = losses.send(HostNotice::HostLost {
                    host,
                    why: why.to_owned(),
                });
            }
        }));
        let spawning = Spawning::new(world.clone(), extent.clone(), ranks.clone());
        let alloc = Self {
            spec: AllocSpec {
                extent,
                constraints: AllocConstraints::default(),
                proc_name: Some(name.to_owned()),
                transport,
                proc_allocation_mode: ProcAllocationMode::ProcLevel,
            },
            world,
            hosts: hosts.clone(),
            client,
            client_router_addr,
            notices,
            _losses: losses,
            spawning: Arc::new(Mutex::new(spawning)),
            ready: VecDeque::new(),
            patience: Some(Patience::new()),
        };
        // From here on, dropping it ends what has been started.
        let notices = port.bind();
        alloc.request(ranks, &notices).await?;
        Ok(alloc)
    }

    /// Returns how the ranks are doing, now and later.
    pub(crate) fn statuses(&self) -> Statuses {
        Statuses(Arc::clone(&self.spawning))
    }

    /// Asks every host for its procs, all at once.
    async fn request(
        &self,
        ranks: &HostRanks,
        notices: &crate::mailbox::PortRef<HostNotice>,
    ) -> Result<(), StartProcsError> {
        let as_u32 = |n| u32::try_from(n).expect("the ranks of an extent fit u32");
        let requests =
            self.hosts
                .agents()
                .zip(self.hosts.hosts())
                .enumerate()
                .map(|(host, (agent, addr))| {
                    let here = ranks.on_host(host);
                    let request = SpawnProcs {
                        world: self.world.clone(),
                        first_rank: as_u32(here.start),
                        count: as_u32(here.len()),
                        client_router_addr: self.client_router_addr.clone(),
                        notices: notices.clone(),
                    };
                    async move {
                        let answer = agent
                            .ask(&self.client, request)
                            .timeout(ANSWER_TIMEOUT)
                            .await;
                        let addr = || addr.clone();
                        match answer {
                            Ok(Ok(())) => Ok(()),
                            Ok(Err(source)) => Err(StartProcsError::Refused {
                                host,
                                addr: addr(),
                                source,
                            }),
                            Err(source) => Err(StartProcsError::Silent {
                                host,
                                addr: addr(),
                                source,
                            }),
                        }
                    }
                });
        join_all(requests).await.into_iter().collect()
    }

    /// Tells every host to end the procs.
    fn stop_procs(&self, drain: Duration, term: Duration) {
        let request = StopProcs {
            world: self.world.id(),
            drain,
            term,
        };
        for agent in self.hosts.agents() {
            if let Err(error) = agent.tell(&self.client, request) {
                tracing::warn!(host = %agent.id(), %error, "a host was not told to stop its procs");
            }
        }
    }

    fn take_in(&mut self, notice: HostNotice) {
        let mut spawning = self.spawning.lock().unwrap_or_else(PoisonError::into_inner);
        self.ready.extend(spawning.on_notice(notice));
        if spawning.is_settled() {
            self.patience = None;
        }
        drop(spawning);
        if let Some(patience) = &mut self.patience {
            patience.on_progress();
        }
    }

    /// Gives up the ranks that have not reported.
    fn lose_patience(&mut self) {
        self.patience = None;
        let late = self
            .spawning
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .on_idle();
        self.ready.extend(late);
        self.stop_procs(Duration::ZERO, Duration::ZERO);
    }

    fn has_ended(&self) -> bool {
        self.spawning
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .has_ended()
    }
}

#[async_trait]
impl Alloc for HostAlloc {
    async fn next(&mut self) -> Option<ProcState> {
        loop {
            if let Some(state) = self.ready.pop_front() {
                return Some(state);
            }
            if self.has_ended() {
                return None;
            }
            // Once the mesh is up it has no deadline: the next thing to happen may be its end in a year.
            let notice = match self.patience {
                Some(patience) => match timeout_at(patience.until(), self.notices.recv()).await {
                    Ok(notice) => notice,
                    Err(_) => {
                        self.lose_patience();
                        continue;
                    }
                },
                None => self.notices.recv().await,
            };
            self.take_in(notice.ok()?);
        }
    }

    fn spec(&self) -> &AllocSpec {
        &self.spec
    }

    fn world_id(&self) -> &WorldId {
        &self.world
    }

    async fn stop(&mut self) -> Result<(), AllocatorError> {
        let Ladder { drain, term } = exit_ladder();
        self.stop_procs(drain, term);
        Ok(())
    }

    fn client_router_addr(&self) -> ChannelAddr {
        self.client_router_addr.clone()
    }

    fn gateway(&self) -> Option<Gateway> {
        Some(self.client.proc().gateway().clone())
    }

    fn relay(&self, addr: &ChannelAddr) -> Option<ProcId> {
        Some(service_proc(addr))
    }
}

impl Drop for HostAlloc {
    fn drop(&mut self) {
        if !self.has_ended() {
            self.stop_procs(Duration::ZERO, Duration::ZERO);
        }
    }
}
