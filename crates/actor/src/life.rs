//! The rule of an actor's life: which state follows which, and how the exit comes about. Holds no
//! task, queue or clock; [`crate::run`] drives it.
//!
//! # Invariants
//!
//! - **INV-1**: the status only moves forward.
//! - **INV-2**: the exit is decided once: the first failure stays, and a request that comes after a
//!   failure does not hide it. Only a kill before the actor exited outweighs a milder request.
//! - **INV-3**: a request only ever gets harsher: drain, then stop, then kill.
//! - **INV-4**: cleanup runs at most once, after the actor's value was made, and neither after a
//!   panic nor after a kill.
//! - **INV-5**: a cleanup that fails turns a clean exit into a failure; of a failure it becomes a note.

use crate::exit::{Exit, Mode, Status};
use crate::failure::{Failure, FailureCause};

/// The life of one actor.
#[derive(Debug)]
pub(crate) struct Life {
    status: Status,
    /// The value of the actor exists.
    made: bool,
    mode: Option<Mode>,
    failure: Option<Failure>,
    cleanup_done: bool,
}

impl Life {
    /// Returns the life of an actor whose task has not begun.
    pub(crate) fn new() -> Self {
        Self {
            status: Status::Created,
            made: false,
            mode: None,
            failure: None,
            cleanup_done: false,
        }
    }

    pub(crate) fn status(&self) -> Status {
        self.status
    }

    /// The task begins.
    pub(crate) fn begin(&mut self) {
        self.forward(Status::Initializing);
    }

    /// The value of the actor exists now.
    pub(crate) fn made(&mut self) {
        self.made = true;
    }

    /// `init` returned without an error.
    pub(crate) fn initialized(&mut self) {
        self.forward(Status::Running);
    }

    /// Somebody asked for the end (INV-3). A drain is told once the queue was handled.
    pub(crate) fn requested(&mut self, mode: Mode) {
        self.mode = self.mode.max(Some(mode));
        self.forward(Status::Stopping);
    }

    /// The actor failed; only the first failure counts (INV-2).
    pub(crate) fn failed(&mut self, failure: Failure) {
        if self.failure.is_none() {
            self.failure = Some(failure);
        }
        self.forward(Status::Stopping);
    }

    /// Returns how the children are asked to end: as this actor, and stopped if it failed.
    pub(crate) fn mode_of_children(&self) -> Mode {
        match (self.mode, &self.failure) {
            (Some(Mode::Kill), _) => Mode::Kill,
            (_, Some(_)) | (None, None) => Mode::Stop,
            (Some(mode), None) => mode,
        }
    }

    /// Tells whether `cleanup` is to be run now, and that it was (INV-4).
    pub(crate) fn take_cleanup(&mut self) -> bool {
        let panicked = self
            .failure
            .as_ref()
            .is_some_and(|f| matches!(f.cause, FailureCause::Panic { .. }));
        let killed = self.mode == Some(Mode::Kill);
        let runs = self.made && !self.cleanup_done && !panicked && !killed;
        self.cleanup_done = true;
        runs
    }

    /// `cleanup` failed (INV-5).
    pub(crate) fn cleanup_failed(&mut self, failure: Failure) {
        match self.failure.take() {
            Some(first) => self.failure = Some(first.with_note(failure.to_string())),
            None => self.failed(failure),
        }
    }

    /// Returns the exit as it stands.
    pub(crate) fn exit(&self) -> Exit {
        match (&self.failure, self.mode) {
            (Some(failure), _) => Exit::Failed(failure.clone()),
            (None, Some(mode)) => mode.exit(),
            (None, None) => Exit::Stopped,
        }
    }

    /// The actor is gone.
    pub(crate) fn exited(&mut self) -> Exit {
        self.forward(Status::Exited);
        self.exit()
    }

    /// Moves to `status`, or stays where it is if that would be a step back (INV-1).
    fn forward(&mut self, status: Status) {
        self.status = self.status.max(status);
    }
}

#[cfg(test)]
mod tests;
