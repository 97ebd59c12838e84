//! Layouts: regions as offset, sizes and strides, there and back.

use hypermesh_ndslice::{ExtentError, Layout, Region, ShapeError, extent};
use proptest::prelude::*;

use crate::model::{cluster, model, ranks};

fn layout(offset: usize, sizes: &[usize], strides: &[usize]) -> Layout {
    Layout::new(offset, sizes, strides).unwrap()
}

#[test]
fn a_region_has_offset_sizes_and_strides() {
    let odd = cluster()
        .at("zone", 1)
        .unwrap()
        .permute(&["gpu", "host"])
        .unwrap();
    assert_eq!(odd.layout(), layout(32, &[8, 4], &[1, 8]));
    assert_eq!((odd.layout().ndim(), odd.layout().offset()), (2, 32));
    assert_eq!(Region::of(extent!()).layout(), layout(0, &[], &[]));
    // The stride of one index is that of the base, as numeric libraries have it.
    assert_eq!(
        Region::of(extent!(x = 1, y = 4)).layout(),
        layout(0, &[1, 4], &[4, 1])
    );
}

#[test]
fn layouts_of_no_region_are_errors() {
    let error = ShapeError::DimMismatch {
        expected: 2,
        actual: 1,
    };
    assert_eq!(Layout::new(0, &[1, 2], &[1]), Err(error.clone()));
    assert_eq!(layout(0, &[2, 2], &[2, 1]).region(&["x"]), Err(error));
    let error = ShapeError::Extent(ExtentError::TooManyDims { max: 8 });
    assert_eq!(Layout::new(0, &[1; 9], &[1; 9]), Err(error));
    assert_eq!(
        Layout::new(0, &[1; 8], &[1; 8]).map(|layout| layout.ndim()),
        Ok(8)
    );
    let error = layout(0, &[2, 2], &[2, 0]).region(&["x", "y"]);
    assert_eq!(error, Err(ShapeError::ZeroStep { dim: "y".into() }));
    for strides in [[1, 1], [2, 2], [3, 2]] {
        let error = layout(0, &[2, 3], &strides).region(&["x", "y"]);
        assert!(
            matches!(error, Err(ShapeError::NotAligned { .. })),
            "{strides:?}: {error:?}"
        );
    }
    for (offset, size, stride) in [
        (0, 0, 1),
        (usize::MAX, 1, 1),
        (0, 3, 1 << 31),
        (1 << 31, 1 << 31, 1),
    ] {
        let error = layout(offset, &[size], &[stride]).region(&["x"]);
        assert!(
            matches!(error, Err(ShapeError::Extent(_))),
            "{offset} {size} {stride}: {error:?}"
        );
    }
    let error = ExtentError::DuplicateLabel { label: "x".into() };
    assert_eq!(
        layout(0, &[2, 2], &[2, 1]).region(&["x", "x"]),
        Err(error.into())
    );
}

proptest! {
    #[test]
    fn a_layout_leads_back_to_labels_sizes_and_ranks(model in model()) {
        let region = model.region();
        let labels: Vec<&str> = region.labels().collect();
        let back = region.layout().region(&labels).unwrap();
        prop_assert!(back.labels().eq(region.labels()));
        prop_assert!(back.sizes().eq(region.sizes()));
        prop_assert_eq!(ranks(&back), model.ranks());
        let again = back.layout().region(&labels).unwrap();
        prop_assert_eq!(again, back);
    }

    #[test]
    fn a_whole_extent_comes_back_equal(sizes in crate::model::sizes()) {
        let region = Region::of(crate::model::extent_of(&sizes));
        let labels: Vec<&str> = region.labels().collect();
        let back = region.layout().region(&labels).unwrap();
        // An innermost dim of one index leaves nothing to tell its stride by.
        let is_told = sizes.last() != Some(&1) || sizes.iter().all(|size| *size == 1);
        prop_assert!(!is_told || back == region, "{back:?}");
    }

    #[test]
    fn no_numbers_make_a_layout_panic(
        offset: usize, numbers in prop::collection::vec((number(), number()), 0..10),
    ) {
        let (sizes, strides): (Vec<usize>, Vec<usize>) = numbers.into_iter().unzip();
        let labels = ["a", "b", "c", "d", "e", "f", "g", "h"];
        if let Ok(layout) = Layout::new(offset, &sizes, &strides) {
            for offset in [0, offset % 1000, offset] {
                let layout = Layout::new(offset, layout.sizes(), layout.strides()).unwrap();
                if let Ok(region) = layout.region(&labels[..layout.ndim()]) {
                    prop_assert!(region.sizes().eq(sizes.iter().copied()));
                    prop_assert_eq!(region.ranks().next().map(usize::from), Some(offset));
                }
            }
        }
    }
}

/// Numbers that fit often, and all others.
fn number() -> impl Strategy<Value = usize> {
    prop_oneof![4 => 0..6_usize, 4 => (0..16_u32).prop_map(|bits| 1 << bits), 1 => any::<usize>()]
}
