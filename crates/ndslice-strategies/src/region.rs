//! Extents and regions.
//!
//! Every strategy draws plain numbers first and fits them into the shape afterwards, so that a
//! failure shrinks dim by dim.

use hypermesh_ndslice::{Extent, Range, Region};
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use proptest::sample::Index;

/// The largest number of dims.
const MAX_DIMS: usize = 5;

/// Returns labels: words, and texts that have to be quoted.
pub fn labels() -> impl Strategy<Value = String> {
    prop_oneof![3 => "[a-z][a-z0-9_]{0,7}", 1 => ".{1,8}"]
}

/// Returns extents of up to five dims and at most 512 ranks, with any labels.
pub fn extents() -> impl Strategy<Value = Extent> {
    let labels = btree_set(labels(), MAX_DIMS).prop_map(Vec::from_iter);
    (sizes(), labels.prop_shuffle()).prop_map(|(sizes, labels)| {
        Extent::new(labels.into_iter().zip(sizes)).expect("distinct short labels and small sizes")
    })
}

/// Returns regions of [`extents`]: any start, step and length in each dim, some dims pinned, the
/// others in any order.
pub fn regions() -> impl Strategy<Value = Region> {
    let cut = (vec(axis(), MAX_DIMS), vec(any::<u16>(), MAX_DIMS));
    (extents(), cut).prop_map(|(extent, (axes, keys))| cut_out(&extent.into(), &axes, &keys))
}

/// Returns parts of `region`: some indices of each of its dims, some dims pinned, the others in any
/// order.
pub fn parts_of(region: &Region) -> impl Strategy<Value = Region> + use<> {
    let region = region.clone();
    let ndim = region.ndim();
    (vec(axis(), ndim), vec(any::<u16>(), ndim))
        .prop_map(move |(axes, keys)| cut_out(&region, &axes, &keys))
}

/// Returns legal ranges of a dim of `size`, open ends and steps beyond the end included.
///
/// # Panics
///
/// The strategy panics if `size` is 0: such a dim has no range.
pub fn ranges(size: usize) -> impl Strategy<Value = Range> {
    (axis(), any::<bool>()).prop_map(move |(axis, is_open)| {
        let range = axis.range(size);
        Range {
            end: range.end.filter(|end| !is_open || *end != size),
            ..range
        }
    })
}

fn sizes() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![
        vec(1..=8_usize, 0..=3),
        vec(2..=4_usize, 4),
        vec(1..=3_usize, MAX_DIMS),
    ]
}

/// What is kept of a dim whose size is not known yet.
#[derive(Clone, Debug)]
pub(crate) struct Axis {
    start: Index,
    step: Index,
    len: Index,
    kept: Kept,
}

/// How much of a dim is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    All,
    Some,
    /// One index, and the dim is dropped.
    Pinned,
}

pub(crate) fn axis() -> impl Strategy<Value = Axis> {
    let numbers = (any::<Index>(), any::<Index>(), any::<Index>());
    let kept = prop_oneof![5 => Just(Kept::All), 5 => Just(Kept::Some), 1 => Just(Kept::Pinned)];
    (numbers, kept).prop_map(|((start, step, len), kept)| Axis {
        start,
        step,
        len,
        kept,
    })
}

impl Axis {
    pub(crate) fn range(&self, size: usize) -> Range {
        if self.kept == Kept::All {
            return Range::from(..size);
        }
        let start = self.start.index(size);
        let step = 1 + self.step.index(size);
        let len = 1 + self.len.index((size - start).div_ceil(step));
        let end = (start + len * step).min(size);
        Range::from(start..end).step_by(step)
    }
}

/// The part of `region` that `axes` keep, with the dims sorted by `keys`.
fn cut_out(region: &Region, axes: &[Axis], keys: &[u16]) -> Region {
    let labels: Vec<String> = region.labels().map(String::from).collect();
    let mut part = region.clone();
    let mut order: Vec<(u16, &str)> = Vec::new();
    for ((label, size), (axis, key)) in labels.iter().zip(region.sizes()).zip(axes.iter().zip(keys))
    {
        let cut = if axis.kept == Kept::Pinned {
            part.at(label, axis.start.index(size))
        } else {
            order.push((*key, label));
            part.range(label, axis.range(size))
        };
        part = cut.expect("indices below the size of a dim that was not cut before");
    }
    order.sort_by_key(|(key, _)| *key);
    let order: Vec<&str> = order.into_iter().map(|(_, label)| label).collect();
    part.permute(&order)
        .expect("each dim that was not pinned, once")
}

#[cfg(test)]
mod tests {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    use super::*;

    /// How many of 500 values have the property.
    fn n_with<S: Strategy>(strategy: &S, property: impl Fn(&S::Value) -> bool) -> usize {
        let mut runner = TestRunner::deterministic();
        let values = (0..500).map(|_| strategy.new_tree(&mut runner).map(|tree| tree.current()));
        values
            .filter(|value| value.as_ref().is_ok_and(&property))
            .count()
    }

    #[test]
    fn regions_of_every_kind_are_made() {
        let is_permuted = |region: &Region| {
            let positions = region.labels().map(|label| region.base().position(label));
            !positions.is_sorted()
        };
        let is_stepped = |region: &Region| {
            let text = region.full_text().to_string();
            text.split('=').any(|dim| dim.split(':').count() == 3)
        };
        let regions = regions();
        assert!(50 < n_with(&regions, is_permuted));
        assert!(30 < n_with(&regions, is_stepped));
        assert!(50 < n_with(&regions, |region| region.ndim() < region.base().ndim()));
        assert!(50 < n_with(&regions, |region| region.ndim() == 5));
        assert!(0 < n_with(&regions, |region| region.base().ndim() == 0));
        assert!(10 < n_with(&regions, |region| 20 < region.count()));
        assert_eq!(n_with(&regions, |region| 512 < region.base().count()), 0);
    }

    proptest! {
        #[test]
        fn parts_are_subsets((region, part) in regions().prop_flat_map(|region| {
            let parts = parts_of(&region);
            (Just(region), parts)
        })) {
            prop_assert_eq!(part.is_subset(&region), Ok(true));
        }

        #[test]
        fn ranges_are_legal((size, range) in (1..20_usize).prop_flat_map(|size| (Just(size), ranges(size)))) {
            let dim = Region::of(Extent::new([("x", size)]).unwrap());
            prop_assert!(dim.range("x", range).is_ok());
        }
    }
}
