//! A set of ordinals: who of the members of a cast has answered, who is missing.
//!
//! # Invariants
//!
//! - **INV-1**: the runs are sorted, not empty, and neither overlap nor touch: one set has one form.

use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Deserializer, Serialize, de};

/// A set of ordinals, as sorted runs.
#[derive(Clone, Default, PartialEq, Eq, Hash, Serialize)]
pub struct Ordinals {
    runs: Vec<Range<u64>>,
}

impl Ordinals {
    /// Returns the empty set.
    pub const fn new() -> Self {
        Self { runs: Vec::new() }
    }

    /// Returns the number of ordinals in the set.
    pub fn count(&self) -> u64 {
        self.runs.iter().map(|run| run.end - run.start).sum()
    }

    /// Returns whether the set has no ordinal.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Returns whether `ordinal` is in the set.
    pub fn contains(&self, ordinal: u64) -> bool {
        let idx = self.runs.partition_point(|run| run.end <= ordinal);
        self.runs.get(idx).is_some_and(|run| run.start <= ordinal)
    }

    /// Returns the smallest ordinal of the set.
    pub fn first(&self) -> Option<u64> {
        self.runs.first().map(|run| run.start)
    }

    /// Returns the runs of the set in ascending order.
    pub fn runs(&self) -> &[Range<u64>] {
        &self.runs
    }

    /// Returns the ordinals of the set in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        self.runs.iter().cloned().flatten()
    }

    /// Adds `ordinal`, and returns whether it is new.
    pub fn insert(&mut self, ordinal: u64) -> bool {
        let is_new = !self.contains(ordinal) && ordinal < u64::MAX;
        if is_new {
            self.insert_run(ordinal..ordinal + 1);
        }
        is_new
    }

    /// Adds all ordinals of `run`.
    pub fn insert_run(&mut self, run: Range<u64>) {
        if run.is_empty() {
            return;
        }
        // All runs that overlap or touch the new one become one with it (INV-1).
        let from = self.runs.partition_point(|old| old.end < run.start);
        let to = self.runs.partition_point(|old| old.start <= run.end);
        let joined = match self.runs.get(from..to) {
            Some([first, .., last]) => first.start.min(run.start)..last.end.max(run.end),
            Some([only]) => only.start.min(run.start)..only.end.max(run.end),
            _ => run,
        };
        self.runs.splice(from..to, [joined]);
    }

    /// Adds all ordinals of `other`.
    pub fn extend(&mut self, other: &Ordinals) {
        for run in &other.runs {
            self.insert_run(run.clone());
        }
    }

    /// Returns the ordinals of this set that are not in `other`.
    #[must_use]
    pub fn without(&self, other: &Ordinals) -> Ordinals {
        let mut left = Ordinals::new();
        let mut holes = other.runs.iter().peekable();
        for run in &self.runs {
            let mut start = run.start;
            while holes.next_if(|hole| hole.end <= start).is_some() {}
            while let Some(hole) = holes.peek().copied().filter(|hole| hole.start < run.end) {
                left.insert_run(start..hole.start.max(start));
                start = hole.end;
                if run.end <= hole.end {
                    break;
                }
                holes.next();
            }
            left.insert_run(start..run.end);
        }
        left
    }
}

impl From<Range<u64>> for Ordinals {
    fn from(run: Range<u64>) -> Self {
        let mut set = Self::new();
        set.insert_run(run);
        set
    }
}

impl FromIterator<u64> for Ordinals {
    fn from_iter<I: IntoIterator<Item = u64>>(ordinals: I) -> Self {
        let mut set = Self::new();
        for ordinal in ordinals {
            set.insert(ordinal);
        }
        set
    }
}

impl fmt::Display for Ordinals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (idx, run) in self.runs.iter().enumerate() {
            let comma = if idx == 0 { "" } else { "," };
            match run.end - run.start {
                1 => write!(f, "{comma}{}", run.start)?,
                _ => write!(f, "{comma}{}..{}", run.start, run.end)?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Ordinals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{self}}}")
    }
}

impl<'de> Deserialize<'de> for Ordinals {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename = "Ordinals")]
        struct Form {
            runs: Vec<Range<u64>>,
        }
        let runs = Form::deserialize(deserializer)?.runs;
        let empty = runs.iter().any(Range::is_empty);
        if empty || runs.windows(2).any(|pair| pair[1].start <= pair[0].end) {
            return Err(de::Error::custom(
                "runs of ordinals are not sorted and apart",
            ));
        }
        // Runs that end at different places cannot add up to more than `u64` holds (INV-1).
        Ok(Self { runs })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn inv1_it_behaves_as_a_plain_set(
            ours in prop::collection::vec((0_u64..40, 0_u64..5), 0..12),
            theirs in prop::collection::vec((0_u64..40, 0_u64..5), 0..12),
        ) {
            let build = |runs: &[(u64, u64)]| {
                let (mut set, mut plain) = (Ordinals::new(), BTreeSet::new());
                for (start, len) in runs {
                    set.insert_run(*start..start + len);
                    plain.extend(*start..start + len);
                }
                (set, plain)
            };
            let ((ours, plain_ours), (theirs, plain_theirs)) = (build(&ours), build(&theirs));
            prop_assert!(ours.iter().eq(plain_ours.iter().copied()));
            prop_assert_eq!(ours.count(), plain_ours.len() as u64);
            prop_assert!((0..50).all(|o| ours.contains(o) == plain_ours.contains(&o)));
            prop_assert_eq!(plain_ours.iter().copied().collect::<Ordinals>(), ours.clone());
            let left: Ordinals = plain_ours.difference(&plain_theirs).copied().collect();
            prop_assert_eq!(ours.without(&theirs), left);
            let payload = hypermesh_wire::encode(&ours).unwrap();
            prop_assert_eq!(hypermesh_wire::decode::<Ordinals>(&payload), Ok(ours));
        }
    }

    #[test]
    fn runs_that_are_not_canonical_are_refused() {
        for runs in [[3..3, 5..6], [1..3, 3..5], [4..6, 1..2]] {
            let payload = hypermesh_wire::encode(&(runs.to_vec(),)).unwrap();
            assert!(hypermesh_wire::decode::<Ordinals>(&payload).is_err());
        }
    }
}
