//! Groups of children that are made anew together, and who of a parent's children belongs to which.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use hypermesh_mailbox::ActorId;
use tokio::time::Instant;

use super::again::Again;
use super::rule::{Place, Rule, Verdict};
use super::{RestartPolicy, Strategy};
use crate::actor::Actor;
use crate::cell::AnyCell;
use crate::handle::ActorHandle;
use crate::run::Executor;
use crate::spawn::{SpawnError, respawn};
use crate::table::Refused;

/// When a child is made anew whose pause has no end.
const FAR_OFF: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// Children of one actor that are spawned from factories and made anew by one policy.
///
/// Made by [`Cx::restart_group`](crate::Cx::restart_group). A clone is the same group. The group lives as
/// long as the actor; a member leaves it when it ended and is not made anew.
#[derive(Clone)]
pub struct RestartGroup {
    parent: Arc<dyn AnyCell>,
    group: Arc<Group>,
}

impl RestartGroup {
    pub(crate) fn new(parent: Arc<dyn AnyCell>, strategy: Strategy, policy: RestartPolicy) -> Self {
        let group = Mutex::new(State {
            rule: Rule::new(strategy, policy),
            members: BTreeMap::new(),
        });
        let group = Arc::new(Group { state: group });
        Self { parent, group }
    }

    /// Starts the actor that `factory` returns as a child and as the last member of this group.
    ///
    /// The factory is called again for each restart, in the task of the new incarnation. The handle is
    /// that of this incarnation; [`ActorHandle::current`] returns that of the one that lives now.
    ///
    /// If the parent is ending, the child ends before it begins and its handle says so.
    pub fn spawn<A: Actor>(
        &self,
        factory: impl Fn() -> A + Send + Sync + 'static,
    ) -> ActorHandle<A> {
        let actor = factory();
        let proc = self.parent.core().proc();
        let parent = Some(self.parent.clone());
        proc.spawn_unnamed(&Executor::Shared, parent, actor, self.join::<A>(factory))
    }

    /// Starts the actor that `factory` returns under `name`, as [`spawn`](Self::spawn) does. Its next
    /// incarnations have the name too.
    ///
    /// # Errors
    ///
    /// [`SpawnError`] when the name is in use or the parent is ending; it gives the actor back.
    pub fn spawn_named<A: Actor>(
        &self,
        name: &str,
        factory: impl Fn() -> A + Send + Sync + 'static,
    ) -> Result<ActorHandle<A>, SpawnError<A>> {
        let actor = factory();
        let proc = self.parent.core().proc();
        proc.spawn_with_name(
            Some(self.parent.clone()),
            name,
            actor,
            self.join::<A>(factory),
        )
    }

    /// Returns what makes a new cell the last member.
    fn join<A: Actor>(
        &self,
        factory: impl Fn() -> A + Send + Sync + 'static,
    ) -> impl FnOnce(Arc<dyn AnyCell>) {
        let remake = Arc::new(Factory {
            make: Arc::new(factory),
        });
        let (parent, group) = (self.parent.clone(), self.group.clone());
        move |cell| {
            let mut state = group.lock();
            let place = state.rule.join();
            let id = cell.core().id();
            let member = Member { cell, remake };
            state.members.insert(place, member);
            drop(state);
            let restarts = parent.core().children().restarts();
            restarts.lock().members.insert(id, (group, place));
        }
    }
}

impl fmt::Debug for RestartGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RestartGroup")
            .field("parent", &self.parent.core().id())
            .finish_non_exhaustive()
    }
}

/// The part of a group that its members and its users share.
struct Group {
    state: Mutex<State>,
}

struct State {
    rule: Rule,
    members: BTreeMap<Place, Member>,
}

#[derive(Clone)]
struct Member {
    /// The incarnation that lives, or ended last.
    cell: Arc<dyn AnyCell>,
    remake: Arc<dyn Remake>,
}

impl Group {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics under this lock")
    }
}

/// Makes the next incarnation of a member, whatever its type.
trait Remake: Send + Sync {
    fn remake(
        &self,
        parent: &Arc<dyn AnyCell>,
        old: &dyn AnyCell,
        turn: Turn,
    ) -> Result<Arc<dyn AnyCell>, Refused>;
}

/// When the next incarnation of a member is made.
pub(super) struct Turn {
    pub(super) at: Instant,
    pub(super) before: Option<Arc<dyn AnyCell>>,
}

struct Factory<A> {
    make: Arc<dyn Fn() -> A + Send + Sync>,
}

impl<A: Actor> Remake for Factory<A> {
    fn remake(
        &self,
        parent: &Arc<dyn AnyCell>,
        old: &dyn AnyCell,
        Turn { at, before }: Turn,
    ) -> Result<Arc<dyn AnyCell>, Refused> {
        let make = self.make.clone();
        let again = Again { at, before, make };
        respawn::<A>(parent, old.core(), again)
    }
}

/// Which children of an actor are members of which group.
#[derive(Default)]
pub(crate) struct Restarts {
    state: Mutex<ByChild>,
}

#[derive(Default)]
struct ByChild {
    members: BTreeMap<ActorId, (Arc<Group>, Place)>,
    /// Members that were stopped for the restart of another and have a next incarnation already, but
    /// whose end the parent has yet to hear of.
    replaced: BTreeSet<ActorId>,
}

/// What a child that ended is to the groups of its parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It was not spawned from a factory.
    Stranger,
    Member,
    /// It has its next incarnation already.
    Replaced,
}

/// What a parent does about a member that ended and is to be made anew.
pub(super) enum Plan {
    Remake(Remaking),
    GiveUp { ends: u32, policy: RestartPolicy },
}

/// Members that are to be made anew, in this order.
pub(super) struct Remaking {
    pub(super) at: Instant,
    pub(super) olds: Vec<Arc<dyn AnyCell>>,
    group: Arc<Group>,
    places: Vec<Place>,
}

impl Restarts {
    /// Returns what `child`, which ended, is to the groups.
    pub(crate) fn standing(&self, child: ActorId) -> Standing {
        let state = self.lock();
        if state.members.contains_key(&child) {
            Standing::Member
        } else if state.replaced.contains(&child) {
            Standing::Replaced
        } else {
            Standing::Stranger
        }
    }

    /// Forgets a child whose end has been dealt with.
    pub(crate) fn forget(&self, child: ActorId) {
        let mut state = self.lock();
        state.replaced.remove(&child);
        let left = state.members.remove(&child);
        drop(state);
        if let Some((group, place)) = left {
            let mut state = group.lock();
            state.rule.leave(place);
            let member = state.members.remove(&place);
            drop(state);
            // What a factory owns is the user's: it is dropped after the lock.
            crate::catch::drop_quietly(member);
        }
    }

    /// Forgets all members: the parent has ended.
    pub(crate) fn clear(&self) {
        let children: Vec<ActorId> = self.lock().members.keys().copied().collect();
        children.into_iter().for_each(|child| self.forget(child));
    }

    /// Decides what is done about the member `child`; `None` if it is none.
    pub(super) fn plan(&self, child: ActorId, now: Instant) -> Option<Plan> {
        let (group, place) = self.lock().members.get(&child)?.clone();
        let mut state = group.lock();
        let (places, after) = match state.rule.ended(place, now) {
            Verdict::Again { members, after } => (members, after),
            Verdict::GiveUp { ends } => {
                let policy = state.rule.policy();
                return Some(Plan::GiveUp { ends, policy });
            }
        };
        let members = places.iter().filter_map(|place| state.members.get(place));
        let olds = members.map(|member| member.cell.clone()).collect();
        drop(state);
        let at = now.checked_add(after).unwrap_or(now + FAR_OFF);
        Some(Plan::Remake(Remaking {
            at,
            olds,
            group,
            places,
        }))
    }

    /// Gives each of the members, which have all ended, its next incarnation. `child` is the one whose
    /// end is being dealt with.
    pub(super) fn remake(
        &self,
        parent: &Arc<dyn AnyCell>,
        child: ActorId,
        remaking: Remaking,
    ) -> Result<(), Refused> {
        let Remaking {
            at, group, places, ..
        } = remaking;
        let mut before = None;
        for place in places {
            let Some(Member { cell: old, remake }) = group.lock().members.get(&place).cloned()
            else {
                continue;
            };
            let turn = Turn { at, before };
            let new = remake.remake(parent, &*old, turn)?;
            let (old, id) = (old.core().id(), new.core().id());
            if let Some(member) = group.lock().members.get_mut(&place) {
                member.cell = new.clone();
            }
            let mut state = self.lock();
            state.members.remove(&old);
            state.members.insert(id, (group.clone(), place));
            if old != child {
                state.replaced.insert(old);
            }
            drop(state);
            before = Some(new);
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, ByChild> {
        self.state.lock().expect("nothing panics under this lock")
    }
}
