//! Brute-force models of regions, and strategies that make them.

use hypermesh_ndslice::{Extent, Range, Region, extent};
use proptest::prelude::*;

/// The labels of the dims of every model.
pub(crate) const LABELS: [&str; 5] = ["a", "b", "c", "d", "e"];

/// The extent of 64 ranks that most examples use.
pub(crate) fn cluster() -> Region {
    Region::of(extent!(zone = 2, host = 4, gpu = 8))
}

/// The ranks of a region as plain numbers.
pub(crate) fn ranks(region: &Region) -> Vec<usize> {
    region.ranks().map(usize::from).collect()
}

/// A region by its numbers: what it keeps of each dim, and in which order.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) sizes: Vec<usize>,
    axes: Vec<Axis>,
    order: Vec<usize>,
}

#[derive(Clone, Copy, Debug)]
struct Axis {
    start: usize,
    step: usize,
    len: usize,
    is_pinned: bool,
}

impl Model {
    /// The region, made by slicing.
    pub(crate) fn region(&self) -> Region {
        let mut region = Region::of(extent_of(&self.sizes));
        for (label, axis) in LABELS.iter().zip(&self.axes) {
            let end = axis.start + (axis.len - 1) * axis.step + 1;
            let range = Range {
                start: axis.start,
                end: Some(end),
                step: axis.step,
            };
            region = region.range(label, range).unwrap();
            if axis.is_pinned {
                region = region.at(label, 0).unwrap();
            }
        }
        let labels: Vec<&str> = self.order.iter().map(|dim| LABELS[*dim]).collect();
        region.permute(&labels).unwrap()
    }

    /// The sizes of the region's own dims.
    pub(crate) fn lens(&self) -> Vec<usize> {
        self.order.iter().map(|dim| self.axes[*dim].len).collect()
    }

    /// The ranks, enumerated in the order of the region.
    pub(crate) fn ranks(&self) -> Vec<usize> {
        coordinates(&self.lens())
            .iter()
            .map(|coords| self.rank_of(coords))
            .collect()
    }

    /// The rank of the member at these coordinates.
    pub(crate) fn rank_of(&self, coords: &[usize]) -> usize {
        let mut indices: Vec<usize> = self.axes.iter().map(|axis| axis.start).collect();
        for (dim, coord) in self.order.iter().zip(coords) {
            indices[*dim] += coord * self.axes[*dim].step;
        }
        indices
            .iter()
            .zip(&self.sizes)
            .fold(0, |rank, (index, size)| rank * size + index)
    }
}

pub(crate) fn extent_of(sizes: &[usize]) -> Extent {
    Extent::from_parts(LABELS.iter().copied().take(sizes.len()), sizes).unwrap()
}

/// All coordinates in row-major order.
pub(crate) fn coordinates(sizes: &[usize]) -> Vec<Vec<usize>> {
    sizes.iter().fold(vec![vec![]], |all, size| {
        let longer = |coords: Vec<usize>| {
            (0..*size).map(move |index| [coords.as_slice(), &[index]].concat())
        };
        all.into_iter().flat_map(longer).collect()
    })
}

/// Sizes of up to five dims.
pub(crate) fn sizes() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![
        8 => prop::collection::vec(1..=6_usize, 0..=3),
        4 => prop::collection::vec(1..=4_usize, 4..=4),
        4 => prop::collection::vec(1..=3_usize, 5..=5),
        1 => prop::collection::vec(1..=6_usize, 4..=5),
    ]
}

/// A region of a base with these sizes.
pub(crate) fn model_of(sizes: Vec<usize>) -> impl Strategy<Value = Model> {
    let axes: Vec<_> = sizes.iter().map(|size| axis(*size)).collect();
    (Just(sizes), axes).prop_flat_map(|(sizes, axes)| {
        let kept: Vec<usize> = (0..axes.len())
            .filter(|dim| !axes[*dim].is_pinned)
            .collect();
        (Just(sizes), Just(axes), Just(kept).prop_shuffle())
            .prop_map(|(sizes, axes, order)| Model { sizes, axes, order })
    })
}

fn axis(size: usize) -> impl Strategy<Value = Axis> {
    let axis = (0..size).prop_flat_map(move |start| {
        (
            Just(start),
            1..=size,
            any::<prop::sample::Index>(),
            prop::bool::weighted(0.2),
        )
    });
    axis.prop_map(move |(start, step, len, is_pinned)| {
        let max = (size - start).div_ceil(step);
        let len = if is_pinned { 1 } else { 1 + len.index(max) };
        Axis {
            start,
            step: if len == 1 { 1 } else { step },
            len,
            is_pinned,
        }
    })
}

/// Any region.
pub(crate) fn model() -> impl Strategy<Value = Model> {
    sizes().prop_flat_map(model_of)
}

/// Three regions of one base.
pub(crate) fn models() -> impl Strategy<Value = (Model, Model, Model)> {
    sizes().prop_flat_map(|sizes| {
        (
            model_of(sizes.clone()),
            model_of(sizes.clone()),
            model_of(sizes),
        )
    })
}

/// A region, and a region of its own extent.
pub(crate) fn model_and_part() -> impl Strategy<Value = (Model, Model)> {
    model().prop_flat_map(|model| {
        let lens = model.lens();
        (Just(model), model_of(lens))
    })
}

/// The part of `region` that `part` is of its extent.
pub(crate) fn part_of(region: &Region, part: &Model) -> Region {
    let mut sliced = region.clone();
    let labels: Vec<String> = region.labels().map(String::from).collect();
    for (label, axis) in labels.iter().zip(&part.axes) {
        let end = axis.start + (axis.len - 1) * axis.step + 1;
        let range = Range {
            start: axis.start,
            end: Some(end),
            step: axis.step,
        };
        sliced = sliced.range(label, range).unwrap();
        if axis.is_pinned {
            sliced = sliced.at(label, 0).unwrap();
        }
    }
    let order: Vec<&str> = part.order.iter().map(|dim| labels[*dim].as_str()).collect();
    sliced.permute(&order).unwrap()
}
