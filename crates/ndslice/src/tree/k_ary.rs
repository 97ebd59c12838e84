//! The k-ary tree: at most `fan_out` children of nearly equal size.
//!
//! # Invariants
//!
//! - **INV-1**: the sizes of siblings fall and differ by at most one.
//! - **INV-2**: a node has at most `fan_out` children, and fewer only if it has no more ordinals.

use std::iter::FusedIterator;
use std::ops::Range;

use super::{LiveChildren, Path, Plan, TreeError, check_interval, check_ordinal, sealed};
use crate::rank_set::RankSet;

/// Returns the intervals of the children of the first ordinal of `interval`, ascending, in O(1)
/// each.
///
/// # Examples
///
/// ```
/// use hypermesh_ndslice::tree;
///
/// assert_eq!(tree::children(0..8, 3)?.collect::<Vec<_>>(), [1..4, 4..6, 6..8]);
/// assert_eq!(tree::children(4..5, 3)?.len(), 0);
/// # Ok::<(), tree::TreeError>(())
/// ```
///
/// # Errors
///
/// [`TreeError`] when the interval is empty or the fan-out below 2.
pub fn children(interval: Range<usize>, fan_out: usize) -> Result<Children, TreeError> {
    let plan = KAry::new(fan_out)?;
    check_interval(&interval)?;
    Ok(plan.children_of(interval))
}

/// Returns the intervals that someone outside of `interval` sends to: a partition of all of it,
/// ascending, into at most `fan_out` parts. An empty interval has none.
///
/// # Examples
///
/// ```
/// use hypermesh_ndslice::tree;
///
/// assert_eq!(tree::roots(0..7, 3)?.collect::<Vec<_>>(), [0..3, 3..5, 5..7]);
/// # Ok::<(), tree::TreeError>(())
/// ```
///
/// # Errors
///
/// [`TreeError`] when the fan-out is below 2.
pub fn roots(interval: Range<usize>, fan_out: usize) -> Result<Children, TreeError> {
    KAry::new(fan_out)?;
    Ok(Children::cut(interval, fan_out))
}

/// Returns the intervals that the first ordinal of `interval` sends to when only the ordinals in
/// `members` are to be reached: those of its children that have members, each from its first member
/// on.
///
/// Every member of `interval` but its first ordinal is reached exactly once that way.
///
/// # Examples
///
/// ```
/// use hypermesh_ndslice::{RankSet, tree};
///
/// let alive = RankSet::from_ranges([0..1, 3..6]);
/// let live: Vec<_> = tree::live_children(0..8, 3, &alive)?.collect();
/// assert_eq!(live, [3..4, 4..6]);
/// # Ok::<(), tree::TreeError>(())
/// ```
///
/// # Errors
///
/// [`TreeError`] when the interval is empty or the fan-out below 2.
pub fn live_children(
    interval: Range<usize>,
    fan_out: usize,
    members: &RankSet,
) -> Result<LiveChildren<'_, KAry>, TreeError> {
    Ok(LiveChildren::new(children(interval, fan_out)?, members))
}

/// Returns the parent of `ordinal` in the tree over `interval`; the root has none.
///
/// # Errors
///
/// [`TreeError`] when the tree is empty, the fan-out below 2 or `ordinal` not in the tree.
pub fn parent(
    ordinal: usize,
    interval: Range<usize>,
    fan_out: usize,
) -> Result<Option<usize>, TreeError> {
    Ok(path(ordinal, interval, fan_out)?.parent())
}

/// Returns the nodes from the root of the tree over `interval` to `ordinal`, both included.
///
/// # Examples
///
/// ```
/// use hypermesh_ndslice::tree;
///
/// assert_eq!(tree::path(5, 0..8, 3)?.collect::<Vec<_>>(), [0, 4, 5]);
/// # Ok::<(), tree::TreeError>(())
/// ```
///
/// # Errors
///
/// [`TreeError`] when the tree is empty, the fan-out below 2 or `ordinal` not in the tree.
pub fn path(
    ordinal: usize,
    interval: Range<usize>,
    fan_out: usize,
) -> Result<Path<KAry>, TreeError> {
    let plan = KAry::new(fan_out)?;
    check_ordinal(ordinal, &interval)?;
    Ok(Path::new(plan, ordinal, interval))
}

/// Returns the interval that `ordinal` hands on in the tree over `interval`: itself and all below.
///
/// # Examples
///
/// ```
/// use hypermesh_ndslice::tree;
///
/// assert_eq!(tree::subtree(4, 0..8, 3)?, 4..6);
/// # Ok::<(), tree::TreeError>(())
/// ```
///
/// # Errors
///
/// [`TreeError`] when the tree is empty, the fan-out below 2 or `ordinal` not in the tree.
pub fn subtree(
    ordinal: usize,
    interval: Range<usize>,
    fan_out: usize,
) -> Result<Range<usize>, TreeError> {
    Ok(path(ordinal, interval, fan_out)?.subtree())
}

/// Returns the number of hops from the root of the tree over `0..count` to its farthest node.
///
/// # Errors
///
/// [`TreeError`] when the tree is empty or the fan-out below 2.
pub fn depth(count: usize, fan_out: usize) -> Result<usize, TreeError> {
    KAry::new(fan_out)?;
    check_interval(&(0..count))?;
    let mut depth = 0;
    let mut largest = count;
    while 1 < largest {
        largest = (largest - 1).div_ceil(fan_out);
        depth += 1;
    }
    Ok(depth)
}

/// The plan of the k-ary tree: the parameter of its [`Path`] and [`LiveChildren`].
///
/// # Examples
///
/// ```
/// use hypermesh_ndslice::tree::{self, KAry, Path};
///
/// let path: Path<KAry> = tree::path(5, 0..8, 3)?;
/// assert_eq!(path.last(), Some(5));
/// # Ok::<(), tree::TreeError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KAry {
    fan_out: usize,
}

impl KAry {
    pub(super) fn new(fan_out: usize) -> Result<Self, TreeError> {
        if fan_out < 2 {
            return Err(TreeError::FanOutTooSmall { fan_out });
        }
        Ok(Self { fan_out })
    }
}

impl sealed::Sealed for KAry {}

impl Plan for KAry {
    type Children = Children;

    fn children_of(self, interval: Range<usize>) -> Children {
        Children::cut(interval.start + 1..interval.end, self.fan_out)
    }

    fn towards(self, interval: Range<usize>, ordinal: usize) -> Option<Range<usize>> {
        self.children_of(interval).containing(ordinal)
    }
}

/// An iterator over the intervals of the children of a node, made by [`children`], or of a
/// partition, made by [`roots`].
///
/// # Examples
///
/// ```
/// use hypermesh_ndslice::tree;
///
/// let mut children = tree::children(0..8, 3)?;
/// assert_eq!((children.len(), children.next_back(), children.nth(1)), (3, Some(6..8), Some(4..6)));
/// # Ok::<(), tree::TreeError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Children {
    rest: Range<usize>,
    n_left: usize,
    /// How many of those that are left have one ordinal more.
    n_larger: usize,
    smaller: usize,
}

impl Children {
    /// The partition of `rest` into at most `fan_out` parts, which is not 0.
    fn cut(rest: Range<usize>, fan_out: usize) -> Self {
        let n_left = fan_out.min(rest.len());
        let (smaller, n_larger) = match n_left {
            0 => (0, 0),
            _ => (rest.len() / n_left, rest.len() % n_left),
        };
        Self {
            rest,
            n_left,
            n_larger,
            smaller,
        }
    }

    /// Returns the interval that `ordinal` is in, in O(1).
    pub(super) fn containing(mut self, ordinal: usize) -> Option<Range<usize>> {
        let offset = ordinal.checked_sub(self.rest.start)?;
        let in_larger = self.n_larger * (self.smaller + 1);
        let nth = if offset < in_larger {
            offset / (self.smaller + 1)
        } else {
            self.n_larger + (offset - in_larger).checked_div(self.smaller)?
        };
        self.nth(nth)
    }
}
impl Iterator for Children {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        self.nth(0)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.n_left, Some(self.n_left))
    }

    fn nth(&mut self, n: usize) -> Option<Range<usize>> {
        let skipped = n.min(self.n_left);
        let n_larger = skipped.min(self.n_larger);
        self.rest.start += skipped * self.smaller + n_larger;
        self.n_left -= skipped;
        self.n_larger -= n_larger;
        self.n_left = self.n_left.checked_sub(1)?;
        let is_larger = usize::from(0 < self.n_larger);
        self.n_larger -= is_larger;
        let start = self.rest.start;
        self.rest.start += self.smaller + is_larger;
        Some(start..self.rest.start)
    }
}

impl DoubleEndedIterator for Children {
    fn next_back(&mut self) -> Option<Range<usize>> {
        let n_left = self.n_left.checked_sub(1)?;
        let is_larger = usize::from(self.n_left == self.n_larger);
        self.n_left = n_left;
        self.n_larger -= is_larger;
        let end = self.rest.end;
        self.rest.end -= self.smaller + is_larger;
        Some(self.rest.end..end)
    }
}

impl ExactSizeIterator for Children {}
impl FusedIterator for Children {}
