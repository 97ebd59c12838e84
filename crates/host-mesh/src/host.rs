//! A host: a front address, a service proc with the host agent, and the worker processes behind it.
//!
//! A worker serves an address of its own, and the gateway of its host routes to it; everybody else knows
//! the front address alone.
//!
//! # Invariants
//!
//! - **INV-1**: a host that shuts down starts nothing any more.
//! - **INV-2**: a route to a proc is there exactly from its report to its end.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hypermesh_proc_mesh::alloc::actor::{Instance, Proc, ProcOptions};
use hypermesh_proc_mesh::alloc::bootstrap::BootstrapCommand;
use hypermesh_proc_mesh::alloc::children::{
    ChildEvent, ChildKey, ChildSpec, Children, Ladder, Verdict,
};
use hypermesh_proc_mesh::alloc::worker::WorkerBoot;

use tokio::sync::watch;

use crate::agent::HostAgent;
use crate::agent::roll::{Roll, Route};
use crate::agent::verbs::{HostProc, HostRefusal, HostReport, SpawnProcs};
use crate::channel::ChannelAddr;
use crate::host_error::StartHostError;
use crate::host_id::{HOST_AGENT, service_proc};
use crate::mailbox::{Gateway, ProcId};

/// How long reaping may take after every worker has been killed.
const REAP_MARGIN: Duration = Duration::from_secs(5);

/// A host in this process.
pub(crate) struct Host {
    shared: Arc<Shared>,
    children: Children,
    command: BootstrapCommand,
    closed: AtomicBool,
    /// Becomes true when everything was ended on request.
    emptied: watch::Sender<bool>,
}

/// What the events of the children work on.
struct Shared {
    gateway: Gateway,
    front: ChannelAddr,
    roll: Mutex<Roll>,
    /// On whose behalf notices are sent.
    client: Instance<()>,
}

/// The local owner of a host. Dropping it ends the worker processes.
pub(crate) struct HostHandle {
    pub(crate) host: Arc<Host>,
    pub(crate) proc: Proc,
}

impl Host {
    /// Starts a host on `gateway`, whose workers are started by `command`.
    pub(crate) fn start(
        gateway: &Gateway,
        command: BootstrapCommand,
    ) -> Result<HostHandle, StartHostError> {
        let front = gateway.addr()?;
        let proc = Proc::new(ProcOptions {
            id: service_proc(&front),
            name: format!("host {front}"),
            gateway: gateway.clone(),
            runtime: gateway.runtime().clone(),
        })?;
        let client = proc.client("host_notices");
        let roll = Mutex::new(Roll::default());
        let shared = Arc::new(Shared {
            gateway: gateway.clone(),
            front,
            roll,
            client,
        });
        let events = Arc::clone(&shared);
        let children = Children::start(move |key, event| events.on_event(key, event))
            .map_err(StartHostError::Children)?;
        let host = Arc::new(Self {
            shared,
            children,
            command,
            closed: AtomicBool::new(false),
            emptied: watch::Sender::new(false),
        });
        proc.spawn_named(HOST_AGENT, HostAgent::new(Arc::clone(&host)))
            .map_err(|error| StartHostError::Agent(error.to_string()))?;
        Ok(HostHandle { host, proc })
    }

    /// Returns the address at which the host and all its procs are reached.
    pub(crate) fn front(&self) -> &ChannelAddr {
        &self.shared.front
    }

    /// Begins to start the procs of `request`.
    pub(crate) fn spawn_procs(&self, request: &SpawnProcs) -> Result<(), HostRefusal> {
        let SpawnProcs {
            world,
            first_rank,
            count,
            client_router_addr,
            notices,
        } = request;
        let mesh: Arc<str> = world.name().into();
        if self.shared.roll().has_other(&mesh, world.id()) {
            return Err(HostRefusal::NameInUse {
                name: mesh.as_ref().to_owned(),
            });
        }
        for rank in *first_rank..first_rank.saturating_add(*count) {
            let proc = ProcId {
                world: world.id(),
                rank,
                generation: 0,
            };
            let label = format!("{mesh}.{rank}");
            let boot = WorkerBoot {
                proc_id: proc,
                name: label.clone(),
                bind: ChannelAddr::any(self.front().transport()),
                location: Some(self.front().clone()),
                client_router_addr: client_router_addr.clone(),
                labels: BTreeMap::new(),
            };
            let boot = boot
                .to_boot()
                .map_err(|error| HostRefusal::Boot(error.to_string()))?;
            // Whoever spawned the mesh watches its progress and gives up on it as a whole.
            let spec = ChildSpec {
                command: self.command.clone(),
                boot,
                label,
                report_within: None,
            };
            // The first event of the child waits for this lock: it finds itself on the roll.
            let mut roll = self.shared.roll();
            if self.closed.load(Ordering::Acquire) {
                return Err(HostRefusal::Closed);
            }
            let key = self.children.spawn(spec);
            roll.enter(key, proc, Arc::clone(&mesh), notices.clone());
        }
        Ok(())
    }

    /// Begins to end the procs of a world.
    pub(crate) fn stop_procs(&self, world: u64, ladder: Ladder) {
        let keys = self.shared.roll().of_world(world);
        for key in keys {
            self.children.stop(key, ladder);
        }
    }

    /// Returns the procs that are there.
    pub(crate) fn list(&self) -> Vec<HostProc> {
        self.shared.roll().list()
    }

    /// Ends every proc, waits until all are reaped, and takes no new ones (INV-1).
    pub(crate) async fn shutdown(&self, ladder: Ladder) -> HostReport {
        {
            let _roll = self.shared.roll();
            self.closed.store(true, Ordering::Release);
        }
        self.children.stop_all(ladder);
        let left = self.children.wait_empty(ladder.total() + REAP_MARGIN).await;
        let left = u32::try_from(left).unwrap_or(u32::MAX);
        self.emptied.send_replace(true);
        HostReport {
            left,
            ..self.shared.roll().report()
        }
    }

    /// Waits until the host has been shut down.
    pub(crate) async fn closed(&self) {
        // The sender is `self`.
        _ = self.emptied.subscribe().wait_for(|emptied| *emptied).await;
    }

    /// Like [`shutdown`](Self::shutdown), without a runtime.
    pub(crate) fn shutdown_blocking(&self, ladder: Ladder) -> usize {
        self.closed.store(true, Ordering::Release);
        self.children.stop_all(ladder);
        self.children
            .wait_empty_blocking(ladder.total() + REAP_MARGIN)
    }
}

impl Shared {
    fn roll(&self) -> MutexGuard<'_, Roll> {
        self.roll.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in what happened to a child. Called on the thread that watches the children.
    fn on_event(&self, key: ChildKey, event: ChildEvent) -> Verdict {
        let (verdict, outcome) = self.roll().on_event(key, event, &self.front);
        let Some(outcome) = outcome else {
            return verdict;
        };
        match outcome.route {
            Route::Keep => {}
            Route::Add(addr) => self.gateway.route_proc(outcome.proc, addr),
            Route::Remove(why) => {
                self.gateway.unroute_proc(outcome.proc);
                self.gateway.proc_died(outcome.proc, &why);
            }
        }
        let (port, notice) = outcome.notice;
        port.send(&self.client, notice);
        verdict
    }
}
