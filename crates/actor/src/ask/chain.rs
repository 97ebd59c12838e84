//! Who waits for whom: the actors between a first question and the one that is asked now.

use std::fmt;

use hypermesh_mailbox::ActorId;
use serde::{Deserialize, Serialize};

use crate::failure::boundary;

/// The most actors that a chain names. Of a longer one the last are kept.
const MAX_LINKS: usize = 16;

/// The longest label in a chain, in bytes.
const MAX_LABEL: usize = 48;

/// Actors that wait for each other, the first one that asked first. At most 16 are named.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallChain(Vec<CallLink>);

/// One actor of a [`CallChain`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CallLink {
    /// The actor.
    pub actor: ActorId,
    /// Its name, or the name of its type; cut at 48 bytes.
    pub label: String,
}

impl CallChain {
    /// Returns the actors, the first that asked first.
    pub fn links(&self) -> &[CallLink] {
        &self.0
    }

    /// Appends the actor that is asked by the last one.
    #[must_use]
    pub fn then(mut self, actor: ActorId, label: &str) -> Self {
        if MAX_LINKS <= self.0.len() {
            self.0.remove(0);
        }
        let label = label[..boundary(label, MAX_LABEL)].to_owned();
        self.0.push(CallLink { actor, label });
        self
    }

    /// Returns the part of the chain that begins with `actor`, if it is in there.
    pub(crate) fn from(&self, actor: ActorId) -> Option<Self> {
        let idx = self.0.iter().position(|link| link.actor == actor)?;
        Some(Self(self.0[idx..].to_vec()))
    }
}

impl fmt::Display for CallChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (idx, link) in self.0.iter().take(MAX_LINKS).enumerate() {
            let arrow = if idx == 0 { "" } else { " -> " };
            let label = &link.label[..boundary(&link.label, MAX_LABEL)];
            write!(f, "{arrow}{label}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use hypermesh_mailbox::ProcId;

    use super::*;

    fn chain(labels: impl IntoIterator<Item = u64>) -> CallChain {
        let proc = ProcId::new(1, 0, 0);
        labels.into_iter().fold(CallChain::default(), |chain, n| {
            chain.then(proc.actor(n, 0), &format!("a{n}"))
        })
    }

    #[test]
    fn a_chain_names_its_actors_in_order() {
        assert_eq!(chain([1, 2, 1]).to_string(), "a1 -> a2 -> a1");
        assert_eq!(CallChain::default().to_string(), "");
    }

    #[test]
    fn a_long_chain_keeps_its_end_and_short_labels() {
        let long = chain(0..20);
        assert_eq!(long, chain(4..20));
        let id = ProcId::new(1, 0, 0).actor(1, 0);
        let wide = CallChain::default().then(id, &"ß".repeat(100));
        assert_eq!(wide.links()[0].label, "ß".repeat(24));
    }

    #[test]
    fn a_chain_is_cut_at_the_actor_that_it_comes_back_to() {
        let id = ProcId::new(1, 0, 0).actor(2, 0);
        assert_eq!(chain([1, 2, 3]).from(id), Some(chain([2, 3])));
        assert_eq!(chain([1, 3]).from(id), None);
    }
}
