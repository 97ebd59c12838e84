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
    refuse::<RankSet>("[[0,0]]");
    refuse::<RankSet>("[[0,4],[0,4]]");
    refuse::<RankSet>("[[1,18446744073709551615]]");
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
    let uniform = RankMap::uniform(shape!(x = 4_000_000), 7_u8);
    assert!(postcard::to_allocvec(&uniform).unwrap().len() < 40);
}

proptest! {
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
            }
            if let Ok(map) = postcard::from_bytes::<RankMap<u8>>(&bytes) {
                prop_assert!(map.get(Ordinal(map.count())).is_none());
            }
            _ = postcard::from_bytes::<Extent>(&bytes);
            _ = postcard::from_bytes::<Selection>(&bytes);
        }
    }
}
