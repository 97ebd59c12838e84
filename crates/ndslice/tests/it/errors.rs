//! The texts of errors: each names what was asked for and what there is.

use std::error::Error;

use hypermesh_ndslice::{
    Extent, Ordinal, Overlay, Range, Rank, RankMap, RankSet, Region, extent, shape,
};

use crate::model::cluster;

#[track_caller]
fn check<T: std::fmt::Debug, E: Error>(result: Result<T, E>, text: &str) {
    let error = result.expect_err(text);
    assert_eq!(error.to_string(), text);
}

#[test]
fn extents_say_which_dim_is_illegal() {
    check(
        Extent::new([("x", 2), ("x", 3)]),
        "two dims are called \"x\"",
    );
    check(Extent::new([("", 2)]), "a dim has an empty label");
    check(
        Extent::new([("x", 0)]),
        "dim \"x\" has size 0, and the least is 1",
    );
    check(
        Extent::new([("x", 65536), ("y", 65536)]),
        "dim \"y\" of size 65536 makes more ranks than the largest number, 4294967295",
    );
    check(
        Extent::from_parts(["x"], &[2, 3]),
        "1 labels were given for 2 sizes",
    );
    let nine = ('a'..='i').map(|label| (label.to_string(), 1));
    check(Extent::new(nine), "there are more than 8 dims");
    let long = "x".repeat(65);
    let text = format!("label \"{long}\" has 65 bytes, and 64 are allowed");
    check(Extent::new([(long, 1)]), &text);
}

#[test]
fn regions_say_which_index_is_illegal() {
    let region = cluster();
    let text = "no dim is called \"rack\" (known: \"zone\", \"host\", \"gpu\")";
    check(region.at("rack", 0), text);
    check(
        region.at("gpu", 9),
        "index 9 is out of range for dim \"gpu\" (size 8)",
    );
    check(
        region.range("gpu", 4..9),
        "index 8 is out of range for dim \"gpu\" (size 8)",
    );
    check(
        region.range("gpu", 4..4),
        "range 4..4 of dim \"gpu\" is empty",
    );
    let step = Range::from(..).step_by(0);
    check(
        region.range("gpu", step),
        "the step of a range of dim \"gpu\" is 0",
    );
    check(
        region.rank_at(Ordinal(64)),
        "index 64 is out of range for a shape of 64 ranks",
    );
    check(
        region.rank_of([0, 0]),
        "2 coordinates were given for 3 dims",
    );
    let host = region.at("host", 1).unwrap();
    check(
        host.ordinal_of(Rank(3)),
        "rank 3 is not in the region, whose ranks go from 8 to 47",
    );
    check(
        region.ordinal_of(Rank(64)),
        "rank 64 is not in the region, whose ranks go from 0 to 63",
    );
    let odd = region.range("gpu", Range::from(1..).step_by(2)).unwrap();
    check(
        region.relative_to(&odd),
        "the indices 0:8 of dim \"gpu\" are not all in 1:8:2",
    );
    check(RankMap::<u8>::empty().sliced(&odd), "the map has no region");
    check(
        region.intersection(&shape!(x = 64)),
        "the bases differ: `zone=2,host=4,gpu=8` and `x=64`",
    );
    check(
        region.permute(&["gpu"]),
        "a permutation names each of the dims \"zone\", \"host\", \"gpu\" once",
    );
    check(
        region.split("gpu", &[("a", Some(3)), ("b", None)]),
        "dim \"gpu\" (size 8) cannot be split into parts of product 3",
    );
    check(
        region.split("gpu", &[("a", None), ("b", None)]),
        "a split of dim \"gpu\" leaves more than one size open",
    );
    check(
        Region::from_ranks(&extent!(x = 4), &RankSet::from(2..6)),
        "index 5 is out of range for a shape of 4 ranks",
    );
    let renamed = region.rename(&[("gpu", "host")]).unwrap_err();
    assert_eq!(
        renamed.source().unwrap().to_string(),
        "two dims are called \"host\""
    );
}

#[test]
fn maps_say_which_ordinal_is_illegal() {
    let region = shape!(x = 4);
    check(
        RankMap::from_dense(region.clone(), vec![1]),
        "1 values were given for 4 ordinals",
    );
    let one = [(Ordinal(0), 'a')];
    check(
        RankMap::from_indexed(region.clone(), one),
        "3 ordinals have no value, the first is 1",
    );
    let five = Overlay::from_iter([(0..5, 'a')]);
    check(
        RankMap::from_overlay(region.clone(), five),
        "ordinal 4 is out of range for a map of 4",
    );
    let mut map = RankMap::uniform(region.clone(), 'a');
    check(map.set_range(2..2, 'b'), "range 2..2 is empty");
    let ranges = [(0..2, 'b'), (1..3, 'c')];
    check(
        RankMap::from_ranges(region, 'a', ranges),
        "ranges 0..2 and 1..3 overlap",
    );
}
