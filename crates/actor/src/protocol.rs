//! Protocols: what several types of actors have in common, for those who hold a ref to any of them.
//!
//! # Invariants
//!
//! - **INV-1**: a ref becomes a ref of a protocol only if its actor accepts every message of it, and
//!   replies with the same type.

use crate::actor::Referable;
use crate::actor_ref::ActorRef;

/// An interface that several types of actors implement, declared with [`protocol!`](crate::protocol).
///
/// An `ActorRef` of it reaches any of them: [`ActorRef::as_protocol`]. Nothing is ever spawned as a
/// protocol; its type has no values.
pub trait Protocol: Referable {}

/// A protocol that actors of type `A` implement: they accept each of its messages, with the reply that
/// it says.
///
/// Written by [`protocol!`](crate::protocol). Nobody declares that an actor implements a protocol: it
/// does if its handlers fit.
#[diagnostic::on_unimplemented(
    message = "actors of type `{A}` do not implement the protocol `{Self}`",
    note = "`protocol!` declares protocols"
)]
pub trait ProtocolOf<A: Referable>: Protocol {}

impl<A: Referable> ActorRef<A> {
    /// Returns the ref of the same actor by what it has in common with others.
    ///
    /// `A` may be a protocol itself that has all messages of `P`. The way back is
    /// [`attest`](Self::attest), on the caller's word.
    ///
    /// # Examples
    ///
    /// ```
    /// use hypermesh_actor::{ActorRef, Cx, Message, Result, actor, protocol};
    ///
    /// #[derive(Message)]
    /// struct Total;
    ///
    /// protocol! {
    ///     pub protocol Counts {
    ///         Total -> u64,
    ///     }
    /// }
    ///
    /// struct Clock { ticks: u64 }
    ///
    /// #[actor]
    /// impl Clock {
    ///     #[handler]
    ///     fn total(&mut self, _cx: &Cx<'_, Self>, _: Total) -> Result<u64> {
    ///         Ok(self.ticks)
    ///     }
    /// }
    ///
    /// fn watch(clock: &ActorRef<Clock>, watched: &mut Vec<ActorRef<Counts>>) {
    ///     watched.push(clock.as_protocol());
    /// }
    /// ```
    pub fn as_protocol<P: ProtocolOf<A>>(&self) -> ActorRef<P> {
        ActorRef::attest(self.id(), self.location().clone(), self.label())
    }
}
