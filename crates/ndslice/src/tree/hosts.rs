//! The tree for members that live on hosts, `per_host` of them on each: over the network to hosts
//! first, and from one member of each host to its others.
//!
//! Host `h` has the numbers from `h * per_host` up to the next multiple, and the last host may have
//! fewer. So the numbers here are *ranks* of a base that is laid out host by host; which of them a
//! slice or a selection has, whatever its steps, is told to [`live_children`] as a set.
//!
//! # Invariants
//!
//! - **INV-1**: an interval that leaves a host starts with the members of the first host in it and
//!   ends where a host ends, or the tree: so a host is in one interval, and gets at most one message
//!   from another host.
//! - **INV-2**: a node sends to at most `fan_out` hosts and at most `fan_out` members of its own.

use std::iter::FusedIterator;
use std::ops::Range;

use super::k_ary::{self, KAry};
use super::{LiveChildren, Path, Plan, TreeError, check_interval, check_ordinal, sealed};
use crate::rank_set::RankSet;

/// Returns the intervals of the children of the first ordinal of `interval`: first those on other
/// hosts, then those on its own host, in O(1) each.
///
/// # Examples
///
/// ```
/// use hypermesh_ndslice::tree::hosts;
///
/// // Four members on each host, and a fan-out of 2.
/// let children: Vec<_> = hosts::children(0..14, 4, 2)?.collect();
/// assert_eq!(children, [4..12, 12..14, 1..3, 3..4]);
/// # Ok::<(), hypermesh_ndslice::tree::TreeError>(())
/// ```
///
/// # Errors
///
/// [`TreeError`] when the interval or a host is empty or the fan-out below 2.
pub fn children(
    interval: Range<usize>,
    per_host: usize,
    fan_out: usize,
) -> Result<Children, TreeError> {
    let plan = HostThenLocal::new(per_host, fan_out)?;
    check_interval(&interval)?;
    Ok(plan.children_of(interval))
}

/// Returns the intervals that the first ordinal of `interval` sends to when only the ordinals in
/// `members` are to be reached, each interval from its first member on.
///
/// Every member of `interval` but its first ordinal is reached exactly once that way. A host gets
/// one message from another host if it has members, and none if it has not.
///
/// # Examples
///
/// ```
/// use hypermesh_ndslice::{RankSet, Range, shape, tree::hosts};
///
/// // Every third gpu of four hosts: the ranks 0, 3, 6 and 9.
/// let slice = shape!(rank = 12).range("rank", Range::from(..).step_by(3))?;
/// let members = RankSet::from(&slice);
/// let live: Vec<_> = hosts::live_children(0..12, 3, 2, &members)?.collect();
/// assert_eq!(live, [3..9, 9..12]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`TreeError`] when the interval or a host is empty or the fan-out below 2.
pub fn live_children(
    interval: Range<usize>,
    per_host: usize,
    fan_out: usize,
    members: &RankSet,
) -> Result<LiveChildren<'_, HostThenLocal>, TreeError> {
    let children = children(interval, per_host, fan_out)?;
    Ok(LiveChildren::new(children, members))
}

/// Returns the parent of `ordinal` in the tree over `interval`; the root has none.
///
/// # Errors
///
/// [`TreeError`] when the tree or a host is empty, the fan-out below 2 or `ordinal` not in the tree.
pub fn parent(
    ordinal: usize,
    interval: Range<usize>,
    per_host: usize,
    fan_out: usize,
) -> Result<Option<usize>, TreeError> {
    Ok(path(ordinal, interval, per_host, fan_out)?.parent())
}

/// Returns the nodes from the root of the tree over `interval` to `ordinal`, both included.
///
/// # Examples
///
/// ```
/// use hypermesh_ndslice::tree::hosts;
///
/// assert_eq!(hosts::path(11, 0..14, 4, 2)?.collect::<Vec<_>>(), [0, 4, 8, 11]);
/// # Ok::<(), hypermesh_ndslice::tree::TreeError>(())
/// ```
///
/// # Errors
///
/// [`TreeError`] when the tree or a host is empty, the fan-out below 2 or `ordinal` not in the tree.
pub fn path(
    ordinal: usize,
    interval: Range<usize>,
    per_host: usize,
    fan_out: usize,
) -> Result<Path<HostThenLocal>, TreeError> {
    let plan = HostThenLocal::new(per_host, fan_out)?;
    check_ordinal(ordinal, &interval)?;
    Ok(Path::new(plan, ordinal, interval))
}

/// Returns the interval that `ordinal` hands on in the tree over `interval`: itself and all below.
///
/// # Errors
///
/// [`TreeError`] when the tree or a host is empty, the fan-out below 2 or `ordinal` not in the tree.
pub fn subtree(
    ordinal: usize,
    interval: Range<usize>,
    per_host: usize,
    fan_out: usize,
) -> Result<Range<usize>, TreeError> {
    Ok(path(ordinal, interval, per_host, fan_out)?.subtree())
}

/// Returns the number of hops from the root of the tree over `0..count` to its farthest node.
///
/// # Errors
///
/// [`TreeError`] when the tree or a host is empty or the fan-out below 2.
pub fn depth(count: usize, per_host: usize, fan_out: usize) -> Result<usize, TreeError> {
    HostThenLocal::new(per_host, fan_out)?;
    check_interval(&(0..count))?;
    let n_hosts = count.div_ceil(per_host);
    let on_last = k_ary::depth(count - (n_hosts - 1) * per_host, fan_out)?;
    let on_full = k_ary::depth(per_host, fan_out)?;
    Ok(match n_hosts {
        1 => on_last,
        // The last host is the only one that is not the root's.
        2 => on_full.max(1 + on_last),
        // The first child of each node leads to a farthest host, which is not the last one.
        _ => k_ary::depth(n_hosts, fan_out)? + on_full,
    })
}

/// The plan of the host-then-local tree: the parameter of its [`Path`] and [`LiveChildren`].
///
/// # Examples
///
/// ```
/// use hypermesh_ndslice::tree::Path;
/// use hypermesh_ndslice::tree::hosts::{self, HostThenLocal};
///
/// let path: Path<HostThenLocal> = hosts::path(6, 0..8, 4, 2)?;
/// assert_eq!(path.collect::<Vec<_>>(), [0, 4, 5, 6]);
/// # Ok::<(), hypermesh_ndslice::tree::TreeError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostThenLocal {
    per_host: usize,
    tree: KAry,
}

impl HostThenLocal {
    fn new(per_host: usize, fan_out: usize) -> Result<Self, TreeError> {
        let tree = KAry::new(fan_out)?;
        if per_host == 0 {
            return Err(TreeError::EmptyHost);
        }
        Ok(Self { per_host, tree })
    }
}

impl sealed::Sealed for HostThenLocal {}

impl Plan for HostThenLocal {
    type Children = Children;

    fn children_of(self, interval: Range<usize>) -> Children {
        let Range { start, end } = interval;
        let Self { per_host, tree } = self;
        let (first_host, last_host) = (start / per_host, (end - 1) / per_host);
        let local_end = (first_host + 1).saturating_mul(per_host).min(end);
        Children {
            hosts: tree.children_of(first_host..last_host + 1),
            per_host,
            end,
            local: tree.children_of(start..local_end),
        }
    }

    fn towards(self, interval: Range<usize>, ordinal: usize) -> Option<Range<usize>> {
        let (start, end) = (interval.start, interval.end);
        let children = self.children_of(interval);
        let host = ordinal / self.per_host;
        if host == start / self.per_host {
            return children.local.containing(ordinal);
        }
        let hosts = children.hosts.containing(host)?;
        Some(ranks_of(hosts, self.per_host, end))
    }
}

/// The ranks of `hosts` up to `end`, which is beyond the first one.
fn ranks_of(hosts: Range<usize>, per_host: usize, end: usize) -> Range<usize> {
    hosts.start * per_host..hosts.end.saturating_mul(per_host).min(end)
}

/// An iterator over the intervals of the children of a node, made by [`children`].
///
/// # Examples
///
/// ```
/// use hypermesh_ndslice::tree::hosts;
///
/// let mut children = hosts::children(0..8, 4, 2)?;
/// assert_eq!((children.len(), children.next()), (3, Some(4..8)));
/// # Ok::<(), hypermesh_ndslice::tree::TreeError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Children {
    /// In hosts.
    hosts: k_ary::Children,
    per_host: usize,
    /// Where the interval of the node ends.
    end: usize,
    local: k_ary::Children,
}

impl Iterator for Children {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        let Some(hosts) = self.hosts.next() else {
            return self.local.next();
        };
        Some(ranks_of(hosts, self.per_host, self.end))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = self.hosts.len() + self.local.len();
        (len, Some(len))
    }
}

impl ExactSizeIterator for Children {}
impl FusedIterator for Children {}
