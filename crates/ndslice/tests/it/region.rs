//! Regions: slicing, ranks and ordinals.

use std::collections::HashSet;

use hypermesh_ndslice::{
    Coords, Extent, Ordinal, Points, Range, Rank, RankSet, Region, Selection, SelectionError,
    ShapeError, extent, sel_from_shape,
};
use proptest::prelude::*;

use crate::model::{cluster, coordinates, model, model_and_part, part_of, ranks};

/// What `range` keeps of a dim of this size.
#[track_caller]
fn check(size: usize, range: impl Into<Range>, kept: Result<&[usize], ShapeError>) {
    let region = Region::of(Extent::new([("x", size)]).unwrap());
    let range = range.into();
    let sliced = region.range("x", range).map(|region| ranks(&region));
    assert_eq!(sliced, kept.map(<[usize]>::to_vec), "{range:?}");
}

fn out_of_range(index: usize, size: usize) -> Result<&'static [usize], ShapeError> {
    Err(ShapeError::OutOfRange {
        dim: Some("x".into()),
        index,
        size,
    })
}

fn empty(start: usize, end: usize) -> Result<&'static [usize], ShapeError> {
    Err(ShapeError::EmptyRange {
        dim: "x".into(),
        start,
        end,
    })
}

#[test]
fn ranges_come_in_all_forms() {
    check(6, 3, Ok(&[3]));
    check(6, 1..3, Ok(&[1, 2]));
    check(6, 1..=3, Ok(&[1, 2, 3]));
    check(6, 4.., Ok(&[4, 5]));
    check(6, ..2, Ok(&[0, 1]));
    check(6, ..=2, Ok(&[0, 1, 2]));
    check(6, .., Ok(&[0, 1, 2, 3, 4, 5]));
    check(6, Range::from(1..).step_by(2), Ok(&[1, 3, 5]));
    check(10, Range::from(..).step_by(3), Ok(&[0, 3, 6, 9]));
    check(6, Range::from(2..).step_by(usize::MAX), Ok(&[2]));
}

#[test]
fn illegal_ranges_are_errors() {
    check(6, 6, out_of_range(6, 6));
    check(6, 6.., out_of_range(6, 6));
    check(6, 6..6, out_of_range(6, 6));
    check(6, 0..7, out_of_range(6, 6));
    check(6, 2..2, empty(2, 2));
    check(
        6,
        Range {
            start: 3,
            end: Some(2),
            step: 1,
        },
        empty(3, 2),
    );
    check(
        6,
        Range::from(..).step_by(0),
        Err(ShapeError::ZeroStep { dim: "x".into() }),
    );
    for max in [u32::MAX as usize, usize::MAX] {
        check(6, max, out_of_range(max, 6));
        check(6, max.., out_of_range(max, 6));
    }
    check(6, ..=u32::MAX as usize, out_of_range(u32::MAX as usize, 6));
    check(6, ..=usize::MAX, out_of_range(usize::MAX - 1, 6));
}

/// What an error of a selection is as an error of a region.
fn shape_error(error: SelectionError) -> ShapeError {
    match error {
        SelectionError::Shape(error) => error,
        error => panic!("{error}"),
    }
}

#[test]
fn regions_selections_and_macros_have_one_policy() {
    let region = Region::of(extent!(x = 6));
    let ends = (0..9).map(Some).chain([None]);
    for (start, end) in (0..9).flat_map(|start| ends.clone().map(move |end| (start, end))) {
        for step in 1..8 {
            let range = Range { start, end, step };
            let sliced = region.range("x", range).map(|part| RankSet::from(&part));
            let end = end.map(|end| end.to_string()).unwrap_or_default();
            let text = format!("{start}:{end}:{step}");
            let selection: Selection = text.parse().unwrap();
            let selected = selection.ranks(&region).map_err(shape_error);
            assert_eq!(selected, sliced, "{text}");
            // Invalid selections do not say why, only that they are.
            let built = sel_from_shape!(region, x = range).ranks(&region).ok();
            assert_eq!(built, sliced.ok(), "{text}");
        }
        let zero = Range {
            start,
            end,
            step: 0,
        };
        assert!(matches!(
            region.range("x", zero),
            Err(ShapeError::ZeroStep { .. })
        ));
        assert!(format!("{start}::0").parse::<Selection>().is_err());
        assert!(sel_from_shape!(region, x = zero).ranks(&region).is_err());
    }
}

#[test]
fn range_keeps_the_dim_and_at_drops_it() {
    let region = cluster();
    assert_eq!(region.range("host", 1).unwrap().ndim(), 3);
    let host = region.at("host", 1).unwrap();
    assert_eq!(host.extent(), extent!(zone = 2, gpu = 8));
    assert_eq!(ranks(&host), (8..16).chain(40..48).collect::<Vec<_>>());
    let unknown = ShapeError::UnknownDim {
        label: "host".into(),
        known: vec!["zone".into(), "gpu".into()],
    };
    let text = "no dim is called \"host\" (known: \"zone\", \"gpu\")";
    assert_eq!(unknown.to_string(), text);
    assert_eq!(host.range("host", 0), Err(unknown));
    let one = host.at("zone", 1).unwrap().at("gpu", 7).unwrap();
    assert_eq!((one.ndim(), one.count(), ranks(&one)), (0, 1, vec![47]));
}

#[test]
fn slices_compose_on_one_dim() {
    let region = Region::of(extent!(x = 8));
    let even = region.range("x", Range::from(2..8).step_by(2)).unwrap();
    assert_eq!(ranks(&even.range("x", 1..3).unwrap()), [4, 6]);
}

#[test]
fn any_step_is_legal() {
    let region = Region::of(extent!(x = 2, y = 3));
    let sliced = region.range("y", Range::from(..).step_by(2)).unwrap();
    assert_eq!(ranks(&sliced), [0, 2, 3, 5]);
    assert_eq!(sliced.runs().collect::<Vec<_>>(), [0..1, 2..4, 5..6]);
    let region = Region::of(extent!(x = 4, y = 4));
    let sliced = region.range("y", Range::from(..).step_by(3)).unwrap();
    assert_eq!(ranks(&sliced), [0, 3, 4, 7, 8, 11, 12, 15]);
}

#[test]
fn equal_views_are_equal_values() {
    let region = cluster();
    let one = region.range("gpu", 3..4).unwrap();
    let stepped = region.range("gpu", Range::from(3..8).step_by(5)).unwrap();
    assert_eq!(one, stepped);
    assert_eq!(HashSet::from([one]), HashSet::from([stepped]));
    let turned = region.permute(&["gpu", "host", "zone"]).unwrap();
    assert_ne!(turned, region);
    assert_eq!(turned.same_ranks(&region), Ok(true));
}

#[test]
fn group_by_gives_a_region_for_each_outer_index() {
    let region = cluster();
    let groups: Vec<Region> = region.group_by("gpu").unwrap().collect();
    assert_eq!(groups.len(), 8);
    assert!(
        groups
            .iter()
            .all(|group| group.extent() == extent!(gpu = 8))
    );
    assert_eq!(ranks(&groups[0]), (0..8).collect::<Vec<_>>());
    assert_eq!(ranks(&groups[1]), (8..16).collect::<Vec<_>>());
    assert_eq!(
        region.group_by("zone").unwrap().collect::<Vec<_>>(),
        std::slice::from_ref(&region)
    );
    assert!(matches!(
        region.group_by("rack"),
        Err(ShapeError::UnknownDim { .. })
    ));
}

#[test]
fn runs_are_maximal() {
    let region = cluster();
    assert_eq!(
        region.runs().collect::<Vec<_>>(),
        std::slice::from_ref(&(0..64))
    );
    let halves: Vec<_> = region.range("gpu", 0..4).unwrap().runs().collect();
    assert_eq!(halves.len(), 8);
    assert!(halves.iter().all(|run| run.len() == 4));
}

#[test]
fn a_part_outside_has_no_ordinals() {
    let region = cluster();
    let (left, right) = (
        region.range("gpu", 0..4).unwrap(),
        region.range("gpu", 3..8).unwrap(),
    );
    assert_eq!(
        left.ordinals_in(&right).map(|_| ()),
        Err(ShapeError::NotSubset {
            dim: "gpu".into(),
            part: Range::from(0..4),
            whole: Range::from(3..8)
        })
    );
    let other = Region::of(extent!(x = 64));
    let error = left.ordinals_in(&other).map(|_| ());
    assert!(matches!(error, Err(ShapeError::BaseMismatch { .. })));
}

#[test]
fn a_region_is_small_and_can_be_shared() {
    fn is_shared<T: Send + Sync + 'static>() {}
    is_shared::<(Extent, Region, Coords, Points)>();
    assert!(size_of::<Region>() <= 256);
}

proptest! {
    #[test]
    fn ranks_ordinals_and_coordinates_are_inverse(model in model()) {
        let region = model.region();
        let expected = model.ranks();
        prop_assert_eq!(region.count(), expected.len());
        prop_assert_eq!(region.sizes().collect::<Vec<_>>(), model.lens());
        for (ordinal, (&rank, coords)) in
            expected.iter().zip(coordinates(&model.lens())).enumerate()
        {
            prop_assert_eq!(region.rank_at(Ordinal(ordinal)), Ok(Rank(rank)));
            prop_assert_eq!(region.ordinal_of(Rank(rank)), Ok(Ordinal(ordinal)));
            prop_assert_eq!(region.rank_of(&coords), Ok(Rank(rank)));
            prop_assert_eq!(region.coord_of(Rank(rank)).unwrap().collect::<Vec<_>>(), coords);
            prop_assert_eq!(region.point_of(Ordinal(ordinal)).unwrap().rank(), ordinal);
        }
        let all: HashSet<usize> = expected.into_iter().collect();
        for rank in 0..region.base().count() + 2 {
            prop_assert_eq!(region.contains(Rank(rank)), all.contains(&rank));
            prop_assert_eq!(region.ordinal_of(Rank(rank)).is_ok(), all.contains(&rank));
        }
        prop_assert!(region.rank_at(Ordinal(region.count())).is_err());
        prop_assert!(region.rank_at(Ordinal(usize::MAX)).is_err());
        prop_assert!(!region.contains(Rank(usize::MAX)));
    }

    #[test]
    fn iteration_is_exact_and_goes_both_ways(
        model in model(), front in 0..6_usize, n in 0..9_usize, at in any::<prop::sample::Index>(),
    ) {
        let region = model.region();
        let expected = model.ranks();
        prop_assert_eq!(&ranks(&region), &expected);
        let mut backwards: Vec<_> = region.ranks().rev().map(usize::from).collect();
        backwards.reverse();
        prop_assert_eq!(&backwards, &expected);

        let (mut iter, mut model_iter) = (region.ranks(), expected.iter().copied());
        for _ in 0..front {
            prop_assert_eq!(iter.next().map(usize::from), model_iter.next());
            prop_assert_eq!(iter.next_back().map(usize::from), model_iter.next_back());
            prop_assert_eq!(iter.size_hint(), model_iter.size_hint());
        }
        prop_assert_eq!(iter.nth(n).map(usize::from), model_iter.nth(n));
        prop_assert_eq!(iter.nth_back(n).map(usize::from), model_iter.nth_back(n));
        prop_assert_eq!(iter.map(usize::from).collect::<Vec<_>>(), model_iter.collect::<Vec<_>>());

        let at = at.index(expected.len() + 1);
        let (head, tail) = region.ranks().split_at(Ordinal(at)).unwrap();
        prop_assert_eq!((head.len(), tail.len()), (at, expected.len() - at));
        prop_assert!(head.clone().rev().map(usize::from).eq(expected[..at].iter().rev().copied()));
        prop_assert!(tail.clone().rev().map(usize::from).eq(expected[at..].iter().rev().copied()));
        // `fold` goes row by row, `next` rank by rank; both after a part was taken.
        let mut folded = Vec::new();
        head.clone().chain(tail.clone()).for_each(|rank| folded.push(usize::from(rank)));
        prop_assert_eq!(&folded, &expected);
        prop_assert_eq!(head.chain(tail).map(usize::from).collect::<Vec<_>>(), expected);
        prop_assert!(region.ranks().split_at(Ordinal(region.count() + 1)).is_err());
    }

    #[test]
    fn both_ends_of_the_ranks_meet(model in model(), from_front in prop::collection::vec((any::<bool>(), 0..3_usize), 50)) {
        let (mut iter, expected) = (model.region().ranks(), model.ranks());
        let mut expected = expected.into_iter();
        for (from_front, n) in from_front {
            prop_assert_eq!(iter.len(), expected.len());
            let (rank, model) = match from_front {
                true => (iter.nth(n), expected.nth(n)),
                false => (iter.nth_back(n), expected.nth_back(n)),
            };
            prop_assert_eq!(rank.map(usize::from), model);
            let mut left = 0;
            iter.clone().for_each(|_| left += 1);
            prop_assert_eq!(left, expected.len());
        }
    }

    #[test]
    fn runs_are_the_ascending_ranks(model in model()) {
        let runs: Vec<_> = model.region().runs().collect();
        prop_assert!(runs.windows(2).all(|pair| pair[0].end < pair[1].start));
        let mut expected = model.ranks();
        expected.sort_unstable();
        prop_assert_eq!(runs.into_iter().flatten().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_part_stands_at_its_ordinals((model, part) in model_and_part()) {
        let region = model.region();
        let sliced = part_of(&region, &part);
        let ordinals: Vec<_> = sliced.ordinals_in(&region).unwrap().map(usize::from).collect();
        prop_assert_eq!(&ordinals, &part.ranks());
        let all = model.ranks();
        prop_assert_eq!(ranks(&sliced), ordinals.iter().map(|i| all[*i]).collect::<Vec<_>>());
    }

    #[test]
    fn groups_cut_the_ranks_into_equal_pieces(model in model()) {
        let region = model.region();
        for (i, label) in region.labels().enumerate() {
            let groups: Vec<Region> = region.group_by(label).unwrap().collect();
            let together: Vec<usize> = groups.iter().flat_map(ranks).collect();
            prop_assert_eq!(together, model.ranks());
            prop_assert_eq!(groups.len(), model.lens()[..i].iter().product::<usize>());
            prop_assert!(groups.iter().all(|g| g.labels().eq(region.labels().skip(i))));
        }
    }

    #[test]
    fn no_slice_panics(start: usize, end: Option<usize>, step: usize, label in ".*") {
        let region = cluster();
        let range = Range { start, end, step };
        _ = region.range(&label, range);
        _ = region.range("gpu", range);
        _ = region.at("gpu", start);
        _ = region.rank_of([start, step, 0]);
        _ = region.next_at_or_after(Rank(start));
        _ = region.ordinal_of(Rank(start));
    }
}
