//! Ascending runs of ranks, with the number of ranks before each of them.
//!
//! # Invariants
//!
//! - **INV-1**: runs are not empty, ascending and disjoint, and no run touches the next one.
//! - **INV-2**: `below` is the number of ranks in the runs before.

use std::ops::Range;

/// One run, and how many ranks the runs before it have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    start: u32,
    end: u32,
    below: u32,
}

impl Run {
    pub(super) fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    fn len(self) -> u32 {
        self.end - self.start
    }
}

/// Runs in a list; a lookup is a binary search, a change moves the runs behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RunList {
    runs: Vec<Run>,
}

impl RunList {
    pub(super) const fn empty() -> Self {
        Self { runs: Vec::new() }
    }

    /// The bytes that a list of this many runs takes.
    pub(super) const fn bytes(n_runs: usize) -> usize {
        n_runs.saturating_mul(size_of::<Run>())
    }

    pub(super) fn len(&self) -> usize {
        self.runs.len()
    }

    pub(super) fn iter(&self) -> std::slice::Iter<'_, Run> {
        self.runs.iter()
    }

    /// The number of ranks.
    pub(super) fn count(&self) -> usize {
        self.runs.last().map_or(0, |run| run.below + run.len()) as usize
    }

    /// One more than the largest rank.
    pub(super) fn end(&self) -> usize {
        self.runs.last().map_or(0, |run| run.end) as usize
    }

    pub(super) fn contains(&self, rank: usize) -> bool {
        self.runs
            .get(self.first_ending_after(rank))
            .is_some_and(|run| run.start as usize <= rank)
    }

    pub(super) fn select(&self, n: usize) -> Option<usize> {
        let idx = self.runs.partition_point(|run| run.below as usize <= n);
        let run = self.runs.get(idx.checked_sub(1)?)?;
        let inside = n - run.below as usize;
        (inside < run.len() as usize).then(|| run.start as usize + inside)
    }

    pub(super) fn count_below(&self, rank: usize) -> usize {
        match self.runs.get(self.first_ending_after(rank)) {
            Some(run) => run.below as usize + rank.saturating_sub(run.start as usize),
            None => self.count(),
        }
    }

    /// Adds a run that starts no earlier than the last one.
    pub(super) fn append(&mut self, range: &Range<usize>) {
        match self.runs.last_mut() {
            Some(last) if range.start <= last.end as usize => {
                last.end = last.end.max(range.end as u32);
            }
            _ => {
                let below = self.count() as u32;
                let (start, end) = (range.start as u32, range.end as u32);
                self.runs.push(Run { start, end, below });
            }
        }
    }

    /// Adds the ranks of `range`, which is not empty.
    pub(super) fn insert(&mut self, range: &Range<usize>) {
        let (mut start, mut end) = (range.start as u32, range.end as u32);
        // All runs that overlap or touch the range become one.
        let first = self.runs.partition_point(|run| run.end < start);
        let behind = self.runs.partition_point(|run| run.start <= end);
        if let [leading, .., last] | [leading @ last] = &self.runs[first..behind] {
            start = start.min(leading.start);
            end = end.max(last.end);
        }
        let below = 0;
        self.runs.splice(first..behind, [Run { start, end, below }]);
        self.recount(first);
    }

    /// Removes `rank`, which is there.
    pub(super) fn remove(&mut self, rank: usize) {
        let idx = self.first_ending_after(rank);
        let Some(run) = self.runs.get(idx).copied() else {
            return;
        };
        let (before, behind) = (rank as u32, rank as u32 + 1);
        let parts = [
            Run { end: before, ..run },
            Run {
                start: behind,
                ..run
            },
        ];
        let parts = parts.into_iter().filter(|part| part.start < part.end);
        self.runs.splice(idx..=idx, parts);
        self.recount(idx);
    }

    /// Gives back what the list has allocated and does not use.
    pub(super) fn shrink(&mut self) {
        self.runs.shrink_to_fit();
    }

    /// Restores INV-2 from the run at `idx` on.
    fn recount(&mut self, idx: usize) {
        let before = idx.checked_sub(1).and_then(|before| self.runs.get(before));
        let mut below = before.map_or(0, |run| run.below + run.len());
        for run in &mut self.runs[idx..] {
            run.below = below;
            below += run.len();
        }
    }

    /// The first run that has a rank at or after `rank`.
    fn first_ending_after(&self, rank: usize) -> usize {
        self.runs.partition_point(|run| run.end as usize <= rank)
    }
}
