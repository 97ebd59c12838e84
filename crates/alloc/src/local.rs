//! Procs in this process.

use std::{
    process::id,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use futures_util::{StreamExt, stream::FuturesOrdered};
use tokio::{runtime::Handle, task::JoinSet};

use crate::{
    actor::{
        Proc, ProcOptions,
        mailbox::{Gateway, WorldId, channel::ChannelAddr},
    },
    allocator::{Alloc, Allocator, AllocatorError},
    feed::Feed,
    proc_state::{CreateKey, ProcState, ProcStopReason},
    process::proc_id,
    settings::PROCESS_EXIT_TIMEOUT,
    shim::process_gateway,
    spec::AllocSpec,
};

/// Makes procs in this process: for tests, and for programs that need no second process.
#[derive(Clone, Debug, Default)]
pub struct LocalAllocator {
    gateway: Option<Gateway>,
}

impl LocalAllocator {
    /// Returns an allocator that puts its procs on the gateway of this process.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns an allocator that puts its procs on `gateway`.
    pub fn on(gateway: Gateway) -> Self {
        Self {
            gateway: Some(gateway),
        }
    }
}

#[async_trait]
impl Allocator for LocalAllocator {
    type Alloc = LocalAlloc;

    async fn allocate(&mut self, spec: AllocSpec) -> Result<LocalAlloc, AllocatorError> {
        let gateway = self.gateway.clone().unwrap_or_else(process_gateway);
        LocalAlloc::start(spec, gateway, Handle::current())
    }
}

/// Procs in this process. Dropping it kills their actors.
#[derive(Debug)]
pub struct LocalAlloc {
    spec: AllocSpec,
    world: WorldId,
    client_router_addr: ChannelAddr,
    procs: Arc<Procs>,
}

impl LocalAlloc {
    fn start(spec: AllocSpec, gateway: Gateway, runtime: Handle) -> Result<Self, AllocatorError> {
        let name = spec.proc_name.clone().unwrap_or_else(|| "local".into());
        let world = WorldId::new(&name);
        let client_router_addr = gateway.addr()?;
        let feed = Feed::new(spec.extent.count());
        let mut alive = Vec::with_capacity(spec.extent.count());
        for point in spec.extent.points() {
            let label = format!("{name}.{}", point.rank());
            let proc = Proc::new(ProcOptions {
                id: proc_id(&world, &point),
                name: label,
                gateway: gateway.clone(),
                runtime: runtime.clone(),
            });
            let proc = proc.map_err(|error| AllocatorError::Other(error.into()))?;
            let create_key = CreateKey::unique();
            feed.push(ProcState::Created {
                create_key,
                point,
                pid: id(),
            });
            feed.push(ProcState::Running {
                create_key,
                proc_id: *proc.id(),
                mesh_agent: proc.agent(),
                addr: client_router_addr.clone(),
            });
            alive.push(Some(Member { create_key, proc }));
        }
        let alive = Mutex::new(alive);
        let procs = Arc::new(Procs {
            gateway,
            runtime,
            feed,
            alive,
            stops: Mutex::default(),
        });
        Ok(Self {
            spec,
            world,
            client_router_addr,
            procs,
        })
    }

    /// Returns the name of its world.
    pub fn name(&self) -> &str {
        self.world.name()
    }

    /// Returns a function that stops the procs that are left, in ascending order of their ranks.
    pub fn stopper(&self) -> impl Fn() + Clone + Send + Sync + 'static {
        let procs = Arc::clone(&self.procs);
        move || procs.stop_rest()
    }

    /// Returns a function that kills the proc of a rank and gives out a reason of the caller's
    /// choice. It does nothing for a rank that is unknown or gone.
    pub fn chaos_monkey(&self) -> impl Fn(usize, ProcStopReason) + Clone + Send + Sync + 'static {
        let procs = Arc::clone(&self.procs);
        move |rank, reason| procs.kill(rank, reason)
    }
}

impl Drop for LocalAlloc {
    fn drop(&mut self) {
        self.procs.end();
    }
}

#[async_trait]
impl Alloc for LocalAlloc {
    async fn next(&mut self) -> Option<ProcState> {
        self.procs.feed.next().await
    }

    fn spec(&self) -> &AllocSpec {
        &self.spec
    }

    fn world_id(&self) -> &WorldId {
        &self.world
    }

    async fn stop(&mut self) -> Result<(), AllocatorError> {
        self.procs.stop_rest();
        Ok(())
    }

    fn is_local(&self) -> bool {
        true
    }

    fn client_router_addr(&self) -> ChannelAddr {
        self.client_router_addr.clone()
    }

    fn gateway(&self) -> Option<Gateway> {
        Some(self.procs.gateway.clone())
    }
}

/// The procs of one allocation.
#[derive(Debug)]
struct Procs {
    gateway: Gateway,
    runtime: Handle,
    feed: Feed,
    /// By rank; `None` is one that is gone or going.
    alive: Mutex<Vec<Option<Member>>>,
    /// The tasks that wait for the end of procs. Dropping one kills the procs that it waits for.
    stops: Mutex<JoinSet<()>>,
}

/// One proc, of which this is the only owner: dropping it kills its actors and takes it off its
/// gateway.
#[derive(Debug)]
struct Member {
    create_key: CreateKey,
    proc: Proc,
}

impl Procs {
    fn kill(&self, rank: usize, reason: ProcStopReason) {
        let member = lock(&self.alive).get_mut(rank).and_then(Option::take);
        if let Some(member) = member {
            self.bury(member, reason);
        }
    }

    /// Stops all that are left, at the same time, and tells their ends in ascending order.
    fn stop_rest(self: &Arc<Self>) {
        let rest: Vec<Member> = lock(&self.alive)
            .iter_mut()
            .filter_map(Option::take)
            .collect();
        if rest.is_empty() {
            return;
        }
        let within = PROCESS_EXIT_TIMEOUT.get();
        let stop = |member: Member| async move {
            member.proc.shutdown(within).await;
            member
        };
        let mut stops: FuturesOrdered<_> = rest.into_iter().map(stop).collect();
        let procs = Arc::clone(self);
        let task = async move {
            while let Some(member) = stops.next().await {
                procs.bury(member, ProcStopReason::Stopped);
            }
        };
        lock(&self.stops).spawn_on(task, &self.runtime);
    }

    fn bury(&self, member: Member, reason: ProcStopReason) {
        let Member { create_key, proc } = member;
        let proc_id = *proc.id();
        drop(proc);
        self.gateway.proc_died(proc_id, &reason.to_string());
        self.feed.push(ProcState::Stopped { create_key, reason });
    }

    /// Kills all that are left, also those that are on their way out.
    fn end(&self) {
        let rest = std::mem::take(&mut *lock(&self.alive));
        let stops = std::mem::take(&mut *lock(&self.stops));
        drop(stops);
        for member in rest.into_iter().flatten() {
            self.bury(member, ProcStopReason::Stopped);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
