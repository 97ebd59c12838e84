//! Names for actors of a proc, besides those that they were spawned with.
//!
//! # Invariants
//!
//! - **INV-1**: a name belongs to one living actor at most.
//! - **INV-2**: the names of an actor are free once it has exited.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use hypermesh_mailbox::ActorId;

use super::Proc;
use crate::actor::Actor;
use crate::cell::Cell;
use crate::handle::ActorHandle;

/// The names that actors were given after they were spawned.
#[derive(Default)]
pub(super) struct Names {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    by_name: HashMap<String, ActorId>,
    by_actor: HashMap<ActorId, Vec<String>>,
}

/// Error of [`Proc::register`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// Another living actor has the name, by registration or since it was spawned.
    #[error("the name {name:?} belongs to actor {actor}")]
    Taken {
        /// The name.
        name: String,
        /// Who has it.
        actor: ActorId,
    },
    /// The actor has exited, or lives on another proc.
    #[error("actor {actor} does not live on this proc")]
    NotHere {
        /// The actor.
        actor: ActorId,
    },
}

/// Error of [`Proc::lookup`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LookupError {
    /// No living actor of the proc has the name.
    #[error("no actor is called {name:?}")]
    NotFound {
        /// The name.
        name: String,
    },
    /// The actor is of another type.
    #[error("actor {actor}, which is called {name:?}, is of another type")]
    WrongType {
        /// The name.
        name: String,
        /// Who has it.
        actor: ActorId,
    },
}

impl Names {
    /// Frees the names of an actor that has exited (INV-2).
    pub(super) fn forget(&self, actor: ActorId) {
        let mut state = self.lock();
        for name in state.by_actor.remove(&actor).unwrap_or_default() {
            state.by_name.remove(&name);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics under this lock")
    }
}

impl Proc {
    /// Gives `actor` one more name on this proc, by which [`lookup`](Self::lookup) finds it until it
    /// exits. Only this proc knows it; an actor may have several.
    ///
    /// # Errors
    ///
    /// [`RegisterError`] when the name belongs to another actor, or `actor` does not live here.
    pub fn register<A: Actor>(
        &self,
        name: &str,
        actor: &ActorHandle<A>,
    ) -> Result<(), RegisterError> {
        let id = actor.id();
        let not_here = RegisterError::NotHere { actor: id };
        if id.proc != self.shared.id {
            return Err(not_here);
        }
        let named = self.shared.table.find_name(name);
        let named = named.filter(|cell| cell.core().label() == name);
        let mut names = self.shared.names.lock();
        let registered = names.by_name.get(name).copied();
        let owner = registered.or(named.map(|cell| cell.core().id()));
        if let Some(actor) = owner.filter(|owner| *owner != id) {
            let name = name.to_owned();
            return Err(RegisterError::Taken { name, actor });
        }
        if registered.is_none() {
            names.by_name.insert(name.to_owned(), id);
            let of_actor = names.by_actor.entry(id).or_default();
            of_actor.push(name.to_owned());
        }
        drop(names);
        // An actor that exits sets its exit before its names are freed: it was freed, or this is seen.
        if actor.exit().is_some() {
            self.shared.names.forget(id);
            return Err(not_here);
        }
        Ok(())
    }

    /// Takes a registered name back; false if nobody had it.
    pub fn unregister(&self, name: &str) -> bool {
        let mut names = self.shared.names.lock();
        let Some(actor) = names.by_name.remove(name) else {
            return false;
        };
        if let Some(of_actor) = names.by_actor.get_mut(&actor) {
            of_actor.retain(|other| other != name);
            if of_actor.is_empty() {
                names.by_actor.remove(&actor);
            }
        }
        true
    }

    /// Returns the actor of this proc that is called `name`: since it was spawned, or by
    /// [`register`](Self::register).
    ///
    /// # Errors
    ///
    /// [`LookupError`] when no living actor has the name, or it is no `A`.
    pub fn lookup<A: Actor>(&self, name: &str) -> Result<ActorHandle<A>, LookupError> {
        let registered = self.shared.names.lock().by_name.get(name).copied();
        let table = &self.shared.table;
        let cell = match registered {
            Some(actor) => table.find(actor).ok(),
            None => table
                .find_name(name)
                .filter(|cell| cell.core().label() == name),
        };
        let cell = cell.filter(|cell| cell.core().exit().is_none());
        let name = name.to_owned();
        let Some(cell) = cell else {
            return Err(LookupError::NotFound { name });
        };
        let actor = cell.core().id();
        match cell.into_any().downcast::<Cell<A>>() {
            Ok(cell) => Ok(ActorHandle::new(cell)),
            Err(_) => Err(LookupError::WrongType { name, actor }),
        }
    }
}
