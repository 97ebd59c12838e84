//! Procs in child processes of this one.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use bytes::Bytes;
use hypermesh_ndslice::Point;

use crate::{
    actor::mailbox::{
        Gateway, ProcId, WorldId,
        channel::{ChannelAddr, ChannelTransport},
    },
    allocator::{Alloc, Allocator, AllocatorError},
    bootstrap::BootstrapCommand,
    chain::Chain,
    children::{ChildEvent, ChildKey, ChildSpec, Children, ExitFacts, ExitStatus, Verdict},
    feed::Feed,
    proc_state::{CreateKey, ProcState, ProcStopReason},
    settings::{self, PROC_START_TIMEOUT},
    shim::process_gateway,
    spec::AllocSpec,
    worker::{WorkerBoot, WorkerReady},
};

/// Starts one child process per rank.
///
/// The command must be a program whose `main` reaches
/// [`run_if_child`](crate::bootstrap::run_if_child), or
/// [`bootstrap_or_die`](crate::bootstrap::bootstrap_or_die).
#[derive(Clone, Debug)]
pub struct ProcessAllocator {
    command: BootstrapCommand,
    gateway: Option<Gateway>,
}

impl ProcessAllocator {
    /// Returns an allocator that starts its procs with `command`; they reach this process by its own
    /// gateway.
    pub fn new(command: impl Into<BootstrapCommand>) -> Self {
        Self {
            command: command.into(),
            gateway: None,
        }
    }

    /// Lets the procs reach this process by `gateway` instead.
    pub fn on(self, gateway: Gateway) -> Self {
        Self {
            gateway: Some(gateway),
            ..self
        }
    }
}

#[async_trait]
impl Allocator for ProcessAllocator {
    type Alloc = ProcessAlloc;

    async fn allocate(&mut self, spec: AllocSpec) -> Result<ProcessAlloc, AllocatorError> {
        let transport = spec.transport;
        if transport == ChannelTransport::Local {
            return Err(AllocatorError::Transport {
                allocator: "the process allocator",
                transport,
            });
        }
        let gateway = self.gateway.clone().unwrap_or_else(process_gateway);
        let client_router_addr = match settings::bootstrap_addr() {
            Some(addr) => addr,
            None => gateway.addr()?,
        };
        ProcessAlloc::start(spec, gateway, client_router_addr, &self.command)
    }
}

/// Procs in child processes of this one. Dropping it kills them.
#[derive(Debug)]
pub struct ProcessAlloc {
    spec: AllocSpec,
    world: WorldId,
    client_router_addr: ChannelAddr,
    ranks: Arc<Ranks>,
    children: Children,
}

impl ProcessAlloc {
    fn start(
        spec: AllocSpec,
        gateway: Gateway,
        client_router_addr: ChannelAddr,
        command: &BootstrapCommand,
    ) -> Result<Self, AllocatorError> {
        let name = spec.proc_name.clone().unwrap_or_else(|| "proc".into());
        let world = WorldId::new(&name);
        let ranks = Arc::new(Ranks::new(world.clone(), gateway, spec.extent.count()));
        let watching = Arc::clone(&ranks);
        let children = Children::start(move |key, event| watching.on_event(key, event))
            .map_err(|error| AllocatorError::Other(error.into()))?;

        let report_within = Some(PROC_START_TIMEOUT.get()).filter(|within| !within.is_zero());
        let mut by_key = ranks.lock();
        for point in spec.extent.points() {
            let proc_id = proc_id(&world, &point);
            let label = format!("{name}.{}", point.rank());
            let boot = WorkerBoot {
                proc_id,
                name: label.clone(),
                bind: ChannelAddr::any(spec.transport),
                location: None,
                client_router_addr: client_router_addr.clone(),
                labels: spec.constraints.match_labels.clone(),
            };
            let boot = boot
                .to_boot()
                .map_err(|error| AllocatorError::Other(error.into()))?;
            let command = command.clone();
            // Its events wait for the lock, and so find their rank.
            let key = children.spawn(ChildSpec {
                command,
                boot,
                label,
                report_within,
            });
            by_key.insert(key, Rank::new(point, proc_id));
        }
        drop(by_key);
        Ok(Self {
            spec,
            world,
            client_router_addr,
            ranks,
            children,
        })
    }
}

#[async_trait]
impl Alloc for ProcessAlloc {
    async fn next(&mut self) -> Option<ProcState> {
        self.ranks.feed.next().await
    }

    fn spec(&self) -> &AllocSpec {
        &self.spec
    }

    fn world_id(&self) -> &WorldId {
        &self.world
    }

    async fn stop(&mut self) -> Result<(), AllocatorError> {
        self.ranks.is_stopping.store(true, Ordering::Relaxed);
        self.children.stop_all(settings::exit_ladder());
        Ok(())
    }

    fn client_router_addr(&self) -> ChannelAddr {
        self.client_router_addr.clone()
    }

    fn gateway(&self) -> Option<Gateway> {
        Some(self.ranks.gateway.clone())
    }
}

/// What the thread of the children tells, put together by rank.
#[derive(Debug)]
struct Ranks {
    world: WorldId,
    gateway: Gateway,
    feed: Feed,
    by_key: Mutex<HashMap<ChildKey, Rank>>,
    /// Once it is set, no proc becomes `Running` any more.
    is_stopping: AtomicBool,
}

/// One rank that has not ended.
#[derive(Debug)]
struct Rank {
    point: Point,
    proc_id: ProcId,
    create_key: CreateKey,
    has_reported: bool,
    is_overdue: bool,
}

impl Rank {
    fn new(point: Point, proc_id: ProcId) -> Self {
        let create_key = CreateKey::unique();
        Self {
            point,
            proc_id,
            create_key,
            has_reported: false,
            is_overdue: false,
        }
    }
}

impl Ranks {
    fn new(world: WorldId, gateway: Gateway, n_ranks: usize) -> Self {
        let feed = Feed::new(n_ranks);
        Self {
            world,
            gateway,
            feed,
            by_key: Mutex::default(),
            is_stopping: AtomicBool::new(false),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ChildKey, Rank>> {
        self.by_key.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Turns an event of a child into the states of its rank.
    fn on_event(&self, key: ChildKey, event: ChildEvent) -> Verdict {
        let mut by_key = self.lock();
        let Some(rank) = by_key.get_mut(&key) else {
            return Verdict::Kill;
        };
        match event {
            ChildEvent::Started { pid } => {
                let (create_key, point) = (rank.create_key, rank.point.clone());
                self.feed.push(ProcState::Created {
                    create_key,
                    point,
                    pid,
                });
            }
            ChildEvent::Report(report) => return self.on_report(rank, &report),
            ChildEvent::Garbled(error) => self.fail(rank, &error),
            ChildEvent::Overdue => rank.is_overdue = true,
            ChildEvent::Exited(facts) => {
                let rank = by_key
                    .remove(&key)
                    .expect("it was there, and the lock is held");
                drop(by_key);
                self.on_exit(&rank, facts);
            }
            ChildEvent::StartFailed(error) => {
                let description = describe(rank, &error);
                by_key.remove(&key);
                self.feed.give_up(ProcState::Failed {
                    world_id: self.world.clone(),
                    description,
                });
            }
        }
        Verdict::Keep
    }

    fn on_report(&self, rank: &mut Rank, report: &Bytes) -> Verdict {
        let ready = match WorkerReady::from_report(report) {
            Ok(ready) if !rank.has_reported => ready,
            Ok(_) => {
                self.fail(rank, &SecondReport);
                return Verdict::Kill;
            }
            Err(error) => {
                self.fail(rank, &error);
                return Verdict::Kill;
            }
        };
        rank.has_reported = true;
        if !self.is_stopping.load(Ordering::Relaxed) {
            self.feed.push(ProcState::Running {
                create_key: rank.create_key,
                proc_id: rank.proc_id,
                mesh_agent: ready.agent,
                addr: ready.addr,
            });
        }
        Verdict::Keep
    }

    fn on_exit(&self, rank: &Rank, facts: ExitFacts) {
        let reason = stop_reason(facts, rank.is_overdue, rank.has_reported);
        self.gateway.proc_died(rank.proc_id, &reason.to_string());
        self.feed.push(ProcState::Stopped {
            create_key: rank.create_key,
            reason,
        });
    }

    fn fail(&self, rank: &Rank, error: &dyn std::error::Error) {
        let (world_id, description) = (self.world.clone(), describe(rank, error));
        self.feed.push(ProcState::Failed {
            world_id,
            description,
        });
    }
}

/// Returns which rank met `error`, with the error's causes.
fn describe(rank: &Rank, error: &dyn std::error::Error) -> String {
    format!("rank {}: {}", rank.point.rank(), Chain(error))
}

/// Error of a worker that says twice that it is ready.
#[derive(Debug, thiserror::Error)]
#[error("the process reported that it is ready a second time")]
struct SecondReport;

/// Returns why the proc is gone whose process ended with these facts.
pub fn stop_reason(facts: ExitFacts, is_overdue: bool, was_ready: bool) -> ProcStopReason {
    if is_overdue || facts.escalated {
        return ProcStopReason::Watchdog;
    }
    match facts.status {
        ExitStatus::Code(0) if facts.requested || was_ready => ProcStopReason::Stopped,
        ExitStatus::Code(code) => ProcStopReason::Exited(code, facts.stderr_tail),
        ExitStatus::Signal { signal: 15, .. } if facts.requested => ProcStopReason::Stopped,
        ExitStatus::Signal { signal, core } => ProcStopReason::Killed(signal, core),
        ExitStatus::Unknown => ProcStopReason::Unknown,
    }
}

/// Returns the id of the proc at `point` of a world that has just been made.
pub(crate) fn proc_id(world: &WorldId, point: &Point) -> ProcId {
    let rank = u32::try_from(point.rank()).expect("the ranks of an extent fit u32");
    ProcId {
        world: world.id(),
        rank,
        generation: 0,
    }
}

#[cfg(test)]
mod tests;
