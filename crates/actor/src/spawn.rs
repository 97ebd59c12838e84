//! How actors come into a proc.

use std::fmt;
use std::sync::Arc;

use hypermesh_mailbox::settings::{QUEUE_BYTES, QUEUE_LIMIT};
use hypermesh_mailbox::{ActorId, ProcId};

use crate::actor::Actor;
use crate::agent::{AGENT_NAME, ProcAgent};
use crate::birth::Birth;
use crate::cell::{AnyCell, Cell, Core, Item, Label};
use crate::env::{Env, EnvVars};
use crate::exit::Exit;
use crate::handle::ActorHandle;
use crate::proc::Proc;
use crate::restart::Again;
use crate::run::{Executor, Source, start, start_on};
use crate::table::{NewKey, Refused};

/// Error of spawning an actor under a name; it gives the actor's value back.
#[non_exhaustive]
pub enum SpawnError<A> {
    /// A living actor has the name.
    NameInUse {
        /// The name.
        name: String,
        /// The actor that has it.
        actor: ActorId,
        /// The value that was not started.
        value: A,
    },
    /// A living actor has another name with the same key.
    KeyInUse {
        /// The name that was asked for.
        name: String,
        /// The name that has the key.
        other: String,
        /// The actor that has it.
        actor: ActorId,
        /// The value that was not started.
        value: A,
    },
    /// The proc or the parent is ending.
    Closed {
        /// The proc.
        proc: ProcId,
        /// The value that was not started.
        value: A,
    },
}

impl<A> SpawnError<A> {
    /// Returns the value that was not started.
    pub fn into_value(self) -> A {
        match self {
            Self::NameInUse { value, .. }
            | Self::KeyInUse { value, .. }
            | Self::Closed { value, .. } => value,
        }
    }
}

impl<A> fmt::Display for SpawnError<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NameInUse { name, actor, .. } => {
                write!(f, "the name {name:?} is in use by actor {actor}")
            }
            Self::KeyInUse {
                name, other, actor, ..
            } => {
                write!(
                    f,
                    "the name {name:?} has the same key as {other:?} of actor {actor}"
                )
            }
            Self::Closed { proc, .. } => write!(f, "proc {proc} or the parent is ending"),
        }
    }
}

impl<A> fmt::Debug for SpawnError<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<A> std::error::Error for SpawnError<A> {}

/// The name of an actor that is spawned by the name of its type.
#[derive(Debug)]
pub(crate) struct NewName {
    pub(crate) name: Option<String>,
    pub(crate) generation: Option<u32>,
    /// What the actor inherits.
    pub(crate) env: EnvVars,
}

impl Proc {
    /// Starts `actor` without a name. It has no parent: its failure goes to the coordinator.
    ///
    /// On a proc that is shutting down the actor ends before it begins, and its handle says so.
    pub fn spawn<A: Actor>(&self, actor: A) -> ActorHandle<A> {
        self.spawn_unnamed(&Executor::Shared, None, actor, |_| ())
    }

    /// Starts `actor` on `executor`, see [`spawn`](Self::spawn).
    pub fn spawn_on<A: Actor>(&self, executor: &Executor, actor: A) -> ActorHandle<A> {
        self.spawn_unnamed(executor, None, actor, |_| ())
    }

    /// Starts `actor` under `name`. It has no parent: its failure goes to the coordinator.
    ///
    /// # Errors
    ///
    /// [`SpawnError`] when the name is in use or the proc is shutting down; it gives `actor` back.
    pub fn spawn_named<A: Actor>(
        &self,
        name: &str,
        actor: A,
    ) -> Result<ActorHandle<A>, SpawnError<A>> {
        self.spawn_with_name(None, name, actor, |_| ())
    }

    pub(crate) fn spawn_child<A: Actor>(
        &self,
        parent: Arc<dyn AnyCell>,
        actor: A,
    ) -> ActorHandle<A> {
        self.spawn_unnamed(&Executor::Shared, Some(parent), actor, |_| ())
    }

    pub(crate) fn spawn_child_on<A: Actor>(
        &self,
        executor: &Executor,
        parent: Arc<dyn AnyCell>,
        actor: A,
    ) -> ActorHandle<A> {
        self.spawn_unnamed(executor, Some(parent), actor, |_| ())
    }

    pub(crate) fn spawn_named_child<A: Actor>(
        &self,
        parent: Arc<dyn AnyCell>,
        name: &str,
        actor: A,
    ) -> Result<ActorHandle<A>, SpawnError<A>> {
        self.spawn_with_name(Some(parent), name, actor, |_| ())
    }

    /// Starts the actor that `source` makes, and tells `birth` whether it came to life.
    pub(crate) fn spawn_source<A: Actor>(
        &self,
        name: NewName,
        source: impl FnOnce(Env) -> Source<A>,
        birth: Birth,
    ) {
        let NewName {
            name,
            generation,
            env: vars,
        } = name;
        let (key, label) = match &name {
            Some(name) => (
                NewKey::Named { name, generation },
                Label::Name(name.as_str().into()),
            ),
            None => (NewKey::Unnamed, Cell::<A>::type_label()),
        };
        let cell = match self.place::<A>(key, label, None) {
            Ok(cell) => cell,
            Err(Refused::Closed) => return birth.closed(),
            Err(Refused::InUse(actor, _)) => {
                return birth.name_in_use(name.unwrap_or_default(), actor);
            }
        };
        let core = cell.core();
        core.set_env(vars.clone());
        let label = core.label().to_owned();
        let env = Env {
            proc: core.proc().clone(),
            actor: core.id(),
            label,
            vars,
        };
        start(cell, source(env), Some(birth));
    }

    pub(crate) fn start_agent(&self) {
        let key = NewKey::Named {
            name: AGENT_NAME,
            generation: Some(0),
        };
        let label = Label::Name(AGENT_NAME.into());
        let cell = self.place::<ProcAgent>(key, label, None);
        let cell = cell.expect("the first actor of a new proc finds every name free");
        start(cell, Source::Value(Box::new(ProcAgent::new())), None);
    }

    /// Starts `actor`, after `placed` has seen its cell.
    pub(crate) fn spawn_unnamed<A: Actor>(
        &self,
        executor: &Executor,
        parent: Option<Arc<dyn AnyCell>>,
        actor: A,
        placed: impl FnOnce(Arc<dyn AnyCell>),
    ) -> ActorHandle<A> {
        let label = Cell::<A>::type_label();
        match self.place::<A>(NewKey::Unnamed, label.clone(), parent) {
            Ok(cell) => {
                placed(cell.clone());
                let source = Source::Value(Box::new(actor));
                start_on(executor, cell.clone(), source, None);
                ActorHandle::new(cell)
            }
            Err(_) => {
                let id = self.id().actor(hypermesh_mailbox::unnamed_key(u64::MAX), 0);
                let cell = Cell::new(Core::new(id, label, self.unowned(), None), 0);
                cell.stillborn(Exit::Stopped);
                ActorHandle::new(Arc::new(cell))
            }
        }
    }

    /// Starts `actor` under `name`, after `placed` has seen its cell.
    pub(crate) fn spawn_with_name<A: Actor>(
        &self,
        parent: Option<Arc<dyn AnyCell>>,
        name: &str,
        actor: A,
        placed: impl FnOnce(Arc<dyn AnyCell>),
    ) -> Result<ActorHandle<A>, SpawnError<A>> {
        let key = NewKey::Named {
            name,
            generation: None,
        };
        match self.place::<A>(key, Label::Name(name.into()), parent) {
            Ok(cell) => {
                placed(cell.clone());
                start(cell.clone(), Source::Value(Box::new(actor)), None);
                Ok(ActorHandle::new(cell))
            }
            Err(refused) => {
                let (name, value) = (name.to_owned(), actor);
                Err(match refused {
                    Refused::Closed => SpawnError::Closed {
                        proc: *self.id(),
                        value,
                    },
                    Refused::InUse(actor, other) if other == name => {
                        SpawnError::NameInUse { name, actor, value }
                    }
                    Refused::InUse(actor, other) => SpawnError::KeyInUse {
                        name,
                        other,
                        actor,
                        value,
                    },
                })
            }
        }
    }

    /// Puts a new cell into the table of the proc and among the children of its parent.
    fn place<A: Actor>(
        &self,
        key: NewKey<'_>,
        label: Label,
        parent: Option<Arc<dyn AnyCell>>,
    ) -> Result<Arc<Cell<A>>, Refused> {
        self.place_core(key, parent, |id, proc, parent| {
            Core::new(id, label, proc, parent)
        })
    }

    fn place_core<A: Actor>(
        &self,
        key: NewKey<'_>,
        parent: Option<Arc<dyn AnyCell>>,
        core: impl FnOnce(ActorId, Proc, Option<Arc<dyn AnyCell>>) -> Core,
    ) -> Result<Arc<Cell<A>>, Refused> {
        let limit = queue_limit::<A>();
        let proc = self.unowned();
        let is_named = matches!(key, NewKey::Named { .. });
        let cell = self.shared().table.add(key, |id| {
            Arc::new(Cell::<A>::new(core(id, proc, parent.clone()), limit))
        })?;
        if let Some(parent) = parent
            && !parent.core().children().add(cell.clone())
        {
            cell.stillborn(Exit::Stopped);
            self.shared()
                .table
                .release(cell.core().id(), &Exit::Stopped);
            return Err(Refused::Closed);
        }
        if is_named {
            self.shared().spawned.notify_waiters();
        }
        Ok(cell)
    }
}

/// Returns how many messages may wait in the queue of an `A`: as many as it says or the setting does, and no more
/// than the bytes allow that the queue itself takes.
fn queue_limit<A: Actor>() -> usize {
    let bytes = QUEUE_BYTES.get().as_usize();
    let most = (bytes / size_of::<Item<A::Msg>>().max(1)).max(1);
    A::CAPACITY
        .unwrap_or_else(|| QUEUE_LIMIT.get())
        .clamp(1, most)
}

/// Starts the next incarnation of a child of `parent`, which was in the cell of `old`.
pub(crate) fn respawn<A: Actor>(
    parent: &Arc<dyn AnyCell>,
    old: &Core,
    again: Again<A>,
) -> Result<Arc<dyn AnyCell>, Refused> {
    let key = NewKey::Heir { of: old.id() };
    let proc = old.proc();
    let cell = proc.place_core::<A>(key, Some(parent.clone()), |id, proc, parent| {
        Core::new(id, old.own_label(), proc, parent).heir_of(old)
    })?;
    start(cell.clone(), Source::Again(again), None);
    Ok(cell)
}
