//! What a parent learns about its children, and what it answers.

use std::fmt;

use hypermesh_macros::Message;
use hypermesh_mailbox::ActorId;
use serde::{Deserialize, Serialize};

use crate::exit::Exit;
use crate::failure::Failure;

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
    /// It was spawned from a factory: [`Directive::Restart`] is possible.
    pub restartable: bool,
}

impl ChildEvent {
    pub(crate) fn new(actor: ActorId, label: &str, exit: Exit) -> Self {
        Self {
            actor,
            label: label.to_owned(),
            exit,
            restartable: false,
        }
    }

    /// Tells whether the child failed.
    pub fn is_failure(&self) -> bool {
        self.exit.is_failure()
    }

    /// Tells whether the child ended because somebody asked it to.
    pub fn is_normal(&self) -> bool {
        !self.is_failure()
    }

    /// Returns the child's failure, the one that caused it, and so on down to the root cause. It is
    /// empty if the child did not fail.
    pub fn chain(&self) -> impl Iterator<Item = &Failure> {
        self.exit.failure().into_iter().flat_map(Failure::links)
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
    /// The child is made anew by the policy it was spawned with, whether it failed or not; with it the
    /// members of its group that the [`Strategy`](crate::Strategy) names, which are stopped first.
    ///
    /// The parent fails instead, and says why, if the child was not spawned from a factory, if it ended
    /// more often than the policy allows, if its name was taken meanwhile, or if a member of its group
    /// does not end.
    Restart,
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
