//! The states of the procs of one allocation on their way to whoever polls it. Holds no proc.
//!
//! # Invariants
//!
//! - **INV-1**: per create key states come out forward only: `Created`, `Running` at most once,
//!   `Stopped` at most once, and nothing after it.
//! - **INV-2**: nothing that was accepted is lost, and it comes out in order.
//! - **INV-3**: at most three states per create key, and the failures, are ever queued.
//! - **INV-4**: once everything expected has ended, the end comes out, and then for ever.

use std::collections::{HashMap, VecDeque};

use crate::proc_state::{CreateKey, ProcState};

/// How far a proc has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Created,
    Running,
    Stopped,
}

/// The states of the procs of one allocation.
#[derive(Debug)]
pub(crate) struct States {
    phases: HashMap<CreateKey, Phase>,
    queue: VecDeque<ProcState>,
    /// How many procs have not ended yet.
    n_open: usize,
}

impl States {
    /// Returns the states of an allocation of `n_procs` procs, none of them created yet.
    pub(crate) fn new(n_procs: usize) -> Self {
        Self {
            phases: HashMap::new(),
            queue: VecDeque::new(),
            n_open: n_procs,
        }
    }

    /// Queues `state` and returns whether it is a step forward; any other one is dropped (INV-1).
    ///
    /// A `Failed` is always queued and ends nothing; see [`give_up`](Self::give_up).
    pub(crate) fn push(&mut self, state: ProcState) -> bool {
        let step = match &state {
            ProcState::Created { create_key, .. } => Some((*create_key, Phase::Created)),
            ProcState::Running { create_key, .. } => Some((*create_key, Phase::Running)),
            ProcState::Stopped { create_key, .. } => Some((*create_key, Phase::Stopped)),
            ProcState::Failed { .. } => None,
        };
        if let Some((key, to)) = step {
            let from = self.phases.get(&key).copied();
            let is_forward = match to {
                Phase::Created => from.is_none(),
                Phase::Running | Phase::Stopped => from.is_some_and(|from| from < to),
            };
            if !is_forward {
                return false;
            }
            self.phases.insert(key, to);
            if to == Phase::Stopped {
                self.n_open -= 1;
            }
        }
        self.queue.push_back(state);
        true
    }

    /// Takes in that one proc will never be created.
    pub(crate) fn give_up(&mut self, failed: ProcState) {
        self.push(failed);
        self.n_open -= 1;
    }

    /// Returns the next state, or the end.
    pub(crate) fn pop(&mut self) -> Next {
        match self.queue.pop_front() {
            Some(state) => Next::State(Box::new(state)),
            None if self.n_open == 0 => Next::End,
            None => Next::Later,
        }
    }
}

/// What comes out of [`States`].
#[derive(Debug)]
pub(crate) enum Next {
    State(Box<ProcState>),
    /// Nothing yet.
    Later,
    /// Nothing any more.
    End,
}

#[cfg(test)]
mod tests {
    use hypermesh_ndslice::Extent;

    use super::*;
    use crate::{actor::mailbox::WorldId, proc_state::ProcStopReason};

    fn state(step: char, key: CreateKey) -> ProcState {
        let point = Extent::unity().point_of_rank(0).unwrap();
        match step {
            'c' => ProcState::Created {
                create_key: key,
                point,
                pid: 1,
            },
            's' => ProcState::Stopped {
                create_key: key,
                reason: ProcStopReason::Stopped,
            },
            'f' => ProcState::Failed {
                world_id: WorldId::new("w"),
                description: "f".into(),
            },
            other => panic!("no such step: {other}"),
        }
    }

    /// Pushes `script` for one key of two procs; the letters that come out must be `out`.
    #[track_caller]
    fn check(script: &str, out: &str) {
        let key = CreateKey::unique();
        let mut states = States::new(2);
        for step in script.chars() {
            states.push(state(step, key));
        }
        let mut seen = String::new();
        while let Next::State(state) = states.pop() {
            seen.push(match *state {
                ProcState::Created { .. } => 'c',
                ProcState::Running { .. } => 'r',
                ProcState::Stopped { .. } => 's',
                ProcState::Failed { .. } => 'f',
            });
        }
        assert_eq!(seen, out);
    }

    #[test]
    fn inv1_states_of_a_key_come_out_forward_only() {
        check("cs", "cs");
        check("cc", "c");
        check("s", "");
        check("sc", "c");
        check("css", "cs");
        check("csc", "cs");
        check("cfs", "cfs");
    }

    #[test]
    fn inv4_the_end_comes_once_every_proc_has_ended_and_stays() {
        let (one, two) = (CreateKey::unique(), CreateKey::unique());
        let mut states = States::new(2);
        assert!(matches!(states.pop(), Next::Later));
        for (step, key) in [('c', one), ('s', one)] {
            assert!(states.push(state(step, key)));
            assert!(matches!(states.pop(), Next::State(_)));
            assert!(matches!(states.pop(), Next::Later));
        }
        states.give_up(state('f', two));
        assert!(matches!(states.pop(), Next::State(_)));
        assert!(matches!(states.pop(), Next::End));
        assert!(matches!(states.pop(), Next::End));
    }
}
