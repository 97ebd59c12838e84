//! Sets of ranks against `BTreeSet`.

use std::collections::{BTreeSet, HashSet};

use hypermesh_ndslice::{RankSet, Region, extent};
use proptest::prelude::*;

use crate::model::model;

fn members() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![
        prop::collection::vec(0..40_usize, 0..40),
        // Enough runs for the form of bits, and enough numbers for some words of it.
        prop::collection::vec(0..300_usize, 100..400),
    ]
}

#[test]
fn sets_are_canonical() {
    let set: RankSet = [3, 1, 2, 7, 1].into_iter().collect();
    assert_eq!(set.to_string(), "1..4,7");
    let ranges = RankSet::from_ranges([7..8, 2..4, 5..5, 1..3]);
    assert_eq!(set, ranges);
    assert_eq!(HashSet::from([set]), HashSet::from([ranges]));
    assert_eq!(RankSet::from_ranges([0..2, 2..4]), RankSet::from(0..4));
    assert_eq!(RankSet::empty().to_string(), "");
    assert_eq!(RankSet::empty(), [usize::MAX].into_iter().collect());
    assert_eq!(
        RankSet::from(0..usize::MAX).max(),
        Some(u32::MAX as usize - 1)
    );
}

#[test]
fn many_random_ranks_are_built_without_recursion() {
    let set: RankSet = (0..1_000_000).map(|i| i * 7919 % 1_000_003).collect();
    assert_eq!(set.count(), 1_000_000);
    assert_eq!(set.iter().len(), 1_000_000);
}

#[test]
fn a_set_without_a_box_has_no_region() {
    let base = extent!(host = 2, gpu = 4);
    let region = |ranks: &[usize]| {
        let set = ranks.iter().copied().collect();
        Region::from_ranks(&base, &set)
            .unwrap()
            .map(|region| region.to_string())
    };
    assert_eq!(
        region(&[1, 3, 5, 7]),
        Some("1+host=2/4,gpu=2/2".to_string())
    );
    assert_eq!(region(&[6]), Some("6+host=1/4,gpu=1/1".to_string()));
    for ranks in [
        &[][..],
        &[1, 3, 5],
        &[1, 3, 5, 6],
        &[0, 7],
        &[0, 1, 3],
        &[1, 4],
    ] {
        assert_eq!(region(ranks), None, "{ranks:?}");
    }
}

proptest! {
    #[test]
    fn sets_agree_with_a_model(left in members(), right in members()) {
        let (a, b): (RankSet, RankSet) =
            (left.iter().copied().collect(), right.iter().copied().collect());
        let (left, right): (BTreeSet<_>, BTreeSet<_>) =
            (left.into_iter().collect(), right.into_iter().collect());
        let check = |set: RankSet, model: BTreeSet<usize>| {
            assert!(set.iter().eq(model.iter().copied()));
            assert!(set.iter().rev().eq(model.iter().rev().copied()));
            assert_eq!(set.iter().len(), model.len());
            assert_eq!(set.count(), model.len());
            assert_eq!((set.min(), set.max()), (model.first().copied(), model.last().copied()));
            assert_eq!(set, model.into_iter().collect());
        };
        check(a.clone(), left.clone());
        check(a.union(&b), &left | &right);
        check(a.intersection(&b), &left & &right);
        check(a.difference(&b), &left - &right);
        check(a.complement(30), &(0..30).collect() - &left);
        check(a.complement(250), &(0..250).collect() - &left);
        prop_assert_eq!(a.is_subset(&b), left.is_subset(&right));
        prop_assert_eq!(a.is_subset(&a.union(&b)), true);
        for (position, rank) in left.iter().enumerate() {
            prop_assert_eq!(a.select(position), Some(*rank));
        }
        prop_assert_eq!(a.select(left.len()), None);
        for rank in 0..310 {
            let is_member = left.contains(&rank);
            prop_assert_eq!(a.contains(rank), is_member);
            let below = left.range(..rank).count();
            prop_assert_eq!(a.count_below(rank), below);
            prop_assert_eq!(a.position(rank), is_member.then_some(below));
            prop_assert_eq!(a.next_at_or_after(rank), left.range(rank..).next().copied());
        }
    }

    #[test]
    fn changes_agree_with_a_model(
        members in members(),
        changes in prop::collection::vec((0..3, 0..330_usize, 0..70_usize), 0..40),
    ) {
        let mut set: RankSet = members.iter().copied().collect();
        let mut model: BTreeSet<usize> = members.into_iter().collect();
        for (kind, rank, len) in changes {
            match kind {
                0 => prop_assert_eq!(set.insert(rank), model.insert(rank)),
                1 => prop_assert_eq!(set.remove(rank), model.remove(&rank)),
                _ => {
                    set.insert_range(rank..rank + len);
                    model.extend(rank..rank + len);
                }
            }
            prop_assert_eq!(&set, &model.iter().copied().collect());
            prop_assert_eq!(set.count(), model.len());
            prop_assert_eq!(set.runs().len(), set.runs().count());
            prop_assert_eq!(set.count_below(rank), model.range(..rank).count());
        }
    }

    #[test]
    fn both_ends_of_the_iterator_meet(members in members(), from_front in prop::collection::vec(any::<bool>(), 305), skips in prop::collection::vec(0..60_usize, 9)) {
        let set: RankSet = members.iter().copied().collect();
        let mut model: std::collections::VecDeque<usize> = set.iter().collect();
        let mut iter = set.iter();
        for from_front in from_front {
            prop_assert_eq!(iter.len(), model.len());
            let (next, expected) = match from_front {
                true => (iter.next(), model.pop_front()),
                false => (iter.next_back(), model.pop_back()),
            };
            prop_assert_eq!(next, expected);
        }
        let (mut iter, mut model) = (set.iter(), set.iter().collect::<Vec<_>>().into_iter());
        _ = (iter.next_back(), model.next_back());
        for n in skips {
            prop_assert_eq!(iter.nth(n), model.nth(n));
            prop_assert_eq!(iter.len(), model.len());
        }
    }

    #[test]
    fn a_region_becomes_the_set_of_its_ranks(model in model()) {
        let set = RankSet::from(&model.region());
        prop_assert_eq!(set, model.ranks().into_iter().collect());
    }

    #[test]
    fn a_set_of_a_region_leads_back_to_it(model in model(), other in model(), rank in 0..300_usize) {
        let region = model.region();
        let mut ranks = RankSet::from(&region);
        let found = Region::from_ranks(region.base(), &ranks).unwrap();
        prop_assert_eq!(found.map(|found| found.same_ranks(&region)), Some(Ok(true)));

        // Whatever the set, a region that is found has its ranks, and a slice is found.
        let base = other.region().base().clone();
        ranks.insert(rank);
        match Region::from_ranks(&base, &ranks) {
            Ok(Some(found)) => prop_assert_eq!(RankSet::from(&found), ranks),
            Ok(None) => prop_assert!(ranks.max() < Some(base.count())),
            Err(_) => prop_assert!(Some(base.count()) <= ranks.max()),
        }
    }

    #[test]
    fn no_range_panics(start: usize, end: usize, rank: usize) {
        let mut set = RankSet::from(start..end);
        set.insert_range(rank..end);
        set.insert(usize::MAX);
        set.remove(rank);
        prop_assert!(!set.contains(usize::MAX));
        _ = set.complement(rank).union(&set).select(start);
    }
}
