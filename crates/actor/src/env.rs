//! What an actor can know while it is made: where it will live, and what those above it pass down.
//!
//! # Invariants
//!
//! - **INV-1**: the variables have distinct keys, at most [`EnvVars::MAX_ENTRIES`] of them and
//!   [`EnvVars::MAX_BYTES`] bytes, also after decoding.

use std::fmt;
use std::sync::Arc;

use hypermesh_mailbox::ActorId;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::actor::Actor;
use crate::cx::Cx;
use crate::proc::Proc;

/// Where an actor that is spawned by name will live, and what it inherits.
#[derive(Clone, Debug)]
pub struct Env {
    pub(crate) proc: Proc,
    pub(crate) actor: ActorId,
    pub(crate) label: String,
    pub(crate) vars: EnvVars,
}

impl Env {
    /// Returns the proc that the actor will live on.
    pub fn proc(&self) -> &Proc {
        &self.proc
    }

    /// Returns the id that the actor will have.
    pub fn actor_id(&self) -> ActorId {
        self.actor
    }

    /// Returns the name that the actor will have.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Returns the variables that the actor inherits from whoever spawned it.
    pub fn vars(&self) -> &EnvVars {
        &self.vars
    }
}

/// Small facts that an actor inherits from whoever spawned it, and passes on to all below it, on this
/// proc and on others. They never change.
///
/// # Examples
///
/// ```
/// use hypermesh_actor::EnvVars;
///
/// let vars = EnvVars::new([("run", "7"), ("stage", "train")])?;
/// assert_eq!(vars.get("run"), Some("7"));
/// assert!(vars.with("run", "8").is_err(), "what is set stays");
/// # Ok::<(), hypermesh_actor::EnvError>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct EnvVars {
    // Most actors have none; with them an actor is one word larger.
    entries: Option<Arc<Vec<(String, String)>>>,
}

/// Error of making [`EnvVars`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvError {
    /// There are too many.
    #[error("{entries} variables; there may be {}", EnvVars::MAX_ENTRIES)]
    TooMany {
        /// How many there would be.
        entries: usize,
    },
    /// They are too long.
    #[error("variables of {bytes} bytes; there may be {}", EnvVars::MAX_BYTES)]
    TooLong {
        /// How many bytes keys and values would have together.
        bytes: usize,
    },
    /// A key occurs twice.
    #[error("the variable {key:?} is set twice")]
    Duplicate {
        /// The key.
        key: String,
    },
}

impl EnvVars {
    /// The most variables.
    pub const MAX_ENTRIES: usize = 32;
    /// The most bytes of all keys and values together.
    pub const MAX_BYTES: usize = 16 * 1024;

    /// Returns these variables.
    ///
    /// # Errors
    ///
    /// [`EnvError`] when there are too many or too long ones, or a key occurs twice.
    pub fn new<K: Into<String>, V: Into<String>>(
        entries: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, EnvError> {
        let mut checked = Vec::new();
        for (key, value) in entries {
            push(&mut checked, key.into(), value.into())?;
        }
        Ok(Self::of(checked))
    }

    /// Returns these variables and one more.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn with(&self, key: impl Into<String>, value: impl Into<String>) -> Result<Self, EnvError> {
        let mut entries = self.as_slice().to_vec();
        push(&mut entries, key.into(), value.into())?;
        Ok(Self::of(entries))
    }

    /// Returns the value of `key`, if it is set.
    pub fn get(&self, key: &str) -> Option<&str> {
        let mut entries = self.iter();
        entries.find(|(k, _)| *k == key).map(|(_, value)| value)
    }

    /// Returns all of them, in the order in which they were set.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let entries = self.as_slice().iter();
        entries.map(|(key, value)| (key.as_str(), value.as_str()))
    }

    fn of(entries: Vec<(String, String)>) -> Self {
        let entries = (!entries.is_empty()).then(|| Arc::new(entries));
        Self { entries }
    }

    fn as_slice(&self) -> &[(String, String)] {
        self.entries.as_deref().map_or(&[], Vec::as_slice)
    }
}

/// Appends a variable, if INV-1 allows it.
fn push(entries: &mut Vec<(String, String)>, key: String, value: String) -> Result<(), EnvError> {
    if entries.iter().any(|(other, _)| *other == key) {
        return Err(EnvError::Duplicate { key });
    }
    if EnvVars::MAX_ENTRIES <= entries.len() {
        let entries = entries.len() + 1;
        return Err(EnvError::TooMany { entries });
    }
    let len = |(key, value): &(String, String)| key.len() + value.len();
    let bytes = entries.iter().map(len).sum::<usize>() + key.len() + value.len();
    if EnvVars::MAX_BYTES < bytes {
        return Err(EnvError::TooLong { bytes });
    }
    entries.push((key, value));
    Ok(())
}

impl<A: Actor> Cx<'_, A> {
    /// Returns what this actor inherited from whoever spawned it.
    pub fn env(&self) -> EnvVars {
        self.core().env()
    }
}

impl fmt::Debug for EnvVars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl Serialize for EnvVars {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.as_slice().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for EnvVars {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let entries = Vec::<(String, String)>::deserialize(deserializer)?;
        Self::new(entries).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use hypermesh_wire::{decode, encode};

    use super::*;

    fn numbered(entries: usize) -> Vec<(String, String)> {
        (0..entries)
            .map(|n| (format!("k{n}"), String::new()))
            .collect()
    }

    /// Checks that `entries` are refused with `error`, when they are made and when they are decoded.
    #[track_caller]
    fn check(entries: Vec<(String, String)>, error: EnvError) {
        let encoded = encode(&entries).unwrap();
        let text = decode::<EnvVars>(&encoded).unwrap_err().to_string();
        assert!(text.contains(&error.to_string()), "{text}");
        assert_eq!(EnvVars::new(entries), Err(error));
    }

    #[test]
    fn inv1_too_many_too_long_and_equal_ones_are_refused() {
        check(numbered(33), EnvError::TooMany { entries: 33 });
        let long = vec![("k".to_owned(), "v".repeat(EnvVars::MAX_BYTES))];
        let bytes = EnvVars::MAX_BYTES + 1;
        check(long, EnvError::TooLong { bytes });
        let twice = vec![
            ("k".to_owned(), "1".to_owned()),
            ("k".to_owned(), "2".to_owned()),
        ];
        let key = "k".to_owned();
        check(twice, EnvError::Duplicate { key });
    }

    #[test]
    fn what_fits_comes_back_from_its_encoding() {
        for entries in [numbered(0), numbered(32)] {
            let vars = EnvVars::new(entries.clone()).unwrap();
            let back: EnvVars = decode(&encode(&vars).unwrap()).unwrap();
            assert_eq!(back, vars);
            assert_eq!(back.iter().count(), entries.len());
        }
    }
}
