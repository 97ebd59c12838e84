//! The runs and the ranks of a set, and what two sets make when they are merged.

use std::iter::FusedIterator;
use std::ops::{BitAnd, BitOr, Not, Range};

use super::bitmap::BitRuns;
use super::run_list::Run;

/// An iterator over the maximal runs of a set, in either form.
#[derive(Clone, Debug)]
pub(super) enum Spans<'a> {
    Runs(std::slice::Iter<'a, Run>),
    Bits(BitRuns<'a>),
}

impl Iterator for Spans<'_> {
    type Item = Range<usize>;

    #[inline]
    fn next(&mut self) -> Option<Range<usize>> {
        match self {
            Self::Runs(runs) => runs.next().map(|run| run.range()),
            Self::Bits(runs) => runs.next(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match self {
            Self::Runs(runs) => runs.size_hint(),
            Self::Bits(runs) => runs.size_hint(),
        }
    }
}

impl DoubleEndedIterator for Spans<'_> {
    fn next_back(&mut self) -> Option<Range<usize>> {
        match self {
            Self::Runs(runs) => runs.next_back().map(|run| run.range()),
            Self::Bits(runs) => runs.next_back(),
        }
    }
}

impl ExactSizeIterator for Spans<'_> {}

/// An iterator over the ranks of a set, ascending.
///
/// # Examples
///
/// ```
/// let set = hypermesh_ndslice::RankSet::from_ranges([0..2, 7..9]);
/// assert_eq!(set.iter().rev().collect::<Vec<_>>(), [8, 7, 1, 0]);
/// ```
#[derive(Clone, Debug)]
pub struct RankSetIter<'a> {
    runs: Spans<'a>,
    front: Range<usize>,
    back: Range<usize>,
    left: usize,
}

impl<'a> RankSetIter<'a> {
    pub(super) fn new(runs: Spans<'a>, count: usize) -> Self {
        Self {
            runs,
            front: 0..0,
            back: 0..0,
            left: count,
        }
    }
}

impl Iterator for RankSetIter<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        if self.front.is_empty() {
            // When all runs are begun, the rest of the last one may be at the back.
            self.front = match self.runs.next() {
                Some(run) => run,
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

    /// Takes one step for each run that is passed.
    fn nth(&mut self, n: usize) -> Option<usize> {
        let mut skipped = n.min(self.left);
        self.left -= skipped;
        while self.front.len() <= skipped && 0 < skipped {
            skipped -= self.front.len();
            self.front = match self.runs.next() {
                Some(run) => run,
                None => std::mem::replace(&mut self.back, 0..0),
            };
        }
        self.front.start += skipped;
        self.next()
    }
}

impl DoubleEndedIterator for RankSetIter<'_> {
    fn next_back(&mut self) -> Option<usize> {
        if self.back.is_empty() {
            self.back = match self.runs.next_back() {
                Some(run) => run,
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

/// Which ranks of two sets are in the third.
#[derive(Clone, Copy, Debug)]
pub(super) enum Merge {
    Union,
    Intersection,
    Difference,
}

impl Merge {
    /// What becomes of one rank, or of the bits of 64.
    fn apply<T>(self, left: T, right: T) -> T
    where
        T: BitAnd<Output = T> + BitOr<Output = T> + Not<Output = T>,
    {
        match self {
            Self::Union => left | right,
            Self::Intersection => left & right,
            Self::Difference => left & !right,
        }
    }

    /// The merged words; where one list ends, it has zeros.
    pub(super) fn words(self, left: &[u64], right: &[u64]) -> Vec<u64> {
        let n_words = left.len().max(right.len());
        let word = |words: &[u64], idx| words.get(idx).copied().unwrap_or(0);
        (0..n_words)
            .map(|idx| self.apply(word(left, idx), word(right, idx)))
            .collect()
    }

    /// The merged runs, ascending; they may touch.
    pub(super) fn runs<'a>(self, left: Spans<'a>, right: Spans<'a>) -> MergedRuns<'a> {
        MergedRuns {
            merge: self,
            left: Side::new(left),
            right: Side::new(right),
            at: 0,
        }
    }
}

/// One of the two sets of a merge.
struct Side<'a> {
    runs: Spans<'a>,
    run: Option<Range<usize>>,
}

impl<'a> Side<'a> {
    fn new(mut runs: Spans<'a>) -> Self {
        let run = runs.next();
        Self { runs, run }
    }

    /// Whether `at` is in the set, and where that changes next; runs before `at` are dropped.
    fn state(&mut self, at: usize) -> (bool, usize) {
        if self.run.as_ref().is_some_and(|run| run.end <= at) {
            self.run = self.runs.next();
        }
        match &self.run {
            Some(run) if run.start <= at => (true, run.end),
            Some(run) => (false, run.start),
            None => (false, usize::MAX),
        }
    }
}

/// A sweep over the boundaries of the runs of two sets.
pub(super) struct MergedRuns<'a> {
    merge: Merge,
    left: Side<'a>,
    right: Side<'a>,
    at: usize,
}

impl Iterator for MergedRuns<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        while self.at < usize::MAX {
            let (in_left, left_end) = self.left.state(self.at);
            let (in_right, right_end) = self.right.state(self.at);
            let start = self.at;
            self.at = left_end.min(right_end);
            if self.merge.apply(in_left, in_right) {
                return Some(start..self.at);
            }
        }
        None
    }
}
