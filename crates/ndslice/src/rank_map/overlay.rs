//! Overlays: values for some ordinals, to be laid over a map or over another overlay.
//!
//! # Invariants
//!
//! - **INV-1**: runs are not empty and disjoint, and neighbours that touch have different values.

use std::collections::BTreeMap;
use std::ops::Range;

/// Values for some ordinals, as runs of equal ones.
///
/// Setting a run takes O(log runs) and one step for each run that it replaces.
///
/// # Examples
///
/// ```
/// use hypermesh_ndslice::Overlay;
///
/// let mut changes = Overlay::from_iter([(0..10, "old")]);
/// changes.merge(&Overlay::from_iter([(3..6, "new")]));
/// let runs: Vec<_> = changes.runs().collect();
/// assert_eq!(runs, [(0..3, &"old"), (3..6, &"new"), (6..10, &"old")]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Overlay<T> {
    /// The end and the value of each run, by its start.
    runs: BTreeMap<usize, (usize, T)>,
}

impl<T> Overlay<T> {
    /// Returns the overlay without values.
    pub const fn empty() -> Self {
        Self {
            runs: BTreeMap::new(),
        }
    }

    /// Returns whether no ordinal has a value.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Returns the number of ordinals that have a value.
    pub fn count(&self) -> usize {
        self.runs.iter().map(|(start, (end, _))| end - start).sum()
    }

    /// Returns the value of `ordinal`, if it has one.
    pub fn get(&self, ordinal: usize) -> Option<&T> {
        let (_, (end, value)) = self.runs.range(..=ordinal).next_back()?;
        (ordinal < *end).then_some(value)
    }

    /// Returns the maximal runs of equal values, ascending.
    pub fn runs(&self) -> impl DoubleEndedIterator<Item = (Range<usize>, &T)> {
        self.runs
            .iter()
            .map(|(start, (end, value))| (*start..*end, value))
    }

    /// The maximal runs of equal values, ascending, without the overlay.
    pub(super) fn into_runs(self) -> impl Iterator<Item = (Range<usize>, T)> {
        self.runs
            .into_iter()
            .map(|(start, (end, value))| (start..end, value))
    }
}

impl<T: Clone + PartialEq> Overlay<T> {
    /// Gives the ordinals of `range` this value; an empty range changes nothing.
    pub fn set(&mut self, range: Range<usize>, value: T) {
        if range.is_empty() {
            return;
        }
        let Range { mut start, mut end } = range;
        self.cut_at(start);
        self.cut_at(end);
        while let Some((&replaced, _)) = self.runs.range(start..end).next() {
            self.runs.remove(&replaced);
        }
        // Equal neighbours become part of the run.
        if let Some((&before, (before_end, before_value))) = self.runs.range(..start).next_back()
            && *before_end == start
            && *before_value == value
        {
            start = before;
        }
        if let Some((after_end, _)) = self.runs.get(&end).filter(|(_, after)| *after == value) {
            let after_end = *after_end;
            self.runs.remove(&end);
            end = after_end;
        }
        self.runs.insert(start, (end, value));
    }

    /// Lays `other` over this overlay: where both have a value, that of `other` stays.
    pub fn merge(&mut self, other: &Self) {
        for (range, value) in other.runs() {
            self.set(range, value.clone());
        }
    }

    /// Lays `other` over this overlay: where both have a value, it becomes what `join` makes of the
    /// one here and the one in `other`.
    ///
    /// If `join` is commutative, associative and idempotent, so is the merge.
    pub fn merge_with(&mut self, other: &Self, mut join: impl FnMut(&T, &T) -> T) {
        for (range, value) in other.runs() {
            self.cut_at(range.start);
            self.cut_at(range.end);
            let mut joined = Vec::new();
            let mut start = range.start;
            for (&old_start, (old_end, old_value)) in self.runs.range(range.clone()) {
                joined.push((start..old_start, value.clone()));
                joined.push((old_start..*old_end, join(old_value, value)));
                start = *old_end;
            }
            joined.push((start..range.end, value.clone()));
            for (range, value) in joined {
                self.set(range, value);
            }
        }
    }

    /// Makes the run around `at`, if there is one, two runs; INV-1 is broken until they change.
    fn cut_at(&mut self, at: usize) {
        if let Some((_, (end, value))) = self.runs.range_mut(..at).next_back()
            && at < *end
        {
            let tail = (std::mem::replace(end, at), value.clone());
            self.runs.insert(at, tail);
        }
    }
}

impl<T> Default for Overlay<T> {
    fn default() -> Self {
        Self::empty()
    }
}

/// Later runs win.
impl<T: Clone + PartialEq> FromIterator<(Range<usize>, T)> for Overlay<T> {
    fn from_iter<I: IntoIterator<Item = (Range<usize>, T)>>(runs: I) -> Self {
        let mut overlay = Self::empty();
        overlay.extend(runs);
        overlay
    }
}

/// Later runs win.
impl<T: Clone + PartialEq> Extend<(Range<usize>, T)> for Overlay<T> {
    fn extend<I: IntoIterator<Item = (Range<usize>, T)>>(&mut self, runs: I) {
        for (range, value) in runs {
            self.set(range, value);
        }
    }
}
