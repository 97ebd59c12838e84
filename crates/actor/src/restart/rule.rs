//! Which members of a group are made anew, after which pause, and when it is enough. Holds no actor,
//! clock or task.
//!
//! # Invariants
//!
//! - **INV-1**: in any span of `within` there are at most `max` restarts; one more is refused, with the
//!   number of ends in the span.
//! - **INV-2**: restarts that are further apart than `within / max` are never refused.
//! - **INV-3**: the pause doubles with each restart in the span and never exceeds the longest.
//! - **INV-4**: the members are made anew in the order they were spawned in, each once; a member that
//!   left is not among them.
//! - **INV-5**: at most `max` times are kept.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::{RestartPolicy, Strategy};

/// The number of a member: later members have higher ones.
pub(super) type Place = u64;

/// What is to be done about a member that ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// These are made anew after a pause, in this order.
    Again {
        members: Vec<Place>,
        after: Duration,
    },
    /// It ended too often.
    GiveUp {
        /// How many ends there were within the span, this one included.
        ends: u32,
    },
}

/// The rule of one group.
#[derive(Debug)]
pub(super) struct Rule {
    strategy: Strategy,
    policy: RestartPolicy,
    members: BTreeSet<Place>,
    next: Place,
    /// When the restarts of the last span were decided, oldest first.
    restarts: VecDeque<Instant>,
}

impl Rule {
    pub(super) fn new(strategy: Strategy, policy: RestartPolicy) -> Self {
        Self {
            strategy,
            policy,
            members: BTreeSet::new(),
            next: 0,
            restarts: VecDeque::new(),
        }
    }

    /// Returns what the group restarts by.
    pub(super) fn policy(&self) -> RestartPolicy {
        self.policy
    }

    /// Adds a member after all others.
    pub(super) fn join(&mut self) -> Place {
        let place = self.next;
        self.next += 1;
        self.members.insert(place);
        place
    }

    /// Removes a member that is not to be made anew.
    pub(super) fn leave(&mut self, place: Place) {
        self.members.remove(&place);
    }

    /// Decides about the member at `place`, which ended and is to be made anew.
    pub(super) fn ended(&mut self, place: Place, now: Instant) -> Verdict {
        let RestartPolicy {
            max,
            within,
            backoff,
        } = self.policy;
        while self
            .restarts
            .front()
            .is_some_and(|&at| within <= now.saturating_duration_since(at))
        {
            self.restarts.pop_front();
        }
        let ends = u32::try_from(self.restarts.len())
            .unwrap_or(u32::MAX)
            .saturating_add(1);
        // INV-1, INV-5
        if max < ends {
            return Verdict::GiveUp { ends };
        }
        self.restarts.push_back(now);
        Verdict::Again {
            members: self.affected(place),
            after: backoff.pause(ends),
        }
    }

    /// Returns the members that are made anew with the one at `place` (INV-4).
    fn affected(&self, place: Place) -> Vec<Place> {
        let members = self.members.iter().copied();
        match self.strategy {
            Strategy::OneForOne => vec![place],
            Strategy::OneForAll => members.collect(),
            Strategy::RestForOne => members.filter(|&member| place <= member).collect(),
        }
    }
}

#[cfg(test)]
mod tests;
