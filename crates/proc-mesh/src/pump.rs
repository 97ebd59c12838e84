//! Drives the events of a mesh: the one task that polls its alloc, whether or not anybody listens.
//!
//! # Invariants
//!
//! - **INV-1**: what members reported before their procs ended is told before these ends.
//! - **INV-2**: when the alloc has ended, everything that was reported is told before the streams end.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;

use hypermesh_alloc::actor::mailbox::{Gateway, PortReceiver, ProcId, Undelivered};
use hypermesh_alloc::actor::{Instance, SupervisionEvent};
use hypermesh_alloc::{Alloc, AllocatorError, CreateKey, ProcState, ProcStopReason};
use tokio::sync::{mpsc, oneshot, watch};

use crate::attached::AttachedAlloc;
use crate::board::Board;
use crate::event::{ProcEvent, SupervisionEventState};
use crate::ledger::Effect;
use crate::metrics::{self, Metric};
use crate::proc_mesh_ref::ProcMeshRef;

/// An alloc of whatever kind.
pub(crate) type BoxedAlloc = Box<dyn Alloc + Send + Sync>;

/// What the owner of a mesh asks of its pump.
pub(crate) enum Command {
    /// Stop all procs, and answer when they are gone.
    Stop(oneshot::Sender<Result<(), AllocatorError>>),
    /// Give back the alloc, if somebody else made it.
    Release(oneshot::Sender<Option<BoxedAlloc>>),
}

/// The task of a mesh. Dropping it drops the alloc, which ends the procs.
pub(crate) struct Pump {
    pub(crate) alloc: BoxedAlloc,
    /// False for an alloc that this crate made for procs of somebody else.
    pub(crate) is_owner: bool,
    pub(crate) procs: HashMap<CreateKey, ProcId>,
    pub(crate) mesh: ProcMeshRef,
    pub(crate) client: Arc<Instance<()>>,
    pub(crate) board: Arc<Board>,
    pub(crate) exits: PortReceiver<SupervisionEvent>,
    pub(crate) bounces: PortReceiver<Undelivered>,
    pub(crate) commands: mpsc::Receiver<Command>,
    /// What is to be done first, if the procs were set up by somebody else.
    pub(crate) set_up: Option<SetUp>,
    /// Becomes true once the mesh hears of what happens to actors.
    pub(crate) listening: watch::Sender<bool>,
}

/// Asks the agents to report to the mesh.
pub(crate) type SetUp = Pin<Box<dyn Future<Output = ()> + Send>>;

/// How far the pump is.
#[derive(Default)]
struct Progress {
    ended: bool,
    /// Who waits for the end.
    waiting: Vec<oneshot::Sender<Result<(), AllocatorError>>>,
}

impl Pump {
    /// Runs until nobody is left who could ask for anything.
    pub(crate) async fn run(mut self) {
        let mut progress = Progress::default();
        loop {
            tokio::select! {
                biased;
                Ok(event) = self.exits.recv() => self.on_exit(&event),
                Ok(undelivered) = self.bounces.recv() => self.board.on_undelivered(undelivered),
                () = ready(&mut self.set_up) => {
                    self.listening.send_replace(true);
                }
                command = self.commands.recv() => match command {
                    Some(command) => self.on_command(command, &mut progress).await,
                    None => return,
                },
                state = self.alloc.next(), if !progress.ended => {
                    self.on_state(state, &mut progress);
                }
            }
        }
    }

    fn on_exit(&self, event: &SupervisionEvent) {
        tracing::debug!(%event, state = %SupervisionEventState::Received, "supervision event");
        self.board.record(|ledger| ledger.on_exit(event));
    }

    fn on_state(&mut self, state: Option<ProcState>, progress: &mut Progress) {
        // INV-1
        for event in self.exits.drain() {
            self.on_exit(&event);
        }
        match state {
            Some(ProcState::Stopped { create_key, reason }) => self.on_stopped(create_key, &reason),
            Some(ProcState::Failed { description, .. }) => {
                let failed = Effect::Proc(ProcEvent::AllocFailed(description));
                self.board.record(|_| vec![failed]);
            }
            Some(state) => tracing::debug!(%state, "a state that changes nothing"),
            None => {
                // INV-2
                for undelivered in self.bounces.drain() {
                    self.board.on_undelivered(undelivered);
                }
                self.board.end();
                progress.ended = true;
                for waiting in progress.waiting.drain(..) {
                    // Who does not wait any more does not miss the answer.
                    _ = waiting.send(Ok(()));
                }
            }
        }
    }

    fn on_stopped(&self, create_key: CreateKey, reason: &ProcStopReason) {
        let Some(proc) = self.procs.get(&create_key) else {
            return;
        };
        let labels = vec![
            create_key.to_string(),
            proc.rank.to_string(),
            kind(reason).to_owned(),
        ];
        metrics::count(Metric::ProcsStopped, labels, 1);
        self.gateway().proc_died(*proc, &reason.to_string());
        self.board
            .record(|ledger| ledger.on_proc_stopped(*proc, reason));
    }

    async fn on_command(&mut self, command: Command, progress: &mut Progress) {
        match command {
            Command::Stop(answer) if progress.ended => _ = answer.send(Ok(())),
            Command::Stop(answer) => match self.alloc.stop().await {
                Ok(()) => progress.waiting.push(answer),
                Err(error) => _ = answer.send(Err(error)),
            },
            Command::Release(answer) => _ = answer.send(self.release()),
        }
    }

    /// Gives the alloc away and goes on without it: from now on the agents are asked.
    fn release(&mut self) -> Option<BoxedAlloc> {
        if !std::mem::take(&mut self.is_owner) {
            return None;
        }
        let alive = |proc: &ProcId| self.board.is_alive(*proc);
        let keys = self
            .procs
            .iter()
            .map(|(key, proc)| (*proc, *key))
            .filter(|(p, _)| alive(p));
        let attached = AttachedAlloc::new(self.mesh.clone(), keys.collect(), self.client.clone());
        Some(std::mem::replace(&mut self.alloc, Box::new(attached)))
    }

    fn gateway(&self) -> &Gateway {
        self.client.proc().gateway()
    }
}

/// Waits for the future, once; for ever if there is none.
async fn ready(future: &mut Option<SetUp>) {
    match future {
        Some(running) => running.await,
        None => std::future::pending().await,
    }
    *future = None;
}

/// The kind of a reason, as a label with few values.
fn kind(reason: &ProcStopReason) -> &'static str {
    match reason {
        ProcStopReason::Stopped => "stopped",
        ProcStopReason::Exited(..) => "exited",
        ProcStopReason::Killed(..) => "killed",
        ProcStopReason::Watchdog => "watchdog",
        ProcStopReason::HostWatchdog => "host watchdog",
        _ => "unknown",
    }
}
