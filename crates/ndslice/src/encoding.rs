//! Encodings: every value is checked when it is decoded.
//!
//! Extents, points and regions are encoded by their numbers, selections by their text, sets and
//! maps by their runs, so that no encoding grows with the number of ranks.

use std::ops::Range;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, Error};
use serde::ser::{Error as _, Serialize, SerializeSeq, Serializer};

use crate::extent::{Extent, MAX_DIMS};
use crate::point::Point;
use crate::progression::Progression;
use crate::rank_map::{Form, Overlay, RankMap};
use crate::rank_set::RankSet;
use crate::region::{Region, UNUSED};
use crate::selection::Selection;

impl Serialize for Extent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.dims())
    }
}

impl<'de> Deserialize<'de> for Extent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let dims = Vec::<(Arc<str>, usize)>::deserialize(deserializer)?;
        Self::new(dims).map_err(D::Error::custom)
    }
}

impl Serialize for Point {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.extent(), self.rank()).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Point {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (extent, rank) = <(Extent, usize)>::deserialize(deserializer)?;
        extent.point_of_rank(rank).map_err(D::Error::custom)
    }
}

impl Serialize for Region {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let axes: Vec<_> = self
            .axes()
            .iter()
            .map(|axis| (axis.start, axis.step, axis.len))
            .collect();
        (self.base(), axes, self.order()).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Region {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (base, numbers, order) =
            <(Extent, Vec<(u32, u32, u32)>, Vec<u8>)>::deserialize(deserializer)?;
        region(base, &numbers, &order).map_err(D::Error::custom)
    }
}

/// The region of these numbers, if they keep its invariants.
fn region(base: Extent, numbers: &[(u32, u32, u32)], order: &[u8]) -> Result<Region, &'static str> {
    if numbers.len() != base.ndim() {
        return Err("a region has one progression for each dim of its base");
    }
    let mut axes = [UNUSED; MAX_DIMS];
    for (dim, &(start, step, len)) in numbers.iter().enumerate() {
        if step == 0 || len == 0 {
            return Err("a progression has a step and an index");
        }
        let axis = Progression::new(start, step, len);
        let last = u64::from(start) + u64::from(axis.step) * u64::from(len - 1);
        if u64::from(base.size_at(dim)) <= last {
            return Err("a progression lies within its dim");
        }
        axes[dim] = axis;
    }
    let mut is_kept = [false; MAX_DIMS];
    for &dim in order {
        match is_kept[..base.ndim()].get_mut(usize::from(dim)) {
            Some(kept @ false) => *kept = true,
            _ => return Err("a region names each dim of its base at most once"),
        }
    }
    if axes
        .iter()
        .zip(is_kept)
        .any(|(axis, is_kept)| !is_kept && axis.len != 1)
    {
        return Err("a dim that a region does not name has one index");
    }
    Ok(Region::from_axes(
        base,
        axes,
        order.iter().map(|dim| usize::from(*dim)),
    ))
}

/// The gap before each run and its length.
impl Serialize for RankSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let runs = self.runs();
        let mut seq = serializer.serialize_seq(Some(runs.len()))?;
        let mut end = 0;
        for run in runs {
            seq.serialize_element(&(run.start - end, run.len()))?;
            end = run.end;
        }
        seq.end()
    }
}

impl<'de> Deserialize<'de> for RankSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let gaps = Vec::<(usize, usize)>::deserialize(deserializer)?;
        let mut ranges: Vec<Range<usize>> = Vec::with_capacity(gaps.len());
        let mut end: usize = 0;
        for (i, (gap, len)) in gaps.into_iter().enumerate() {
            if len == 0 || (gap == 0 && 0 < i) {
                return Err(D::Error::custom(
                    "runs of ranks are not empty and do not touch",
                ));
            }
            let start = end.checked_add(gap);
            let range = start.and_then(|start| Some(start..start.checked_add(len)?));
            let range = range.ok_or_else(|| D::Error::custom("a run of ranks is too long"))?;
            end = range.end;
            ranges.push(range);
        }
        Ok(Self::from_ranges(ranges))
    }
}

/// The region, and the length and the value of each stored run.
impl<T: Serialize> Serialize for RankMap<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (region, form) = self.parts();
        (region, Lens(form)).serialize(serializer)
    }
}

/// The lengths and the values of a form.
struct Lens<'a, T>(&'a Form<T>);

impl<T: Serialize> Serialize for Lens<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Form::Dense(values) => {
                serializer.collect_seq(values.iter().map(|value| (1_u32, value)))
            }
            Form::Runs(runs) => {
                let mut start = 0;
                serializer.collect_seq(runs.iter().map(|(end, value)| {
                    let len = end - start;
                    start = *end;
                    (len, value)
                }))
            }
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for RankMap<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (region, lens) = <(Option<Region>, Vec<(u32, T)>)>::deserialize(deserializer)?;
        Self::from_lens(region, lens)
            .ok_or_else(|| D::Error::custom("the runs of a map do not fill its region"))
    }
}

impl<T: Serialize> Serialize for Overlay<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(
            self.runs()
                .map(|(range, value)| (range.start, range.end, value)),
        )
    }
}

impl<'de, T: Deserialize<'de> + Clone + PartialEq> Deserialize<'de> for Overlay<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let runs = Vec::<(usize, usize, T)>::deserialize(deserializer)?;
        let mut overlay = Self::empty();
        let mut last_end = 0;
        for (start, end, value) in runs {
            if start < last_end || end <= start {
                return Err(D::Error::custom(
                    "runs of an overlay ascend and are not empty",
                ));
            }
            overlay.set(start..end, value);
            last_end = end;
        }
        Ok(overlay)
    }
}

impl Serialize for Selection {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.error() {
            Some(error) => Err(S::Error::custom(error)),
            None => serializer.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for Selection {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}
