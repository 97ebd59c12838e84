//! What a parent learns about its children, and what it answers.

use std::fmt;

use hypermesh_macros::Message;
use hypermesh_mailbox::ActorId;
use serde::{Deserialize, Serialize};

use crate::exit::Exit;

/// The end of a child, told to its parent exactly once.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ChildEvent {
    /// The child.
    pub actor: ActorId,
    /// Its name, or the name of its type.
    pub label: String,
    /// How it ended.
    pub exit: Exit,
}

impl ChildEvent {
    /// Tells whether the child failed.
    pub fn is_failure(&self) -> bool {
        self.exit.is_failure()
    }
}

/// What a parent decides about a child that ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Directive {
    /// It is dealt with: the parent and its other children go on.
    Handled,
    /// The parent fails too, if the child failed, with the child's failure as the cause.
    Escalate,
}

/// The end of an actor without a parent in its proc.
#[derive(Clone, Debug, PartialEq, Message, Serialize, Deserialize)]
#[message(serde)]
#[non_exhaustive]
pub struct SupervisionEvent {
    /// The actor.
    pub actor: ActorId,
    /// Its name, or the name of its type.
    pub label: String,
    /// How it ended.
    pub exit: Exit,
}

impl SupervisionEvent {
    /// Returns the event that `actor`, called `label`, ended by `exit`.
    pub fn new(actor: ActorId, label: impl Into<String>, exit: Exit) -> Self {
        Self {
            actor,
            label: label.into(),
            exit,
        }
    }
}

impl From<ChildEvent> for SupervisionEvent {
    fn from(event: ChildEvent) -> Self {
        Self {
            actor: event.actor,
            label: event.label,
            exit: event.exit,
        }
    }
}

impl fmt::Display for SupervisionEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.label, self.actor, self.exit)
    }
}
