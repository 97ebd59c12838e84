//! What a handler knows and can do besides its own state.

use std::fmt;
use std::sync::Arc;

use hypermesh_mailbox::{ActorId, CastOrdinal, Gateway, Mailbox, SendContext};
use hypermesh_ndslice::Point;
use hypermesh_wire::{DecodeError, Headers};

use crate::actor::{Actor, Referable};
use crate::actor_ref::ActorRef;
use crate::cast_origin::{CastOrigin, CastPlace};
use crate::cell::{AnyCell, Cell, Core};
use crate::context::{self, Caller};
use crate::exit::{Mode, Status};
use crate::handle::ActorHandle;
use crate::incoming::Origin;
use crate::proc::Proc;
use crate::restart::{RestartGroup, RestartPolicy, Strategy};
use crate::run::Executor;
use crate::spawn::SpawnError;

/// The context of a handler or a hook of an actor of type `A`.
pub struct Cx<'a, A: Actor> {
    cell: &'a Arc<Cell<A>>,
    origin: Option<&'a Origin>,
}

impl<'a, A: Actor> Cx<'a, A> {
    pub(crate) fn new(cell: &'a Arc<Cell<A>>, origin: Option<&'a Origin>) -> Self {
        Self { cell, origin }
    }

    pub(crate) fn cell(&self) -> &'a Arc<Cell<A>> {
        self.cell
    }

    pub(crate) fn core(&self) -> &'a Core {
        self.cell.core()
    }

    /// Returns the id of this actor.
    pub fn id(&self) -> ActorId {
        self.core().id()
    }

    /// Returns the name of this actor, or the name of its type.
    pub fn label(&self) -> &'a str {
        self.core().label()
    }

    /// Returns the proc of this actor.
    pub fn proc(&self) -> &'a Proc {
        self.core().proc()
    }

    /// Returns the mailbox of this actor, which opens ports.
    pub fn mailbox(&self) -> &'a Mailbox {
        self.core().mailbox()
    }

    /// Returns a handle of this actor.
    pub fn self_handle(&self) -> ActorHandle<A> {
        ActorHandle::new(self.cell.clone())
    }

    /// Returns a ref of this actor, which can be sent anywhere.
    pub fn self_ref(&self) -> ActorRef<A>
    where
        A: Referable,
    {
        self.self_handle().bind()
    }

    /// Starts `actor` as a child of this actor.
    ///
    /// If this actor is ending, the child ends before it begins and its handle says so.
    pub fn spawn<B: Actor>(&self, actor: B) -> ActorHandle<B> {
        self.proc().spawn_child(self.cell.clone(), actor)
    }

    /// Starts `actor` under `name` as a child of this actor.
    ///
    /// # Errors
    ///
    /// [`SpawnError`] when the name is in use or this actor is ending; it gives `actor` back.
    pub fn spawn_named<B: Actor>(
        &self,
        name: &str,
        actor: B,
    ) -> Result<ActorHandle<B>, SpawnError<B>> {
        self.proc()
            .spawn_named_child(self.cell.clone(), name, actor)
    }

    /// Starts `actor` on `executor` as a child of this actor, see [`spawn`](Self::spawn).
    pub fn spawn_on<B: Actor>(&self, executor: &Executor, actor: B) -> ActorHandle<B> {
        self.proc()
            .spawn_child_on(executor, self.cell.clone(), actor)
    }

    /// Starts the actor that `factory` returns as a child that is made anew by `policy` when it fails.
    ///
    /// It is a [restart group](Self::restart_group) of its own; see [`RestartGroup::spawn`].
    pub fn spawn_from<B: Actor>(
        &self,
        policy: RestartPolicy,
        factory: impl Fn() -> B + Send + Sync + 'static,
    ) -> ActorHandle<B> {
        self.restart_group(Strategy::OneForOne, policy)
            .spawn(factory)
    }

    /// Returns a new group of children of this actor that are made anew when they fail, by one policy.
    ///
    /// What becomes of a child that ended is up to [`Actor::on_child`]: by default a failure is
    /// [`Directive::Restart`](crate::Directive::Restart) for members of a group.
    pub fn restart_group(&self, strategy: Strategy, policy: RestartPolicy) -> RestartGroup {
        RestartGroup::new(self.cell.clone(), strategy, policy)
    }

    /// Makes this actor stop when the current handler returns. If it has the hook `on_stop`, that decides.
    pub fn stop(&self) {
        self.cell.request(Mode::Stop);
    }

    /// Publishes what `snapshot` returns, names and texts, in place of what this actor has published before.
    ///
    /// Anybody may read it without asking the actor: [`ActorHandle::activity`], and the report of the proc's
    /// agent. Names that the report itself has are left out; there are at most 64 entries of 1 KiB. A panic of
    /// `snapshot` is published in its place, as `error`, and the actor goes on.
    pub fn publish<N: Into<String>, T: ToString>(&self, snapshot: impl FnOnce() -> Vec<(N, T)>) {
        self.core().activity().publish(snapshot);
    }

    /// Makes this actor end when the current handler returns, without asking `on_stop`.
    ///
    /// It ends an end that `on_stop` has put off, with the exit that was asked for. If none was, the actor is
    /// stopped.
    pub fn exit(&self) {
        self.cell.leave();
    }

    /// Returns the children that are alive, with their labels and where they are in their lives.
    pub fn children(&self) -> Vec<ChildInfo> {
        let live = self.core().children().live();
        let info = |child: Arc<dyn AnyCell>| ChildInfo {
            actor: child.core().id(),
            label: child.core().label().to_owned(),
            status: child.core().status(),
        };
        live.into_iter().map(info).collect()
    }

    /// Returns who sent the current message, or cast it; `None` if it was sent by a handle.
    pub fn sender(&self) -> Option<ActorId> {
        self.origin.map(|origin| origin.sender)
    }

    /// Returns this actor's own point in the cast of the current message, if it was cast.
    pub fn point(&self) -> Option<Point> {
        let (place, cast) = self.cast_origin()?;
        self.readable(cast.point_of(place.rank?))?
    }

    /// Returns the headers of the current message; there are none if it was sent by a handle.
    pub fn headers(&self) -> Option<&'a Headers> {
        self.origin.map(|origin| &origin.headers)
    }

    fn cast_origin(&self) -> Option<(CastPlace, CastOrigin)> {
        self.readable(CastOrigin::of(self.headers()?))?
    }

    /// Returns what a header of the current message says, or logs that it cannot be read.
    fn readable<T>(&self, header: Result<T, DecodeError>) -> Option<T> {
        header
            .inspect_err(|error| {
                tracing::warn!(actor = self.label(), %error, "a cast header cannot be read");
            })
            .ok()
    }
}

/// A living child of an actor.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChildInfo {
    /// The child.
    pub actor: ActorId,
    /// Its name, or the name of its type.
    pub label: String,
    /// Where it is in its life.
    pub status: Status,
}

impl<A: Actor> SendContext for Cx<'_, A> {
    fn sender(&self) -> ActorId {
        self.id()
    }

    fn gateway(&self) -> &Gateway {
        Cx::proc(self).gateway()
    }

    /// Says which member of a cast this is, to the ports that the member answers to.
    fn stamp(&self, headers: &mut Headers) {
        let Some(origin) = self.origin else { return };
        let of_cast = self.cast_origin().and_then(|(place, _)| place.rank);
        // Else somebody whom a member of a cast has asked speaks for that member.
        let ordinal = match of_cast {
            Some(rank) => Some(u64::from(rank)),
            None => self.readable(CastOrdinal::of(&origin.headers)).flatten(),
        };
        let stamped = ordinal.map_or(Ok(()), |ordinal| CastOrdinal(ordinal).stamp(headers));
        if let Err(error) = stamped {
            tracing::warn!(actor = self.label(), %error, "the ordinal of a cast is lost");
        }
    }
}

impl<A: Actor> context::Actor for Cx<'_, A> {
    fn proc(&self) -> &Proc {
        Cx::proc(self)
    }

    fn mailbox(&self) -> &Mailbox {
        Cx::mailbox(self)
    }

    fn actor_id(&self) -> ActorId {
        self.id()
    }

    fn caller(&self) -> Caller {
        Caller(self.cell.clone())
    }
}

impl<A: Actor> fmt::Debug for Cx<'_, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cx")
            .field("actor", &self.id())
            .finish_non_exhaustive()
    }
}
