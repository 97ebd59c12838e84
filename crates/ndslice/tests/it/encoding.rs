//! Encodings: what is decoded is what was encoded, or an error.

use std::fmt::Debug;

use hypermesh_ndslice::{
    Extent, Ordinal, Overlay, Point, Range, Rank, RankMap, RankSet, Region, Selection, extent, sel,
    sel_from_shape, shape,
};
use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::model::{cluster, model, model_and_part, part_of};

/// The value is the same after a round trip through a binary and a text encoding.
#[track_caller]
fn check<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
    let bytes = postcard::to_allocvec(value).unwrap();
    assert_eq!(postcard::from_bytes::<T>(&bytes).as_ref(), Ok(value));
    let text = serde_json::to_string(value).unwrap();
    assert_eq!(&serde_json::from_str::<T>(&text).unwrap(), value, "{text}");
}

/// What these bytes decode to, if it is a value, survives another round.
#[track_caller]
fn check_decoded<T: Serialize + DeserializeOwned + PartialEq + Debug>(bytes: &[u8]) {
    if let Ok(value) = postcard::from_bytes::<T>(bytes) {
        check(&value);
    }
}

/// The text is refused.
#[track_caller]
fn refuse<T: DeserializeOwned + Debug>(text: &str) {
    let value = serde_json::from_str::<T>(text);
    assert!(value.is_err(), "{value:?}");
}

#[test]
fn values_survive_encoding() {
    check(&extent!());
    check(&extent!(x = 4, y = 2));
    check(&extent!(x = 4, y = 2).point([3, 1]).unwrap());
    check(&(Rank(3), Ordinal(4), Range::from(1..).step_by(2)));
    check(&RankSet::empty());
    check(&RankMap::<u8>::empty());
    check(&sel!(*, 0:4 | 6 - ?));
    check(&Overlay::from_iter([(3..5, 'a'), (7..9, 'b')]));
    assert!(serde_json::to_string(&sel_from_shape!(cluster(), rack = 0)).is_err());
}

#[test]
fn illegal_values_are_refused() {
    refuse::<Extent>(r#"[["x",0]]"#);
    refuse::<Extent>(r#"[["x",1],["x",1]]"#);
    refuse::<Extent>(r#"[["x",65536],["y",65536]]"#);
    refuse::<Point>(r#"[[["x",4]],4]"#);
    refuse::<Selection>(r#""*,""#);
    refuse::<Region>(r#"[[["x",4]],[],[0]]"#);
    refuse::<Region>(r#"[[["x",4]],[[0,1,5]],[0]]"#);
    refuse::<Region>(r#"[[["x",4]],[[0,4294967295,4294967295]],[0]]"#);
    refuse::<Region>(r#"[[["x",4]],[[0,0,2]],[0]]"#);
    refuse::<Region>(r#"[[["x",4]],[[0,1,0]],[0]]"#);
    refuse::<Region>(r#"[[["x",4]],[[0,1,2]],[0,0]]"#);
    refuse::<Region>(r#"[[["x",4]],[[0,1,2]],[1]]"#);
    refuse::<Region>(r#"[[["x",4]],[[0,1,2]],[]]"#);
    assert!(serde_json::from_str::<RankSet>(r#"{"Runs":[[0,2],[1,2]]}"#).is_ok());
    assert!(serde_json::from_str::<RankSet>(r#"{"Runs":[[0,4294967295]]}"#).is_ok());
    for runs in [
        "[[0,0]]",
        "[[0,4],[0,4]]",
        "[[0,4],[-2,4]]",
        "[[1,4294967295]]",
        "[[0,4],[4294967290,4]]",
        "[[0,4294967296]]",
    ] {
        refuse::<RankSet>(&format!(r#"{{"Runs":{runs}}}"#));
    }
    assert!(serde_json::from_str::<RankSet>(r#"{"Bits":[0,3]}"#).is_ok());
    for bits in ["[]", "[0]", "[3,0]", "[256]"] {
        refuse::<RankSet>(&format!(r#"{{"Bits":{bits}}}"#));
    }
    refuse::<RankMap<u8>>(r#"[null,[[1,0]]]"#);
    let map = |runs: &str| format!(r#"[[[["x",4]],[[0,1,4]],[0]],{runs}]"#);
    assert!(serde_json::from_str::<RankMap<u8>>(&map("[[3,0],[1,0]]")).is_ok());
    for runs in [
        "[]",
        "[[3,0]]",
        "[[5,0]]",
        "[[4,0],[0,1]]",
        "[[2,0],[4294967295,1]]",
    ] {
        refuse::<RankMap<u8>>(&map(runs));
    }
    refuse::<Overlay<u8>>("[[3,3,0]]");
    refuse::<Overlay<u8>>("[[3,5,0],[4,6,0]]");
}

#[test]
fn the_encoded_size_does_not_grow_with_the_ranks() {
    let len = |region: &Region| postcard::to_allocvec(region).unwrap().len();
    assert!(len(&shape!(x = 4_000_000)) <= len(&shape!(x = 4)) + 8);
    let million = RankSet::from(0..1_000_000);
    assert!(postcard::to_allocvec(&million).unwrap().len() <= 16);
    let everywhere_second: RankSet = (0..1_000_000).step_by(2).collect();
    assert!(postcard::to_allocvec(&everywhere_second).unwrap().len() <= 125_010);
    let few: RankSet = [0, 1_000_000, 2_000_000].into_iter().collect();
    assert!(postcard::to_allocvec(&few).unwrap().len() <= 16);
    let uniform = RankMap::uniform(shape!(x = 4_000_000), 7_u8);
    assert!(postcard::to_allocvec(&uniform).unwrap().len() < 40);
}

#[test]
fn equal_sets_are_encoded_alike() {
    // One comes as bits, the other has become runs on its way.
    let listed: RankSet = (0..1000).step_by(2).collect();
    let mut changed = listed.clone();
    changed.insert(4_000_000_000);
    changed.remove(4_000_000_000);
    assert_eq!(listed, changed);
    let bytes = postcard::to_allocvec(&listed).unwrap();
    assert_eq!(postcard::to_allocvec(&changed).unwrap(), bytes);
    assert_eq!(postcard::from_bytes(&bytes), Ok(changed));
}

proptest! {
    #[test]
    fn sets_survive_encoding(ranks in prop::collection::vec(0..600_usize, 0..400), far: u32) {
        let mut set: RankSet = ranks.into_iter().collect();
        check(&set);
        set.insert(far as usize);
        check(&set);
    }

    #[test]
    fn regions_sets_and_maps_survive_encoding((model, part) in model_and_part()) {
        let region = part_of(&model.region(), &part);
        check(&region);
        check(&RankSet::from(&region));
        let map = RankMap::from_fn(region, |Ordinal(ordinal)| ordinal / 3);
        check(&map);
        check(&map.compressed());
    }

    #[test]
    fn arbitrary_bytes_are_a_value_or_an_error(bytes in prop::collection::vec(0..20_u8, 0..40), model in model()) {
        let mut changed = postcard::to_allocvec(&model.region()).unwrap();
        for (i, byte) in bytes.iter().enumerate() {
            if let Some(slot) = changed.get_mut(i * 3) {
                *slot ^= byte & 3;
            }
        }
        for bytes in [bytes, changed] {
            if let Ok(region) = postcard::from_bytes::<Region>(&bytes) {
                prop_assert!(region.rank_at(Ordinal(region.count() - 1)).is_ok());
            }
            if let Ok(set) = postcard::from_bytes::<RankSet>(&bytes) {
                prop_assert_eq!(&RankSet::from_ranges(set.runs()), &set);
                prop_assert_eq!(set.iter().count(), set.count());
            }
            if let Ok(map) = postcard::from_bytes::<RankMap<u8>>(&bytes) {
                prop_assert!(map.get(Ordinal(map.count())).is_none());
            }
            check_decoded::<Extent>(&bytes);
            check_decoded::<Point>(&bytes);
            check_decoded::<Region>(&bytes);
            check_decoded::<RankSet>(&bytes);
            check_decoded::<RankMap<u8>>(&bytes);
            check_decoded::<Overlay<u8>>(&bytes);
            check_decoded::<Selection>(&bytes);
        }
    }
}
