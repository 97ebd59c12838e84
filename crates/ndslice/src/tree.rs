//! Multicast trees as pure functions over intervals of ordinals.
//!
//! A node of the tree is the first ordinal of its interval; the intervals of its children partition
//! the rest. So a message that carries an interval carries all there is to know: every ordinal is
//! reached exactly once, and nothing is set up, kept or torn down. No function allocates.
//!
//! There are three trees, each with the same functions:
//!
//! * the k-ary one, here: a node sends to at most `fan_out` others, and the [`depth`] is
//!   logarithmic;
//! * [`hosts`]: each host gets at most one message and hands it on to its own members;
//! * [`postal`]: done in the fewest rounds when a message is under way for `latency` rounds and a
//!   node sends one message a round.
//!
//! ```text
//!  children(0..8, 3)       hosts::children(0..8, 4, 2)       postal::children(0..8, 2)
//!
//!         0                        0                                 0
//!    ┌────┼──┐               ┌─────┼────┐                  ┌─────┬───┼───┐
//!    1    4  6               4     1    3                  1     4   6   7
//!   ┌┴┐   │  │             ┌─┴─┐   │                      ┌┴┐    │
//!   2 3   5  7             5   7   2                      2 3    5
//!                          │
//!                          6   hosts 0..4 and 4..8
//! ```
//!
//! `live_children` reaches the members of a set only: those who live, or those who are selected. An
//! interval starts at its first member then. So a node never sends to more than its children,
//! whoever is missing, and a path may lead through other nodes than that of the whole tree.
//!
//! # Invariants
//!
//! - **INV-1**: the intervals of the children of a node are disjoint and not empty, and together
//!   they are the interval of the node without its first ordinal.

pub mod hosts;
pub mod postal;

mod k_ary;
mod live;
mod path;

use std::error::Error;
use std::fmt;
use std::ops::Range;

pub use k_ary::{Children, KAry, children, depth, live_children, parent, path, roots, subtree};
pub use live::LiveChildren;
pub use path::Path;

/// How a node hands on its interval: [`KAry`], [`hosts::HostThenLocal`] or [`postal::Postal`].
///
/// It is public as the parameter of [`Path`] and [`LiveChildren`], and nothing else can implement
/// it.
///
/// # Examples
///
/// ```
/// use hypermesh_ndslice::tree::{self, Path, Plan, hosts};
///
/// fn hops<P: Plan>(path: Path<P>) -> usize {
///     path.count() - 1
/// }
///
/// assert_eq!(hops(tree::path(5, 0..8, 3)?), 2);
/// assert_eq!(hops(hosts::path(11, 0..14, 4, 2)?), 3);
/// # Ok::<(), tree::TreeError>(())
/// ```
pub trait Plan: Copy + fmt::Debug + sealed::Sealed {
    /// The iterator over the intervals of the children.
    type Children: Iterator<Item = Range<usize>> + Clone + fmt::Debug;

    /// Returns the intervals of the children of the first ordinal of `interval`, which is not
    /// empty.
    #[doc(hidden)]
    fn children_of(self, interval: Range<usize>) -> Self::Children;

    /// Returns the interval of the child that leads from `interval` to `ordinal`.
    #[doc(hidden)]
    fn towards(self, interval: Range<usize>, ordinal: usize) -> Option<Range<usize>> {
        self.children_of(interval)
            .find(|child| child.contains(&ordinal))
    }
}

mod sealed {
    /// What only this crate can implement.
    pub trait Sealed {}
}

fn check_interval(interval: &Range<usize>) -> Result<(), TreeError> {
    if interval.is_empty() {
        return Err(TreeError::EmptyInterval {
            start: interval.start,
            end: interval.end,
        });
    }
    Ok(())
}

/// Checks that `ordinal` is in the tree over `interval`, which exists.
fn check_ordinal(ordinal: usize, interval: &Range<usize>) -> Result<(), TreeError> {
    check_interval(interval)?;
    let Range { start, end } = *interval;
    if !interval.contains(&ordinal) {
        return Err(TreeError::OutOfRange {
            ordinal,
            start,
            end,
        });
    }
    Ok(())
}

/// Error of asking for a tree that does not exist.
///
/// # Examples
///
/// ```
/// use hypermesh_ndslice::tree::{self, TreeError};
///
/// let error = tree::children(0..8, 1).unwrap_err();
/// assert_eq!(error, TreeError::FanOutTooSmall { fan_out: 1 });
/// assert_eq!(error.to_string(), "a fan-out of 1 makes no tree, at least 2 does");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TreeError {
    /// The fan-out is below 2.
    FanOutTooSmall {
        /// The fan-out.
        fan_out: usize,
    },
    /// The latency of a postal tree is 0 or too large.
    LatencyOutOfRange {
        /// The latency.
        latency: usize,
        /// The largest latency, [`postal::MAX_LATENCY`].
        max: usize,
    },
    /// A host has no members.
    EmptyHost,
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
        /// Where the interval of the tree starts.
        start: usize,
        /// Where it ends.
        end: usize,
    },
}

impl fmt::Display for TreeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FanOutTooSmall { fan_out } => {
                write!(f, "a fan-out of {fan_out} makes no tree, at least 2 does")
            }
            Self::LatencyOutOfRange { latency, max } => {
                write!(f, "a latency of {latency} rounds is not in 1..={max}")
            }
            Self::EmptyHost => write!(f, "a host has 0 members, at least 1 makes a tree"),
            Self::EmptyInterval { start, end } => write!(f, "interval {start}..{end} is empty"),
            Self::OutOfRange {
                ordinal,
                start,
                end,
            } => {
                write!(
                    f,
                    "ordinal {ordinal} is not in the tree over {start}..{end}"
                )
            }
        }
    }
}

impl Error for TreeError {}
