//! Maps by rank and their overlays against dense lists.

use std::collections::HashSet;
use std::ops::Range;
use std::rc::Rc;

use hypermesh_ndslice::{Ordinal, Overlay, RankMap, RankMapError, Region, extent};
use proptest::prelude::*;

use crate::model::{model_and_part, part_of};

fn line(count: usize) -> Region {
    Region::of(hypermesh_ndslice::Extent::new([("x", count)]).unwrap())
}

fn dense(map: &RankMap<u8>) -> Vec<u8> {
    map.values().copied().collect()
}

#[test]
fn every_ordinal_has_one_value() {
    let error = RankMapError::WrongCount {
        expected: 3,
        actual: 2,
    };
    assert_eq!(RankMap::from_dense(line(3), vec![1, 2]), Err(error));
    let indexed = |values: &[(usize, u8)]| {
        let values = values
            .iter()
            .map(|(index, value)| (Ordinal(*index), *value));
        RankMap::from_indexed(line(4), values).map(|map| dense(&map))
    };
    assert_eq!(
        indexed(&[(3, 3), (1, 1), (0, 0), (2, 2), (1, 9)]),
        Ok(vec![0, 9, 2, 3])
    );
    assert_eq!(
        indexed(&[(0, 0), (3, 3)]),
        Err(RankMapError::Missing { first: 1, count: 2 })
    );
    assert_eq!(
        indexed(&[(0, 0), (1, 3)]),
        Err(RankMapError::Missing { first: 2, count: 2 })
    );
    assert_eq!(
        indexed(&[(4, 0)]),
        Err(RankMapError::OutOfRange { index: 4, count: 4 })
    );

    let replaced = Rc::new(());
    let values = [
        (0, Rc::new(())),
        (0, replaced.clone()),
        (0, replaced.clone()),
    ];
    let values = values.map(|(index, value)| (Ordinal(index), value));
    let map = RankMap::from_indexed(line(1), values).unwrap();
    assert_eq!(Rc::strong_count(&replaced), 2);
    drop(map);
    assert_eq!(Rc::strong_count(&replaced), 1);
}

#[test]
fn ranges_fill_a_default() {
    let map = |ranges: &[(Range<usize>, u8)]| {
        RankMap::from_ranges(line(6), 0, ranges.to_vec()).map(|map| dense(&map))
    };
    assert_eq!(map(&[(4..5, 2), (1..3, 1)]), Ok(vec![0, 1, 1, 0, 2, 0]));
    assert_eq!(map(&[]), Ok(vec![0; 6]));
    let error = RankMapError::OverlappingRanges {
        first: 1..3,
        second: 2..4,
    };
    assert_eq!(map(&[(2..4, 2), (1..3, 1)]), Err(error));
    assert_eq!(
        map(&[(2..2, 2)]),
        Err(RankMapError::EmptyRange { start: 2, end: 2 })
    );
    assert_eq!(
        map(&[(2..7, 2)]),
        Err(RankMapError::OutOfRange { index: 6, count: 6 })
    );
}

#[test]
fn equality_and_hash_do_not_see_the_form() {
    let uniform = RankMap::uniform(line(100), 7_u8);
    let runs = RankMap::from_ranges(line(100), 7, [(3..9, 7), (20..21, 7)]).unwrap();
    let listed = RankMap::from_dense(line(100), vec![7; 100]).unwrap();
    assert_eq!((&uniform, &uniform), (&runs, &listed));
    assert_eq!(
        HashSet::from([uniform.clone(), runs, listed.clone()]).len(),
        1
    );
    assert_eq!(listed.compressed(), uniform);
    assert_ne!(uniform, RankMap::uniform(line(100), 8));
    assert_ne!(uniform, RankMap::uniform(Region::of(extent!(y = 100)), 7));
    assert_eq!(RankMap::<u8>::empty(), RankMap::default());
    assert_eq!(RankMap::<u8>::empty().iter().count(), 0);
    assert_ne!(RankMap::empty(), uniform);
}

#[test]
fn values_come_with_their_points() {
    let region = Region::of(extent!(host = 2, gpu = 2))
        .at("host", 1)
        .unwrap();
    let map = RankMap::from_dense(region, vec!["a", "b"]).unwrap();
    let listed: Vec<_> = map
        .iter()
        .map(|(point, value)| (point.to_string(), *value))
        .collect();
    assert_eq!(
        listed,
        [("gpu=0/2".to_string(), "a"), ("gpu=1/2".to_string(), "b")]
    );
    assert_eq!(map.get_by_rank(3.into()), Some(&"b"));
    assert_eq!(
        (map.get_by_rank(1.into()), map.get(Ordinal(2))),
        (None, None)
    );
}

#[test]
fn mapping_calls_once_per_run_and_stops_at_the_first_error() {
    let map = RankMap::from_ranges(line(100), 0, [(10..20, 1), (50..60, 2)]).unwrap();
    let mut n_calls = 0;
    let doubled = map.map(|value| {
        n_calls += 1;
        value * 2
    });
    assert_eq!((n_calls, doubled.get(Ordinal(55))), (5, Some(&4)));
    assert_eq!(
        map.try_map(|value| if *value < 1 { Ok(()) } else { Err(*value) }),
        Err(1)
    );
    let results = map.map(|value| if *value < 2 { Ok(*value) } else { Err(*value) });
    assert_eq!(results.transpose(), Err(2));
    assert_eq!(map.map(|value| Ok::<u8, ()>(*value)).transpose(), Ok(map));
}

#[test]
fn a_uniform_map_of_many_ranks_is_sliced_by_its_runs() {
    let region = Region::of(extent!(x = 1000, y = 1000, z = 4000));
    let mut map = RankMap::uniform(region.clone(), 'a');
    map.set_range(1_000_000_000..2_000_000_000, 'b').unwrap();
    let part = region
        .range("y", hypermesh_ndslice::Range::from(1..).step_by(3))
        .unwrap();
    let sliced = map.sliced(&part).unwrap();
    let n_runs = sliced.runs().count();
    assert_eq!((n_runs, sliced.count()), (3, 333 * 4_000_000));
}

fn runs(overlay: &Overlay<char>) -> Vec<(Range<usize>, char)> {
    overlay
        .runs()
        .map(|(range, value)| (range, *value))
        .collect()
}

#[test]
fn the_right_overlay_wins() {
    #[track_caller]
    fn check(
        left: &[(Range<usize>, char)],
        right: &[(Range<usize>, char)],
        merged: &[(Range<usize>, char)],
    ) {
        let mut overlay = Overlay::from_iter(left.to_vec());
        overlay.merge(&Overlay::from_iter(right.to_vec()));
        assert_eq!(runs(&overlay), merged);
    }
    check(
        &[(0..4, 'A'), (4..8, 'B')],
        &[(2..6, 'A')],
        &[(0..6, 'A'), (6..8, 'B')],
    );
    check(
        &[(0..10, '1')],
        &[(3..6, '2')],
        &[(0..3, '1'), (3..6, '2'), (6..10, '1')],
    );
    check(
        &[(5..10, '1')],
        &[(0..7, '2')],
        &[(0..7, '2'), (7..10, '1')],
    );
    check(&[], &[(0..7, '2')], &[(0..7, '2')]);
    check(&[(5..10, '1')], &[], &[(5..10, '1')]);
}

#[test]
fn a_million_single_updates_are_cheap() {
    let mut overlay = Overlay::empty();
    for i in 0..1_000_000_usize {
        let ordinal = i * 7919 % 1_000_003;
        overlay.set(ordinal..ordinal + 1, ordinal / 100_000);
    }
    assert_eq!(overlay.count(), 1_000_000);
    assert!((0..1_000_000).step_by(997).all(|i| {
        let ordinal = i * 7919 % 1_000_003;
        overlay.get(ordinal) == Some(&(ordinal / 100_000))
    }));
}

const COUNT: usize = 30;

fn changes() -> impl Strategy<Value = Vec<(Range<usize>, u8)>> {
    let change = (0..COUNT, 1..12_usize, 0..4_u8)
        .prop_map(|(start, len, value)| (start..COUNT.min(start + len), value));
    prop::collection::vec(change, 0..12)
}

/// The model of an overlay: what each ordinal has.
fn listed(changes: &[(Range<usize>, u8)]) -> Vec<Option<u8>> {
    let mut list = vec![None; COUNT];
    for (range, value) in changes {
        list[range.clone()].fill(Some(*value));
    }
    list
}

fn list_of(overlay: &Overlay<u8>) -> Vec<Option<u8>> {
    (0..COUNT)
        .map(|ordinal| overlay.get(ordinal).copied())
        .collect()
}

/// Ascending, disjoint, not empty, and no equal neighbours that touch.
fn is_coalesced(overlay: &Overlay<u8>) -> bool {
    let runs: Vec<_> = overlay.runs().collect();
    runs.iter().all(|(range, _)| !range.is_empty())
        && runs.windows(2).all(|pair| {
            pair[0].0.end < pair[1].0.start
                || pair[0].0.end == pair[1].0.start && pair[0].1 != pair[1].1
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn overlays_equal_assignments(left in changes(), right in changes()) {
        let mut overlay = Overlay::from_iter(left.clone());
        let other = Overlay::from_iter(right.clone());
        prop_assert_eq!(list_of(&overlay), listed(&left));
        overlay.merge(&other);
        let all = [left.clone(), right.clone()].concat();
        prop_assert_eq!(list_of(&overlay), listed(&all));
        prop_assert!(is_coalesced(&overlay));

        let (mut joined, mut turned) = (Overlay::from_iter(left.clone()), other.clone());
        joined.merge_with(&other, |old, new| *old.max(new));
        turned.merge_with(&Overlay::from_iter(left.clone()), |old, new| *old.max(new));
        prop_assert!(is_coalesced(&joined));
        let max: Vec<_> = listed(&left).into_iter().zip(listed(&right)).map(|(l, r)| l.max(r)).collect();
        prop_assert_eq!(list_of(&joined), max);
        prop_assert_eq!(&joined, &turned);
        let again = joined.clone();
        joined.merge_with(&again, |old, new| *old.max(new));
        prop_assert_eq!(joined, again);
    }

    #[test]
    fn maps_equal_assignments(left in changes(), right in changes(), is_dense: bool) {
        let mut map = RankMap::uniform(line(COUNT), 9);
        if is_dense {
            map = RankMap::from_fn(line(COUNT), |_| 9);
        }
        let mut list = vec![9; COUNT];
        for (range, value) in &left {
            map.set_range(range.clone(), *value).unwrap();
            list[range.clone()].fill(*value);
            prop_assert_eq!(&dense(&map), &list);
        }
        map.merge(&Overlay::from_iter(right.clone())).unwrap();
        for (range, value) in &right {
            list[range.clone()].fill(*value);
        }
        prop_assert_eq!(&dense(&map), &list);
        let expected = RankMap::from_dense(line(COUNT), list).unwrap();
        prop_assert_eq!(&map, &expected);
        prop_assert!(map.runs().eq(expected.runs()));
        prop_assert_eq!(&map.clone().compressed(), &expected);
        prop_assert!(map.runs().zip(map.runs().skip(1)).all(|(l, r)| l.1 != r.1 && l.0.end == r.0.start));
    }

    #[test]
    fn slices_equal_those_of_a_list(
        (model, part) in model_and_part(), values in prop::collection::vec((1..9_usize, 0..3_u8), 1..9),
    ) {
        let region = model.region();
        let runs = values.into_iter().cycle().flat_map(|(len, value)| std::iter::repeat_n(value, len));
        let list: Vec<u8> = runs.take(region.count()).collect();
        let whole = RankMap::from_dense(region.clone(), list.clone()).unwrap();
        let sliced = part_of(&region, &part);
        let expected: Vec<u8> = part.ranks().into_iter().map(|ordinal| list[ordinal]).collect();
        for map in [whole.clone(), whole.compressed()] {
            let cut = map.sliced(&sliced).unwrap();
            prop_assert_eq!(dense(&cut), expected.clone());
            prop_assert_eq!(cut.region(), Some(&sliced));
        }
    }
}
