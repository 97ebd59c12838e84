//! Other labels, dims and orders for the same ranks.

use hypermesh_ndslice::{Extent, ExtentError, Range, RankSet, Region, ShapeError, extent};
use proptest::prelude::*;

use crate::model::{cluster, model, ranks};

fn even_hosts() -> Region {
    Region::of(extent!(x = 8))
        .range("x", Range::from(..).step_by(2))
        .unwrap()
}

#[test]
fn permute_takes_each_dim_once() {
    let region = cluster();
    let turned = region.permute(&["gpu", "zone", "host"]).unwrap();
    assert_eq!(turned.extent(), extent!(gpu = 8, zone = 2, host = 4));
    assert_eq!(turned.same_ranks(&region), Ok(true));
    for labels in [
        &["gpu", "zone"][..],
        &["gpu", "gpu", "zone"],
        &["gpu", "zone", "host", "gpu"],
    ] {
        let error = region.permute(labels);
        assert!(
            matches!(error, Err(ShapeError::NotAPermutation { .. })),
            "{labels:?}"
        );
    }
    let error = region.permute(&["gpu", "zone", "rack"]);
    assert!(matches!(error, Err(ShapeError::UnknownDim { .. })));
}

#[test]
fn rename_changes_labels_only() {
    let region = cluster().range("gpu", 2..4).unwrap();
    let renamed = region.rename(&[("gpu", "host"), ("host", "gpu")]).unwrap();
    assert_eq!(renamed.extent(), extent!(zone = 2, gpu = 4, host = 2));
    assert_eq!(ranks(&renamed), ranks(&region));
    assert_eq!(renamed.is_subset(&cluster()), Ok(true));
    let error = ExtentError::DuplicateLabel {
        label: "zone".into(),
    };
    assert_eq!(region.rename(&[("gpu", "zone")]), Err(error.into()));
}

#[test]
fn a_dropped_label_is_free_again() {
    let host = cluster().at("host", 1).unwrap();
    let renamed = host.rename(&[("gpu", "host")]).unwrap();
    assert_eq!(renamed.extent(), extent!(zone = 2, host = 8));
    assert_eq!(ranks(&renamed), ranks(&host));
    assert_eq!(renamed.is_subset(&cluster()), Ok(true));
    assert_eq!(renamed.base().to_string(), "zone=2,_=4,host=8");
    assert!(matches!(
        renamed.at("_", 0),
        Err(ShapeError::UnknownDim { .. })
    ));
    // A second time, and with the label that the first time has taken.
    let last = renamed
        .at("host", 7)
        .unwrap()
        .rename(&[("zone", "_")])
        .unwrap();
    assert_eq!(last.extent().to_string(), "_=2");
    let last = last.rename(&[("_", "host")]).unwrap();
    assert_eq!(
        (last.extent(), ranks(&last)),
        (extent!(host = 2), vec![15, 47])
    );

    let split = host
        .split("gpu", &[("host", Some(2)), ("gpu", None)])
        .unwrap();
    assert_eq!(split.extent(), extent!(zone = 2, host = 2, gpu = 4));
    assert_eq!(ranks(&split), ranks(&host));
    let flat = host
        .at("zone", 0)
        .unwrap()
        .flatten(&["gpu"], "host")
        .unwrap();
    assert_eq!(
        (flat.extent(), ranks(&flat)),
        (extent!(host = 8), (8..16).collect())
    );
}

#[test]
fn reshaped_views_compare_through_sets() {
    let region = cluster().range("host", Range::from(..).step_by(2)).unwrap();
    let split = region.split("gpu", &[("a", Some(2)), ("b", None)]).unwrap();
    let flat = split.flatten(&["a", "b"], "all").unwrap();
    let mismatch = split.intersection(&region);
    assert!(matches!(mismatch, Err(ShapeError::BaseMismatch { .. })));
    let (split, flat) = (RankSet::from(&split), RankSet::from(&flat));
    assert_eq!((&split, &flat), (&RankSet::from(&region), &split));
    let part = RankSet::from(&region.at("gpu", 3).unwrap());
    assert!(part.is_subset(&split) && !split.is_subset(&part));
}

#[test]
fn split_infers_one_size() {
    let region = cluster();
    let split = region
        .split("host", &[("dp", None), ("pp", Some(2))])
        .unwrap();
    assert_eq!(split.extent(), extent!(zone = 2, dp = 2, pp = 2, gpu = 8));
    assert_eq!(ranks(&split), ranks(&region));
    let open = region.split("host", &[("dp", None), ("pp", None)]);
    assert_eq!(open, Err(ShapeError::ManyOpenSizes { dim: "host".into() }));
    let error = |by| {
        Err(ShapeError::NotDivisible {
            dim: "host".into(),
            size: 4,
            by,
        })
    };
    assert_eq!(
        region.split("host", &[("dp", None), ("pp", Some(3))]),
        error(3)
    );
    assert_eq!(
        region.split("host", &[("dp", Some(2)), ("pp", Some(4))]),
        error(8)
    );
    assert_eq!(
        region.split("host", &[("dp", None), ("pp", Some(0))]),
        error(0)
    );
    let eight = Extent::new(('a'..='h').map(|label| (label.to_string(), 2))).unwrap();
    let split = Region::of(eight).split("a", &[("x", Some(2)), ("y", Some(1))]);
    assert_eq!(split, Err(ExtentError::TooManyDims { max: 8 }.into()));
}

#[test]
fn split_and_flatten_never_change_ranks_silently() {
    let split = even_hosts()
        .split("x", &[("a", Some(2)), ("b", Some(2))])
        .unwrap();
    assert_eq!(ranks(&split), [0, 2, 4, 6]);
    assert_eq!(split.flatten(&["a", "b"], "x"), Ok(even_hosts()));
    let odd = Region::of(extent!(x = 8)).range("x", 1..7).unwrap();
    let error = odd.split("x", &[("a", Some(2)), ("b", Some(3))]);
    assert_eq!(error, Err(ShapeError::NotAligned { dim: "x".into() }));

    let flat = cluster().flatten(&["host", "gpu"], "all").unwrap();
    assert_eq!(flat.extent(), extent!(zone = 2, all = 32));
    let sparse = cluster().range("host", Range::from(..).step_by(2)).unwrap();
    let not_aligned = Err(ShapeError::NotAligned { dim: "all".into() });
    assert_eq!(sparse.flatten(&["host", "gpu"], "all"), not_aligned);
    for labels in [&["zone", "gpu"][..], &["gpu", "host"], &[]] {
        assert_eq!(cluster().flatten(labels, "all"), not_aligned, "{labels:?}");
    }
}

proptest! {
    #[test]
    fn split_and_flatten_keep_ranks_and_are_inverse(
        model in model(), dim in any::<prop::sample::Index>(), part in 1..=6_usize,
    ) {
        let region = model.region();
        let labels: Vec<&str> = region.labels().collect();
        prop_assume!(!labels.is_empty());
        let label = *dim.get(&labels);
        let parts = [("outer", None), ("inner", Some(part))];
        let split = region.split(label, &parts);
        let is_divisible = region.size(label).is_some_and(|size| size % part == 0);
        prop_assert_eq!(matches!(split, Err(ShapeError::NotDivisible { .. })), !is_divisible);
        if let Ok(split) = split {
            prop_assert_eq!(ranks(&split), model.ranks());
            prop_assert_eq!(split.flatten(&["outer", "inner"], label), Ok(region.clone()));
        }
        for pair in labels.windows(2) {
            if let Ok(flat) = region.flatten(pair, "flat") {
                prop_assert_eq!(ranks(&flat), model.ranks());
            }
        }
    }
}
