//! The owner of a mesh of hosts: it starts or takes them, and it ends them.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use hypermesh_ndslice::Extent;
use hypermesh_proc_mesh::alloc::actor::context;
use hypermesh_proc_mesh::alloc::bootstrap::{self, BootstrapCommand};
use hypermesh_proc_mesh::alloc::children::Ladder;
use hypermesh_proc_mesh::alloc::settings::exit_ladder;
use hypermesh_proc_mesh::alloc::{Alloc, shim};
use hypermesh_proc_mesh::{ProcEvent, ProcMesh, default_transport, global_root_client};
use tokio::sync::OnceCell;
use tokio::task::JoinSet;

use crate::agent::verbs::{Claim, ShutdownHost};
use crate::channel::ChannelAddr;
use crate::error::{HostMeshError, Result};
use crate::host::{Host, HostHandle};
use crate::host_id::{agent_of, service_proc};
use crate::host_mesh_ref::HostMeshRef;
use crate::host_processes::HostProcesses;
use crate::mailbox::{Gateway, GatewayOptions};
use crate::name::Name;
use crate::shutdown::{
    ANSWER_TIMEOUT, DROP_LADDER, HostOutcome, HostShutdown, Once, ShutdownReport,
};
use crate::trampoline::{TrampolineError, TrampolineParams, start_trampolines};

/// How long a host may take to reap and to answer, beyond the time in which every proc has been killed.
const ANSWER_MARGIN: Duration = Duration::from_secs(10);

/// A mesh of hosts and its one owner.
///
/// Call [`shutdown`](Self::shutdown) when you are done. Dropping the owner ends the same things with short
/// deadlines and cannot tell you how it went.
pub struct HostMesh {
    mesh: HostMeshRef,
    /// What tells the hosts that requests come from their owner.
    token: u64,
    origin: Mutex<Origin>,
    once: Once,
    is_claimed: OnceCell<()>,
    /// Whether dropping this value ends anything.
    is_armed: AtomicBool,
}

/// Where the hosts come from, and what ends with them.
enum Origin {
    /// In this process.
    Local(Box<LocalHost>),
    /// Child processes of this one.
    Processes(Arc<HostProcesses>),
    /// On the procs of an alloc.
    Allocated(Box<AllocatedHosts>),
    /// Started by somebody else, or ended.
    Elsewhere,
}

struct LocalHost {
    handle: HostHandle,
    gateway: Gateway,
}

struct AllocatedHosts {
    procs: Arc<ProcMesh>,
    /// Watches the procs of the alloc; ends with it.
    _watch: JoinSet<()>,
}

impl HostMesh {
    /// Starts one host in this process, whose workers are this program started again.
    ///
    /// In a process that was started as a child of a mesh this call becomes that child and never
    /// returns. So reach it early and unconditionally in `main`: what stands before it runs in every
    /// worker as well, and a worker that never comes here fails the spawn with a hint at this.
    ///
    /// # Errors
    ///
    /// [`HostMeshError`] if the host cannot be started. In a child the error is logged on stderr and ends
    /// the process with status 1.
    pub async fn local() -> Result<Self> {
        bootstrap::run_if_child().await;
        let command = BootstrapCommand::current().map_err(HostMeshError::Command)?;
        Self::local_with_bootstrap(command).await
    }

    /// Like [`local`](Self::local), with workers that `bootstrap_cmd` starts.
    ///
    /// # Errors
    ///
    /// As [`local`](Self::local).
    pub async fn local_with_bootstrap(bootstrap_cmd: BootstrapCommand) -> Result<Self> {
        bootstrap::run_if_child().await;
        check_settings()?;
        let gateway = Gateway::new(GatewayOptions::new(
            shim::process_runtime(),
            default_transport(),
        ));
        let handle = Host::start(&gateway, bootstrap_cmd)?;
        let mesh = HostMeshRef::from_hosts(Name::new("local")?, vec![handle.host.front().clone()]);
        let local = Box::new(LocalHost { handle, gateway });
        Self::owning(mesh, Origin::Local(local)).await
    }

    /// Starts one host process for each point of `extent` with `command`; each manages its own workers,
    /// which are started with `command` as well.
    ///
    /// Meant for tests, examples and trying things out. Like [`local`](Self::local) it is an entry point
    /// of children: reach it early and unconditionally.
    ///
    /// # Errors
    ///
    /// [`HostMeshError`] if not every host comes up in time; none of their processes is left then.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the processes it has started are ended.
    pub async fn process(extent: Extent, command: BootstrapCommand) -> Result<Self> {
        bootstrap::run_if_child().await;
        check_settings()?;
        let gateway = shim::process_gateway();
        let started = HostProcesses::start(extent.count(), &command, &gateway, default_transport());
        let (processes, addrs) = started.await?;
        let mesh = HostMeshRef::arranged(Name::new("process")?, addrs, extent);
        Self::owning(mesh, Origin::Processes(Arc::new(processes))).await
    }

    /// Starts a host on every proc of `alloc`; the mesh has the alloc's extent and rank order, and owns it.
    ///
    /// Workers are started with `bootstrap_params`, or with the command that started the process of
    /// their host.
    ///
    /// # Errors
    ///
    /// [`HostMeshError`] if the name is none, or not every proc and host comes up; nothing is left then.
    pub async fn allocate(
        cx: &impl context::Actor,
        alloc: Box<dyn Alloc + Send + Sync>,
        name: &str,
        bootstrap_params: Option<BootstrapCommand>,
    ) -> Result<Self> {
        check_settings()?;
        let name = Name::new(name)?;
        let extent = alloc.extent().clone();
        let bind = ChannelAddr::any(default_transport());
        let mut procs = ProcMesh::allocate_boxed(alloc)
            .await
            .map_err(TrampolineError::Alloc)?;
        let events = procs.events();
        let procs = Arc::new(procs);
        let params = TrampolineParams {
            bind,
            command: bootstrap_params,
        };
        let addrs = start_trampolines(cx, &procs, &params).await?;

        let mut watch = JoinSet::new();
        let services: Vec<_> = addrs.iter().map(service_proc).collect();
        if let Some(mut events) = events {
            let gateway = cx.gateway().clone();
            watch.spawn(async move {
                while let Some(event) = events.next().await {
                    if let ProcEvent::Stopped(rank, reason) = event
                        && let Some(service) = services.get(rank)
                    {
                        gateway.proc_died(*service, &reason.to_string());
                    }
                }
            });
        }
        let mesh = HostMeshRef::arranged(name, addrs, extent);
        let allocated = Box::new(AllocatedHosts {
            procs,
            _watch: watch,
        });
        Self::owning(mesh, Origin::Allocated(allocated)).await
    }

    /// Takes over hosts that somebody else started: from now on [`shutdown`](Self::shutdown) and dropping
    /// this value end them.
    ///
    /// The claim is made at the hosts by the first operation; see [`try_take`](Self::try_take) to know at
    /// once.
    #[must_use]
    pub fn take(mesh: HostMeshRef) -> Self {
        Self::new(mesh, Origin::Elsewhere)
    }

    /// Takes over hosts that somebody else started, and claims them at once.
    ///
    /// # Errors
    ///
    /// [`HostMeshError::Claim`] if one of them is owned, [`HostMeshError::Silent`] if one does not answer.
    pub async fn try_take(cx: &impl context::Actor, mesh: HostMeshRef) -> Result<Self> {
        let this = Self::take(mesh);
        match this.claim(cx).await {
            Ok(()) => Ok(this),
            Err(error) => {
                this.is_armed.store(false, Ordering::Relaxed);
                Err(error)
            }
        }
    }

    /// Starts one proc for each point of `per_host` on every host; see [`HostMeshRef::spawn`].
    ///
    /// # Errors
    ///
    /// As [`HostMeshRef::spawn`], and [`HostMeshError::Claim`] if somebody else owns a host.
    pub async fn spawn(
        &self,
        cx: &impl context::Actor,
        name: &str,
        per_host: Extent,
    ) -> Result<ProcMesh> {
        if self.once.report().is_some() {
            return Err(HostMeshError::Closed);
        }
        self.claim(cx).await?;
        self.mesh.spawn(cx, name, per_host).await
    }

    /// Ends every proc of every host, then the hosts that this owner has started.
    ///
    /// Each host asks its procs to drain, then sends SIGTERM, then SIGKILL; it reaps them and only then
    /// answers. All hosts do so at once. A further call does nothing if this one succeeded; otherwise it
    /// asks the hosts again that have not confirmed. Concurrent calls share one run.
    ///
    /// # Errors
    ///
    /// [`HostMeshError::Shutdown`] with the report if not every host confirmed that it is empty.
    ///
    /// # Cancel safety
    ///
    /// A dropped call counts as not made; what it has ended stays ended.
    pub async fn shutdown(&self, cx: &impl context::Actor) -> Result<()> {
        let report = self.once.run(|last| self.run_shutdown(cx, last)).await;
        if report.is_clean() {
            Ok(())
        } else {
            Err(HostMeshError::Shutdown(report))
        }
    }

    /// Returns what the last [`shutdown`](Self::shutdown) found, if there was one.
    pub fn shutdown_report(&self) -> Option<Arc<ShutdownReport>> {
        self.once.report()
    }

    fn new(mesh: HostMeshRef, origin: Origin) -> Self {
        Self {
            mesh,
            token: fresh_token(),
            origin: Mutex::new(origin),
            once: Once::new(),
            is_claimed: OnceCell::new(),
            is_armed: AtomicBool::new(true),
        }
    }

    /// Returns the owner of hosts that have just been started.
    async fn owning(mesh: HostMeshRef, origin: Origin) -> Result<Self> {
        let this = Self::new(mesh, origin);
        this.claim(global_root_client()).await?;
        Ok(this)
    }

    /// Makes this the owner at every host, once.
    async fn claim(&self, cx: &impl context::Actor) -> Result<()> {
        let claim = || async {
            let claims = self.mesh.hosts().iter().map(|addr| async move {
                let claim = agent_of(addr).ask(cx, Claim { token: self.token });
                let addr = addr.clone();
                match claim.timeout(ANSWER_TIMEOUT).await {
                    Ok(Ok(())) => Ok(()),
                    Ok(Err(source)) => Err(HostMeshError::Claim { addr, source }),
                    Err(source) => Err(HostMeshError::Silent { addr, source }),
                }
            });
            join_all(claims).await.into_iter().collect::<Result<()>>()
        };
        self.is_claimed.get_or_try_init(claim).await.copied()
    }

    /// Asks the hosts that `last` does not show as clean, then ends what this owner has started.
    async fn run_shutdown(
        &self,
        cx: &impl context::Actor,
        last: Option<Arc<ShutdownReport>>,
    ) -> ShutdownReport {
        let Ladder { drain, term } = exit_ladder();
        let request = ShutdownHost {
            token: self.token,
            drain,
            term,
        };
        let within = drain + term + ANSWER_MARGIN;
        let hosts = self.mesh.hosts().iter().enumerate().map(|(rank, addr)| {
            let last = last
                .as_ref()
                .and_then(|report| report.hosts.get(rank))
                .cloned();
            async move {
                if let Some(last) = last.filter(HostShutdown::is_clean) {
                    return last;
                }
                let outcome = match agent_of(addr).ask(cx, request).timeout(within).await {
                    Ok(Ok(report)) => HostOutcome::Confirmed(report),
                    Ok(Err(refusal)) => HostOutcome::Refused(refusal),
                    Err(error) => HostOutcome::Unreachable(error.to_string()),
                };
                HostShutdown {
                    addr: addr.clone(),
                    outcome,
                }
            }
        });
        let hosts = join_all(hosts).await;
        let host_processes_left = self.end_origin(cx).await;
        ShutdownReport {
            hosts,
            host_processes_left,
        }
    }

    /// Ends what the hosts live in, and returns how many processes are left of it.
    async fn end_origin(&self, cx: &impl context::Actor) -> usize {
        let ladder = exit_ladder();
        let origin = std::mem::replace(&mut *self.origin(), Origin::Elsewhere);
        match origin {
            Origin::Local(local) => {
                local.handle.proc.shutdown(ladder.drain).await;
                local.gateway.shutdown(ladder.drain).await;
                0
            }
            Origin::Processes(processes) => {
                let left = processes.stop(ladder, ANSWER_MARGIN).await;
                if left != 0 {
                    *self.origin() = Origin::Processes(processes);
                }
                left
            }
            Origin::Allocated(allocated) => {
                let AllocatedHosts { procs, _watch } = *allocated;
                let mut procs = match Arc::try_unwrap(procs) {
                    Ok(procs) => procs,
                    // Only `allocate` clones it, and its clones are gone when it returns.
                    Err(_) => return 1,
                };
                usize::from(procs.stop(cx).await.is_err())
            }
            Origin::Elsewhere => 0,
        }
    }

    fn origin(&self) -> MutexGuard<'_, Origin> {
        self.origin.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for HostMesh {
    fn drop(&mut self) {
        let is_over = self.once.report().is_some_and(|report| report.is_clean());
        if is_over || !*self.is_armed.get_mut() {
            return;
        }
        let origin = self
            .origin
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(origin, Origin::Elsewhere) {
            Origin::Local(local) => warn_left(local.handle.host.shutdown_blocking(DROP_LADDER)),
            // A host that is asked to drain ends its workers first.
            Origin::Processes(processes) => warn_left(processes.stop_blocking(DROP_LADDER)),
            // Its procs end with it, and the hosts with the procs.
            Origin::Allocated(_) => {}
            Origin::Elsewhere => {
                let Ladder { drain, term } = DROP_LADDER;
                let request = ShutdownHost {
                    token: self.token,
                    drain,
                    term,
                };
                for addr in self.mesh.hosts() {
                    // Best effort: who wants to know calls `shutdown`.
                    _ = agent_of(addr).tell(global_root_client(), request);
                }
            }
        }
    }
}

/// Returns a token that nobody else has.
fn fresh_token() -> u64 {
    // Where the system has no random bytes, a hash with random keys is the next best.
    getrandom::u64().unwrap_or_else(|_| RandomState::new().hash_one("owner"))
}

fn check_settings() -> Result<()> {
    hypermesh_config::check_all().map_err(HostMeshError::Settings)
}

/// Names what is left to the nets of the kernel.
fn warn_left(left: usize) {
    if left != 0 {
        tracing::warn!(
            left,
            "a mesh of hosts was dropped without shutdown: the rest is killed"
        );
    }
}

impl Deref for HostMesh {
    type Target = HostMeshRef;

    fn deref(&self) -> &HostMeshRef {
        &self.mesh
    }
}

impl fmt::Debug for HostMesh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HostMesh({})", self.mesh)
    }
}
