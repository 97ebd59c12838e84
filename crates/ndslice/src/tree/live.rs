//! The children of a node, cut down to the members of a set.

use std::iter::FusedIterator;
use std::ops::Range;

use super::Plan;
use crate::rank_set::RankSet;

/// An iterator over the intervals of those children of a node that hold members, each from its
/// first member on; made by [`live_children`](super::live_children).
///
/// # Examples
///
/// ```
/// use hypermesh_ndslice::{RankSet, tree};
///
/// let alive = RankSet::from_ranges([0..4, 7..8]);
/// let mut live = tree::live_children(0..8, 3, &alive)?;
/// assert_eq!((live.next(), live.next(), live.next()), (Some(1..4), Some(7..8), None));
/// # Ok::<(), tree::TreeError>(())
/// ```
#[derive(Clone, Debug)]
pub struct LiveChildren<'a, P: Plan> {
    children: P::Children,
    members: &'a RankSet,
}

impl<'a, P: Plan> LiveChildren<'a, P> {
    pub(super) fn new(children: P::Children, members: &'a RankSet) -> Self {
        Self { children, members }
    }
}

impl<P: Plan> Iterator for LiveChildren<'_, P> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        let members = self.members;
        self.children.find_map(|child| {
            let first = members.next_at_or_after(child.start)?;
            (first < child.end).then_some(first..child.end)
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, self.children.size_hint().1)
    }
}

impl<P: Plan> FusedIterator for LiveChildren<'_, P> where P::Children: FusedIterator {}
