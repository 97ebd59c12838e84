//! Who has answered, and the folded answers: the rule behind reduce ports and splits. No I/O.
//!
//! # Invariants
//!
//! - **INV-1**: a member counts once, as answered or as missing; one that answers after it was counted
//!   missing moves over.
//! - **INV-2**: `settled` never goes back.

use std::borrow::Cow;

use hypermesh_wire::{Any, Named, Payload, TypeKey};
use serde::{Deserialize, Serialize};

use crate::fold::{FoldError, Folder};
use crate::{Cause, Ordinals, ReduceError, ReduceFault};

/// The folded answers of a part of a cast, as relays send them on towards a reducing port.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Partial {
    /// The members whose answers are in the state.
    pub answered: Ordinals,
    /// How many answers in the state came from nobody known to be a member.
    pub anonymous: u64,
    /// The members that did not answer.
    pub missing: Ordinals,
    /// For how many members this is the last word.
    pub settled: u64,
    /// The first failure of folding; the members concerned count as missing.
    pub fault: Option<ReduceFault>,
    /// The encoded result over the answers, if there were any.
    pub state: Option<Payload>,
}

impl Named for Partial {
    const KEY: TypeKey = TypeKey::of("hypermesh::Partial");

    fn name() -> Cow<'static, str> {
        Cow::Borrowed("hypermesh::Partial")
    }
}

/// An update that was not taken.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// The update, unless the reducer consumed it.
    pub(crate) input: Option<Box<Any>>,
    pub(crate) cause: Cause,
}

/// The answers so far.
pub(crate) struct Gather<F> {
    pub(crate) folder: F,
    /// Senders may send often: who they are does not count.
    is_stream: bool,
    /// Who may answer; `None` if anybody may.
    expected: Option<Ordinals>,
    answered: Ordinals,
    anonymous: u64,
    missing: Ordinals,
    settled: u64,
    fault: Option<ReduceFault>,
    /// How many updates were folded.
    folded: u64,
}

/// Who answered and who did not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) answered: Ordinals,
    pub(crate) anonymous: u64,
    pub(crate) missing: Ordinals,
    pub(crate) settled: u64,
    pub(crate) fault: Option<ReduceFault>,
}

impl<F: Folder> Gather<F> {
    pub(crate) fn new(folder: F, expected: Option<Ordinals>) -> Self {
        Self {
            folder,
            is_stream: false,
            expected,
            answered: Ordinals::new(),
            anonymous: 0,
            missing: Ordinals::new(),
            settled: 0,
            fault: None,
            folded: 0,
        }
    }

    /// Returns a gathering that folds everything as it comes.
    pub(crate) fn stream(folder: F) -> Self {
        Self {
            is_stream: true,
            ..Self::new(folder, None)
        }
    }

    /// Returns for how many members the last word has come.
    pub(crate) fn settled(&self) -> u64 {
        self.settled
    }

    /// Returns how many updates were folded.
    pub(crate) fn folded(&self) -> u64 {
        self.folded
    }

    /// Returns whether nothing more is to come.
    pub(crate) fn is_complete(&self) -> bool {
        self.expected
            .as_ref()
            .is_some_and(|expected| expected.count() <= self.settled)
    }

    /// Takes the update of one sender. A second one of the same member is ignored.
    pub(crate) fn on_update(&mut self, from: Option<u64>, input: Any) -> Result<(), Refusal> {
        let from = from.filter(|_| !self.is_stream);
        if let Some(ordinal) = from {
            if self
                .expected
                .as_ref()
                .is_some_and(|expected| !expected.contains(ordinal))
            {
                return Err(Refusal {
                    input: Some(Box::new(input)),
                    cause: Cause::NotAllowed,
                });
            }
            if self.answered.contains(ordinal) {
                return Ok(());
            }
        }
        let (input, cause, error) = match self.folder.fold(from, input) {
            Ok(()) => {
                self.folded += 1;
                self.count_answer(from);
                return Ok(());
            }
            // A message of another type is no answer; the right one may still come.
            Err(FoldError::Refused(input, cause @ Cause::WrongType { .. })) => {
                return Err(Refusal {
                    input: Some(input),
                    cause,
                });
            }
            Err(FoldError::Refused(input, cause)) => {
                let error = ReduceError::Decode(cause.to_string().into());
                (Some(input), cause, error)
            }
            Err(FoldError::Failed(error)) => (None, Cause::Reduce(error.clone()), error),
        };
        self.fault.get_or_insert(ReduceFault {
            ordinal: from,
            error,
        });
        match from {
            Some(ordinal) => self.on_missing(&Ordinals::from_iter([ordinal])),
            None => self.settled += 1,
        }
        Err(Refusal { input, cause })
    }

    /// Takes the folded answers of a part of the cast. One that overlaps with answers that came
    /// already is ignored.
    pub(crate) fn on_partial(&mut self, partial: Partial) -> Result<(), Refusal> {
        let Partial {
            answered,
            anonymous,
            missing,
            settled,
            fault,
            state,
        } = partial;
        if let Some(expected) = &self.expected {
            let foreign = |part: &Ordinals| !part.without(expected).is_empty();
            if foreign(&answered) || foreign(&missing) {
                return Err(Refusal {
                    input: None,
                    cause: Cause::NotAllowed,
                });
            }
        }
        if answered.without(&self.answered).count() != answered.count() {
            return Ok(());
        }
        // Members that were counted missing before are settled already (INV-1).
        let known =
            self.missing.count() - self.missing.without(&answered).without(&missing).count();
        let settled = settled.saturating_sub(known);
        if let Some(fault) = fault {
            self.fault.get_or_insert(fault);
        }
        let merged = state.map_or(Ok(()), |state| self.folder.merge(answered.first(), state));
        self.settled = self.settled.saturating_add(settled);
        self.missing = self.missing.without(&answered);
        self.missing.extend(&missing);
        match merged {
            Ok(()) => {
                self.answered.extend(&answered);
                self.anonymous += anonymous;
                self.folded += answered.count() + anonymous;
                Ok(())
            }
            Err(error) => {
                self.missing.extend(&answered);
                let ordinal = answered.first();
                self.fault.get_or_insert(ReduceFault {
                    ordinal,
                    error: error.clone(),
                });
                Err(Refusal {
                    input: None,
                    cause: Cause::Reduce(error),
                })
            }
        }
    }

    /// Learns that `members` will not answer: they are dead, or their messages bounced.
    pub(crate) fn on_missing(&mut self, members: &Ordinals) {
        let members = members.without(&self.answered).without(&self.missing);
        self.settled += members.count();
        self.missing.extend(&members);
    }

    /// Returns who answered so far and who did not, and starts to count anew.
    pub(crate) fn take_tally(&mut self) -> Tally {
        let expected = self.expected.take().unwrap_or_default();
        let mut missing = std::mem::take(&mut self.missing);
        if self.settled < expected.count() {
            missing.extend(&expected.without(&self.answered));
        }
        Tally {
            answered: std::mem::take(&mut self.answered),
            anonymous: std::mem::take(&mut self.anonymous),
            missing,
            settled: std::mem::take(&mut self.settled).max(expected.count()),
            fault: self.fault.take(),
        }
    }

    /// Returns what is passed on towards the port, and starts anew.
    pub(crate) fn take_partial(&mut self) -> Partial {
        let state = self.folder.encode();
        let Tally {
            mut answered,
            mut anonymous,
            mut missing,
            settled,
            mut fault,
        } = self.take_tally();
        let state = state.unwrap_or_else(|error| {
            fault.get_or_insert(ReduceFault {
                ordinal: answered.first(),
                error,
            });
            missing.extend(&answered);
            (answered, anonymous) = (Ordinals::new(), 0);
            None
        });
        Partial {
            answered,
            anonymous,
            missing,
            settled,
            fault,
            state,
        }
    }

    fn count_answer(&mut self, from: Option<u64>) {
        match from {
            None => {
                self.anonymous += 1;
                self.settled += 1;
            }
            Some(ordinal) => {
                self.answered.insert(ordinal);
                if self.missing.contains(ordinal) {
                    self.missing = self.missing.without(&Ordinals::from_iter([ordinal]));
                } else {
                    self.settled += 1;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
