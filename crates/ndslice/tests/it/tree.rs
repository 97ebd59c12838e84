//! Multicast trees.

use hypermesh_ndslice::tree::{self, TreeError};
use hypermesh_ndslice::{RankSet, sel};
use proptest::prelude::*;

use crate::model::cluster;

/// The depth of the tree over the interval, where every ordinal adds itself to `reached`.
fn walk(interval: std::ops::Range<usize>, fan_out: usize, reached: &mut Vec<usize>) -> usize {
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

#[test]
fn the_path_leads_down_from_the_root() {
    for (count, fan_out) in [(1, 2), (2, 2), (50, 2), (100, 3), (300, 8), (65, 64)] {
        let mut parents = vec![None; count];
        let mut intervals = vec![0..count];
        while let Some(interval) = intervals.pop() {
            for child in tree::children(interval.clone(), fan_out).unwrap() {
                parents[child.start] = Some(interval.start);
                intervals.push(child);
            }
        }
        for (ordinal, parent) in parents.iter().enumerate() {
            assert_eq!(tree::parent(ordinal, count, fan_out), Ok(*parent));
            let path: Vec<usize> = tree::path(ordinal, count, fan_out).unwrap().collect();
            assert_eq!((path[0], path[path.len() - 1]), (0, ordinal));
            assert!(
                path.windows(2)
                    .all(|pair| parents[pair[1]] == Some(pair[0]))
            );
        }
    }
}

#[test]
fn trees_that_do_not_exist_are_errors() {
    let fan_out = |fan_out| Err(TreeError::FanOutTooSmall { fan_out });
    assert_eq!(tree::depth(5, 1), fan_out(1));
    assert_eq!(
        tree::parent(0, 5, 0).map(|_| ()),
        fan_out(0).map(|_: usize| ())
    );
    let empty = TreeError::EmptyInterval { start: 3, end: 3 };
    assert_eq!(tree::children(3..3, 2).map(|_| ()), Err(empty));
    let reversed = std::ops::Range { start: 4, end: 3 };
    let empty = TreeError::EmptyInterval { start: 4, end: 3 };
    assert_eq!(tree::children(reversed, 2).map(|_| ()), Err(empty));
    assert_eq!(
        tree::parent(5, 5, 2),
        Err(TreeError::OutOfRange {
            ordinal: 5,
            count: 5
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

proptest! {
    #[test]
    fn the_living_are_reached_once_whoever_is_dead(
        count in 1..200_usize, fan_out in 2..9_usize, dead in prop::collection::vec(1..200_usize, 0..150),
    ) {
        let dead: RankSet = dead.into_iter().collect();
        let mut reached = Vec::new();
        let mut intervals = vec![0..count];
        while let Some(interval) = intervals.pop() {
            reached.push(interval.start);
            intervals.extend(tree::live_children(interval, fan_out, &dead).unwrap());
        }
        reached.sort_unstable();
        prop_assert_eq!(reached, dead.complement(count).iter().collect::<Vec<_>>());
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
    fn no_number_panics(start: usize, end: usize, fan_out: usize, ordinal: usize) {
        if let Ok(mut children) = tree::children(start..end, fan_out) {
            _ = children.next_back();
            _ = children.nth(3);
        }
        _ = tree::depth(end, fan_out);
        _ = tree::path(ordinal, end, fan_out);
    }
}
