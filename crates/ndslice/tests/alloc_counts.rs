//! What the crate asks of the allocator: nothing for arithmetic, little for sets and maps.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::hint::black_box;

use hypermesh_ndslice::{
    Extent, Ordinal, Overlay, Range, Rank, RankMap, RankSet, Region, extent, tree,
};
use hypermesh_testkit::{CountingAllocator, counted};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

#[track_caller]
fn allocates_nothing<T>(run: impl FnOnce() -> T) {
    let (value, asked) = counted(run);
    assert_eq!(asked.calls, 0);
    black_box(value);
}

/// Eight dims, 2^24 ranks.
fn deep() -> Region {
    let dims = ('a'..='h').map(|label| (label.to_string(), 8));
    Region::of(Extent::new(dims).unwrap())
}

fn stepped(region: &Region, label: &str, start: usize, step: usize) -> Region {
    region
        .range(label, Range::from(start..).step_by(step))
        .unwrap()
}

#[test]
fn the_allocator_is_counted() {
    let (list, asked) = counted(|| vec![0_u8; 100]);
    assert_eq!((asked.calls, asked.live, asked.peak), (1, 100, 100));
    let ((), asked) = counted(|| drop(list));
    assert_eq!((asked.calls, asked.live), (0, -100));
}

#[test]
fn arithmetic_on_eight_dims_allocates_nothing() {
    let whole = deep();
    let (left, right) = (stepped(&whole, "h", 1, 2), stepped(&whole, "h", 1, 3));
    allocates_nothing(|| whole.clone());
    allocates_nothing(|| left.rank_at(Ordinal(77)));
    allocates_nothing(|| left.ordinal_of(Rank(77)));
    allocates_nothing(|| left.rank_of([1; 8]));
    allocates_nothing(|| left.coord_of(Rank(77)));
    allocates_nothing(|| whole.base().point_of_rank(77).map(|point| point.coords()));
    allocates_nothing(|| whole.range("d", Range::from(1..).step_by(3)));
    allocates_nothing(|| whole.at("d", 3));
    allocates_nothing(|| whole.permute(&["h", "g", "f", "e", "d", "c", "b", "a"]));
    allocates_nothing(|| {
        whole
            .group_by("e")
            .map(|groups| groups.map(|g| g.count()).sum::<usize>())
    });
    allocates_nothing(|| left.intersection(&right));
    allocates_nothing(|| left.is_subset(&whole));
    allocates_nothing(|| left.overlaps(&right));
    allocates_nothing(|| left.count_below(Rank(1_000_000)));
    allocates_nothing(|| left.next_at_or_after(Rank(1_000_000)));
    allocates_nothing(|| left.layout());
}

#[test]
fn iterating_allocates_nothing() {
    let turned = stepped(&deep(), "b", 0, 3)
        .permute(&["h", "a", "b", "c", "d", "e", "f", "g"])
        .unwrap();
    allocates_nothing(|| turned.ranks().map(usize::from).sum::<usize>());
    allocates_nothing(|| turned.ranks().rev().take(1000).count());
    allocates_nothing(|| turned.ranks().nth(1_000_000));
    allocates_nothing(|| turned.ranks().split_at(Ordinal(1_000_000)));
    allocates_nothing(|| turned.runs().count());
    allocates_nothing(|| turned.base().points().map(|point| point.rank()).max());
    let set: RankSet = (0..10_000).step_by(2).chain([90_000]).collect();
    allocates_nothing(|| set.iter().sum::<usize>());
    allocates_nothing(|| (set.select(77), set.position(77), set.count_below(8000)));
}

#[test]
fn algebra_of_a_billion_ranks_allocates_by_boxes() {
    let whole = Region::of(extent!(x = 1000, y = 1000, z = 1000));
    let left = stepped(&whole, "y", 1, 2);
    let right = stepped(&stepped(&whole, "y", 0, 3), "z", 1, 5);
    allocates_nothing(|| left.intersection(&right));
    allocates_nothing(|| left.is_subset(&right));
    allocates_nothing(|| left.count_below(Rank(999_999_999)));
    let (boxes, asked) = counted(|| left.difference(&right).unwrap());
    assert!(boxes.len() <= 10, "{}", boxes.len());
    assert!(asked.peak < 16 * 1024, "{}", asked.peak);
    let (_, asked) = counted(|| RankSet::from(&whole));
    assert!(asked.peak < 1024, "{}", asked.peak);
}

#[test]
fn planning_a_hop_allocates_nothing() {
    let n = 1_000_000;
    let sum = |children: &mut dyn Iterator<Item = std::ops::Range<usize>>| {
        children.map(|child| child.len()).sum::<usize>()
    };
    allocates_nothing(|| sum(&mut tree::children(0..n, 8).unwrap()));
    allocates_nothing(|| sum(&mut tree::postal::children(0..n, 3).unwrap()));
    allocates_nothing(|| sum(&mut tree::hosts::children(0..n, 8, 8).unwrap()));
    allocates_nothing(|| (tree::parent(n - 1, 0..n, 8), tree::subtree(n / 2, 0..n, 8)));
    allocates_nothing(|| {
        (
            tree::depth(n, 8),
            tree::path(n - 1, 0..n, 8).map(Iterator::count),
        )
    });
    // The dead are a set, which is looked into and not copied.
    let members = RankSet::from(0..n).difference(&(0..n).step_by(3).collect());
    allocates_nothing(|| sum(&mut tree::live_children(0..n, 8, &members).unwrap()));
    allocates_nothing(|| sum(&mut tree::postal::live_children(0..n, 3, &members).unwrap()));
}

#[test]
fn sets_take_memory_by_their_density() {
    let kib = 1024;
    let (second, asked) = counted(|| (0..1_000_000).step_by(2).collect::<RankSet>());
    assert_eq!(second.count(), 500_000);
    assert!(asked.live <= 160 * kib, "{}", asked.live);
    let (inserted, asked) = counted(|| {
        let mut set = RankSet::empty();
        for rank in (0..1_000_000).step_by(2) {
            set.insert(rank);
        }
        set
    });
    assert_eq!(inserted, second);
    assert!(asked.live <= 160 * kib, "{}", asked.live);
    let third = RankSet::from(&stepped(&Region::of(extent!(x = 1_000_000)), "x", 0, 3));
    let (both, asked) = counted(|| second.intersection(&third));
    assert_eq!(both.count(), 166_667);
    assert!(asked.peak <= 160 * kib, "{}", asked.peak);
    let (all, asked) = counted(|| RankSet::from(0..1_000_000));
    assert_eq!(all.count(), 1_000_000);
    assert!(asked.live <= 64, "{}", asked.live);
}

#[test]
fn maps_take_memory_by_their_runs() {
    let region = Region::of(extent!(x = 1024, y = 1024));
    let ranges = || (0..5000).map(|i| (i * 200..i * 200 + 100, i as u64));
    let (map, asked) =
        counted(|| RankMap::from_ranges(region.clone(), u64::MAX, ranges()).unwrap());
    assert!(10_000 <= map.runs().count(), "{}", map.runs().count());
    assert!(asked.live <= 200_000, "{}", asked.live);
    let (set, asked) = counted(|| {
        let mut map = RankMap::uniform(region.clone(), u64::MAX);
        for (range, value) in ranges() {
            map.set_range(range, value).unwrap();
        }
        map
    });
    assert_eq!(set, map);
    assert!(asked.live <= 200_000, "{}", asked.live);

    let (uniform, asked) = counted(|| RankMap::uniform(region.clone(), 7_u64));
    assert!(asked.live <= 64, "{}", asked.live);
    let turned = region.permute(&["y", "x"]).unwrap();
    let (_, asked) = counted(|| uniform.sliced(&turned).unwrap());
    assert!(asked.peak <= 1024, "{}", asked.peak);
    let (distinct, asked) = counted(|| RankMap::from_fn(region, |Ordinal(i)| i as u64));
    let bytes = distinct.count() * size_of::<u64>();
    assert!(asked.live <= bytes as isize + 64, "{}", asked.live);
    let (compressed, asked) = counted(|| distinct.compressed());
    assert_eq!(compressed.get(Ordinal(5)), Some(&5));
    assert_eq!(asked.live, 0);
}

#[test]
fn an_overlay_takes_memory_by_its_runs() {
    let (overlay, asked) = counted(|| {
        let mut overlay = Overlay::empty();
        for i in 0..100_000_usize {
            let ordinal = i * 7919 % 100_003;
            overlay.set(ordinal..ordinal + 1, ordinal / 50_000);
        }
        overlay
    });
    // Three ordinals are left out, so there are at most six runs.
    assert!(overlay.runs().count() <= 6);
    assert!(asked.live <= 4096, "{}", asked.live);
}

#[cfg(feature = "serde")]
#[test]
fn decoding_allocates_by_the_input() {
    #[track_caller]
    fn check<T: serde::de::DeserializeOwned>(bytes: &[u8]) {
        let (_, asked) = counted(|| postcard::from_bytes::<T>(bytes).is_ok());
        let limit = 4096 + 256 * bytes.len() as isize;
        assert!(asked.peak <= limit, "{} bytes for {bytes:?}", asked.peak);
    }
    let everywhere = [
        [0x00_u8; 40],
        [0x01; 40],
        [0x02; 40],
        [0x7F; 40],
        [0xFF; 40],
    ];
    let lengths = [
        // A list that claims to be long, in each place that begins with a length.
        vec![0xFF, 0xFF, 0xFF, 0xFF, 0x0F],
        vec![0x00, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F],
        vec![0x01, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F],
        // A set of one run up to the largest rank, and one far rank.
        vec![0x00, 0x01, 0x00, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F],
        vec![0x00, 0x01, 0xFE, 0xFF, 0xFF, 0xFF, 0x0F, 0x01],
    ];
    for bytes in everywhere
        .iter()
        .map(|bytes| &bytes[..])
        .chain(lengths.iter().map(|l| &l[..]))
    {
        check::<Extent>(bytes);
        check::<hypermesh_ndslice::Point>(bytes);
        check::<Region>(bytes);
        check::<RankSet>(bytes);
        check::<RankMap<u64>>(bytes);
        check::<RankMap<()>>(bytes);
        check::<Overlay<u64>>(bytes);
        check::<hypermesh_ndslice::Selection>(bytes);
    }
}
