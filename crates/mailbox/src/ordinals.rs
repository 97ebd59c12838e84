//! A set of ordinals: who of the members of a cast has answered, who is missing.
//!
//! Ordinals travel as `u64`, and a mesh has at most `u32::MAX` of them, as no extent is larger: larger
//! numbers are no members, and are never in a set.

use std::fmt;
use std::ops::Range;

use hypermesh_ndslice::RankSet;
use serde::{Deserialize, Serialize};

/// A set of ordinals, in memory by the number of its runs.
#[derive(Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Ordinals(RankSet);

impl Ordinals {
    /// Returns the empty set.
    pub const fn new() -> Self {
        Self(RankSet::empty())
    }

    /// Returns the number of ordinals in the set.
    pub fn count(&self) -> u64 {
        self.0.count() as u64
    }

    /// Returns whether the set has no ordinal.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns whether `ordinal` is in the set.
    pub fn contains(&self, ordinal: u64) -> bool {
        self.0.contains(rank(ordinal))
    }

    /// Returns the smallest ordinal of the set.
    pub fn first(&self) -> Option<u64> {
        self.0.min().map(|rank| rank as u64)
    }

    /// Returns the ordinals of the set in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        self.0.iter().map(|rank| rank as u64)
    }

    /// Adds `ordinal`, and returns whether it is new.
    pub fn insert(&mut self, ordinal: u64) -> bool {
        self.0.insert(rank(ordinal))
    }

    /// Adds all ordinals of `other`.
    pub fn extend(&mut self, other: &Ordinals) {
        self.0 = self.0.union(&other.0);
    }

    /// Returns the ordinals of this set that are not in `other`.
    #[must_use]
    pub fn without(&self, other: &Ordinals) -> Ordinals {
        Self(self.0.difference(&other.0))
    }
}

/// The ordinal as a rank; one that does not fit is larger than every rank of a set.
fn rank(ordinal: u64) -> usize {
    usize::try_from(ordinal).unwrap_or(usize::MAX)
}

impl From<RankSet> for Ordinals {
    fn from(ranks: RankSet) -> Self {
        Self(ranks)
    }
}

impl From<Range<u64>> for Ordinals {
    fn from(run: Range<u64>) -> Self {
        Self(RankSet::from(rank(run.start)..rank(run.end)))
    }
}

impl FromIterator<u64> for Ordinals {
    fn from_iter<I: IntoIterator<Item = u64>>(ordinals: I) -> Self {
        Self(ordinals.into_iter().map(rank).collect())
    }
}

impl fmt::Display for Ordinals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Ordinals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{self}}}")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_behaves_as_a_plain_set(
            plain_ours in prop::collection::btree_set(0_u64..60, 0..40),
            plain_theirs in prop::collection::btree_set(0_u64..60, 0..40),
        ) {
            let (ours, theirs): (Ordinals, Ordinals) =
                (plain_ours.iter().copied().collect(), plain_theirs.iter().copied().collect());
            prop_assert!(ours.iter().eq(plain_ours.iter().copied()));
            prop_assert_eq!(ours.count(), plain_ours.len() as u64);
            prop_assert_eq!(ours.first(), plain_ours.first().copied());
            prop_assert!((0..60).all(|o| ours.contains(o) == plain_ours.contains(&o)));
            let left: BTreeSet<u64> = plain_ours.difference(&plain_theirs).copied().collect();
            prop_assert!(ours.without(&theirs).iter().eq(left));
            let mut both = ours.clone();
            both.extend(&theirs);
            prop_assert!(both.iter().eq(plain_ours.union(&plain_theirs).copied()));
            let payload = hypermesh_wire::encode(&ours).unwrap();
            prop_assert_eq!(hypermesh_wire::decode::<Ordinals>(&payload), Ok(ours));
        }
    }

    #[test]
    fn a_number_beyond_all_ranks_is_no_member() {
        for ordinal in [u64::from(u32::MAX), u64::MAX] {
            let mut set = Ordinals::from(0..ordinal);
            assert!(!set.insert(ordinal));
            assert!(!set.contains(ordinal));
            assert_eq!(set.count(), u64::from(u32::MAX));
        }
    }
}
