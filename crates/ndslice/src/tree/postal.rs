//! The latency-optimal tree of the postal model: a node sends one message each round, and a message
//! arrives `latency` rounds after its sending began.
//!
//! In `t` rounds a message reaches `R(t)` ordinals, its first sender included: `R(t) = 1` for
//! `t < latency`, and else `R(t - 1) + R(t - latency)`, because the sender goes on for `t - 1`
//! rounds beside the first receiver, who has `t - latency`. A node takes the smallest `t` that is
//! enough for its interval and hands as much to its first child as that one can reach.
//!
//! A latency of 1 is the binomial tree; the larger the latency, the more messages a node sends.
//!
//! # Invariants
//!
//! - **INV-1**: everyone has the message after [`rounds`] rounds, and no tree is done sooner.
//! - **INV-2**: the children come in the order in which they are sent to, and their sizes fall.

use std::iter::FusedIterator;
use std::ops::Range;

use super::{LiveChildren, Path, Plan, TreeError, check_interval, check_ordinal, sealed};
use crate::rank_set::RankSet;

/// The largest latency, in rounds.
pub const MAX_LATENCY: usize = 64;

/// Returns the intervals of the children of the first ordinal of `interval`, ascending, in the
/// order in which it sends to them, one each round.
///
/// It takes O([`rounds`]) to find the first one and O(1) for each other.
///
/// # Examples
///
/// ```
/// use hypermesh_ndslice::tree::postal;
///
/// assert_eq!(postal::children(0..8, 1)?.collect::<Vec<_>>(), [1..5, 5..7, 7..8]);
/// assert_eq!(postal::children(0..8, 2)?.collect::<Vec<_>>(), [1..4, 4..6, 6..7, 7..8]);
/// # Ok::<(), hypermesh_ndslice::tree::TreeError>(())
/// ```
///
/// # Errors
///
/// [`TreeError`] when the interval is empty or the latency not in `1..=MAX_LATENCY`.
pub fn children(interval: Range<usize>, latency: usize) -> Result<Children, TreeError> {
    let plan = Postal::new(latency)?;
    check_interval(&interval)?;
    Ok(plan.children_of(interval))
}

/// Returns the intervals that the first ordinal of `interval` sends to when only the ordinals in
/// `members` are to be reached, each interval from its first member on.
///
/// Every member of `interval` but its first ordinal is reached exactly once that way.
///
/// # Errors
///
/// [`TreeError`] when the interval is empty or the latency not in `1..=MAX_LATENCY`.
pub fn live_children(
    interval: Range<usize>,
    latency: usize,
    members: &RankSet,
) -> Result<LiveChildren<'_, Postal>, TreeError> {
    Ok(LiveChildren::new(children(interval, latency)?, members))
}

/// Returns the parent of `ordinal` in the tree over `interval`; the root has none.
///
/// # Errors
///
/// [`TreeError`] when the tree is empty, the latency not in `1..=MAX_LATENCY` or `ordinal` not in
/// the tree.
pub fn parent(
    ordinal: usize,
    interval: Range<usize>,
    latency: usize,
) -> Result<Option<usize>, TreeError> {
    Ok(path(ordinal, interval, latency)?.parent())
}

/// Returns the nodes from the root of the tree over `interval` to `ordinal`, both included.
///
/// # Errors
///
/// [`TreeError`] when the tree is empty, the latency not in `1..=MAX_LATENCY` or `ordinal` not in
/// the tree.
pub fn path(
    ordinal: usize,
    interval: Range<usize>,
    latency: usize,
) -> Result<Path<Postal>, TreeError> {
    let plan = Postal::new(latency)?;
    check_ordinal(ordinal, &interval)?;
    Ok(Path::new(plan, ordinal, interval))
}

/// Returns the interval that `ordinal` hands on in the tree over `interval`: itself and all below.
///
/// # Errors
///
/// [`TreeError`] when the tree is empty, the latency not in `1..=MAX_LATENCY` or `ordinal` not in
/// the tree.
pub fn subtree(
    ordinal: usize,
    interval: Range<usize>,
    latency: usize,
) -> Result<Range<usize>, TreeError> {
    Ok(path(ordinal, interval, latency)?.subtree())
}

/// Returns the number of hops from the root of the tree over `0..count` to its farthest node.
///
/// # Errors
///
/// [`TreeError`] when the tree is empty or the latency not in `1..=MAX_LATENCY`.
pub fn depth(count: usize, latency: usize) -> Result<usize, TreeError> {
    let plan = Postal::new(latency)?;
    check_interval(&(0..count))?;
    let mut depth = 0;
    let mut largest = 0..count;
    // The first child has the largest interval, and so the deepest subtree.
    while let Some(child) = plan.children_of(largest).next() {
        largest = child;
        depth += 1;
    }
    Ok(depth)
}

/// Returns the number of rounds after which everyone in the tree over `0..count` has the message.
///
/// # Examples
///
/// ```
/// use hypermesh_ndslice::tree::postal;
///
/// assert_eq!(postal::rounds(8, 1)?, 3);
/// assert_eq!(postal::rounds(8, 2)?, 5);
/// # Ok::<(), hypermesh_ndslice::tree::TreeError>(())
/// ```
///
/// # Errors
///
/// [`TreeError`] when the tree is empty or the latency not in `1..=MAX_LATENCY`.
pub fn rounds(count: usize, latency: usize) -> Result<usize, TreeError> {
    let Postal { latency } = Postal::new(latency)?;
    check_interval(&(0..count))?;
    Ok(Reach::enough_for(count, latency).round)
}

/// The plan of the postal tree: the parameter of its [`Path`] and [`LiveChildren`].
///
/// # Examples
///
/// ```
/// use hypermesh_ndslice::tree::Path;
/// use hypermesh_ndslice::tree::postal::{self, Postal};
///
/// let path: Path<Postal> = postal::path(5, 0..8, 2)?;
/// assert_eq!(path.collect::<Vec<_>>(), [0, 4, 5]);
/// # Ok::<(), hypermesh_ndslice::tree::TreeError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Postal {
    latency: usize,
}

impl Postal {
    fn new(latency: usize) -> Result<Self, TreeError> {
        let max = MAX_LATENCY;
        if latency == 0 || max < latency {
            return Err(TreeError::LatencyOutOfRange { latency, max });
        }
        Ok(Self { latency })
    }
}

impl sealed::Sealed for Postal {}

impl Plan for Postal {
    type Children = Children;

    fn children_of(self, interval: Range<usize>) -> Children {
        Children {
            reach: Reach::enough_for(interval.len(), self.latency),
            rest: interval.start + 1..interval.end,
        }
    }
}

/// An iterator over the intervals of the children of a node, made by [`children`].
///
/// # Examples
///
/// ```
/// use hypermesh_ndslice::tree::postal;
///
/// let mut children = postal::children(0..8, 1)?;
/// assert_eq!((children.next(), children.next()), (Some(1..5), Some(5..7)));
/// # Ok::<(), hypermesh_ndslice::tree::TreeError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Children {
    /// Of the rounds that are left.
    reach: Reach,
    rest: Range<usize>,
}

impl Iterator for Children {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        if self.rest.is_empty() {
            return None;
        }
        // More than the node itself is left, so at least `latency` rounds are.
        let len = self.reach.of_first_child().min(self.rest.len());
        self.reach.step_back();
        let start = self.rest.start;
        self.rest.start += len;
        Some(start..self.rest.start)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = self.rest.len();
        (usize::from(0 < len), Some(len))
    }
}

impl FusedIterator for Children {}

/// How many ordinals a message reaches in so many rounds.
#[derive(Clone, Debug)]
struct Reach {
    round: usize,
    latency: usize,
    /// `R(round - latency)` to `R(round)`: that of a round is at the round modulo `latency + 1`.
    window: [u128; MAX_LATENCY + 1],
}

impl Reach {
    /// The smallest number of rounds that is enough for `count` ordinals.
    fn enough_for(count: usize, latency: usize) -> Self {
        let mut reach = Self {
            round: 0,
            latency,
            window: [1; MAX_LATENCY + 1],
        };
        while reach.at(reach.round) < count as u128 {
            reach.step();
        }
        reach
    }

    /// One round more.
    fn step(&mut self) {
        let before = self.at(self.round);
        self.round += 1;
        let gained = match self.round.checked_sub(self.latency) {
            Some(round) => self.at(round),
            // Nothing has arrived yet.
            None => 0,
        };
        self.window[self.round % (self.latency + 1)] = before + gained;
    }

    /// One round less; there is one.
    fn step_back(&mut self) {
        let slot = self.round % (self.latency + 1);
        self.round -= 1;
        let now = self.at(self.round);
        // What is now the earliest round of the window.
        self.window[slot] = match self.latency {
            latency if self.round < latency => 1,
            // Sender and receiver have the same rounds left.
            1 => now / 2,
            _ => now - self.at(self.round - 1),
        };
    }

    /// `R(round - latency)`: what the first child reaches.
    fn of_first_child(&self) -> usize {
        let round = self.round.saturating_sub(self.latency);
        usize::try_from(self.at(round)).unwrap_or(usize::MAX)
    }

    /// `R(round)` of a round in the window.
    fn at(&self, round: usize) -> u128 {
        self.window[round % (self.latency + 1)]
    }
}
