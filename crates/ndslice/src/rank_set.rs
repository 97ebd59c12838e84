//! Sets of ranks, kept as runs of consecutive ones or, when these are many, as bits.
//!
//! # Invariants
//!
//! - **INV-1**: every rank is below `u32::MAX`, as no extent has more ranks.
//! - **INV-2**: the form is bits only if runs would take at least half of the memory, and runs only
//!   if bits would not take less; between these bounds it stays what it is, so that changes around
//!   one of them convert a set once.
//! - **INV-3**: equality and hash look at the ranks, not at the form.

mod bitmap;
mod run_list;
mod spans;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Range;

use crate::region::Region;
use bitmap::Bitmap;
use run_list::RunList;
pub use spans::RankSetIter;
use spans::{Merge, Spans};

/// One more than the largest rank (INV-1).
const RANKS_END: usize = u32::MAX as usize;

/// Fewer runs than this are not worth a bitmap.
const MIN_BITMAP_RUNS: usize = 16;

/// A set of ranks. It takes memory by the number of its runs, and never more than about two bits
/// for each number up to the largest rank.
///
/// `contains`, `select`, `position` and `count_below` take O(log runs), the operations on two sets
/// one step for each run of both. Numbers from `u32::MAX` on are no ranks, as no extent is that
/// large: they are never in a set, and adding them changes nothing.
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
#[derive(Clone)]
pub struct RankSet {
    form: Form,
}

/// How the ranks are kept.
#[derive(Clone)]
enum Form {
    Runs(RunList),
    Bits(Bitmap),
}

impl RankSet {
    /// Returns the set without ranks.
    pub const fn empty() -> Self {
        Self {
            form: Form::Runs(RunList::empty()),
        }
    }

    /// Returns the set of the ranks in `ranges`, which come in any order and may overlap.
    pub fn from_ranges(ranges: impl IntoIterator<Item = Range<usize>>) -> Self {
        let ranges = ranges.into_iter().filter_map(|range| {
            let range = clamped(range)?;
            Some((range.start as u32, range.end as u32))
        });
        let mut ranges: Vec<_> = ranges.collect();
        ranges.sort_unstable();
        let ranges = ranges.into_iter();
        Self::from_ascending(ranges.map(|(start, end)| start as usize..end as usize))
    }

    /// The set of ranges that are not empty and ascend by their starts.
    fn from_ascending(ranges: impl Iterator<Item = Range<usize>>) -> Self {
        let mut set = Self::empty();
        for range in ranges {
            set.append(&range);
        }
        set.shrunk()
    }

    /// The set of the ranks whose bits are 1.
    pub(crate) fn from_words(words: Vec<u64>) -> Self {
        let mut set = Self {
            form: Form::Bits(Bitmap::from_words(words)),
        };
        set.fit();
        set.shrunk()
    }

    /// Returns the number of ranks.
    pub fn count(&self) -> usize {
        match &self.form {
            Form::Runs(runs) => runs.count(),
            Form::Bits(bits) => bits.count(),
        }
    }

    /// Returns whether there is no rank.
    pub fn is_empty(&self) -> bool {
        self.end() == 0
    }

    /// Returns the smallest rank.
    pub fn min(&self) -> Option<usize> {
        self.spans().next().map(|run| run.start)
    }

    /// Returns the largest rank.
    pub fn max(&self) -> Option<usize> {
        self.end().checked_sub(1)
    }

    /// Returns whether `rank` is in the set.
    pub fn contains(&self, rank: usize) -> bool {
        match &self.form {
            Form::Runs(runs) => runs.contains(rank),
            Form::Bits(bits) => bits.contains(rank),
        }
    }

    /// Returns the `n`-th smallest rank, counted from 0.
    pub fn select(&self, n: usize) -> Option<usize> {
        match &self.form {
            Form::Runs(runs) => runs.select(n),
            Form::Bits(bits) => bits.select(n),
        }
    }

    /// Returns how many ranks are smaller than `rank`, if it is in the set.
    pub fn position(&self, rank: usize) -> Option<usize> {
        self.contains(rank).then(|| self.count_below(rank))
    }

    /// Returns how many ranks are smaller than `rank`.
    pub fn count_below(&self, rank: usize) -> usize {
        match &self.form {
            Form::Runs(runs) => runs.count_below(rank),
            Form::Bits(bits) => bits.count_below(rank),
        }
    }

    /// Returns the smallest rank that is `rank` or above, if there is one.
    pub fn next_at_or_after(&self, rank: usize) -> Option<usize> {
        self.select(self.count_below(rank))
    }

    /// Returns the maximal runs of consecutive ranks, ascending.
    pub fn runs(
        &self,
    ) -> impl DoubleEndedIterator<Item = Range<usize>> + ExactSizeIterator + Clone {
        self.spans()
    }

    /// Returns the ranks, ascending.
    pub fn iter(&self) -> RankSetIter<'_> {
        RankSetIter::new(self.spans(), self.count())
    }

    /// Adds `rank`, and returns whether it was not there.
    pub fn insert(&mut self, rank: usize) -> bool {
        let is_new = rank < RANKS_END && !self.contains(rank);
        if is_new {
            self.insert_range(rank..rank + 1);
        }
        is_new
    }

    /// Adds the ranks of `range`.
    pub fn insert_range(&mut self, range: Range<usize>) {
        let Some(range) = clamped(range) else { return };
        self.make_room(range.end);
        match &mut self.form {
            Form::Runs(runs) => runs.insert(&range),
            Form::Bits(bits) => bits.insert(&range),
        }
        self.fit();
    }

    /// Removes `rank`, and returns whether it was there.
    pub fn remove(&mut self, rank: usize) -> bool {
        let is_old = self.contains(rank);
        if is_old {
            match &mut self.form {
                Form::Runs(runs) => runs.remove(rank),
                Form::Bits(bits) => bits.remove(rank),
            }
            self.fit();
        }
        is_old
    }

    /// Returns the ranks that are in either set.
    pub fn union(&self, other: &Self) -> Self {
        self.merged(other, Merge::Union)
    }

    /// Returns the ranks that are in both sets.
    pub fn intersection(&self, other: &Self) -> Self {
        self.merged(other, Merge::Intersection)
    }

    /// Returns the ranks of this set that are not in `other`.
    pub fn difference(&self, other: &Self) -> Self {
        self.merged(other, Merge::Difference)
    }

    /// Returns the ranks of `0..count` that are not in this set.
    pub fn complement(&self, count: usize) -> Self {
        Self::from(0..count).difference(self)
    }

    /// Returns whether every rank of this set is in `other`.
    pub fn is_subset(&self, other: &Self) -> bool {
        self.spans()
            .all(|run| other.count_below(run.end) - other.count_below(run.start) == run.len())
    }

    fn merged(&self, other: &Self, merge: Merge) -> Self {
        if let (Form::Bits(left), Form::Bits(right)) = (&self.form, &other.form) {
            return Self::from_words(merge.words(left.words(), right.words()));
        }
        Self::from_ascending(merge.runs(self.spans(), other.spans()))
    }

    fn spans(&self) -> Spans<'_> {
        match &self.form {
            Form::Runs(runs) => Spans::Runs(runs.iter()),
            Form::Bits(bits) => Spans::Bits(bits.runs()),
        }
    }

    fn n_runs(&self) -> usize {
        match &self.form {
            Form::Runs(runs) => runs.len(),
            Form::Bits(bits) => bits.n_runs(),
        }
    }

    /// One more than the largest rank.
    fn end(&self) -> usize {
        match &self.form {
            Form::Runs(runs) => runs.end(),
            Form::Bits(bits) => bits.end(),
        }
    }

    /// Adds a range that starts no earlier than the last run.
    fn append(&mut self, range: &Range<usize>) {
        self.make_room(range.end);
        match &mut self.form {
            Form::Runs(runs) => runs.append(range),
            Form::Bits(bits) => bits.insert(range),
        }
        self.fit();
    }

    /// Makes a bitmap runs if the next rank, at most at `end`, would make it too large.
    fn make_room(&mut self, end: usize) {
        if let Form::Bits(bits) = &self.form
            && bits.end() < end
            && is_sparse(bits.n_runs() + 1, end)
        {
            self.use_runs();
        }
    }

    /// Restores INV-2.
    fn fit(&mut self) {
        match &self.form {
            Form::Runs(runs) if is_dense(runs.len(), runs.end()) => {
                self.form = Form::Bits(Bitmap::from_runs(self.spans(), self.end()));
            }
            Form::Bits(bits) if is_sparse(bits.n_runs(), bits.end()) => self.use_runs(),
            _ => {}
        }
    }

    fn use_runs(&mut self) {
        let mut list = RunList::empty();
        for run in self.spans() {
            list.append(&run);
        }
        self.form = Form::Runs(list);
    }

    fn shrunk(mut self) -> Self {
        match &mut self.form {
            Form::Runs(runs) => runs.shrink(),
            Form::Bits(bits) => bits.shrink(),
        }
        self
    }
}

/// Whether runs take more memory than bits.
fn is_dense(n_runs: usize, end: usize) -> bool {
    MIN_BITMAP_RUNS <= n_runs && Bitmap::bytes(end) < RunList::bytes(n_runs)
}

/// Whether runs take less than half of the memory of bits, or there are few.
fn is_sparse(n_runs: usize, end: usize) -> bool {
    n_runs < MIN_BITMAP_RUNS / 2 || 2 * RunList::bytes(n_runs) < Bitmap::bytes(end)
}

/// The ranks of `range` (INV-1), if it has some.
fn clamped(range: Range<usize>) -> Option<Range<usize>> {
    let range = range.start..range.end.min(RANKS_END);
    (!range.is_empty()).then_some(range)
}

impl Default for RankSet {
    fn default() -> Self {
        Self::empty()
    }
}

impl PartialEq for RankSet {
    fn eq(&self, other: &Self) -> bool {
        match (&self.form, &other.form) {
            (Form::Runs(left), Form::Runs(right)) => left == right,
            (Form::Bits(left), Form::Bits(right)) => left == right,
            _ => self.n_runs() == other.n_runs() && self.spans().eq(other.spans()),
        }
    }
}

impl Eq for RankSet {}

impl Hash for RankSet {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for run in self.spans() {
            run.hash(state);
        }
        // No run is empty, so this ends the list.
        (0..0_usize).hash(state);
    }
}

impl From<Range<usize>> for RankSet {
    fn from(range: Range<usize>) -> Self {
        Self::from_ranges([range])
    }
}

impl From<&Region> for RankSet {
    fn from(region: &Region) -> Self {
        Self::from_ascending(region.runs())
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
        for (i, run) in self.spans().enumerate() {
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

#[cfg(test)]
mod tests;
