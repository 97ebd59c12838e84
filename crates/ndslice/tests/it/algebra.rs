//! The algebra of regions against sets of ranks.

use std::collections::BTreeSet;

use hypermesh_ndslice::{Range, Rank, Region, ShapeError, extent};
use proptest::prelude::*;

use crate::model::{Model, model, models, ranks};

fn set(model: &Model) -> BTreeSet<usize> {
    model.ranks().into_iter().collect()
}

fn stepped(size: usize, start: usize, step: usize) -> Region {
    let extent = hypermesh_ndslice::Extent::new([("x", size)]).unwrap();
    Region::of(extent)
        .range("x", Range::from(start..).step_by(step))
        .unwrap()
}

#[test]
fn intersection_is_a_progression() {
    let both = stepped(24, 0, 4).intersection(&stepped(24, 2, 6)).unwrap();
    assert_eq!(both.map(|region| ranks(&region)), Some(vec![8, 20]));
    assert_eq!(stepped(24, 0, 2).intersection(&stepped(24, 1, 2)), Ok(None));
}

#[test]
fn order_and_steps_do_not_hide_a_subset() {
    let all = Region::of(extent!(x = 2, y = 2))
        .permute(&["y", "x"])
        .unwrap();
    assert_eq!(ranks(&all), [0, 2, 1, 3]);
    let odd = Region::of(extent!(x = 2, y = 2)).at("y", 1).unwrap();
    assert_eq!(
        (odd.is_subset(&all), all.is_subset(&odd)),
        (Ok(true), Ok(false))
    );
    let x = Region::of(extent!(x = 4));
    let (low, high) = (x.range("x", 0..2).unwrap(), x.range("x", 1..4).unwrap());
    assert_eq!(
        (low.is_subset(&high), low.overlaps(&high)),
        (Ok(false), Ok(true))
    );
}

#[test]
fn bases_of_other_sizes_are_never_compared() {
    let (left, right) = (
        Region::of(extent!(x = 4, y = 2)),
        Region::of(extent!(x = 2, y = 4)),
    );
    let error = ShapeError::BaseMismatch {
        left: extent!(x = 4, y = 2),
        right: extent!(x = 2, y = 4),
    };
    assert_eq!(left.intersection(&right), Err(error.clone()));
    assert_eq!(left.difference(&right), Err(error.clone()));
    assert_eq!(left.is_subset(&right), Err(error.clone()));
    assert_eq!(left.same_ranks(&right), Err(error));
}

#[test]
fn a_billion_ranks_cost_nothing() {
    let region = Region::of(extent!(x = 1000, y = 1000, z = 1000));
    let odd = region.range("y", Range::from(1..).step_by(2)).unwrap();
    let third = odd.range("z", Range::from(..).step_by(3)).unwrap();
    assert_eq!(odd.intersection(&third), Ok(Some(third.clone())));
    assert_eq!(
        region
            .difference(&third)
            .unwrap()
            .iter()
            .map(Region::count)
            .sum::<usize>(),
        { region.count() - third.count() }
    );
    assert_eq!(region.count_below(Rank(999_999_999)), 999_999_999);
    assert_eq!(odd.next_at_or_after(Rank(0)), Some(Rank(1000)));
}

proptest! {
    #[test]
    fn algebra_equals_that_of_sets((a, b, c) in models()) {
        let (set_a, set_b) = (set(&a), set(&b));
        let (a_region, b_region, c_region) = (a.region(), b.region(), c.region());
        let both = a_region.intersection(&b_region).unwrap();
        let expected: Vec<usize> =
            a.ranks().into_iter().filter(|rank| set_b.contains(rank)).collect();
        prop_assert_eq!(both.as_ref().map(ranks).unwrap_or_default(), expected);
        if let Some(both) = &both {
            prop_assert!(both.labels().eq(a_region.labels()));
            let other = b_region.intersection(&a_region).unwrap().unwrap();
            prop_assert_eq!(both.same_ranks(&other), Ok(true));
            prop_assert_eq!(both.is_subset(&a_region), Ok(true));
            let left = both.intersection(&c_region).unwrap();
            let right = b_region.intersection(&c_region).unwrap();
            let right = right.and_then(|right| a_region.intersection(&right).unwrap());
            prop_assert_eq!(left, right);
        }
        prop_assert_eq!(a_region.intersection(&a_region), Ok(Some(a_region.clone())));
        prop_assert_eq!(a_region.is_subset(&b_region), Ok(set_a.is_subset(&set_b)));
        prop_assert_eq!(a_region.overlaps(&b_region), Ok(!set_a.is_disjoint(&set_b)));
        prop_assert_eq!(a_region.same_ranks(&b_region), Ok(set_a == set_b));
    }

    #[test]
    fn difference_is_disjoint_and_complete((a, b, _) in models()) {
        let rest = a.region().difference(&b.region()).unwrap();
        let mut left: Vec<usize> = rest.iter().flat_map(ranks).collect();
        left.sort_unstable();
        let expected: Vec<usize> = set(&a).difference(&set(&b)).copied().collect();
        prop_assert_eq!(left, expected);
        prop_assert!(rest.iter().all(|region| region.labels().eq(a.region().labels())));
        prop_assert_eq!(a.region().difference(&a.region()), Ok(vec![]));
    }

    #[test]
    fn counting_and_seeking_equal_a_scan(model in model()) {
        let region = model.region();
        let set = set(&model);
        for rank in 0..region.base().count() + 2 {
            prop_assert_eq!(region.count_below(Rank(rank)), set.range(..rank).count());
            let next = set.range(rank..).next().copied().map(Rank);
            prop_assert_eq!(region.next_at_or_after(Rank(rank)), next);
        }
        prop_assert_eq!(region.count_below(Rank(usize::MAX)), region.count());
    }
}
