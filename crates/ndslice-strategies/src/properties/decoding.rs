//! The decoders, from a binary and from a text encoding: what is accepted keeps the invariants of
//! its type and survives another round.

use std::fmt::Debug;

use hypermesh_ndslice::{
    Extent, Ordinal, Overlay, Point, Range, Rank, RankMap, RankSet, Region, Selection,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::parsing::check_full;

/// Runs that are looked at of a value that may have many.
const N_RUNS: usize = 200;

/// The encodings of an extent.
pub fn decode_extent(bytes: &[u8]) -> bool {
    check(bytes, |extent: &Extent| {
        assert!(extent.sizes().all(|size| 0 < size));
        assert_eq!(extent.sizes().product::<usize>(), extent.count());
        assert_eq!(extent.to_string().parse().as_ref(), Ok(extent));
    })
}

/// The encodings of a point.
pub fn decode_point(bytes: &[u8]) -> bool {
    check(bytes, |point: &Point| {
        assert!(point.rank() < point.extent().count());
    })
}

/// The encodings of a range.
pub fn decode_range(bytes: &[u8]) -> bool {
    check(bytes, |range: &Range| {
        let dim = Region::of(Extent::new([("x", 10)]).expect("a legal extent"));
        if let Ok(part) = dim.range("x", *range) {
            assert!(part.count() <= 10);
        }
    })
}

/// The encodings of a region.
pub fn decode_region(bytes: &[u8]) -> bool {
    check(bytes, |region: &Region| {
        let last = Ordinal(region.count() - 1);
        let rank = region.rank_at(last).expect("the last ordinal has a rank");
        assert_eq!(region.ordinal_of(rank), Ok(last));
        assert!(rank < Rank(region.base().count()));
        check_full(region);
    })
}

/// The encodings of a rank set.
pub fn decode_rank_set(bytes: &[u8]) -> bool {
    check(bytes, |set: &RankSet| {
        let mut end = None;
        for run in set.runs().take(N_RUNS) {
            assert!(end < Some(run.start) && !run.is_empty());
            assert!(set.contains(run.start) && set.contains(run.end - 1));
            end = Some(run.end);
        }
        assert_eq!(set.is_empty(), set.count() == 0);
    })
}

/// The encodings of a rank map.
pub fn decode_rank_map(bytes: &[u8]) -> bool {
    check(bytes, |map: &RankMap<u8>| {
        assert_eq!(map.get(Ordinal(map.count())), None);
        let mut end = 0;
        for (run, _) in map.runs().take(N_RUNS) {
            assert!(run.start == end && run.start < run.end);
            end = run.end;
        }
        assert!(end <= map.count());
    })
}

/// The encodings of an overlay.
pub fn decode_overlay(bytes: &[u8]) -> bool {
    check(bytes, |overlay: &Overlay<u8>| {
        let mut last: Option<(usize, u8)> = None;
        for (run, value) in overlay.runs().take(N_RUNS) {
            let touches = last.is_some_and(|(end, known)| end == run.start && known == *value);
            assert!(last.is_none_or(|(end, _)| end <= run.start) && !touches && !run.is_empty());
            last = Some((run.end, *value));
        }
    })
}

/// The encodings of a selection.
pub fn decode_selection(bytes: &[u8]) -> bool {
    check(bytes, |selection: &Selection| {
        assert_eq!(selection.to_string().parse().as_ref(), Ok(selection));
    })
}

fn check<T>(bytes: &[u8], keeps_promises: impl Fn(&T)) -> bool
where
    T: DeserializeOwned + Serialize + PartialEq + Debug,
{
    let mut is_accepted = false;
    if let Ok(value) = postcard::from_bytes::<T>(bytes) {
        is_accepted = true;
        keeps_promises(&value);
        let encoded = postcard::to_allocvec(&value).expect("a decoded value encodes");
        assert_eq!(postcard::from_bytes::<T>(&encoded).as_ref(), Ok(&value));
    }
    if let Ok(value) = serde_json::from_slice::<T>(bytes) {
        is_accepted = true;
        keeps_promises(&value);
        let encoded = serde_json::to_vec(&value).expect("a decoded value encodes");
        assert_eq!(serde_json::from_slice::<T>(&encoded).ok(), Some(value));
    }
    is_accepted
}
