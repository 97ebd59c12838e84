//! Multicast trees.

use std::collections::BTreeMap;
use std::ops::Range;

use hypermesh_ndslice::tree::{self, TreeError, hosts, postal};
use hypermesh_ndslice::{RankSet, sel};
use hypermesh_ndslice_strategies::regions;
use proptest::prelude::*;

use crate::model::cluster;

/// The depth of the tree over the interval, where every ordinal adds itself to `reached`.
fn walk(interval: Range<usize>, fan_out: usize, reached: &mut Vec<usize>) -> usize {
    reached.push(interval.start);
    let children = tree::children(interval.clone(), fan_out).unwrap();
    assert!(children.len() <= fan_out.min(interval.len() - 1));
    let sizes: Vec<usize> = children.clone().map(|child| child.len()).collect();
    assert!(sizes.iter().max().unwrap_or(&0) - sizes.iter().min().unwrap_or(&0) <= 1);
    assert!(children.clone().all(|child| child.start != interval.start));
    let depths = children.map(|child| 1 + walk(child, fan_out, reached));
    depths.max().unwrap_or(0)
}

/// The smallest exponent with `base` to its power at least `n`.
fn log_ceil(n: usize, base: usize) -> usize {
    (0..).find(|exponent| n <= base.pow(*exponent)).unwrap() as usize
}

#[test]
fn every_ordinal_is_reached_once_and_soon() {
    let counts = (1..130).chain([255, 256, 257, 1000, 1999, 2000]);
    for count in counts {
        for fan_out in [2, 3, 4, 7, 8, 16, 31, 32, 64] {
            let mut reached = Vec::new();
            let depth = walk(0..count, fan_out, &mut reached);
            assert_eq!(
                reached,
                (0..count).collect::<Vec<_>>(),
                "{count} by {fan_out}"
            );
            assert_eq!(tree::depth(count, fan_out), Ok(depth));
            assert!(
                depth <= log_ceil(count, fan_out) + 1,
                "{count} by {fan_out}"
            );
        }
    }
    assert!(tree::depth(8192, 2).unwrap() <= 14);
    assert_eq!(tree::children(0..1, 2).unwrap().count(), 0);
}

/// A child's tree is that of its number of ordinals. So if the children of every interval partition
/// its rest, every tree reaches each ordinal once; and its depth is one more than that of the
/// deepest child.
#[test]
fn inv1_all_small_trees_partition_and_are_shallow() {
    for fan_out in 2..=64 {
        let mut depths = vec![0; 2001];
        for count in 1..=2000 {
            let children = tree::children(7..7 + count, fan_out).unwrap();
            assert_eq!(children.len(), fan_out.min(count - 1));
            let mut next = 8;
            for child in children {
                assert!(child.start == next && child.start < child.end);
                next = child.end;
                depths[count] = depths[count].max(1 + depths[child.len()]);
            }
            assert_eq!(next, 7 + count);
            assert_eq!(tree::depth(count, fan_out), Ok(depths[count]));
            assert!(depths[count] <= log_ceil(count, fan_out) + 1);
        }
    }
}

#[test]
fn trees_that_do_not_exist_are_errors() {
    let fan_out = |fan_out| Err(TreeError::FanOutTooSmall { fan_out });
    assert_eq!(tree::depth(5, 1), fan_out(1));
    assert_eq!(
        tree::parent(0, 0..5, 0).map(|_| ()),
        fan_out(0).map(|_: usize| ())
    );
    let empty = TreeError::EmptyInterval { start: 3, end: 3 };
    assert_eq!(tree::children(3..3, 2).map(|_| ()), Err(empty));
    let reversed = std::ops::Range { start: 4, end: 3 };
    let empty = TreeError::EmptyInterval { start: 4, end: 3 };
    assert_eq!(tree::children(reversed, 2).map(|_| ()), Err(empty));
    let max = postal::MAX_LATENCY;
    for latency in [0, 65, usize::MAX] {
        let error = TreeError::LatencyOutOfRange { latency, max };
        assert_eq!(postal::rounds(5, latency), Err(error));
    }
    assert_eq!(hosts::depth(5, 0, 2), Err(TreeError::EmptyHost));
    assert_eq!(
        hosts::subtree(9, 0..9, 4, 2),
        Err(TreeError::OutOfRange {
            ordinal: 9,
            start: 0,
            end: 9
        })
    );
    assert_eq!(
        tree::parent(2, 3..5, 2),
        Err(TreeError::OutOfRange {
            ordinal: 2,
            start: 3,
            end: 5
        })
    );
}

#[test]
fn a_selection_is_the_sum_of_its_subtrees() {
    let selected = sel!(*, *, 1::3).ranks(&cluster()).unwrap();
    let mut intervals = vec![0..64];
    let mut total = 0;
    while let Some(interval) = intervals.pop() {
        let within = selected
            .intersection(&RankSet::from(interval.clone()))
            .count();
        let children: Vec<_> = tree::children(interval.clone(), 3).unwrap().collect();
        let below: usize = children
            .iter()
            .map(|child| selected.intersection(&RankSet::from(child.clone())).count())
            .sum();
        let own = usize::from(selected.contains(interval.start));
        assert_eq!(within, below + own);
        total += own;
        intervals.extend(children);
    }
    assert_eq!(total, selected.count());
}

/// The children of each interval that a walk from `root` comes to, by its first ordinal.
fn edges<C: Iterator<Item = Range<usize>>>(
    root: Range<usize>,
    children: impl Fn(Range<usize>) -> C,
) -> BTreeMap<usize, (Range<usize>, Vec<usize>)> {
    let mut edges = BTreeMap::new();
    let mut pending = vec![root];
    while let Some(interval) = pending.pop() {
        let below: Vec<_> = children(interval.clone()).collect();
        let heads = below.iter().map(|child| child.start).collect();
        let known = edges.insert(interval.start, (interval.clone(), heads));
        assert!(known.is_none(), "{interval:?} is reached twice");
        pending.extend(below);
    }
    edges
}

/// The depth of the tree, after checking that paths, parents and subtrees are those of its edges.
fn check_paths<P: Iterator<Item = usize>>(
    edges: &BTreeMap<usize, (Range<usize>, Vec<usize>)>,
    path: impl Fn(usize) -> P,
    parent: impl Fn(usize) -> Option<usize>,
    subtree: impl Fn(usize) -> Range<usize>,
) -> usize {
    let mut paths: Vec<_> = edges.keys().take(1).map(|root| vec![*root]).collect();
    let mut depth = 0;
    let mut n_reached = 0;
    while let Some(expected) = paths.pop() {
        let node = expected[expected.len() - 1];
        let (interval, heads) = &edges[&node];
        assert!(path(node).eq(expected.iter().copied()));
        assert_eq!(parent(node), expected.iter().rev().nth(1).copied());
        assert_eq!(subtree(node), *interval);
        depth = depth.max(expected.len() - 1);
        n_reached += 1;
        paths.extend(heads.iter().map(|head| [&expected[..], &[*head]].concat()));
    }
    assert_eq!(n_reached, edges.len());
    depth
}

/// The counts of the exhaustive tests.
fn counts() -> impl Iterator<Item = usize> {
    (1..70).chain([99, 128, 129, 500])
}

#[test]
fn paths_parents_and_subtrees_follow_the_children() {
    for count in counts() {
        for (start, fan_out) in [(0, 2), (7, 2), (0, 3), (1, 8)] {
            let all = start..start + count;
            let edges = edges(all.clone(), |interval| {
                tree::children(interval, fan_out).unwrap()
            });
            assert_eq!(edges.len(), count);
            let depth = check_paths(
                &edges,
                |node| tree::path(node, all.clone(), fan_out).unwrap(),
                |node| tree::parent(node, all.clone(), fan_out).unwrap(),
                |node| tree::subtree(node, all.clone(), fan_out).unwrap(),
            );
            assert_eq!(tree::depth(count, fan_out), Ok(depth));
        }
    }
}

#[test]
fn someone_outside_sends_to_the_roots_of_a_partition() {
    let roots = |count| tree::roots(0..count, 3).unwrap().collect::<Vec<_>>();
    assert_eq!(roots(7), [0..3, 3..5, 5..7]);
    assert_eq!(roots(2), [0..1, 1..2]);
    assert_eq!(roots(0), [0..0; 0]);
    // The same as the children of a node that stands before the interval.
    for count in 0..50 {
        let outside = tree::children(0..count + 1, 4).unwrap();
        let shifted = outside.map(|child| child.start - 1..child.end - 1);
        assert!(tree::roots(0..count, 4).unwrap().eq(shifted));
    }
}

#[test]
fn inv1_a_host_gets_at_most_one_message_from_another() {
    for count in counts() {
        for (per_host, fan_out) in [(1, 2), (2, 2), (4, 2), (8, 3), (7, 4), (3000, 2)] {
            let edges = edges(0..count, |interval| {
                hosts::children(interval, per_host, fan_out).unwrap()
            });
            assert_eq!(edges.len(), count);
            let mut n_received = vec![0; count.div_ceil(per_host)];
            for (node, (interval, heads)) in &edges {
                let is_remote = |head: &&usize| **head / per_host != node / per_host;
                assert!(heads.iter().filter(is_remote).count() <= fan_out);
                assert!(heads.iter().filter(|head| !is_remote(head)).count() <= fan_out);
                assert!(interval.end <= count);
                for head in heads.iter().filter(is_remote) {
                    n_received[head / per_host] += 1;
                    assert_eq!(head % per_host, 0);
                }
            }
            assert_eq!(n_received[0], 0);
            assert!(n_received[1..].iter().all(|n| *n == 1));
            let depth = check_paths(
                &edges,
                |node| hosts::path(node, 0..count, per_host, fan_out).unwrap(),
                |node| hosts::parent(node, 0..count, per_host, fan_out).unwrap(),
                |node| hosts::subtree(node, 0..count, per_host, fan_out).unwrap(),
            );
            assert_eq!(hosts::depth(count, per_host, fan_out), Ok(depth));
        }
    }
}

/// The round in which the last ordinal has the message, if each node sends one in each round.
fn last_arrival(interval: Range<usize>, latency: usize) -> usize {
    let children = postal::children(interval, latency).unwrap().enumerate();
    let arrivals = children.map(|(round, child)| round + latency + last_arrival(child, latency));
    arrivals.max().unwrap_or(0)
}

#[test]
fn inv1_the_postal_tree_is_done_in_the_fewest_rounds() {
    for latency in [1, 2, 3, 5, 17, 64] {
        // The fewest rounds by trying every size of the first subtree.
        let mut fewest = vec![0, 0];
        for count in 2..260 {
            let first = |size: usize| (latency + fewest[size]).max(1 + fewest[count - size]);
            fewest.push((1..count).map(first).min().unwrap());
            assert_eq!(postal::rounds(count, latency), Ok(fewest[count]));
            assert_eq!(last_arrival(0..count, latency), fewest[count]);
        }
    }
}

#[test]
fn inv2_the_postal_tree_sends_to_the_largest_part_first() {
    for count in counts() {
        for latency in [1, 2, 3, 5, 17, 64] {
            let edges = edges(0..count, |interval| {
                let children: Vec<_> = postal::children(interval, latency).unwrap().collect();
                assert!(
                    children
                        .iter()
                        .map(ExactSizeIterator::len)
                        .is_sorted_by(|a, b| b <= a)
                );
                children.into_iter()
            });
            assert_eq!(edges.len(), count);
            let depth = check_paths(
                &edges,
                |node| postal::path(node, 0..count, latency).unwrap(),
                |node| postal::parent(node, 0..count, latency).unwrap(),
                |node| postal::subtree(node, 0..count, latency).unwrap(),
            );
            assert_eq!(
                postal::depth(count, latency),
                Ok(depth),
                "{count} by {latency}"
            );
        }
    }
    // A latency of one round makes the binomial tree.
    assert_eq!(postal::rounds(1024, 1), Ok(10));
    assert_eq!(postal::depth(1024, 1), Ok(10));
}

/// What a walk by live children reaches, where the root is not asked whether it is a member.
fn reached<C: Iterator<Item = Range<usize>>>(
    root: Range<usize>,
    max_children: usize,
    children: impl Fn(Range<usize>) -> C,
) -> RankSet {
    let edges = edges(root, children);
    assert!(edges.values().all(|(_, heads)| heads.len() <= max_children));
    edges.into_keys().collect()
}

proptest! {
    #[test]
    fn members_are_reached_once_whoever_is_missing(
        count in 1..200_usize,
        fan_out in 2..9_usize,
        missing in prop::collection::vec(1..200_usize, 0..400),
    ) {
        let missing: RankSet = missing.into_iter().collect();
        let members = missing.complement(count);
        let root = 0..count;
        let k_ary = reached(root.clone(), fan_out, |interval| {
            tree::live_children(interval, fan_out, &members).unwrap()
        });
        prop_assert_eq!(&k_ary, &members);
        let postal = reached(root.clone(), count, |interval| {
            postal::live_children(interval, fan_out, &members).unwrap()
        });
        prop_assert_eq!(&postal, &members);
        let by_host = reached(root, 2 * fan_out, |interval| {
            hosts::live_children(interval, 8, fan_out, &members).unwrap()
        });
        prop_assert_eq!(&by_host, &members);
    }

    #[test]
    fn a_host_without_members_gets_nothing_and_each_other_one_message(
        region in regions(), per_host in 1..9_usize, fan_out in 2..5_usize,
    ) {
        // Any slice, whatever its steps: its ranks are laid out host by host in the base.
        let members = RankSet::from(&region);
        let root = members.min().unwrap()..region.base().count();
        let edges = edges(root.clone(), |interval| {
            hosts::live_children(interval, per_host, fan_out, &members).unwrap()
        });
        let mut messages: Vec<usize> = Vec::new();
        for (node, (_, heads)) in &edges {
            let remote = heads.iter().map(|head| head / per_host);
            messages.extend(remote.filter(|host| *host != node / per_host));
        }
        messages.push(root.start / per_host);
        messages.sort_unstable();
        let mut hosts: Vec<usize> = members.iter().map(|rank| rank / per_host).collect();
        hosts.dedup();
        prop_assert_eq!(messages, hosts);
    }

    #[test]
    fn children_iterate_both_ways(len in 1..200_usize, fan_out in 2..70_usize, n in 0..5_usize) {
        let all: Vec<_> = tree::children(7..7 + len, fan_out).unwrap().collect();
        let mut children = tree::children(7..7 + len, fan_out).unwrap();
        let mut expected = all.into_iter();
        while let Some(next) = children.next_back() {
            prop_assert_eq!(Some(next), expected.next_back());
            prop_assert_eq!(children.nth(n), expected.nth(n));
            prop_assert_eq!(children.len(), expected.len());
        }
    }

    #[test]
    fn no_number_panics(start: usize, end: usize, a: usize, b in 0..70_usize, ordinal: usize) {
        for argument in [a, b] {
            if let Ok(mut children) = tree::children(start..end, argument) {
                _ = children.next_back();
                _ = children.nth(3);
            }
            if let Ok(children) = hosts::children(start..end, a, argument) {
                prop_assert!(children.take(9).all(|child| start < child.start && child.end <= end));
            }
            if let Ok(children) = postal::children(start..end, argument) {
                prop_assert!(children.take(9).all(|child| start < child.start && child.end <= end));
            }
            _ = tree::depth(end, argument);
            _ = tree::path(ordinal, start..end, argument).map(Iterator::count);
            _ = tree::roots(start..end, argument).map(|mut roots| roots.next_back());
            _ = hosts::depth(end, b, argument);
            _ = hosts::path(ordinal, start..end, b, argument).map(Iterator::count);
            _ = postal::depth(end, argument);
            _ = postal::path(ordinal, start..end, argument).map(Iterator::count);
        }
    }
}
