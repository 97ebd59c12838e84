//! The way from the root of a tree to one of its ordinals.

use std::iter::FusedIterator;
use std::ops::Range;

use super::Plan;

/// An iterator over the nodes from the root of a tree to one ordinal, both included; made by
/// [`path`](super::path).
///
/// # Examples
///
/// ```
/// use hypermesh_ndslice::tree;
///
/// let mut path = tree::path(5, 0..8, 3)?;
/// assert_eq!((path.next(), path.next(), path.next(), path.next()), (Some(0), Some(4), Some(5), None));
/// # Ok::<(), tree::TreeError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Path<P> {
    plan: P,
    interval: Option<Range<usize>>,
    ordinal: usize,
}

impl<P: Plan> Path<P> {
    /// The caller has checked that `ordinal` is in `interval`.
    pub(super) fn new(plan: P, ordinal: usize, interval: Range<usize>) -> Self {
        Self {
            plan,
            interval: Some(interval),
            ordinal,
        }
    }

    /// The last node but one.
    pub(super) fn parent(self) -> Option<usize> {
        let ordinal = self.ordinal;
        self.take_while(|node| *node != ordinal).last()
    }

    /// The interval of the last node.
    pub(super) fn subtree(mut self) -> Range<usize> {
        while let Some(interval) = self.interval.clone() {
            if interval.start == self.ordinal {
                return interval;
            }
            self.next();
        }
        self.ordinal..self.ordinal
    }
}

impl<P: Plan> Iterator for Path<P> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let interval = self.interval.take()?;
        let node = interval.start;
        if node != self.ordinal {
            self.interval = self.plan.towards(interval, self.ordinal);
        }
        Some(node)
    }
}

impl<P: Plan> FusedIterator for Path<P> {}
