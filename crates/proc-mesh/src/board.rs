//! Hands what the ledger makes of things to every stream that listens.
//!
//! The queues of the streams have no bound of their own: the ledger tells at most one end per proc,
//! and one end and one bounce per member of an actor mesh, so that a queue holds no more than that
//! however slow its reader is.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hypermesh_alloc::actor::mailbox::{ActorId, ProcId, Undelivered, WorldId};
use hypermesh_ndslice::{RankMap, Region};
use hypermesh_wire::Named;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::cast_frame::CastFrame;
use crate::event::{ActorEvent, MemberStatus, ProcEvent, SupervisionEventState};
use crate::ledger::{Effect, Ledger, NameInUse};
use crate::metrics::{self, Metric};

/// The events of one proc mesh and of its actor meshes.
#[derive(Debug)]
pub(crate) struct Board {
    world: WorldId,
    books: Mutex<Books>,
}

#[derive(Debug)]
struct Books {
    ledger: Ledger,
    procs: Vec<UnboundedSender<ProcEvent>>,
    members: HashMap<u64, Vec<UnboundedSender<ActorEvent>>>,
    ended: bool,
}

impl Board {
    /// Opens the board of the mesh in `world`, all of whose `procs` are running.
    pub(crate) fn new(world: &WorldId, procs: impl IntoIterator<Item = ProcId>) -> Self {
        let books = Books {
            ledger: Ledger::new(procs),
            procs: Vec::new(),
            members: HashMap::new(),
            ended: false,
        };
        Board {
            world: world.clone(),
            books: Mutex::new(books),
        }
    }

    /// The number of the world of the procs.
    pub(crate) fn world(&self) -> u64 {
        self.world.id()
    }

    /// Returns a stream of what happens to the procs from now on.
    pub(crate) fn subscribe(&self) -> UnboundedReceiver<ProcEvent> {
        let (sender, receiver) = unbounded_channel();
        let mut books = self.books();
        if !books.ended {
            books.procs.push(sender);
        }
        receiver
    }

    /// Reserves a name for actors over `view` that are about to be made, and listens for them.
    pub(crate) fn begin(
        &self,
        key: u64,
        name: &str,
        view: &Region,
    ) -> Result<UnboundedReceiver<ActorEvent>, NameInUse> {
        let (sender, receiver) = unbounded_channel();
        let mut books = self.books();
        books.ledger.begin(key, name, view)?;
        if !books.ended {
            books.members.insert(key, vec![sender]);
        }
        Ok(receiver)
    }

    /// The actors that `begin` announced were made; `generations` by rank of the proc mesh.
    pub(crate) fn commit(&self, key: u64, generations: &RankMap<u32>) {
        self.record(|ledger| ledger.commit(key, generations));
    }

    /// The actors that `begin` announced were not made, or not all of them.
    pub(crate) fn abandon(&self, key: u64) {
        let mut books = self.books();
        books.ledger.abandon(key);
        books.members.remove(&key);
    }

    /// Returns a further stream of what happens to the members of an actor mesh from now on.
    pub(crate) fn subscribe_members(&self, key: u64) -> UnboundedReceiver<ActorEvent> {
        let (sender, receiver) = unbounded_channel();
        if let Some(senders) = self.books().members.get_mut(&key) {
            senders.push(sender);
        }
        receiver
    }

    /// Makes an entry in the ledger and tells everybody what follows from it.
    pub(crate) fn record(&self, entry: impl FnOnce(&mut Ledger) -> Vec<Effect>) {
        let mut books = self.books();
        let effects = entry(&mut books.ledger);
        // Queues only take what they are given, so telling them under the lock delivers nothing; it
        // keeps the order of the streams that of the ledger.
        for effect in effects {
            books.tell(self.world.name(), effect);
        }
    }

    /// A message of a client came back.
    pub(crate) fn on_undelivered(&self, undelivered: Undelivered) {
        let Undelivered {
            header,
            key,
            cause,
            payload,
            ..
        } = undelivered;
        // A cast comes back as one message for all members that it was for.
        let cast = payload.filter(|_| key == CastFrame::KEY);
        let frame = cast.and_then(|payload| payload.take::<CastFrame>().ok());
        let addressed: Vec<ActorId> = match &frame {
            Some(frame) => frame.members().collect(),
            None => vec![header.dst.actor],
        };
        for actor in addressed {
            self.record(|ledger| ledger.on_undelivered(actor, &cause));
        }
    }

    /// True unless `proc` has ended.
    pub(crate) fn is_alive(&self, proc: ProcId) -> bool {
        self.books().ledger.is_alive(proc)
    }

    /// Nothing more will happen: the streams end once they are drained.
    pub(crate) fn end(&self) {
        let mut books = self.books();
        books.ended = true;
        books.procs.clear();
        books.members.clear();
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Books {
    fn tell(&mut self, mesh: &str, effect: Effect) {
        match effect {
            Effect::Proc(event) => {
                let state = forward(&mut self.procs, &event);
                tracing::info!(mesh, %event, %state, "proc event");
            }
            Effect::Member(key, event) => {
                count_failure(&event);
                let state = match self.members.get_mut(&key) {
                    Some(senders) => forward(senders, &event),
                    None => SupervisionEventState::ForwardFailed,
                };
                tracing::info!(mesh, %event, %state, "actor event");
            }
            Effect::Closed(key) => drop(self.members.remove(&key)),
        }
    }
}

/// Gives `event` to every stream that is left.
fn forward<E: Clone>(senders: &mut Vec<UnboundedSender<E>>, event: &E) -> SupervisionEventState {
    senders.retain(|sender| sender.send(event.clone()).is_ok());
    match senders.is_empty() {
        true => SupervisionEventState::ForwardFailed,
        false => SupervisionEventState::Forward,
    }
}

fn count_failure(event: &ActorEvent) {
    if !event.is_failed() {
        return;
    }
    let status = match event.status() {
        MemberStatus::Exited(_) => "failed",
        MemberStatus::ProcStopped(_) => "proc stopped",
        MemberStatus::Undeliverable(_) => "undeliverable",
    };
    let labels = vec![
        event.name().to_owned(),
        event.rank().to_string(),
        status.to_owned(),
    ];
    metrics::count(Metric::ActorFailures, labels, 1);
}
