//! The ranks of a region: one by one in its own order, or as ascending runs.

use std::iter::FusedIterator;
use std::ops;

use super::Region;
use crate::extent::MAX_DIMS;
use crate::rank::{Ordinal, Rank};
use crate::shape_error::ShapeError;

/// An iterator over the ranks of a region, in the order of their ordinals. It allocates nothing;
/// `nth` takes O(dims).
///
/// # Examples
///
/// ```
/// let region = hypermesh_ndslice::shape!(x = 2, y = 3).at("x", 1)?;
/// assert_eq!(region.ranks().map(usize::from).collect::<Vec<_>>(), [3, 4, 5]);
/// assert_eq!(region.ranks().rev().nth(1), Some(4.into()));
/// # Ok::<(), hypermesh_ndslice::ShapeError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Ranks {
    odometer: Odometer,
    /// The next rank, if it is not `row_stop`.
    rank: u64,
    /// What follows the last rank of the row.
    row_stop: u64,
    /// The ordinal behind the row.
    row_end: u32,
    /// The ordinal behind the last rank.
    end: u32,
}

impl Ranks {
    pub(super) fn new(region: &Region) -> Self {
        let strides = region.base.strides();
        let mut odometer = Odometer::new(region.offset());
        for dim in region.dims() {
            let axis = region.axes[dim];
            odometer.push(axis.len, axis.step * strides[dim]);
        }
        Self::over(odometer, region.count() as u32)
    }

    /// All `count` positions of `odometer`.
    fn over(odometer: Odometer, count: u32) -> Self {
        let mut ranks = Self {
            odometer,
            rank: 0,
            row_stop: 0,
            row_end: 0,
            end: count,
        };
        ranks.seek(0);
        ranks
    }

    /// Returns an iterator over the first `at` ranks that are left, and one over the others.
    ///
    /// # Errors
    ///
    /// [`ShapeError::OutOfRange`] when fewer than `at` ranks are left.
    pub fn split_at(self, at: Ordinal) -> Result<(Self, Self), ShapeError> {
        let left = self.len();
        if left < at.0 {
            return Err(ShapeError::OutOfRange {
                dim: None,
                index: at.0,
                size: left,
            });
        }
        let middle = self.front() + at.0 as u32;
        let (mut head, mut tail) = (self.clone(), self);
        head.truncate(middle);
        tail.seek(middle);
        Ok((head, tail))
    }

    /// The ordinal of the next rank; `end` if there is none.
    fn front(&self) -> u32 {
        self.row_end - self.in_row()
    }

    /// How many ranks the row has left.
    fn in_row(&self) -> u32 {
        ((self.row_stop - self.rank) / self.odometer.row_stride) as u32
    }

    /// Moves the front to `ordinal`, which is at most `end`.
    fn seek(&mut self, ordinal: u32) {
        let row_len = self.odometer.row_len;
        let inside = ordinal % row_len;
        let row_left = (row_len - inside).min(self.end - ordinal);
        self.row_end = ordinal + row_left;
        if 0 < row_left {
            self.odometer.seek_row(ordinal / row_len);
        }
        self.rank = u64::from(self.odometer.row) + u64::from(inside) * self.odometer.row_stride;
        self.row_stop = self.rank + u64::from(row_left) * self.odometer.row_stride;
    }

    /// Moves the end to `ordinal`, which is at least the front.
    fn truncate(&mut self, ordinal: u32) {
        self.end = ordinal;
        let beyond = self.row_end.saturating_sub(ordinal);
        self.row_stop -= u64::from(beyond) * self.odometer.row_stride;
        self.row_end -= beyond;
    }

    /// Goes to the next row, if there is one; nothing may be left of this one.
    // Always inlined: a call would keep the whole iterator in memory, a load and a store for each rank.
    #[inline(always)]
    fn begin_row(&mut self) -> Option<()> {
        if self.row_end == self.end {
            return None;
        }
        self.odometer.advance_row();
        let in_row = self.odometer.row_len.min(self.end - self.row_end);
        self.rank = u64::from(self.odometer.row);
        self.row_stop = self.rank + u64::from(in_row) * self.odometer.row_stride;
        self.row_end += in_row;
        Some(())
    }
}

impl Iterator for Ranks {
    type Item = Rank;

    #[inline(always)]
    fn next(&mut self) -> Option<Rank> {
        if self.rank == self.row_stop {
            self.begin_row()?;
        }
        let rank = self.rank;
        self.rank += self.odometer.row_stride;
        Some(Rank(rank as usize))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = (self.end - self.front()) as usize;
        (left, Some(left))
    }

    fn nth(&mut self, n: usize) -> Option<Rank> {
        if self.len() <= n {
            self.seek(self.end);
            return None;
        }
        self.seek(self.front() + n as u32);
        self.next()
    }

    fn fold<B, F: FnMut(B, Rank) -> B>(mut self, init: B, mut f: F) -> B {
        let mut folded = init;
        loop {
            let mut rank = self.rank;
            for _ in 0..self.in_row() {
                folded = f(folded, Rank(rank as usize));
                rank += self.odometer.row_stride;
            }
            self.rank = self.row_stop;
            if self.begin_row().is_none() {
                return folded;
            }
        }
    }
}

impl DoubleEndedIterator for Ranks {
    fn next_back(&mut self) -> Option<Rank> {
        if self.rank == self.row_stop && self.row_end == self.end {
            return None;
        }
        self.end -= 1;
        if self.end < self.row_end {
            self.row_end = self.end;
            self.row_stop -= self.odometer.row_stride;
            return Some(Rank(self.row_stop as usize));
        }
        Some(Rank(self.odometer.rank_at(self.end) as usize))
    }

    fn nth_back(&mut self, n: usize) -> Option<Rank> {
        if self.len() <= n {
            self.truncate(self.front());
            return None;
        }
        self.truncate(self.end - n as u32 - 1);
        Some(Rank(self.odometer.rank_at(self.end) as usize))
    }
}

impl ExactSizeIterator for Ranks {}
impl FusedIterator for Ranks {}

/// An iterator over the ranks of a region as maximal intervals of consecutive ones, ascending;
/// made by [`Region::runs`].
///
/// # Examples
///
/// ```
/// let region = hypermesh_ndslice::shape!(host = 3, gpu = 4).range("gpu", ..2)?;
/// let mut runs = region.runs();
/// assert_eq!((runs.next(), runs.next(), runs.last()), (Some(0..2), Some(4..6), Some(8..10)));
/// # Ok::<(), hypermesh_ndslice::ShapeError>(())
/// ```
#[derive(Clone, Debug)]
pub struct RankRuns {
    /// The first ranks of blocks of `block` consecutive ranks, ascending.
    blocks: Ranks,
    block: usize,
    /// A run that the next block may prolong.
    open: Option<ops::Range<usize>>,
}

impl RankRuns {
    pub(super) fn new(region: &Region) -> Self {
        let base = &region.base;
        let strides = base.strides();
        // From the innermost dim outwards, whole dims merge into one block. The next dim still
        // does if it is contiguous, and then no further one.
        let mut n_outer = base.ndim();
        let mut block = 1;
        while 0 < n_outer {
            let axis = region.axes[n_outer - 1];
            if axis.step != 1 {
                break;
            }
            n_outer -= 1;
            block *= axis.len;
            if axis.len != base.size_at(n_outer) {
                break;
            }
        }
        let mut odometer = Odometer::new(region.offset());
        let mut n_blocks = 1;
        for (axis, stride) in region.axes.iter().zip(strides).take(n_outer) {
            odometer.push(axis.len, axis.step * stride);
            n_blocks *= axis.len;
        }
        let blocks = Ranks::over(odometer, n_blocks);
        Self {
            blocks,
            block: block as usize,
            open: None,
        }
    }
}

impl Iterator for RankRuns {
    type Item = ops::Range<usize>;

    fn next(&mut self) -> Option<ops::Range<usize>> {
        for Rank(start) in self.blocks.by_ref() {
            let end = start + self.block;
            match &mut self.open {
                Some(open) if open.end == start => open.end = end,
                open => {
                    if let Some(run) = open.replace(start..end) {
                        return Some(run);
                    }
                }
            }
        }
        self.open.take()
    }
}

impl FusedIterator for RankRuns {}

/// Counts through the rows of some dims; neighbouring dims that continue each other are one dim.
#[derive(Clone, Debug)]
struct Odometer {
    offset: u32,
    /// The first rank of the row.
    row: u32,
    /// The dims around a row, outermost first.
    n_outer: usize,
    lens: [u32; MAX_DIMS],
    strides: [u32; MAX_DIMS],
    positions: [u32; MAX_DIMS],
    /// The innermost dim, which is the row; without dims it has one rank.
    row_len: u32,
    row_stride: u64,
}

impl Odometer {
    fn new(offset: u32) -> Self {
        let (lens, strides, positions) = ([1; MAX_DIMS], [0; MAX_DIMS], [0; MAX_DIMS]);
        Self {
            offset,
            row: offset,
            n_outer: 0,
            lens,
            strides,
            positions,
            row_len: 1,
            row_stride: 1,
        }
    }

    /// Adds an inner dim.
    fn push(&mut self, len: u32, stride: u32) {
        if len == 1 {
            return;
        }
        if self.row_stride == u64::from(stride) * u64::from(len) {
            self.row_len *= len;
        } else {
            if 1 < self.row_len {
                self.lens[self.n_outer] = self.row_len;
                self.strides[self.n_outer] = self.row_stride as u32;
                self.n_outer += 1;
            }
            self.row_len = len;
        }
        self.row_stride = u64::from(stride);
    }

    /// Goes to the next row; there must be one.
    #[inline(always)]
    fn advance_row(&mut self) {
        for dim in (0..self.n_outer).rev() {
            self.positions[dim] += 1;
            if self.positions[dim] < self.lens[dim] {
                self.row += self.strides[dim];
                return;
            }
            self.row -= self.strides[dim] * (self.lens[dim] - 1);
            self.positions[dim] = 0;
        }
    }

    fn seek_row(&mut self, row_idx: u32) {
        let mut rest = row_idx;
        self.row = self.offset;
        for dim in (0..self.n_outer).rev() {
            self.positions[dim] = rest % self.lens[dim];
            rest /= self.lens[dim];
            self.row += self.positions[dim] * self.strides[dim];
        }
    }

    fn rank_at(&self, ordinal: u32) -> u32 {
        let mut rest = ordinal / self.row_len;
        let mut rank = self.offset + ordinal % self.row_len * self.row_stride as u32;
        for dim in (0..self.n_outer).rev() {
            rank += rest % self.lens[dim] * self.strides[dim];
            rest /= self.lens[dim];
        }
        rank
    }
}
