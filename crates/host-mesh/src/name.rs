//! The name of a mesh of hosts.

use std::{fmt, str::FromStr, sync::Arc};

use hypermesh_wire::{Named, TypeKey};
use serde::{Deserialize, Serialize};

/// The longest name, in bytes.
const MAX_LEN: usize = 64;

/// The name of a mesh: 1 to 64 bytes of letters, digits, `_`, `-` and `.`, so that it can stand in the
/// text of a ref.
///
/// # Examples
///
/// ```
/// use hypermesh_host_mesh::Name;
///
/// let name: Name = "trainers".parse()?;
/// assert_eq!(name.as_str(), "trainers");
/// assert!("a:b".parse::<Name>().is_err());
/// # Ok::<(), hypermesh_host_mesh::NameError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(Arc<str>);

impl Name {
    /// Returns the name `text`.
    ///
    /// # Errors
    ///
    /// [`NameError`] if it is empty, too long, or has a character that no name has.
    pub fn new(text: &str) -> Result<Self, NameError> {
        let legal = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
        if text.is_empty() || MAX_LEN < text.len() {
            return Err(NameError::Length {
                len: text.len(),
                max: MAX_LEN,
            });
        }
        match text.char_indices().find(|&(_, c)| !legal(c)) {
            Some((at, found)) => Err(NameError::Character {
                name: text.to_owned(),
                found,
                at,
            }),
            None => Ok(Self(text.into())),
        }
    }

    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Named for Name {
    const KEY: TypeKey = TypeKey::of("hypermesh_host_mesh::Name");

    fn name() -> std::borrow::Cow<'static, str> {
        "hypermesh_host_mesh::Name".into()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::new(text)
    }
}

impl TryFrom<String> for Name {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        Self::new(&text)
    }
}

impl TryFrom<&str> for Name {
    type Error = NameError;

    fn try_from(text: &str) -> Result<Self, NameError> {
        Self::new(text)
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0.as_ref().to_owned()
    }
}

/// Error returned for a text that is no [`Name`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// It is empty or too long.
    #[error("a name has 1 to {max} bytes, this one has {len}")]
    Length {
        /// The bytes it has.
        len: usize,
        /// The most it may have.
        max: usize,
    },
    /// It has a character that no name has.
    #[error("the name {name:?} has {found:?} at byte {at}")]
    Character {
        /// The text.
        name: String,
        /// The character.
        found: char,
        /// Where it stands.
        at: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_and_has_no_separators() {
        let check =
            |text: &str, legal: bool| assert_eq!(Name::new(text).is_ok(), legal, "{text:?}");
        check("test", true);
        check("a-b_c.9", true);
        check("größe", true);
        check(&"x".repeat(64), true);
        for bad in ["", "a b", "a:b", "a,b", "a@b", "a\n", &"x".repeat(65)] {
            check(bad, false);
        }
    }
}
