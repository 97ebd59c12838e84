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
    /// The ordinal of `odometer`, or `end` when nothing is left.
    front: u32,
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
        Self {
            odometer,
            front: 0,
            end: region.count() as u32,
        }
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
        let middle = self.front + at.0 as u32;
        let mut tail = self.clone();
        tail.seek(middle);
        Ok((
            Self {
                end: middle,
                ..self
            },
            tail,
        ))
    }

    /// Moves the front to `ordinal`, which is at most `end`.
    fn seek(&mut self, ordinal: u32) {
        self.front = ordinal;
        if self.front < self.end {
            self.odometer.seek(ordinal);
        }
    }
}

impl Iterator for Ranks {
    type Item = Rank;

    #[inline]
    fn next(&mut self) -> Option<Rank> {
        if self.front == self.end {
            return None;
        }
        let rank = self.odometer.rank;
        self.front += 1;
        if self.front < self.end {
            self.odometer.advance();
        }
        Some(Rank(rank as usize))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = (self.end - self.front) as usize;
        (left, Some(left))
    }

    fn nth(&mut self, n: usize) -> Option<Rank> {
        if self.len() <= n {
            self.front = self.end;
            return None;
        }
        self.seek(self.front + n as u32);
        self.next()
    }
}

impl DoubleEndedIterator for Ranks {
    fn next_back(&mut self) -> Option<Rank> {
        if self.front == self.end {
            return None;
        }
        self.end -= 1;
        Some(Rank(self.odometer.rank_at(self.end) as usize))
    }

    fn nth_back(&mut self, n: usize) -> Option<Rank> {
        if self.len() <= n {
            self.end = self.front;
            return None;
        }
        self.end -= n as u32;
        self.next_back()
    }
}

impl ExactSizeIterator for Ranks {}
impl FusedIterator for Ranks {}

/// An iterator over the ranks of a region as maximal intervals of consecutive ones, ascending.
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
        let blocks = Ranks {
            odometer,
            front: 0,
            end: n_blocks,
        };
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

/// Counts through some dims; neighbouring dims that continue each other are one dim.
#[derive(Clone, Debug)]
struct Odometer {
    offset: u32,
    rank: u32,
    ndim: usize,
    lens: [u32; MAX_DIMS],
    strides: [u32; MAX_DIMS],
    positions: [u32; MAX_DIMS],
}

impl Odometer {
    fn new(offset: u32) -> Self {
        let (lens, strides, positions) = ([1; MAX_DIMS], [0; MAX_DIMS], [0; MAX_DIMS]);
        Self {
            offset,
            rank: offset,
            ndim: 0,
            lens,
            strides,
            positions,
        }
    }

    /// Adds an inner dim.
    fn push(&mut self, len: u32, stride: u32) {
        if len == 1 {
            return;
        }
        if let Some(outer) = self.ndim.checked_sub(1)
            && u64::from(self.strides[outer]) == u64::from(stride) * u64::from(len)
        {
            self.lens[outer] *= len;
            self.strides[outer] = stride;
            return;
        }
        self.lens[self.ndim] = len;
        self.strides[self.ndim] = stride;
        self.ndim += 1;
    }

    /// Goes to the next position; there must be one.
    #[inline]
    fn advance(&mut self) {
        for dim in (0..self.ndim).rev() {
            self.positions[dim] += 1;
            if self.positions[dim] < self.lens[dim] {
                self.rank += self.strides[dim];
                return;
            }
            self.rank -= self.strides[dim] * (self.lens[dim] - 1);
            self.positions[dim] = 0;
        }
    }

    fn seek(&mut self, ordinal: u32) {
        let mut rest = ordinal;
        self.rank = self.offset;
        for dim in (0..self.ndim).rev() {
            self.positions[dim] = rest % self.lens[dim];
            rest /= self.lens[dim];
            self.rank += self.positions[dim] * self.strides[dim];
        }
    }

    fn rank_at(&self, ordinal: u32) -> u32 {
        let mut rest = ordinal;
        let mut rank = self.offset;
        for dim in (0..self.ndim).rev() {
            rank += rest % self.lens[dim] * self.strides[dim];
            rest /= self.lens[dim];
        }
        rank
    }
}
