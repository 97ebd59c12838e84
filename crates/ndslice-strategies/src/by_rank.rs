//! Sets of ranks and values by rank.

use std::fmt::Debug;
use std::ops::Range;

use hypermesh_ndslice::{Ordinal, Overlay, RankMap, RankSet};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::region::regions;

/// Returns sets of ranks below `count`: a few runs, or scattered ranks, or none at all.
pub fn rank_sets(count: usize) -> impl Strategy<Value = RankSet> {
    let runs = vec(intervals(count), 0..8).prop_map(RankSet::from_ranges);
    let ranks = vec(0..count.max(1), 0..=count.min(64));
    let scattered = ranks.prop_map(move |ranks| ranks.into_iter().filter(|r| *r < count).collect());
    prop_oneof![runs, scattered]
}

/// Returns maps over [`regions`]: each rank has a value of its own, or shares it with its
/// neighbours.
pub fn rank_maps<S>(values: S) -> impl Strategy<Value = RankMap<S::Value>>
where
    S: Strategy,
    S::Value: Clone + Debug,
{
    let numbers = (vec(values, 1..=256), 1..=300_usize);
    (regions(), numbers).prop_map(|(region, (values, share))| {
        RankMap::from_fn(region, |Ordinal(ordinal)| {
            values[ordinal / share % values.len()].clone()
        })
    })
}

/// Returns overlays of a few runs below `count`, some of which touch or hide one another.
pub fn overlays<S>(count: usize, values: S) -> impl Strategy<Value = Overlay<S::Value>>
where
    S: Strategy,
    S::Value: Clone + Debug + PartialEq,
{
    vec((intervals(count), values), 0..8).prop_map(|runs| {
        let mut overlay = Overlay::empty();
        for (run, value) in runs.into_iter().filter(|(run, _)| !run.is_empty()) {
            overlay.set(run, value);
        }
        overlay
    })
}

fn intervals(count: usize) -> impl Strategy<Value = Range<usize>> {
    (0..=count, 0..=count).prop_map(|(a, b)| a.min(b)..a.max(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest! {
        #[test]
        fn ranks_are_below_the_count((count, set) in (0..50_usize).prop_flat_map(|count| {
            (Just(count), rank_sets(count))
        })) {
            prop_assert!(set.iter().all(|rank| rank < count));
        }

        #[test]
        fn maps_have_a_value_for_each_rank(map in rank_maps(any::<u8>())) {
            prop_assert_eq!(map.iter().count(), map.count());
        }

        #[test]
        fn overlays_are_below_the_count(overlay in overlays(30, any::<bool>())) {
            prop_assert!(overlay.runs().all(|(run, _)| run.end <= 30));
        }
    }
}
