//! A mesh of values behaves as a plain array of its ranks.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use hypermesh_ndslice::{
    Ordinal, Overlay, Range, RankMap, RankMapError, ShapeError, View, ViewExt, shape,
};
use hypermesh_wire::{decode, encode};
use proptest::prelude::*;

use super::{ValueMesh, ValueMeshError};

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[test]
fn too_few_too_many_missing_and_strange_values_are_told_apart() {
    let region = shape!(gpu = 3);
    let of = |values: &[u8]| ValueMesh::new(region.clone(), values.iter().copied());
    assert_eq!(
        of(&[1, 2]),
        Err(ValueMeshError::TooFew {
            values: 2,
            ranks: 3
        })
    );
    assert_eq!(of(&[1, 2, 3, 4]), Err(ValueMeshError::TooMany { ranks: 3 }));
    let indexed = |at: &[usize]| {
        let values = at.iter().map(|at| (Ordinal(*at), *at));
        ValueMesh::from_indexed(region.clone(), values)
    };
    let missing = RankMapError::Missing { first: 1, count: 1 };
    assert_eq!(indexed(&[2, 0]), Err(ValueMeshError::Ranks(missing)));
    let strange = RankMapError::OutOfRange { index: 3, count: 3 };
    assert_eq!(indexed(&[0, 3]), Err(ValueMeshError::Ranks(strange)));
    let last = [(0, 'a'), (1, 'b'), (0, 'c'), (2, 'd')].map(|(at, value)| (Ordinal(at), value));
    let last = ValueMesh::from_indexed(region.clone(), last).unwrap();
    assert_eq!(last.values().collect::<String>(), "cbd");
}

#[test]
fn the_first_error_in_rank_order_is_the_error_of_the_mesh() {
    let values = [Ok(1), Err("b"), Err("c")];
    let mesh = ValueMesh::new(shape!(gpu = 3), values).unwrap();
    assert_eq!(mesh.transpose(), Err("b"));
    let mesh = ValueMesh::new(shape!(gpu = 3), [1, 2, 3]).unwrap();
    assert_eq!(
        mesh.try_map(|n| if *n < 2 { Ok(*n) } else { Err(*n) }),
        Err(2)
    );
}

#[test]
fn values_are_grouped_in_bounded_length() {
    let mesh = ValueMesh::new(shape!(gpu = 8), [0, 0, 0, 1, 0, 1, 1, 1]).unwrap();
    let text = mesh
        .map(|n| if *n == 0 { "Running" } else { "Timeout" })
        .to_string();
    assert_eq!(text, "Running: 0..3,4; Timeout: 3,5..8");
    let many = ValueMesh::new(shape!(gpu = 1000), 0..1000)
        .unwrap()
        .to_string();
    assert!(many.ends_with("; and 984 more values"), "{many}");
    let long = ValueMesh::uniform(shape!(gpu = 2), "é".repeat(1000)).to_string();
    assert!(long.len() < 300 && long.ends_with("…: 0..2"), "{long}");
}

#[tokio::test]
async fn futures_are_awaited_together() {
    let futures = (0..4).map(|n| async move { n * n });
    let squares = ValueMesh::join(shape!(gpu = 4), futures).await.unwrap();
    assert_eq!(squares.to_string(), "0: 0; 1: 1; 4: 2; 9: 3");
}

#[test]
fn runs_that_do_not_fill_the_region_are_refused() {
    let region = shape!(gpu = 4);
    for runs in [
        vec![(3_u32, 'a')],
        vec![(4, 'a'), (1, 'b')],
        vec![(0, 'a'), (4, 'b')],
    ] {
        let payload = encode(&(Some(region.clone()), runs)).unwrap();
        assert!(decode::<ValueMesh<char>>(&payload).is_err());
    }
    let payload = encode(&RankMap::<char>::empty()).unwrap();
    assert!(decode::<ValueMesh<char>>(&payload).is_err());
    let giant = encode(&(
        Some(shape!(gpu = 4_000_000_000_usize)),
        vec![(u32::MAX, 'a')],
    ))
    .unwrap();
    assert!(decode::<ValueMesh<char>>(&giant).is_err());
}

#[test]
fn the_encoded_form_is_pinned() {
    let mesh = ValueMesh::uniform(shape!(a = 3), 7_u8);
    let bytes = encode(&mesh).unwrap().body;
    assert_eq!(&bytes[..], [1, 1, 1, b'a', 3, 1, 0, 1, 3, 1, 0, 1, 3, 7]);
}

proptest! {
    #[test]
    fn every_form_of_equal_content_is_equal(values in prop::collection::vec(0_u8..3, 12)) {
        let region = shape!(host = 3, gpu = 4);
        let dense = ValueMesh::new(region.clone(), values.iter().copied()).unwrap();
        let runs = dense.clone().compressed();
        prop_assert_eq!(&dense, &runs);
        prop_assert_eq!(&runs, &runs.clone().compressed());
        prop_assert_eq!(hash(&dense), hash(&runs));
        for mesh in [&dense, &runs] {
            let arrived: ValueMesh<u8> = decode(&encode(mesh).unwrap()).unwrap();
            prop_assert_eq!(&arrived, &dense);
            let slice = mesh.range("gpu", Range::from(1..).step_by(2)).unwrap();
            let plain: Vec<u8> = (0..12).filter(|i| i % 4 % 2 == 1).map(|i| values[i]).collect();
            prop_assert!(slice.values().copied().eq(plain));
            let row = mesh.at("host", 2).unwrap();
            prop_assert!(row.values().eq(&values[8..]));
        }
        let doubled = runs.map(|value| value * 2);
        prop_assert!(doubled.values().copied().eq(values.iter().map(|value| value * 2)));
        prop_assert!(dense.iter().all(|(point, value)| values[point.rank()] == *value));
    }

    #[test]
    fn merging_lays_the_right_over_the_left(
        values in prop::collection::vec(0_u8..3, 10),
        changes in prop::collection::vec((0_usize..10, 1_usize..4, 0_u8..3), 0..6),
    ) {
        let mut mesh = ValueMesh::new(shape!(gpu = 10), values.iter().copied()).unwrap();
        let mut plain = values;
        let mut overlay = Overlay::empty();
        for (start, len, value) in changes {
            let range = start..(start + len).min(10);
            plain[range.clone()].fill(value);
            overlay.set(range, value);
        }
        mesh.merge(&overlay).unwrap();
        prop_assert!(mesh.values().eq(&plain));
        prop_assert_eq!(mesh.clone().compressed(), mesh);
    }
}

#[test]
fn a_region_that_is_no_part_of_a_mesh_is_an_error() {
    let mesh = ValueMesh::uniform(shape!(gpu = 4), 'a');
    let part = mesh.range("gpu", 1..).unwrap();
    let error = part.sliced(mesh.region().clone()).unwrap_err();
    assert!(matches!(error, ShapeError::NotSubset { .. }), "{error}");
    let error = mesh.sliced(shape!(gpu = 5)).unwrap_err();
    assert!(matches!(error, ShapeError::BaseMismatch { .. }), "{error}");
}
