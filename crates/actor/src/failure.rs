//! Why an actor failed: a structured cause that keeps its history on the way up a tree of actors.
//!
//! # Invariants
//!
//! - **INV-1**: a chain of failures has at most [`MAX_CHAIN`] links, made here or decoded; a longer
//!   one loses links in the middle, never the root cause.
//! - **INV-2**: the text of a failure is one line that starts with the root cause, and is bounded.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use hypermesh_mailbox::ActorId;
use serde::{Deserialize, Serialize};

use crate::call_error::CallError;
use crate::catch::Panic;
use crate::error::Error;

/// The most links of a chain of failures.
const MAX_CHAIN: usize = 256;

/// The most bytes of one text inside a failure; longer ones are cut.
const MAX_TEXT: usize = 8 * 1024;

/// The most bytes of a backtrace.
const MAX_BACKTRACE: usize = 64 * 1024;

/// How many names of the way up a failure's text shows.
const SHOWN_LINKS: usize = 8;

/// The most bytes of a message that a failure's text shows.
const SHOWN_BYTES: usize = 512;

/// The most links of a chain of sources of one error.
const MAX_SOURCES: usize = 32;

/// The most notes of one failure.
const MAX_NOTES: usize = 8;

/// Which part of an actor's life was running.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Phase {
    /// `RemoteSpawn::create`.
    Create,
    /// The `init` hook.
    Init,
    /// A handler.
    Handler,
    /// The `on_child` hook.
    OnChild,
    /// The `on_undeliverable` hook.
    OnUndeliverable,
    /// The `cleanup` hook.
    Cleanup,
    /// The `on_stop` hook.
    OnStop,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Create => "create",
            Self::Init => "init",
            Self::Handler => "a handler",
            Self::OnChild => "on_child",
            Self::OnUndeliverable => "on_undeliverable",
            Self::Cleanup => "cleanup",
            Self::OnStop => "on_stop",
        })
    }
}

/// What kind of event made an actor fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum FailureCause {
    /// A handler returned an error.
    Handler,
    /// Code of the actor panicked.
    Panic {
        /// What was running.
        phase: Phase,
    },
    /// The actor's value could not be made: its parameters did not decode, `create` returned an
    /// error, or it took too long.
    Create,
    /// `init` returned an error.
    Init,
    /// `cleanup` returned an error or took too long.
    Cleanup,
    /// `on_undeliverable` returned an error.
    Undeliverable,
    /// A child failed and the failure was passed on; `caused_by` has the child's failure.
    Child,
    /// `on_stop` returned an error.
    OnStop,
    /// A linked actor failed; `caused_by` has its failure.
    Link,
    /// The proc of the actor died; the message says how.
    ProcDied,
    /// The actor or its proc cannot be reached, and it may live.
    Unreachable,
}

impl FailureCause {
    /// Returns the cause for an error that `phase` returned.
    pub(crate) fn of_error(phase: Phase) -> Self {
        match phase {
            Phase::Create => Self::Create,
            Phase::Init => Self::Init,
            Phase::Handler => Self::Handler,
            Phase::OnChild => Self::Child,
            Phase::OnUndeliverable => Self::Undeliverable,
            Phase::Cleanup => Self::Cleanup,
            Phase::OnStop => Self::OnStop,
        }
    }
}

/// Why an actor failed. Cloning it is cheap.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Vec<Link>", try_from = "Vec<Link>")]
pub struct Failure(Arc<FailureFacts>);

/// The facts of a [`Failure`], which dereferences to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailureFacts {
    /// What kind of event it was.
    pub cause: FailureCause,
    /// The actor that failed.
    pub actor: ActorId,
    /// The name of that actor, or the name of its type.
    pub label: String,
    /// The error's own text, or the message of the panic.
    pub message: String,
    /// The texts of the error's sources, outermost first.
    pub chain: Vec<String>,
    /// Where the error was made, if `RUST_BACKTRACE` asked for it. Of a panic, the place in the source, and
    /// the calls that led there if `RUST_BACKTRACE` asked for them.
    pub backtrace: Option<String>,
    /// What else went wrong on the way to the end, at most 8 texts.
    pub notes: Vec<String>,
    /// The failure that led to this one.
    pub caused_by: Option<Failure>,
}

impl Failure {
    /// Returns a failure of `actor` without sources, backtrace or an earlier failure.
    pub fn new(
        cause: FailureCause,
        actor: ActorId,
        label: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self(Arc::new(FailureFacts {
            cause,
            actor,
            label: cut(label.into(), MAX_TEXT),
            message: cut(message.into(), MAX_TEXT),
            chain: Vec::new(),
            backtrace: None,
            notes: Vec::new(),
            caused_by: None,
        }))
    }

    /// Returns a failure of `actor` by a panic in its `phase`.
    pub(crate) fn of_panic(phase: Phase, actor: ActorId, label: &str, panic: Panic) -> Self {
        let mut failure = Self::new(FailureCause::Panic { phase }, actor, label, panic.text);
        let facts = Arc::get_mut(&mut failure.0).expect("made on the line above, not shared");
        facts.backtrace = panic.place.map(|text| cut(text, MAX_BACKTRACE));
        failure
    }

    /// Returns this failure with `text` as a note; after 8 of them it is left out.
    #[must_use]
    pub fn with_note(self, text: impl Into<String>) -> Self {
        let mut facts = Arc::unwrap_or_clone(self.0);
        if facts.notes.len() < MAX_NOTES {
            facts.notes.push(cut(text.into(), MAX_TEXT));
        }
        Self(Arc::new(facts))
    }

    /// Returns a failure of `actor` by the error that its `phase` returned. If that error is about the
    /// failure of another actor, the other one's failure is the cause.
    pub(crate) fn of_error(phase: Phase, actor: ActorId, label: &str, error: &Error) -> Self {
        let cause = FailureCause::of_error(phase);
        let mut failure = Self::new(cause, actor, label, error.to_string());
        let facts = Arc::get_mut(&mut failure.0).expect("made on the line above, not shared");
        facts.chain = error
            .chain()
            .into_iter()
            .map(|text| cut(text, MAX_TEXT))
            .collect();
        facts.backtrace = error.backtrace().map(|text| cut(text, MAX_BACKTRACE));
        let earlier = error.downcast_ref::<Failure>();
        match earlier.or_else(|| error.downcast_ref::<CallError>()?.failure()) {
            Some(earlier) => failure.caused_by(earlier.clone()),
            None => failure,
        }
    }

    /// Returns this failure with `earlier` as what led to it (INV-1).
    #[must_use]
    pub fn caused_by(self, earlier: Failure) -> Self {
        let earlier = if earlier.links().count() < MAX_CHAIN {
            earlier
        } else {
            earlier.root_cause().clone()
        };
        let mut facts = Arc::unwrap_or_clone(self.0);
        facts.caused_by = Some(earlier);
        Self(Arc::new(facts))
    }

    /// Returns the failure at the end of the chain: where it all began.
    pub fn root_cause(&self) -> &Failure {
        self.links().last().unwrap_or(self)
    }

    /// Returns this failure, the one that caused it, and so on down to the root cause.
    pub fn links(&self) -> impl Iterator<Item = &Failure> {
        std::iter::successors(Some(self), |failure| failure.caused_by.as_ref())
    }
}

impl Deref for Failure {
    type Target = FailureFacts;

    fn deref(&self) -> &FailureFacts {
        &self.0
    }
}

impl std::error::Error for Failure {}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Failure").field(&self.0).finish()
    }
}

impl fmt::Display for Failure {
    /// Writes the root cause, then the actors it passed through (INV-2).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let root = self.root_cause();
        let label = OneLine {
            text: &root.label,
            max: 64,
        };
        match root.cause {
            FailureCause::Handler => write!(f, "{label} failed")?,
            FailureCause::Panic { phase } => write!(f, "{label} panicked in {phase}")?,
            FailureCause::Create => write!(f, "{label} could not be created")?,
            FailureCause::Init => write!(f, "{label} failed in init")?,
            FailureCause::Cleanup => write!(f, "{label} failed in cleanup")?,
            FailureCause::Undeliverable => write!(f, "{label} failed on an undeliverable message")?,
            FailureCause::Child => write!(f, "{label} failed for a child")?,
            FailureCause::OnStop => write!(f, "{label} failed in on_stop")?,
            FailureCause::Link => write!(f, "{label} failed for a linked actor")?,
            FailureCause::ProcDied => write!(f, "the proc of {label} died")?,
            FailureCause::Unreachable => write!(f, "{label} cannot be reached")?,
        }
        write!(
            f,
            ": {}",
            OneLine {
                text: &root.message,
                max: SHOWN_BYTES
            }
        )?;
        for text in root.chain.iter().take(4) {
            write!(
                f,
                ": {}",
                OneLine {
                    text,
                    max: SHOWN_BYTES / 4
                }
            )?;
        }
        let above = self.links().count() - 1;
        if 0 < above {
            f.write_str("; passed on by ")?;
            let mut way: Vec<&Failure> = self.links().take(above).collect();
            way.reverse();
            for (idx, failure) in way.iter().take(SHOWN_LINKS).enumerate() {
                let comma = if idx == 0 { "" } else { ", " };
                write!(
                    f,
                    "{comma}{}",
                    OneLine {
                        text: &failure.label,
                        max: 64
                    }
                )?;
            }
            if SHOWN_LINKS < above {
                write!(f, " and {} more", above - SHOWN_LINKS)?;
            }
        }
        Ok(())
    }
}

/// A text on one line, cut at `max` bytes.
struct OneLine<'a> {
    text: &'a str,
    max: usize,
}

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = boundary(self.text, self.max);
        for (idx, line) in self.text[..end].lines().enumerate() {
            let space = if idx == 0 { "" } else { " " };
            write!(f, "{space}{line}")?;
        }
        f.write_str(if end < self.text.len() { "…" } else { "" })
    }
}

/// One failure of a chain as it is encoded: the chain is a flat list, so that its depth costs a
/// decoder no stack.
#[derive(Clone, Serialize, Deserialize)]
struct Link {
    cause: FailureCause,
    actor: ActorId,
    label: String,
    message: String,
    chain: Vec<String>,
    backtrace: Option<String>,
    notes: Vec<String>,
}

impl From<Failure> for Vec<Link> {
    fn from(failure: Failure) -> Self {
        let links = failure.links().map(|failure| Link {
            cause: failure.cause,
            actor: failure.actor,
            label: failure.label.clone(),
            message: failure.message.clone(),
            chain: failure.chain.clone(),
            backtrace: failure.backtrace.clone(),
            notes: failure.notes.clone(),
        });
        links.collect()
    }
}

/// A list of failures that is no chain.
#[derive(Debug, thiserror::Error)]
#[error("a chain of {found} failures; it must have 1 to {MAX_CHAIN}")]
struct ChainError {
    found: usize,
}

impl TryFrom<Vec<Link>> for Failure {
    type Error = ChainError;

    fn try_from(links: Vec<Link>) -> Result<Self, ChainError> {
        let found = links.len();
        if MAX_CHAIN < found {
            return Err(ChainError { found });
        }
        let mut caused_by = None;
        for link in links.into_iter().rev() {
            caused_by = Some(Self(Arc::new(FailureFacts {
                cause: link.cause,
                actor: link.actor,
                label: cut(link.label, MAX_TEXT),
                message: cut(link.message, MAX_TEXT),
                chain: link.chain.into_iter().take(MAX_SOURCES).collect(),
                backtrace: link.backtrace.map(|text| cut(text, MAX_BACKTRACE)),
                notes: link.notes.into_iter().take(MAX_NOTES).collect(),
                caused_by,
            })));
        }
        caused_by.ok_or(ChainError { found })
    }
}

fn cut(mut text: String, max: usize) -> String {
    text.truncate(boundary(&text, max));
    text
}

/// Returns the greatest index of a character that is at most `max`.
pub(crate) fn boundary(text: &str, max: usize) -> usize {
    if text.len() <= max {
        return text.len();
    }
    (0..=max)
        .rev()
        .find(|&idx| text.is_char_boundary(idx))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests;
