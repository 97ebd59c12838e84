//! Actors that were killed and do not end, because their code holds its thread.

use std::collections::BTreeMap;
use std::time::Duration;

use hypermesh_mailbox::ActorId;
use tokio::time::Instant;

/// An actor that was killed and holds its thread. It cannot be ended from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Zombie {
    /// The actor.
    pub actor: ActorId,
    /// Its name, or the name of its type.
    pub label: String,
    /// How long ago it was given up.
    pub age: Duration,
}

/// The zombies of a proc with when they were given up.
#[derive(Debug, Default)]
pub(super) struct Zombies {
    given_up: BTreeMap<ActorId, (String, Instant)>,
}

impl Zombies {
    pub(super) fn add(&mut self, actor: ActorId, label: &str) {
        let entry = self.given_up.entry(actor);
        entry.or_insert_with(|| (label.to_owned(), Instant::now()));
    }

    pub(super) fn remove(&mut self, actor: ActorId) {
        self.given_up.remove(&actor);
    }

    pub(super) fn list(&self) -> Vec<Zombie> {
        let zombie = |(&actor, (label, since)): (&ActorId, &(String, Instant))| Zombie {
            actor,
            label: label.clone(),
            age: since.elapsed(),
        };
        self.given_up.iter().map(zombie).collect()
    }
}
