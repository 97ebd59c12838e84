//! The actors of a proc by their keys.
//!
//! A mutex around a map: an actor is looked up once per message that comes by a ref, not for messages
//! by handles. The lock is held for the look-up alone and never while something is delivered.
//!
//! # Invariants
//!
//! - **INV-1**: a key is taken by at most one living actor; a slot whose actor has exited is free.
//! - **INV-2**: no id is given twice: an unnamed actor gets a fresh key, and a named one a generation
//!   that no earlier named actor of this proc has had when it ended. The next incarnation of an actor
//!   gets the same key and a later generation.
//! - **INV-3**: once closed, no actor is added but those of the proc itself.
//! - **INV-4**: a zombie is in the list from when it was given up until its place is free.

mod zombies;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use hypermesh_mailbox::{ActorId, Cause, ProcId, name_key, unnamed_key};

pub use self::zombies::Zombie;
use self::zombies::Zombies;
use crate::cell::AnyCell;
use crate::exit::Exit;
use crate::exit_log::ExitLog;

/// The actors of a proc.
pub(crate) struct Table {
    proc: ProcId,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    live: HashMap<u64, Arc<dyn AnyCell>>,
    next_unnamed: u64,
    /// How many named actors have ended: the generation of the next one (INV-2).
    named_exits: u32,
    closed: bool,
    exits: ExitLog,
    zombies: Zombies,
}

/// What key and generation a new actor gets.
#[derive(Clone, Copy, Debug)]
pub(crate) enum NewKey<'a> {
    /// A fresh key.
    Unnamed,
    /// The key of a name. The generation is the next one, or the one that a mesh computed.
    Named {
        name: &'a str,
        generation: Option<u32>,
    },
    /// The key of the actor `of`, which has ended and was the last to have it, and a later generation.
    Heir { of: ActorId },
}

/// Why a new actor got no place in the table.
#[derive(Debug, PartialEq)]
pub(crate) enum Refused {
    /// The key is taken by this actor, which is called so.
    InUse(ActorId, String),
    /// The proc is shutting down.
    Closed,
}

impl Table {
    pub(crate) fn new(proc: ProcId) -> Self {
        Self {
            proc,
            state: Mutex::default(),
        }
    }

    /// Gives a new actor its id, and puts the cell that `make` returns into its place.
    ///
    /// `make` runs under the lock and only builds the cell.
    pub(crate) fn add<C: AnyCell>(
        &self,
        key: NewKey<'_>,
        make: impl FnOnce(ActorId) -> Arc<C>,
    ) -> Result<Arc<C>, Refused> {
        let mut state = self.lock();
        if state.closed {
            return Err(Refused::Closed);
        }
        let number = match key {
            NewKey::Unnamed => unnamed_key(state.next_unnamed),
            NewKey::Named { name, .. } => name_key(name),
            NewKey::Heir { of } => of.actor,
        };
        // INV-1: also for a name whose key is that of another name.
        if let Some(other) = state.live.get(&number).map(|other| other.core())
            && other.exit().is_none()
        {
            return Err(Refused::InUse(other.id(), other.label().to_owned()));
        }
        // An actor that has exited and is about to leave makes room now.
        let old = state.live.remove(&number);
        state.named_exits = state.named_exits.wrapping_add(u32::from(old.is_some()));
        let generation = match key {
            NewKey::Unnamed => {
                state.next_unnamed += 1;
                0
            }
            NewKey::Named { generation, .. } => generation.unwrap_or(state.named_exits),
            NewKey::Heir { of } if of.is_named() => {
                state.named_exits.max(of.generation.wrapping_add(1))
            }
            NewKey::Heir { of } => of.generation.wrapping_add(1),
        };
        let id = self.proc.actor(number, generation);
        match key {
            // INV-2: as far as the ids of the dead are known.
            NewKey::Named { name, .. } if state.exits.of(id).is_some() => {
                return Err(Refused::InUse(id, name.to_owned()));
            }
            // Refs to the one before reach the heir, so nobody may have been between them. Of those
            // before, an older one may be kept for longer.
            NewKey::Heir { of } => match state.exits.of_key(number) {
                Some((last, _)) if of.generation < last.generation => {
                    return Err(Refused::InUse(*last, "another actor".to_owned()));
                }
                _ => {}
            },
            NewKey::Named { .. } | NewKey::Unnamed => {}
        }
        let cell = make(id);
        state.live.insert(number, cell.clone());
        drop(state);
        drop(old);
        Ok(cell)
    }

    /// Frees the place of an actor that ended and records how.
    pub(crate) fn release(&self, id: ActorId, exit: &Exit) {
        if id.proc != self.proc {
            // It lived elsewhere, and has no place here.
            return;
        }
        let mut state = self.lock();
        let place = state.live.get(&id.actor);
        let gone = match place.is_some_and(|cell| cell.core().id() == id) {
            true => state.live.remove(&id.actor),
            // Another actor has its place already.
            false => None,
        };
        if gone.is_some() && id.is_named() {
            state.named_exits = state.named_exits.wrapping_add(1);
        }
        state.zombies.remove(id);
        state.exits.record(id, exit.clone());
        drop(state);
        drop(gone);
    }

    /// Takes over an actor that was killed and does not end, unless it has ended by now (INV-4).
    pub(crate) fn adopt(&self, cell: &Arc<dyn AnyCell>) {
        let core = cell.core();
        let mut state = self.lock();
        let place = state.live.get(&core.id().actor);
        if place.is_some_and(|cell| cell.core().id() == core.id()) {
            state.zombies.add(core.id(), core.label());
        }
    }

    /// Returns the zombies.
    pub(crate) fn zombies(&self) -> Vec<Zombie> {
        self.lock().zombies.list()
    }

    /// Returns the living actor with this id, or why there is none.
    pub(crate) fn find(&self, id: ActorId) -> Result<Arc<dyn AnyCell>, Cause> {
        let state = self.lock();
        match state.live.get(&id.actor) {
            Some(cell) if cell.core().id() == id => Ok(cell.clone()),
            _ => Err(match state.exits.of(id) {
                Some(exit) => Cause::OwnerExited(exit.to_string().into()),
                None => Cause::ActorNotFound,
            }),
        }
    }

    /// Returns the living actor with this id, or the one that is its later incarnation, or why there is
    /// neither.
    pub(crate) fn find_heir(&self, id: ActorId) -> Result<Arc<dyn AnyCell>, Cause> {
        match self.lock().live.get(&id.actor) {
            Some(cell) if cell.core().answers_for(id) => return Ok(cell.clone()),
            _ => {}
        }
        self.find(id)
    }

    /// Returns the living actor called `name`.
    pub(crate) fn find_name(&self, name: &str) -> Option<Arc<dyn AnyCell>> {
        self.lock().live.get(&name_key(name)).cloned()
    }

    /// Returns how the actor `id` ended, if that is still known.
    pub(crate) fn exit_of(&self, id: ActorId) -> Option<Exit> {
        self.lock().exits.of(id).cloned()
    }

    /// Returns the last exit of an actor called `name`, if that is still known.
    pub(crate) fn exit_of_name(&self, name: &str) -> Option<(ActorId, Exit)> {
        self.lock().exits.of_key(name_key(name)).cloned()
    }

    /// Returns all living actors.
    pub(crate) fn live(&self) -> Vec<Arc<dyn AnyCell>> {
        self.lock().live.values().cloned().collect()
    }

    /// Returns how many actors are alive.
    pub(crate) fn len(&self) -> usize {
        self.lock().live.len()
    }

    /// Lets no actor be added any more (INV-3).
    pub(crate) fn close(&self) {
        self.lock().closed = true;
    }

    /// Tells whether no actor is added any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics under this lock")
    }
}

#[cfg(test)]
mod tests;
