//! Maps by rank and their overlays against dense lists.

use std::cell::Cell;
use std::collections::HashSet;
use std::ops::Range;
use std::rc::Rc;

use hypermesh_ndslice::{CollectMesh, Ordinal, Overlay, RankMap, RankMapError, Region, extent};
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

/// A value that counts how often it is cloned.
#[derive(Debug)]
struct Counted(Rc<Cell<usize>>);

impl Clone for Counted {
    fn clone(&self) -> Self {
        self.0.set(self.0.get() + 1);
        Self(self.0.clone())
    }
}

#[test]
fn slicing_takes_steps_by_runs_in_every_order_of_the_dims() {
    let region = Region::of(extent!(x = 1024, y = 1024, z = 2048));
    let turned = region.permute(&["z", "x", "y"]).unwrap();
    let n_clones = Rc::new(Cell::new(0));
    let uniform = RankMap::uniform(region.clone(), Counted(n_clones.clone()));
    assert_eq!(uniform.sliced(&turned).unwrap().count(), 1 << 31);
    assert_eq!(n_clones.get(), 1);

    // The upper half of `x` differs: for every `z`, one run for each half.
    let mut halves = RankMap::uniform(region, 'a');
    halves.set_range(1 << 30..1 << 31, 'b').unwrap();
    let cut = halves.sliced(&turned).unwrap();
    assert_eq!((cut.count(), cut.runs().count()), (1 << 31, 2 * 2048));
    let by_half = halves.sliced(&turned.range("z", 7).unwrap()).unwrap();
    assert_eq!(
        by_half.runs().collect::<Vec<_>>(),
        [(0..1 << 19, &'a'), (1 << 19..1 << 20, &'b')]
    );
}

#[test]
fn a_mesh_is_collected_with_exact_errors() {
    let collect = |values: std::ops::RangeFrom<u8>, count| {
        values
            .take(count)
            .collect_mesh(line(3))
            .map(|map| dense(&map))
    };
    assert_eq!(collect(5.., 3), Ok(vec![5, 6, 7]));
    let error = |actual| {
        Err(RankMapError::WrongCount {
            expected: 3,
            actual,
        })
    };
    assert_eq!(collect(5.., 2), error(2));
    assert_eq!(collect(5.., 9), error(4));
    assert_eq!(
        std::iter::repeat(1)
            .collect_mesh(line(3))
            .map(|map| dense(&map)),
        error(4)
    );

    let overlaid = |runs: &[(Range<usize>, u8)]| {
        RankMap::from_overlay(line(6), Overlay::from_iter(runs.to_vec())).map(|map| dense(&map))
    };
    assert_eq!(
        overlaid(&[(4..6, 2), (0..4, 1)]),
        Ok(vec![1, 1, 1, 1, 2, 2])
    );
    assert_eq!(
        overlaid(&[]),
        Err(RankMapError::Missing { first: 0, count: 6 })
    );
    assert_eq!(
        overlaid(&[(1..2, 1), (4..5, 1)]),
        Err(RankMapError::Missing { first: 0, count: 4 })
    );
    assert_eq!(
        overlaid(&[(0..2, 1), (4..5, 1)]),
        Err(RankMapError::Missing { first: 2, count: 3 })
    );
    assert_eq!(
        overlaid(&[(0..7, 1)]),
        Err(RankMapError::OutOfRange { index: 6, count: 6 })
    );
}

#[test]
fn values_need_not_be_cloned_or_compared() {
    struct Opaque(usize);
    let map = RankMap::from_fn(line(4), |Ordinal(ordinal)| Opaque(ordinal));
    assert_eq!(map.map(|value| value.0).get(Ordinal(3)), Some(&3));
    let results = map.map(|value| Ok::<_, ()>(Opaque(value.0 * 2)));
    let doubled = results
        .transpose()
        .map(|map| map.values().map(|value| value.0).collect());
    assert_eq!(doubled, Ok(vec![0, 2, 4, 6]));
}

#[test]
fn shuffled_updates_give_one_result() {
    // Generation, then state: the larger pair wins, wherever it comes from.
    let updates: Vec<Overlay<(u32, u32)>> = (0..20)
        .map(|i| {
            let start = i * 37 % 50;
            Overlay::from_iter([(start..start + 1 + i % 13, (i as u32 % 3, i as u32 * 7 % 5))])
        })
        .collect();
    let merged = |order: &[usize]| {
        let mut overlay = Overlay::empty();
        for idx in order {
            overlay.merge_with(&updates[*idx], |old, new| *old.max(new));
        }
        overlay
    };
    let mut order: Vec<usize> = (0..updates.len()).collect();
    let first = merged(&order);
    assert!(10 < first.runs().count());
    let mut random = 1_u64;
    for _ in 0..100 {
        for i in (1..order.len()).rev() {
            random = random
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            order.swap(i, (random >> 33) as usize % (i + 1));
        }
        assert_eq!(merged(&order), first);
        // Updates that come twice change nothing.
        assert_eq!(merged(&[&order[..], &order[..7]].concat()), first);
    }
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
    // Three ordinals are left; with them, a snapshot equals the list.
    let mut list: Vec<usize> = (0..1_000_003).map(|ordinal| ordinal / 100_000).collect();
    for i in 1_000_000..1_000_003 {
        let ordinal = i * 7919 % 1_000_003;
        assert_eq!(overlay.get(ordinal), None);
        overlay.set(ordinal..ordinal + 1, 77);
        list[ordinal] = 77;
    }
    let snapshot = RankMap::from_overlay(line(1_000_003), overlay).unwrap();
    assert!(snapshot.values().eq(&list));
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
            prop_assert!(sliced.ranks().all(|rank| cut.get_by_rank(rank) == map.get_by_rank(rank)));
            if let Some(label) = region.labels().last() {
                let groups = region.group_by(label).unwrap().map(|group| map.sliced(&group).unwrap());
                prop_assert_eq!(groups.flat_map(|group| dense(&group)).collect::<Vec<_>>(), list.clone());
            }
        }
    }

    #[test]
    fn values_are_skipped_by_runs(
        runs in prop::collection::vec((1..5_usize, 0..3_u8), 1..9), skips in prop::collection::vec(0..7_usize, 1..9), is_dense: bool,
    ) {
        let list: Vec<u8> = runs.into_iter().flat_map(|(len, value)| std::iter::repeat_n(value, len)).collect();
        let mut map = RankMap::from_dense(line(list.len()), list.clone()).unwrap();
        if !is_dense {
            map = map.compressed();
        }
        let (mut values, mut expected) = (map.values(), list.iter());
        for skip in skips {
            prop_assert_eq!(values.nth(skip), expected.nth(skip));
            prop_assert_eq!(values.len(), expected.len());
        }
        prop_assert!(values.eq(expected));
    }
}
