//! A world: a set of procs that were started together, with a number for ids and a name for people.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, de};

/// The longest name of a world, in bytes.
pub const MAX_WORLD_NAME: usize = 256;

/// The identity of a world. Equality and hash go by the number; the name is a label.
#[derive(Clone, Serialize)]
pub struct WorldId {
    id: u64,
    name: Arc<str>,
}

impl WorldId {
    /// Returns a new world called `name`, with a number of its own.
    ///
    /// The number is random: two worlds are different even if they are called the same. A name longer
    /// than [`MAX_WORLD_NAME`] bytes is cut.
    ///
    /// # Panics
    ///
    /// If the operating system has no randomness to give.
    pub fn new(name: &str) -> Self {
        let id = getrandom::u64().expect("the operating system gives random numbers");
        Self::with_id(id, name)
    }

    /// Returns the world with the number `id`, called `name`.
    pub fn with_id(id: u64, name: &str) -> Self {
        Self {
            id,
            name: cut(name, MAX_WORLD_NAME).into(),
        }
    }

    /// Returns the number of the world, which the ids of its procs contain.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Returns the name of the world.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// Returns the longest prefix of `text` of at most `max` bytes.
pub(crate) fn cut(text: &str, max: usize) -> &str {
    let mut end = text.len().min(max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

impl PartialEq for WorldId {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for WorldId {}

impl Hash for WorldId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

impl fmt::Display for WorldId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl fmt::Debug for WorldId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({:x})", self.name, self.id)
    }
}

impl<'de> Deserialize<'de> for WorldId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename = "WorldId")]
        struct Form {
            id: u64,
            name: String,
        }
        let form = Form::deserialize(deserializer)?;
        if MAX_WORLD_NAME < form.name.len() {
            return Err(de::Error::custom(format_args!(
                "the name of a world has {} bytes, {MAX_WORLD_NAME} are allowed",
                form.name.len()
            )));
        }
        Ok(Self {
            id: form.id,
            name: form.name.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_worlds_of_one_name_are_different() {
        let (first, second) = (WorldId::new("train"), WorldId::new("train"));
        assert_ne!(first, second);
        assert_eq!(first.to_string(), second.to_string());
    }

    #[test]
    fn the_name_is_only_a_label() {
        assert_eq!(WorldId::with_id(7, "a"), WorldId::with_id(7, "b"));
    }

    #[test]
    fn a_long_name_is_cut_by_us_and_refused_from_others() {
        let world = WorldId::with_id(1, &"é".repeat(200));
        assert_eq!(world.name().len(), 256);
        let foreign = hypermesh_wire::encode(&(1_u64, "x".repeat(257))).unwrap();
        assert!(hypermesh_wire::decode::<WorldId>(&foreign).is_err());
        let ours = hypermesh_wire::encode(&world).unwrap();
        assert_eq!(
            hypermesh_wire::decode::<WorldId>(&ours).unwrap().name(),
            world.name()
        );
    }
}
