//! Types that are indexed by rank.

use std::sync::Arc;

use hypermesh_ndslice::{Ordinal, Range, Region, ShapeError, View, ViewExt, extent, sel};

use crate::model::cluster;

/// One name for each rank of the base, and the region of those that are shown.
#[derive(Clone, Debug)]
struct Names {
    all: Arc<Vec<String>>,
    region: Region,
}

impl Names {
    fn new(region: Region) -> Self {
        Self {
            all: Arc::new((0..region.count()).map(|rank| format!("n{rank}")).collect()),
            region,
        }
    }
}

impl View for Names {
    type Item<'a> = &'a str;
    type Sliced = Self;

    fn region(&self) -> &Region {
        &self.region
    }

    fn get(&self, ordinal: Ordinal) -> Option<&str> {
        let rank = self.region.rank_at(ordinal).ok()?;
        self.all.get(usize::from(rank)).map(String::as_str)
    }

    fn sliced(&self, region: Region) -> Result<Self, ShapeError> {
        region.check_subset(&self.region)?;
        Ok(Self {
            all: self.all.clone(),
            region,
        })
    }
}

#[test]
fn a_view_is_sliced_like_a_region() {
    let names = Names::new(cluster());
    assert_eq!(names.extent(), extent!(zone = 2, host = 4, gpu = 8));
    let host = names.at("host", 1).unwrap().range("gpu", 6..).unwrap();
    assert_eq!(
        host.values().collect::<Vec<_>>(),
        ["n14", "n15", "n46", "n47"]
    );
    let (point, name) = host.iter().last().unwrap();
    assert_eq!(
        (point.to_string().as_str(), name),
        ("zone=1/2,gpu=1/2", "n47")
    );
    let groups: Vec<Names> = names.group_by("gpu").unwrap();
    assert_eq!(groups[2].values().next(), Some("n16"));
    assert!(names.range("rack", 0).is_err());
}

#[test]
fn a_view_is_cut_by_a_selection() {
    let names = Names::new(cluster());
    let slices = names.selected(&sel!(1, 3, (0 | 7))).unwrap();
    let selected: Vec<&str> = slices.iter().flat_map(ViewExt::values).collect();
    assert_eq!(selected, ["n56", "n63"]);
}

#[test]
fn a_region_that_is_no_part_of_a_view_is_an_error() {
    let last = Names::new(cluster()).at("host", 3).unwrap();
    let first = cluster().at("host", 0).unwrap();
    assert_eq!(
        last.sliced(first.clone()).unwrap_err(),
        ShapeError::NotSubset {
            dim: "host".into(),
            part: Range::from(0),
            whole: Range::from(3)
        }
    );
    let strange = Region::of(extent!(zone = 2));
    for error in [
        last.sliced(strange.clone()).unwrap_err(),
        View::sliced(&first, strange).unwrap_err(),
    ] {
        assert!(matches!(error, ShapeError::BaseMismatch { .. }), "{error}");
    }
}
