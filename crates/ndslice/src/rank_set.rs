//! Sets of ranks, kept as runs of consecutive ones.
//!
//! # Invariants
//!
//! - **INV-1**: runs are not empty, ascending and disjoint, and no run touches the next one; so
//!   equal sets are equal fields.

use std::fmt;
use std::iter::FusedIterator;
use std::ops::Range;

use crate::region::Region;

/// A set of ranks. It takes memory by the number of its runs, not of its ranks.
///
/// `usize::MAX` is no rank, as no extent is that large; it is never in a set.
///
/// # Examples
///
/// ```
/// use hypermesh_ndslice::RankSet;
///
/// let set: RankSet = [7, 0, 2, 1, 3, 1].into_iter().collect();
/// assert_eq!(set.to_string(), "0..4,7");
/// assert_eq!((set.count(), set.select(4), set.position(7)), (5, Some(7), Some(4)));
/// assert_eq!(set.difference(&RankSet::from(1..3)).to_string(), "0,3,7");
/// ```
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct RankSet {
    runs: Vec<Range<usize>>,
}

impl RankSet {
    /// Returns the set without ranks.
    pub const fn empty() -> Self {
        Self { runs: Vec::new() }
    }

    /// Returns the set of the ranks in `ranges`, which come in any order and may overlap.
    pub fn from_ranges(ranges: impl IntoIterator<Item = Range<usize>>) -> Self {
        let mut ranges: Vec<_> = ranges
            .into_iter()
            .filter(|range| !range.is_empty())
            .collect();
        ranges.sort_unstable_by_key(|range| range.start);
        let mut set = Self::empty();
        for range in ranges {
            set.append(range);
        }
        set
    }

    /// Returns the number of ranks.
    pub fn count(&self) -> usize {
        self.runs.iter().map(ExactSizeIterator::len).sum()
    }

    /// Returns whether there is no rank.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Returns the smallest rank.
    pub fn min(&self) -> Option<usize> {
        self.runs.first().map(|run| run.start)
    }

    /// Returns the largest rank.
    pub fn max(&self) -> Option<usize> {
        self.runs.last().map(|run| run.end - 1)
    }

    /// Returns whether `rank` is in the set.
    pub fn contains(&self, rank: usize) -> bool {
        self.runs
            .get(self.first_run_ending_after(rank))
            .is_some_and(|run| run.start <= rank)
    }

    /// Returns the `n`-th smallest rank, counted from 0.
    pub fn select(&self, n: usize) -> Option<usize> {
        let mut rest = n;
        for run in &self.runs {
            if rest < run.len() {
                return Some(run.start + rest);
            }
            rest -= run.len();
        }
        None
    }

    /// Returns how many ranks are smaller than `rank`, if it is in the set.
    pub fn position(&self, rank: usize) -> Option<usize> {
        let idx = self.first_run_ending_after(rank);
        let run = self.runs.get(idx).filter(|run| run.start <= rank)?;
        let below: usize = self.runs[..idx].iter().map(ExactSizeIterator::len).sum();
        Some(below + rank - run.start)
    }

    /// Returns the maximal runs of consecutive ranks, ascending.
    pub fn runs(
        &self,
    ) -> impl DoubleEndedIterator<Item = Range<usize>> + ExactSizeIterator + Clone {
        self.runs.iter().cloned()
    }

    /// Returns the ranks, ascending.
    pub fn iter(&self) -> RankSetIter<'_> {
        RankSetIter {
            runs: self.runs.iter(),
            front: 0..0,
            back: 0..0,
            left: self.count(),
        }
    }

    /// Adds `rank`, and returns whether it was not there.
    pub fn insert(&mut self, rank: usize) -> bool {
        let is_new = rank != usize::MAX && !self.contains(rank);
        if is_new {
            self.insert_range(rank..rank + 1);
        }
        is_new
    }

    /// Adds the ranks of `range`.
    pub fn insert_range(&mut self, range: Range<usize>) {
        if range.is_empty() {
            return;
        }
        // All runs that overlap or touch the range become one.
        let first = self.runs.partition_point(|run| run.end < range.start);
        let end = self.runs.partition_point(|run| run.start <= range.end);
        let mut joined = range;
        if let Some(run) = self.runs[first..end].first() {
            joined.start = joined.start.min(run.start);
        }
        if let Some(run) = self.runs[first..end].last() {
            joined.end = joined.end.max(run.end);
        }
        self.runs.splice(first..end, [joined]);
    }

    /// Removes `rank`, and returns whether it was there.
    pub fn remove(&mut self, rank: usize) -> bool {
        let idx = self.first_run_ending_after(rank);
        let Some(run) = self.runs.get(idx).filter(|run| run.start <= rank).cloned() else {
            return false;
        };
        let parts = [run.start..rank, rank + 1..run.end];
        self.runs
            .splice(idx..=idx, parts.into_iter().filter(|part| !part.is_empty()));
        true
    }

    /// Returns the ranks that are in either set.
    pub fn union(&self, other: &Self) -> Self {
        let mut union = Self::empty();
        let (mut left, mut right) = (self.runs.iter().peekable(), other.runs.iter().peekable());
        loop {
            let from_left = match (left.peek(), right.peek()) {
                (Some(l), Some(r)) => l.start <= r.start,
                (l, _) => l.is_some(),
            };
            let run = if from_left { left.next() } else { right.next() };
            let Some(run) = run else { return union };
            union.append(run.clone());
        }
    }

    /// Returns the ranks that are in both sets.
    pub fn intersection(&self, other: &Self) -> Self {
        let mut common = Self::empty();
        let (mut l, mut r) = (0, 0);
        while let (Some(left), Some(right)) = (self.runs.get(l), other.runs.get(r)) {
            common.append(left.start.max(right.start)..left.end.min(right.end));
            if left.end <= right.end {
                l += 1;
            } else {
                r += 1;
            }
        }
        common
    }

    /// Returns the ranks of this set that are not in `other`.
    pub fn difference(&self, other: &Self) -> Self {
        let mut rest = Self::empty();
        let mut r = 0;
        for run in &self.runs {
            let mut start = run.start;
            while let Some(hole) = other.runs.get(r).filter(|hole| hole.start < run.end) {
                rest.append(start..hole.start);
                start = start.max(hole.end);
                if run.end < hole.end {
                    break;
                }
                r += 1;
            }
            rest.append(start..run.end);
        }
        rest
    }

    /// Returns the ranks of `0..count` that are not in this set.
    pub fn complement(&self, count: usize) -> Self {
        Self::from(0..count).difference(self)
    }

    /// Returns whether every rank of this set is in `other`.
    pub fn is_subset(&self, other: &Self) -> bool {
        self.runs.iter().all(|run| {
            let around = other.runs.get(other.first_run_ending_after(run.start));
            around.is_some_and(|around| around.start <= run.start && run.end <= around.end)
        })
    }

    /// The first run that has a rank at or after `rank`.
    fn first_run_ending_after(&self, rank: usize) -> usize {
        self.runs.partition_point(|run| run.end <= rank)
    }

    /// Adds a run that starts no earlier than the last one; an empty one adds nothing.
    fn append(&mut self, run: Range<usize>) {
        match self.runs.last_mut() {
            _ if run.is_empty() => {}
            Some(last) if run.start <= last.end => last.end = last.end.max(run.end),
            _ => self.runs.push(run),
        }
    }
}

impl From<Range<usize>> for RankSet {
    fn from(range: Range<usize>) -> Self {
        Self::from_ranges([range])
    }
}

impl From<&Region> for RankSet {
    fn from(region: &Region) -> Self {
        Self {
            runs: region.runs().collect(),
        }
    }
}

impl FromIterator<usize> for RankSet {
    fn from_iter<I: IntoIterator<Item = usize>>(ranks: I) -> Self {
        Self::from_ranges(ranks.into_iter().map(|rank| rank..rank.saturating_add(1)))
    }
}

impl FromIterator<crate::rank::Rank> for RankSet {
    fn from_iter<I: IntoIterator<Item = crate::rank::Rank>>(ranks: I) -> Self {
        ranks.into_iter().map(usize::from).collect()
    }
}

impl<'a> IntoIterator for &'a RankSet {
    type Item = usize;
    type IntoIter = RankSetIter<'a>;

    fn into_iter(self) -> RankSetIter<'a> {
        self.iter()
    }
}

impl fmt::Display for RankSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, run) in self.runs.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            match run.len() {
                1 => write!(f, "{comma}{}", run.start)?,
                _ => write!(f, "{comma}{}..{}", run.start, run.end)?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for RankSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RankSet({self})")
    }
}

/// An iterator over the ranks of a set, ascending.
#[derive(Clone, Debug)]
pub struct RankSetIter<'a> {
    runs: std::slice::Iter<'a, Range<usize>>,
    front: Range<usize>,
    back: Range<usize>,
    left: usize,
}

impl Iterator for RankSetIter<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        if self.front.is_empty() {
            // When all runs are begun, the rest of the last one may be at the back.
            self.front = match self.runs.next() {
                Some(run) => run.clone(),
                None => std::mem::replace(&mut self.back, 0..0),
            };
        }
        let rank = self.front.next()?;
        self.left -= 1;
        Some(rank)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl DoubleEndedIterator for RankSetIter<'_> {
    fn next_back(&mut self) -> Option<usize> {
        if self.back.is_empty() {
            self.back = match self.runs.next_back() {
                Some(run) => run.clone(),
                None => std::mem::replace(&mut self.front, 0..0),
            };
        }
        let rank = self.back.next_back()?;
        self.left -= 1;
        Some(rank)
    }
}

impl ExactSizeIterator for RankSetIter<'_> {}
impl FusedIterator for RankSetIter<'_> {}
