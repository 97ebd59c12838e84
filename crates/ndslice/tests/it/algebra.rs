//! The algebra of regions against sets of ranks.

use std::collections::BTreeSet;

use hypermesh_ndslice::{Range, Rank, RankSet, Region, ShapeError, extent};
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
    fn the_laws_of_sets_hold((a, b, c) in models()) {
        let [a, b, c] = [a, b, c].map(|model| model.region());
        let base = Region::of(a.base().clone());
        let union = |regions: Vec<Region>| {
            RankSet::from_ranges(regions.iter().flat_map(Region::runs))
        };
        let (a_set, b_set, c_set) = (RankSet::from(&a), RankSet::from(&b), RankSet::from(&c));
        let both = union(a.intersection(&b).unwrap().into_iter().collect());
        prop_assert_eq!(&both, &a_set.intersection(&b_set));
        prop_assert_eq!(&both, &b_set.intersection(&a_set));
        // What is not in both is not in one or not in the other, and the other way round.
        let (not_a, not_b) = (union(base.difference(&a).unwrap()), union(base.difference(&b).unwrap()));
        prop_assert_eq!(&not_a, &a_set.complement(base.count()));
        prop_assert_eq!(both.complement(base.count()), not_a.union(&not_b));
        prop_assert_eq!(a_set.union(&b_set).complement(base.count()), not_a.intersection(&not_b));
        let left = a_set.difference(&b_set.union(&c_set));
        prop_assert_eq!(left, a_set.difference(&b_set).difference(&c_set));
    }

    #[test]
    fn a_difference_has_few_boxes((a, b, _) in models()) {
        let (a, b) = (a.region(), b.region());
        let rest = a.difference(&b).unwrap();
        let Some(common) = a.intersection(&b).unwrap() else {
            prop_assert_eq!(rest, [a]);
            return Ok(());
        };
        let strides = |region: &Region| region.layout().strides().to_vec();
        let ratios = strides(&common).into_iter().zip(strides(&a)).zip(common.sizes());
        // One index has no step; then there is a box on each side of it at most.
        let bound: usize = ratios.map(|((common, own), size)| match size {
            1 => 2,
            _ => 1 + common / own,
        }).sum();
        prop_assert!(rest.len() <= bound, "{} boxes, {bound} allowed", rest.len());
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
