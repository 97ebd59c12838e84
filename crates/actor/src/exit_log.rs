//! The last exits of a proc, so that late mail and late questions get a true answer.
//!
//! # Invariants
//!
//! - **INV-1**: at most [`KEPT`] exits are kept.
//! - **INV-2**: a failure is evicted only when nothing but failures is kept; otherwise the oldest clean
//!   exit goes.

use std::collections::VecDeque;

use hypermesh_mailbox::ActorId;

use crate::exit::Exit;

/// How many exits are kept.
pub(crate) const KEPT: usize = 100;

/// The last exits of a proc, oldest first.
#[derive(Debug, Default)]
pub(crate) struct ExitLog {
    exits: VecDeque<(ActorId, Exit)>,
}

impl ExitLog {
    /// Records how `actor` ended.
    pub(crate) fn record(&mut self, actor: ActorId, exit: Exit) {
        if self.exits.len() == KEPT {
            let clean = self.exits.iter().position(|(_, exit)| !exit.is_failure());
            self.exits.remove(clean.unwrap_or(0));
        }
        self.exits.push_back((actor, exit));
    }

    /// Returns how `actor` ended, if that is still known.
    pub(crate) fn of(&self, actor: ActorId) -> Option<&Exit> {
        self.exits
            .iter()
            .rev()
            .find(|(id, _)| *id == actor)
            .map(|(_, exit)| exit)
    }

    /// Returns the last exit under the key `actor`, in whatever incarnation.
    pub(crate) fn of_key(&self, actor: u64) -> Option<&(ActorId, Exit)> {
        self.exits.iter().rev().find(|(id, _)| id.actor == actor)
    }
}

#[cfg(test)]
mod tests {
    use hypermesh_mailbox::ProcId;

    use super::*;
    use crate::failure::{Failure, FailureCause};

    fn id(actor: u64) -> ActorId {
        ProcId::new(1, 0, 0).actor(actor, 0)
    }

    /// Records one exit per letter, `c`lean or `f`ailed, and returns the kept ones by index.
    fn kept(script: &str) -> Vec<usize> {
        let mut log = ExitLog::default();
        for (idx, letter) in script.chars().enumerate() {
            let actor = id(idx as u64);
            let failure = Failure::new(FailureCause::Handler, actor, "a", "no disk");
            log.record(
                actor,
                if letter == 'c' {
                    Exit::Stopped
                } else {
                    Exit::Failed(failure)
                },
            );
        }
        (0..script.len())
            .filter(|&idx| log.of(id(idx as u64)).is_some())
            .collect()
    }

    #[test]
    fn inv1_only_the_last_exits_are_kept() {
        assert_eq!(kept(&"c".repeat(KEPT)).len(), KEPT);
        assert_eq!(
            kept(&"c".repeat(KEPT + 5)),
            (5..KEPT + 5).collect::<Vec<_>>()
        );
        assert_eq!(
            kept(&"f".repeat(KEPT + 5)),
            (5..KEPT + 5).collect::<Vec<_>>()
        );
    }

    #[test]
    fn inv2_clean_exits_go_before_failures() {
        let script = format!("fc{}", "f".repeat(KEPT));
        let kept = kept(&script);
        assert!(!kept.contains(&1), "the clean exit went first");
        assert!(!kept.contains(&0), "then the oldest failure");
        assert_eq!(kept.len(), KEPT);
    }
}
