//! Multicast trees as pure functions over intervals of ordinals.
//!
//! A node of the tree is the first ordinal of its interval; the intervals of its children partition
//! the rest. So a message that carries an interval carries all there is to know: every ordinal is
//! reached exactly once, and nothing is set up, kept or torn down.
//!
//! # Invariants
//!
//! - **INV-1**: the intervals of siblings are disjoint, ascending, and their sizes differ by at
//!   most one.
//! - **INV-2**: a node has at most `fan_out` children, and fewer only if it has no more ordinals.

use std::error::Error;
use std::fmt;
use std::iter::FusedIterator;
use std::ops::Range;

use crate::rank_set::RankSet;

/// Returns the intervals of the children of the first ordinal of `interval`.
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
    check(&interval, fan_out)?;
    Ok(Children::new(interval, fan_out))
}

/// Returns the intervals that the first ordinal of `interval` sends to when the ordinals in `dead`
/// are gone: an interval whose first ordinal is dead is replaced by the intervals of its children.
///
/// Every ordinal of `interval` that lives, but the first, is in exactly one of them.
///
/// # Errors
///
/// [`TreeError`] when the interval is empty or the fan-out below 2.
pub fn live_children(
    interval: Range<usize>,
    fan_out: usize,
    dead: &RankSet,
) -> Result<Vec<Range<usize>>, TreeError> {
    let mut live = Vec::new();
    let mut pending: Vec<Range<usize>> = children(interval, fan_out)?.rev().collect();
    while let Some(interval) = pending.pop() {
        if dead.contains(interval.start) {
            pending.extend(Children::new(interval, fan_out).rev());
        } else {
            live.push(interval);
        }
    }
    Ok(live)
}

/// Returns the parent of `ordinal` in the tree over `0..count`; the root has none.
///
/// # Errors
///
/// [`TreeError`] when the tree is empty, the fan-out below 2 or `ordinal` not in the tree.
pub fn parent(ordinal: usize, count: usize, fan_out: usize) -> Result<Option<usize>, TreeError> {
    let mut parent = None;
    for node in path(ordinal, count, fan_out)? {
        if node != ordinal {
            parent = Some(node);
        }
    }
    Ok(parent)
}

/// Returns the nodes from the root of the tree over `0..count` to `ordinal`, both included.
///
/// # Examples
///
/// ```
/// use hypermesh_ndslice::tree;
///
/// assert_eq!(tree::path(5, 8, 3)?.collect::<Vec<_>>(), [0, 4, 5]);
/// # Ok::<(), tree::TreeError>(())
/// ```
///
/// # Errors
///
/// [`TreeError`] when the tree is empty, the fan-out below 2 or `ordinal` not in the tree.
pub fn path(ordinal: usize, count: usize, fan_out: usize) -> Result<Path, TreeError> {
    check(&(0..count), fan_out)?;
    if count <= ordinal {
        return Err(TreeError::OutOfRange { ordinal, count });
    }
    Ok(Path {
        interval: Some(0..count),
        ordinal,
        fan_out,
    })
}

/// Returns the number of hops from the root of the tree over `0..count` to its farthest node.
///
/// # Errors
///
/// [`TreeError`] when the tree is empty or the fan-out below 2.
pub fn depth(count: usize, fan_out: usize) -> Result<usize, TreeError> {
    check(&(0..count), fan_out)?;
    let mut depth = 0;
    let mut largest = count;
    while 1 < largest {
        largest = (largest - 1).div_ceil(fan_out);
        depth += 1;
    }
    Ok(depth)
}

fn check(interval: &Range<usize>, fan_out: usize) -> Result<(), TreeError> {
    if fan_out < 2 {
        return Err(TreeError::FanOutTooSmall { fan_out });
    }
    if interval.is_empty() {
        return Err(TreeError::EmptyInterval {
            start: interval.start,
            end: interval.end,
        });
    }
    Ok(())
}

/// An iterator over the intervals of the children of a node, made by [`children`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Children {
    rest: Range<usize>,
    n_left: usize,
    /// How many of those that are left have one ordinal more.
    n_larger: usize,
    smaller: usize,
}

impl Children {
    /// The caller has checked the arguments.
    fn new(interval: Range<usize>, fan_out: usize) -> Self {
        let rest = interval.start + 1..interval.end;
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
    fn containing(mut self, ordinal: usize) -> Option<Range<usize>> {
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

/// An iterator over the nodes from the root to one ordinal, made by [`path`].
#[derive(Clone, Debug)]
pub struct Path {
    interval: Option<Range<usize>>,
    ordinal: usize,
    fan_out: usize,
}

impl Iterator for Path {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let interval = self.interval.take()?;
        let node = interval.start;
        if node != self.ordinal {
            self.interval = Children::new(interval, self.fan_out).containing(self.ordinal);
        }
        Some(node)
    }
}

impl FusedIterator for Path {}

/// Error of asking for a tree that does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TreeError {
    /// The fan-out is below 2.
    FanOutTooSmall {
        /// The fan-out.
        fan_out: usize,
    },
    /// The interval has no first ordinal.
    EmptyInterval {
        /// Where the interval starts.
        start: usize,
        /// Where it ends.
        end: usize,
    },
    /// The ordinal is not in the tree.
    OutOfRange {
        /// The ordinal.
        ordinal: usize,
        /// The number of ordinals in the tree.
        count: usize,
    },
}

impl fmt::Display for TreeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FanOutTooSmall { fan_out } => {
                write!(f, "a fan-out of {fan_out} makes no tree, at least 2 does")
            }
            Self::EmptyInterval { start, end } => write!(f, "interval {start}..{end} is empty"),
            Self::OutOfRange { ordinal, count } => {
                write!(f, "ordinal {ordinal} is out of range for a tree of {count}")
            }
        }
    }
}

impl Error for TreeError {}
