//! No public function panics, whatever the numbers and the labels.

use std::hash::{DefaultHasher, Hash, Hasher};

use hypermesh_ndslice::{
    CollectMesh, Coords, Extent, GroupBy, Layout, Ordinal, Overlay, Point, Points, Range, Rank,
    RankMap, RankRuns, RankSet, RankSetIter, Ranks, Region, Runs, Selection, ShapeError, Values,
    View, ViewExt,
};
use proptest::prelude::*;

/// All numbers, but often those at the edges of what fits.
fn number() -> impl Strategy<Value = usize> {
    let edges = [
        0,
        1,
        u32::MAX as usize - 1,
        u32::MAX as usize,
        u32::MAX as usize + 1,
        usize::MAX,
    ];
    prop_oneof![
        3 => 0..9_usize,
        2 => (0..33_u32, 0..3_usize).prop_map(|(bits, more)| (1 << bits) - 1 + more),
        2 => prop::sample::select(edges.to_vec()),
        1 => any::<usize>(),
    ]
}

fn range() -> impl Strategy<Value = Range> {
    (number(), prop::option::of(number()), number()).prop_map(|(start, end, step)| Range {
        start,
        end,
        step,
    })
}

fn extent() -> impl Strategy<Value = Extent> {
    let dims = prop::collection::vec(("[a-f]|.{0,3}", number()), 0..6);
    dims.prop_map(|dims| Extent::new(dims).unwrap_or_else(|_| Extent::unity()))
}

/// The largest extents, of which random sizes seldom are.
fn large_extent() -> impl Strategy<Value = Extent> {
    let sizes: [&[usize]; 4] = [
        &[u32::MAX as usize],
        &[65535, 65537],
        &[1, 3, 5, 17, 257, 65537],
        &[65536, 65535],
    ];
    prop::sample::select(sizes.to_vec()).prop_map(|sizes| {
        Extent::new(('a'..).map(String::from).zip(sizes.iter().copied())).unwrap()
    })
}

/// A region after these slices, of which illegal ones are left out.
fn region() -> impl Strategy<Value = Region> {
    let extents = prop_oneof![extent(), large_extent()];
    let slices = prop::collection::vec((any::<prop::sample::Index>(), range(), 0..4_u8), 0..5);
    (extents, slices).prop_map(|(extent, slices)| {
        let mut region = Region::of(extent);
        for (dim, range, kind) in slices {
            let labels: Vec<String> = region.labels().map(String::from).collect();
            if labels.is_empty() {
                break;
            }
            let label = dim.get(&labels);
            let size = region.size(label).unwrap();
            let fitting = Range {
                start: range.start % size,
                end: None,
                step: range.step.max(1),
            };
            let sliced = match kind {
                0 => region.range(label, range),
                1 => region.at(label, range.start % size),
                2 => region.range(label, fitting),
                _ => region.permute(
                    &labels
                        .iter()
                        .rev()
                        .map(|label| &**label)
                        .collect::<Vec<_>>(),
                ),
            };
            region = sliced.unwrap_or(region);
        }
        region
    })
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[test]
fn every_type_can_be_shared() {
    fn is_shared<T: Send + Sync + 'static>() {}
    is_shared::<(
        Extent,
        Point,
        Points,
        Coords,
        Region,
        Ranks,
        RankRuns,
        GroupBy,
        Layout,
        Range,
    )>();
    is_shared::<(
        Rank,
        Ordinal,
        RankSet,
        RankSetIter<'static>,
        RankMap<u8>,
        Overlay<u8>,
    )>();
    is_shared::<(
        Runs<'static, u8>,
        Values<'static, u8>,
        Selection,
        ShapeError,
    )>();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_number_makes_an_extent_panic(
        extent in extent(), n in number(), label in ".*", coords in prop::collection::vec(number(), 0..9),
    ) {
        let count = extent.count();
        prop_assert_eq!(extent.point_of_rank(n).is_ok(), n < count);
        _ = (extent.point(&coords), extent.size(&label), extent.position(&label));
        _ = Extent::from_parts([label.as_str()], &coords);
        let mut points = extent.points();
        prop_assert_eq!(points.nth(n).is_some(), n < count);
        _ = (points.next_back(), points.len());
        let point = extent.point_of_rank(n % count).unwrap();
        _ = (point.coord(n), point.get(&label), point.coords().nth_back(n));
        _ = (extent.concat(&extent), point.to_string(), hash(&point));
    }

    #[test]
    fn no_number_makes_a_region_panic(
        region in region(), n in number(), m in number(), range in range(), label in "[a-f]|.{0,70}",
        coords in prop::collection::vec(number(), 0..9),
    ) {
        let count = region.count();
        prop_assert_eq!(region.rank_at(Ordinal(n)).is_ok(), n < count);
        prop_assert_eq!(region.ordinal_of(Rank(n)).is_ok(), region.contains(Rank(n)));
        let rank = region.rank_at(Ordinal(n % count)).unwrap();
        prop_assert_eq!(region.ordinal_of(rank), Ok(Ordinal(n % count)));
        prop_assert_eq!(region.coord_of(rank).unwrap().len(), region.ndim());
        _ = (region.rank_of(&coords), region.point_of(Ordinal(n)), region.position(&label));
        _ = (region.range(&label, range), region.at(&label, n), region.permute(&[&label]));
        _ = region.rename(&[(&label, "x"), ("a", &label)]);
        _ = region.split(&label, &[(&label, Some(n)), ("x", None), ("a", Some(m))]);
        for dim in ["a", "b"] {
            _ = region.split(dim, &[("x", None), ("y", Some(n % 4))]);
            _ = region.split(dim, &[("x", Some(2)), ("y", None)]);
        }
        _ = (region.flatten(&["a", "b"], &label), region.flatten(&[&label], "x"));
        if let Ok(mut groups) = region.group_by("b") {
            _ = (groups.nth(n), groups.next_back(), groups.len());
        }
        _ = (region.count_below(Rank(n)), region.next_at_or_after(Rank(n)));
        let mut ranks = region.ranks();
        _ = (ranks.nth(n), ranks.nth_back(m), ranks.next(), ranks.next_back());
        _ = region.ranks().split_at(Ordinal(n));
        _ = (region.runs().nth(2), region.extent(), region.layout(), hash(&region));
        _ = (region.to_string(), format!("{region:?}"), View::get(&region, Ordinal(n)));
        _ = ViewExt::range(&region, &label, range);
    }

    #[test]
    fn no_number_makes_the_algebra_panic(base in large_extent(), cuts in prop::collection::vec((number(), number()), 12)) {
        let mut both = [Region::of(base.clone()), Region::of(base.clone())];
        for (i, (label, (start, step))) in base.labels().chain(base.labels()).zip(cuts).enumerate() {
            let side = &mut both[usize::from(base.ndim() <= i)];
            let start = start % side.size(label).unwrap();
            *side = side.range(label, Range { start, end: None, step: step.max(1) }).unwrap();
        }
        let [left, right] = both;
        let common = left.intersection(&right).unwrap();
        prop_assert_eq!(common.is_some(), left.overlaps(&right).unwrap());
        let n_common = common.as_ref().map_or(0, Region::count);
        if let Some(common) = &common {
            prop_assert_eq!(common.is_subset(&left), Ok(true));
            prop_assert_eq!(common.relative_to(&right).map(|part| part.count()), Ok(n_common));
        }
        // By few boxes only, as the ratio of the steps bounds their number.
        let ratio = |label: &str| common.as_ref().map_or(1, |common| {
            left.size(label).unwrap() / common.size(label).unwrap()
        });
        if base.labels().all(|label| ratio(label) < 1000) {
            let n_rest: usize = left.difference(&right).unwrap().iter().map(Region::count).sum();
            prop_assert_eq!(n_rest + n_common, left.count());
        }
    }

    #[test]
    fn no_number_makes_a_set_panic(
        ranges in prop::collection::vec((number(), number()), 0..8), n in number(), m in number(),
    ) {
        let ranges = || ranges.iter().map(|(start, end)| *start..*end);
        let (mut set, mut other) = (RankSet::from_ranges(ranges()), RankSet::empty());
        for range in ranges() {
            other.insert_range(range);
        }
        prop_assert_eq!(&set, &other);
        other.remove(n);
        prop_assert_eq!(set.insert(n), n < u32::MAX as usize && !other.contains(n) && !RankSet::from_ranges(ranges()).contains(n));
        _ = (set.select(n), set.position(m), set.count_below(m), set.next_at_or_after(m));
        _ = (set.min(), set.max(), set.is_subset(&other), hash(&set), set.to_string());
        let rest = set.complement(m);
        prop_assert_eq!(rest.intersection(&set).count(), 0);
        prop_assert_eq!(rest.union(&set).difference(&rest), set.clone());
        _ = (set.iter().next(), set.iter().next_back(), set.iter().len());
        _ = Region::from_ranks(&Extent::new([("x", n.max(1))]).unwrap_or_else(|_| Extent::unity()), &set);
    }

    #[test]
    fn no_number_makes_a_map_panic(
        region in region(), changes in prop::collection::vec((number(), number(), 0..4_u8), 0..6), n in number(),
    ) {
        let mut map = RankMap::uniform(region.clone(), 0_u8);
        let mut overlay = Overlay::empty();
        for (start, end, value) in changes {
            _ = map.set_range(start..end, value);
            overlay.set(start..end, value);
            let small = RankMap::from_ranges(region.clone(), 9, [(start..end, value)]);
            prop_assert_eq!(small.is_ok(), start < end && end <= region.count());
        }
        let mut merged = map.clone();
        _ = merged.merge(&overlay);
        _ = (overlay.get(n), overlay.count());
        _ = RankMap::from_overlay(region.clone(), overlay);
        _ = (map.get(Ordinal(n)), map.get_by_rank(Rank(n)), map.values().nth(n));
        _ = (map.iter().next(), map.runs().count(), map.group_counts("b"));
        prop_assert!(RankMap::from_indexed(region.clone(), [(Ordinal(n), 1_u8)]).is_ok() == (n == 0 && region.count() == 1));
        prop_assert_eq!([1_u8, 2].into_iter().collect_mesh(region.clone()).is_ok(), region.count() == 2);
    }
}

/// Slicing of a map by the groups of its region.
trait GroupCounts {
    fn group_counts(&self, label: &str) -> Vec<usize>;
}

impl GroupCounts for RankMap<u8> {
    fn group_counts(&self, label: &str) -> Vec<usize> {
        let groups = self
            .region()
            .into_iter()
            .flat_map(|region| region.group_by(label));
        let parts = groups.flatten().take(3).map(|group| self.sliced(&group));
        parts
            .map(|part| part.map_or(0, |part| part.count()))
            .collect()
    }
}
