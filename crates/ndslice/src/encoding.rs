//! Encodings: every value is checked when it is decoded.
//!
//! Extents, points and regions are encoded by their numbers, selections by their text, sets and
//! maps by their runs, so that no encoding grows with the number of ranks.

use std::ops::Range;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, Error};
use serde::ser::{Error as _, Serialize, Serializer};

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

/// The two encodings of a set: the gap before each run and its length, or the bits of all numbers
/// up to the largest rank, eight in a byte and the lowest first.
///
/// The shorter one is written, with numbers counted as seven bits in a byte; so equal sets are
/// encoded alike, whatever their form in memory.
#[derive(serde::Serialize, serde::Deserialize)]
enum SetCode {
    Runs(Vec<(u32, u32)>),
    Bits(Vec<u8>),
}

impl SetCode {
    fn of(set: &RankSet) -> Self {
        let n_bytes = set.max().map_or(0, |max| max / 8 + 1);
        let mut gaps = Vec::new();
        let mut n_run_bytes = 0;
        let mut end = 0;
        for run in set.runs() {
            let (gap, len) = ((run.start - end) as u32, run.len() as u32);
            n_run_bytes += number_bytes(gap) + number_bytes(len);
            if n_bytes < n_run_bytes {
                return Self::Bits(bits_of(set, n_bytes));
            }
            gaps.push((gap, len));
            end = run.end;
        }
        Self::Runs(gaps)
    }

    fn set(self) -> Result<RankSet, &'static str> {
        match self {
            Self::Runs(gaps) => set_of_gaps(&gaps),
            Self::Bits(bytes) if matches!(bytes.last(), None | Some(0)) => {
                Err("the last byte of the bits of a set has a rank")
            }
            Self::Bits(bytes) => {
                let words = bytes.chunks(8).map(|chunk| {
                    let byte = |word, byte: &u8| word << 8 | u64::from(*byte);
                    chunk.iter().rev().fold(0, byte)
                });
                let words: Vec<u64> = words.collect();
                let end = words.len() as u64 * 64;
                let unused = words.last().map_or(0, |word| word.leading_zeros());
                if u64::from(u32::MAX) < end - u64::from(unused) {
                    return Err(BEYOND_RANKS);
                }
                Ok(RankSet::from_words(words))
            }
        }
    }
}

const BEYOND_RANKS: &str = "a rank of a set is larger than every extent";

/// How many bytes a number takes, with seven bits in each.
fn number_bytes(number: u32) -> usize {
    (u32::BITS - (number | 1).leading_zeros()).div_ceil(7) as usize
}

fn bits_of(set: &RankSet, n_bytes: usize) -> Vec<u8> {
    let mut bytes = vec![0; n_bytes];
    for rank in set.iter() {
        bytes[rank / 8] |= 1 << (rank % 8);
    }
    bytes
}

fn set_of_gaps(gaps: &[(u32, u32)]) -> Result<RankSet, &'static str> {
    let mut ranges: Vec<Range<usize>> = Vec::with_capacity(gaps.len());
    let mut end: u32 = 0;
    for (i, &(gap, len)) in gaps.iter().enumerate() {
        if len == 0 || (gap == 0 && 0 < i) {
            return Err("runs of ranks are not empty and do not touch");
        }
        let start = end.checked_add(gap).ok_or(BEYOND_RANKS)?;
        end = start.checked_add(len).ok_or(BEYOND_RANKS)?;
        ranges.push(start as usize..end as usize);
    }
    Ok(RankSet::from_ranges(ranges))
}

impl Serialize for RankSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        SetCode::of(self).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RankSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        SetCode::deserialize(deserializer)?
            .set()
            .map_err(D::Error::custom)
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
