//! Extents and points.

use std::collections::HashSet;

use hypermesh_ndslice::{Extent, ExtentError, ShapeError, extent};
use proptest::prelude::*;

use crate::model::{coordinates, extent_of, sizes};

fn dims(n: usize) -> Vec<(String, usize)> {
    (0..n).map(|i| (format!("d{i}"), 2)).collect()
}

#[test]
fn an_extent_knows_its_dims() {
    let extent = extent!(zone = 2, host = 4, gpu = 8);
    assert_eq!((extent.ndim(), extent.count()), (3, 64));
    assert_eq!(extent.labels().collect::<Vec<_>>(), ["zone", "host", "gpu"]);
    assert_eq!(extent.sizes().collect::<Vec<_>>(), [2, 4, 8]);
    assert_eq!((extent.size("host"), extent.size("rack")), (Some(4), None));
    assert_eq!(
        (extent.position("gpu"), extent.position("rack")),
        (Some(2), None)
    );
}

#[test]
fn equality_and_hash_look_at_labels_and_sizes_in_order() {
    let extents = [
        extent!(x = 2, y = 3),
        extent!(y = 3, x = 2),
        extent!(x = 3, y = 2),
        extent!(x = 2, z = 3),
        extent!(x = 2),
        extent!(x = 2, y = 3, z = 1),
    ];
    let all: HashSet<Extent> = extents.iter().cloned().collect();
    assert_eq!(all.len(), extents.len());
    let parsed: HashSet<Extent> = extents
        .iter()
        .map(|e| e.to_string().parse().unwrap())
        .collect();
    assert_eq!(parsed, all);
}

#[test]
fn illegal_dims_are_errors() {
    let long = "x".repeat(65);
    let duplicate = ExtentError::DuplicateLabel { label: "x".into() };
    assert_eq!(Extent::new([("x", 2), ("x", 3)]), Err(duplicate));
    assert_eq!(Extent::new([("", 2)]), Err(ExtentError::EmptyLabel));
    assert!(Extent::new([(&long[..64], 2)]).is_ok());
    let error = ExtentError::LabelTooLong {
        label: long.as_str().into(),
        len: 65,
        max: 64,
    };
    assert_eq!(Extent::new([(long, 2)]), Err(error));
    let error = ExtentError::EmptyRange { label: "x".into() };
    assert_eq!(Extent::new([("x", 0)]), Err(error));
    let error = |actual| {
        Err(ExtentError::DimMismatch {
            expected: 2,
            actual,
        })
    };
    assert_eq!(Extent::from_parts(["x"], &[1, 2]), error(1));
    assert_eq!(Extent::from_parts(["x", "y", "z"], &[1, 2]), error(3));
    assert!(Extent::new(dims(8)).is_ok());
    assert_eq!(
        Extent::new(dims(9)),
        Err(ExtentError::TooManyDims { max: 8 })
    );
}

#[test]
fn the_product_of_the_sizes_is_checked() {
    let extent = Extent::new([("x", 65536), ("y", 65535)]).unwrap();
    assert_eq!(extent.count(), 65536 * 65535);
    assert_eq!(
        extent.points().next_back().unwrap().rank(),
        65536 * 65535 - 1
    );
    for dims in [[("x", 65536), ("y", 65536)], [("x", usize::MAX), ("y", 1)]] {
        assert!(
            matches!(Extent::new(dims), Err(ExtentError::TooLarge { .. })),
            "{dims:?}"
        );
    }
}

#[test]
fn the_extent_without_dims_has_one_rank() {
    let unity = extent!();
    assert_eq!(unity, Extent::unity());
    assert_eq!((unity.ndim(), unity.count()), (0, 1));
    let points: Vec<_> = unity.points().collect();
    assert_eq!(
        (points.len(), points[0].rank(), points[0].coords().len()),
        (1, 0, 0)
    );
    let extent = extent!(x = 4);
    assert_eq!(unity.concat(&extent).as_ref(), Ok(&extent));
    assert_eq!(extent.concat(&unity).as_ref(), Ok(&extent));
}

#[test]
fn concat_keeps_the_order_and_refuses_a_common_label() {
    let (x, y, z) = (extent!(x = 4), extent!(y = 2), extent!(z = 3));
    let both = x.concat(&y).unwrap();
    assert_eq!(both.to_string(), "x=4,y=2");
    let associated = x.concat(&y.concat(&z).unwrap());
    assert_eq!(both.concat(&z), associated);
    let error = ExtentError::DuplicateLabel { label: "y".into() };
    assert_eq!(both.concat(&y), Err(error));
    assert_ne!(both, y.concat(&x).unwrap());
}

#[test]
fn points_are_checked() {
    let extent = extent!(zone = 2, host = 4, gpu = 8);
    let point = extent.point([1, 2, 3]).unwrap();
    assert_eq!(point.rank(), 51);
    assert_eq!((point.coord(1), point.coord(3)), (Some(2), None));
    assert_eq!((point.get("gpu"), point.get("rack")), (Some(3), None));
    assert_eq!(extent.point_of_rank(51), Ok(point));
    let mismatch = |actual| {
        Err(ShapeError::DimMismatch {
            expected: 3,
            actual,
        })
    };
    assert_eq!(extent.point([1, 2]), mismatch(2));
    assert_eq!(extent.point([1, 2, 3, 4]), mismatch(4));
    let error = ShapeError::OutOfRange {
        dim: Some("gpu".into()),
        index: 8,
        size: 8,
    };
    assert_eq!(
        error.to_string(),
        "index 8 is out of range for dim \"gpu\" (size 8)"
    );
    assert_eq!(extent.point([1, 2, 8]), Err(error));
    let error = ShapeError::OutOfRange {
        dim: None,
        index: 64,
        size: 64,
    };
    assert_eq!(extent.point_of_rank(64), Err(error));
}

proptest! {
    #[test]
    fn points_are_row_major_and_their_coordinates_lead_back(sizes in sizes()) {
        let extent = extent_of(&sizes);
        let points = extent.points();
        prop_assert_eq!(points.len(), extent.count());
        for (rank, (point, coords)) in points.zip(coordinates(&sizes)).enumerate() {
            prop_assert_eq!(point.rank(), rank);
            prop_assert_eq!(point.coords().collect::<Vec<_>>(), coords.clone());
            prop_assert_eq!(point.coords().rev().rev().len(), coords.len());
            prop_assert_eq!(extent.point(&coords), Ok(point));
        }
    }
}
