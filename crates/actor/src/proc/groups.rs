//! Groups of actors of one type on one proc, which actors join and leave.
//!
//! # Invariants
//!
//! - **INV-1**: an actor is in a group once, and no more once it has exited.
//! - **INV-2**: a group exists as long as it has members or somebody holds it.

use std::any::TypeId;
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use hypermesh_mailbox::ActorId;
use tokio::sync::watch;

use super::{Proc, Shared};
use crate::actor::{Actor, Handler};
use crate::exit::Status;
use crate::handle::ActorHandle;

/// The groups of a proc.
#[derive(Default)]
pub(super) struct Groups {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    by_name: HashMap<(TypeId, String), Weak<dyn AnyGroup>>,
    /// Keeps a group as long as it has members (INV-2).
    by_member: HashMap<ActorId, Vec<Arc<dyn AnyGroup>>>,
}

/// A group, whatever the type of its members.
trait AnyGroup: Send + Sync {
    fn remove(&self, actor: ActorId) -> bool;

    fn into_any(self: Arc<Self>) -> Arc<dyn std::any::Any + Send + Sync>;
}

/// The members of a group, in the order in which they joined. Changed under the lock of the proc's
/// groups only, read without.
type Members<A> = Arc<Vec<ActorHandle<A>>>;

struct Group<A: Actor> {
    members: watch::Sender<Members<A>>,
    /// Whose turn it is.
    next: AtomicUsize,
}

/// A group of actors of type `A` on one proc. A clone is the same group.
///
/// Actors are in it from [`join`](Self::join) until [`leave`](Self::leave) or their exit.
///
/// # Examples
///
/// ```
/// use hypermesh_actor::{Cx, Message, Proc, Result, actor};
///
/// #[derive(Clone, Message)]
/// struct Work(u64);
/// struct Worker;
///
/// #[actor]
/// impl Worker {
///     #[hook]
///     fn init(&mut self, cx: &Cx<'_, Self>) -> Result<()> {
///         cx.proc().group::<Self>("workers").join(&cx.self_handle());
///         Ok(())
///     }
///
///     #[handler]
///     fn work(&mut self, _cx: &Cx<'_, Self>, _: Work) {}
/// }
///
/// fn share(proc: &Proc) -> Result<()> {
///     let workers = proc.group::<Worker>("workers");
///     if let Some(worker) = workers.pick() {
///         worker.tell(Work(1))?;
///     }
///     workers.cast(&Work(2));
///     Ok(())
/// }
/// ```
pub struct ActorGroup<A: Actor> {
    name: Arc<str>,
    group: Arc<Group<A>>,
    shared: Arc<Shared>,
}

/// Sees the members of a group change.
pub struct GroupWatch<A: Actor> {
    members: watch::Receiver<Members<A>>,
    _group: Arc<Group<A>>,
}

impl Groups {
    /// Takes an actor that has exited out of its groups (INV-1).
    pub(super) fn forget(&self, actor: ActorId) {
        let mut state = self.lock();
        let groups = state.by_member.remove(&actor).unwrap_or_default();
        for group in &groups {
            group.remove(actor);
        }
        drop(state);
        // The last of a group, and with it handles of others, goes after the lock.
        drop(groups);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics under this lock")
    }
}

impl Proc {
    /// Returns the group called `name` of actors of type `A` on this proc. It is made if there is none.
    pub fn group<A: Actor>(&self, name: &str) -> ActorGroup<A> {
        let key = (TypeId::of::<A>(), name.to_owned());
        let mut state = self.shared.groups.lock();
        let known = state.by_name.get(&key).and_then(Weak::upgrade);
        let known = known.and_then(|group| group.into_any().downcast::<Group<A>>().ok());
        let group = known.unwrap_or_else(|| {
            let group = Arc::new(Group {
                members: watch::Sender::new(Arc::default()),
                next: AtomicUsize::new(0),
            });
            state.by_name.retain(|_, other| other.strong_count() != 0);
            let weak: Weak<dyn AnyGroup> = Arc::<Group<A>>::downgrade(&group);
            state.by_name.insert(key, weak);
            group
        });
        drop(state);
        ActorGroup {
            name: name.into(),
            group,
            shared: self.shared.clone(),
        }
    }
}

impl<A: Actor> ActorGroup<A> {
    /// Returns the name of the group.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Adds `actor`; false if it is a member already, has exited, or lives on another proc.
    pub fn join(&self, actor: &ActorHandle<A>) -> bool {
        let id = actor.id();
        let mut state = self.shared.groups.lock();
        let is_member = self.group.members.borrow().iter().any(|m| m.id() == id);
        if is_member || id.proc != self.shared.id {
            return false;
        }
        self.group.members.send_modify(|members| {
            Arc::make_mut(members).push(actor.clone());
        });
        let groups = state.by_member.entry(id).or_default();
        groups.push(self.group.clone());
        drop(state);
        // An actor that exits sets its exit before it is forgotten: it was forgotten, or this is seen.
        if actor.exit().is_some() {
            self.shared.groups.forget(id);
            return false;
        }
        true
    }

    /// Takes the actor out; false if it was no member.
    pub fn leave(&self, actor: ActorId) -> bool {
        let mut state = self.shared.groups.lock();
        let this: Arc<dyn AnyGroup> = self.group.clone();
        if let Some(groups) = state.by_member.get_mut(&actor) {
            groups.retain(|group| !Arc::ptr_eq(group, &this));
            if groups.is_empty() {
                state.by_member.remove(&actor);
            }
        }
        self.group.remove(actor)
    }

    /// Returns the members, in the order in which they joined.
    pub fn members(&self) -> Vec<ActorHandle<A>> {
        self.current().to_vec()
    }

    /// Queues a clone of `message` with every member, and returns how many took it. A member that is
    /// ending, or whose queue is full, does not.
    pub fn cast<M: Clone>(&self, message: &M) -> usize
    where
        A: Handler<M>,
    {
        let members = self.current();
        let took = members.iter().filter(|m| m.tell(message.clone()).is_ok());
        took.count()
    }

    /// Returns the next member in turn that is not ending; `None` if there is none.
    pub fn pick(&self) -> Option<ActorHandle<A>> {
        let members = self.current();
        let first = self.group.next.fetch_add(1, Ordering::Relaxed);
        (0..members.len())
            .map(|step| &members[first.wrapping_add(step) % members.len()])
            .find(|member| member.status() < Status::Stopping)
            .cloned()
    }

    /// Returns what sees the members change from now on.
    pub fn watch(&self) -> GroupWatch<A> {
        GroupWatch {
            members: self.group.members.subscribe(),
            _group: self.group.clone(),
        }
    }

    fn current(&self) -> Members<A> {
        self.group.members.borrow().clone()
    }
}

impl<A: Actor> GroupWatch<A> {
    /// Waits until somebody has joined or left since the last call, or since the watch was made, and
    /// returns the members of now. Changes that were not seen are not told one by one.
    ///
    /// There is no deadline: a group may never change.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, no change is missed.
    pub async fn changed(&mut self) -> Vec<ActorHandle<A>> {
        let changed = self.members.changed().await;
        changed.expect("this holds the group, and the group the sender");
        self.members.borrow_and_update().to_vec()
    }
}

impl<A: Actor> AnyGroup for Group<A> {
    fn remove(&self, actor: ActorId) -> bool {
        self.members.send_if_modified(|members| {
            let Some(idx) = members.iter().position(|member| member.id() == actor) else {
                return false;
            };
            Arc::make_mut(members).remove(idx);
            true
        })
    }

    fn into_any(self: Arc<Self>) -> Arc<dyn std::any::Any + Send + Sync> {
        self
    }
}

impl<A: Actor> Clone for ActorGroup<A> {
    fn clone(&self) -> Self {
        Self {
            name: self.name.clone(),
            group: self.group.clone(),
            shared: self.shared.clone(),
        }
    }
}

impl<A: Actor> fmt::Debug for ActorGroup<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "ActorGroup({}, {} members)",
            self.name,
            self.current().len()
        )
    }
}

impl<A: Actor> fmt::Debug for GroupWatch<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GroupWatch({} members)", self.members.borrow().len())
    }
}
