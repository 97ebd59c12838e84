//! Who hears of the ends of actors that no parent hears of.
//!
//! # Invariants
//!
//! - **INV-1**: nobody is told, and nothing of a user dropped, under a lock.

use std::sync::{Arc, Mutex, MutexGuard};

use hypermesh_mailbox::{ActorId, Gateway, PortId, PortRef, ProcId, SendContext};

use super::Proc;
use crate::supervision::SupervisionEvent;

/// How many subscribers of supervision events a proc has at most.
const MAX_SUBSCRIBERS: usize = 16 * 1024;

/// Whom a proc tells of failures that nobody handled.
pub type Coordinator = Arc<dyn Fn(SupervisionEvent) + Send + Sync>;

/// Those who hear of them, of one proc.
#[derive(Default)]
pub(super) struct Listeners {
    coordinator: Mutex<Option<Coordinator>>,
    subscribers: Mutex<Vec<Subscriber>>,
}

/// Who hears of the ends of actors without a parent.
#[derive(Clone)]
struct Subscriber {
    events: PortRef<SupervisionEvent>,
    /// The key of the only actor of interest, or all.
    actor: Option<u64>,
}

impl Listeners {
    /// Tells nobody any more.
    pub(super) fn forget(&self) {
        let subscribers = std::mem::take(&mut *self.lock_subscribers());
        let coordinator = self.lock_coordinator().take();
        drop((subscribers, coordinator));
    }

    fn lock_coordinator(&self) -> MutexGuard<'_, Option<Coordinator>> {
        self.coordinator
            .lock()
            .expect("nothing panics under this lock")
    }

    fn lock_subscribers(&self) -> MutexGuard<'_, Vec<Subscriber>> {
        self.subscribers
            .lock()
            .expect("nothing panics under this lock")
    }
}

impl Proc {
    /// Sets whom to tell of a failure that reached the root of a tree of actors, or of one that had no
    /// parent any more. Without a coordinator such failures are logged.
    ///
    /// It is called on the thread of the actor that failed, and must not block.
    pub fn set_coordinator(&self, coordinator: Coordinator) {
        let new = Some(coordinator);
        let old = std::mem::replace(&mut *self.shared.listeners.lock_coordinator(), new);
        drop(old);
    }

    /// Sends the end of every actor without a parent to `events`, or of the one with the key `actor`
    /// only.
    ///
    /// # Errors
    ///
    /// [`TooManySubscribers`] when there are more than anybody needs.
    pub fn subscribe(
        &self,
        events: PortRef<SupervisionEvent>,
        actor: Option<u64>,
    ) -> Result<(), TooManySubscribers> {
        let mut subscribers = self.shared.listeners.lock_subscribers();
        if MAX_SUBSCRIBERS <= subscribers.len() {
            return Err(TooManySubscribers {
                proc: self.shared.id,
            });
        }
        subscribers.push(Subscriber { events, actor });
        Ok(())
    }

    /// Forgets the subscribers that listen on `port`.
    pub(crate) fn unsubscribe(&self, port: PortId) {
        self.shared
            .listeners
            .lock_subscribers()
            .retain(|subscriber| subscriber.events.id() != port);
    }

    /// Tells the world of the end of an actor that no parent hears of.
    pub(crate) fn root_ended(&self, event: SupervisionEvent) {
        if self.monitoring().parent_of(event.actor).is_some() {
            // Its parent lives elsewhere, and is told when the exit is set.
            return;
        }
        let key = event.actor.actor;
        let interested = |subscriber: &&Subscriber| subscriber.actor.is_none_or(|a| a == key);
        let subscribers: Vec<Subscriber> = self
            .shared
            .listeners
            .lock_subscribers()
            .iter()
            .filter(interested)
            .cloned()
            .collect();
        let context = AgentContext(self);
        for subscriber in subscribers {
            subscriber.events.send(&context, event.clone());
        }
        if !event.exit.is_failure() {
            return;
        }
        let coordinator = self.shared.listeners.lock_coordinator().clone();
        match coordinator {
            Some(coordinator) => coordinator(event),
            None => tracing::error!(proc = %self.shared.id, %event, "an actor failed"),
        }
    }
}

/// Error of [`Proc::subscribe`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("proc {proc} has {MAX_SUBSCRIBERS} subscribers of supervision events already")]
pub struct TooManySubscribers {
    /// The proc.
    pub proc: ProcId,
}

/// Sends on behalf of the proc's agent.
struct AgentContext<'a>(&'a Proc);

impl SendContext for AgentContext<'_> {
    fn sender(&self) -> ActorId {
        self.0.agent_id()
    }

    fn gateway(&self) -> &Gateway {
        self.0.gateway()
    }
}
