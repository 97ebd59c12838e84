//! Values by rank: one value for each ordinal of a region, in memory by the number of runs.
//!
//! # Invariants
//!
//! - **INV-1**: the ends of runs ascend strictly, from above 0 to the count of the region.
//! - **INV-2**: a dense form has as many values as the region has ranks; the map without a region
//!   has none.
//! - **INV-3**: equality and hash look at the values of the ordinals, not at the form.

mod overlay;
mod runs;
mod slice;

use std::error::Error;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Range;

use crate::point::Point;
use crate::rank::{Ordinal, Rank};
use crate::region::Region;

pub use overlay::Overlay;
use runs::Chunks;
pub use runs::Runs;

/// One value for each ordinal of a region.
///
/// Equal neighbours may share one value, so that a map of one value takes O(1) memory; which form
/// a map has is seen by nobody.
///
/// # Examples
///
/// ```
/// use hypermesh_ndslice::{Ordinal, RankMap, shape};
///
/// let shape = shape!(host = 2, gpu = 4);
/// let mut states = RankMap::uniform(shape.clone(), "up");
/// states.set_range(4..6, "down")?;
/// assert_eq!(states.get(Ordinal(5)), Some(&"down"));
/// assert_eq!(states.runs().collect::<Vec<_>>(), [(0..4, &"up"), (4..6, &"down"), (6..8, &"up")]);
/// assert_eq!(states.sliced(&shape.at("host", 0)?)?.runs().count(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct RankMap<T> {
    region: Option<Region>,
    form: Form<T>,
}

/// How the values are kept.
#[derive(Clone, Debug)]
pub(crate) enum Form<T> {
    /// The end of each run and its value; a uniform map has one run.
    Runs(Vec<(u32, T)>),
    /// The value of each ordinal.
    Dense(Vec<T>),
}

impl<T> RankMap<T> {
    /// Returns the map of no region, which has no values.
    pub const fn empty() -> Self {
        Self {
            region: None,
            form: Form::Dense(Vec::new()),
        }
    }

    /// Returns the map with the same value for every ordinal.
    pub fn uniform(region: Region, value: T) -> Self {
        let end = region.count() as u32;
        Self {
            region: Some(region),
            form: Form::Runs(vec![(end, value)]),
        }
    }

    /// Returns the map with these values by ordinal.
    ///
    /// # Errors
    ///
    /// [`RankMapError::WrongCount`].
    pub fn from_dense(region: Region, values: Vec<T>) -> Result<Self, RankMapError> {
        let (expected, actual) = (region.count(), values.len());
        if expected != actual {
            return Err(RankMapError::WrongCount { expected, actual });
        }
        Ok(Self {
            region: Some(region),
            form: Form::Dense(values),
        })
    }

    /// Returns the map with the value that `value` makes for each ordinal.
    pub fn from_fn(region: Region, value: impl FnMut(Ordinal) -> T) -> Self {
        let values = (0..region.count()).map(Ordinal).map(value).collect();
        Self {
            region: Some(region),
            form: Form::Dense(values),
        }
    }

    /// Returns the map with these values, which come in any order with their ordinals; the last one
    /// of an ordinal wins.
    ///
    /// # Errors
    ///
    /// [`RankMapError::OutOfRange`] and [`RankMapError::Missing`].
    pub fn from_indexed(
        region: Region,
        values: impl IntoIterator<Item = (Ordinal, T)>,
    ) -> Result<Self, RankMapError> {
        let count = region.count();
        let mut indexed: Vec<(usize, T)> = Vec::new();
        for (Ordinal(index), value) in values {
            if count <= index {
                return Err(RankMapError::OutOfRange { index, count });
            }
            indexed.push((index, value));
        }
        // The sort is stable, so the last value of an ordinal is the first one from behind.
        indexed.reverse();
        indexed.sort_by_key(|(index, _)| *index);
        indexed.dedup_by_key(|(index, _)| *index);
        if indexed.len() < count {
            let is_gap = |(i, (index, _)): &(usize, &(usize, T))| i != index;
            let gap = indexed.iter().enumerate().find(is_gap);
            let first = gap.map_or(indexed.len(), |(i, _)| i);
            return Err(RankMapError::Missing {
                first,
                count: count - indexed.len(),
            });
        }
        let values = indexed.into_iter().map(|(_, value)| value).collect();
        Ok(Self {
            region: Some(region),
            form: Form::Dense(values),
        })
    }

    /// Returns the map with a value for each of `ranges`, which come in any order and do not
    /// overlap, and `default` elsewhere.
    ///
    /// # Errors
    ///
    /// [`RankMapError::EmptyRange`], [`RankMapError::OutOfRange`] and
    /// [`RankMapError::OverlappingRanges`].
    pub fn from_ranges(
        region: Region,
        default: T,
        ranges: impl IntoIterator<Item = (Range<usize>, T)>,
    ) -> Result<Self, RankMapError>
    where
        T: Clone,
    {
        let count = region.count();
        let mut ranges: Vec<_> = ranges.into_iter().collect();
        ranges.sort_by_key(|(range, _)| range.start);
        let mut runs = Vec::new();
        let mut last = 0..0;
        for (range, value) in ranges {
            check_range(&range, count)?;
            if range.start < last.end {
                return Err(RankMapError::OverlappingRanges {
                    first: last,
                    second: range,
                });
            }
            if last.end < range.start {
                runs.push((range.start as u32, default.clone()));
            }
            runs.push((range.end as u32, value));
            last = range;
        }
        if last.end < count {
            runs.push((count as u32, default));
        }
        Ok(Self {
            region: Some(region),
            form: Form::fitted(runs, count),
        })
    }

    /// Returns the region that the ordinals belong to; the empty map has none.
    pub fn region(&self) -> Option<&Region> {
        self.region.as_ref()
    }

    /// Returns the number of ordinals.
    pub fn count(&self) -> usize {
        self.region.as_ref().map_or(0, Region::count)
    }

    /// Returns whether there is no value.
    pub fn is_empty(&self) -> bool {
        self.region.is_none()
    }

    /// Returns the value of `ordinal`, if it is in the region.
    pub fn get(&self, ordinal: Ordinal) -> Option<&T> {
        match &self.form {
            Form::Runs(runs) => runs.get(run_idx(runs, ordinal.0)).map(|(_, value)| value),
            Form::Dense(values) => values.get(ordinal.0),
        }
    }

    /// Returns the value of the member with `rank` in the base of the region, if there is one.
    pub fn get_by_rank(&self, rank: Rank) -> Option<&T> {
        self.get(self.region.as_ref()?.ordinal_of(rank).ok()?)
    }

    /// Returns the values in the order of their ordinals.
    pub fn values(&self) -> impl Iterator<Item = &T> + Clone {
        self.chunks()
            .flat_map(|(range, value)| range.map(move |_| value))
    }

    /// Returns the values with their points, in the order of their ordinals.
    pub fn iter(&self) -> impl Iterator<Item = (Point, &T)> {
        let points = self
            .region
            .iter()
            .flat_map(|region| region.extent().points());
        points.zip(self.values())
    }

    /// Returns the maximal runs of ordinals with equal values, ascending.
    pub fn runs(&self) -> Runs<'_, T>
    where
        T: PartialEq,
    {
        Runs::new(self.chunks())
    }

    /// Returns the map of what `map` makes of the values; it is called once for each stored run.
    pub fn map<U>(&self, mut map: impl FnMut(&T) -> U) -> RankMap<U> {
        let form = match &self.form {
            Form::Runs(runs) => Form::Runs(runs.iter().map(|(end, v)| (*end, map(v))).collect()),
            Form::Dense(values) => Form::Dense(values.iter().map(map).collect()),
        };
        RankMap {
            region: self.region.clone(),
            form,
        }
    }

    /// Returns the map of what `map` makes of the values, or its first error in the order of the
    /// ordinals.
    ///
    /// # Errors
    ///
    /// What `map` returns.
    pub fn try_map<U, E>(&self, mut map: impl FnMut(&T) -> Result<U, E>) -> Result<RankMap<U>, E> {
        let form = match &self.form {
            Form::Runs(runs) => {
                let mapped = runs.iter().map(|(end, value)| Ok((*end, map(value)?)));
                Form::Runs(mapped.collect::<Result<_, E>>()?)
            }
            Form::Dense(values) => Form::Dense(values.iter().map(map).collect::<Result<_, E>>()?),
        };
        Ok(RankMap {
            region: self.region.clone(),
            form,
        })
    }

    /// Returns the same map in the form that takes the least memory.
    pub fn compressed(self) -> Self
    where
        T: PartialEq + Clone,
    {
        let count = self.count();
        let runs = self.runs().map(|(range, value)| (range.end as u32, value));
        let n_runs = runs.clone().count();
        match &self.form {
            Form::Dense(_) if !Form::<T>::runs_are_smaller(n_runs, count) => self,
            _ => {
                let runs = runs.map(|(end, value)| (end, value.clone())).collect();
                Self {
                    form: Form::fitted(runs, count),
                    region: self.region,
                }
            }
        }
    }

    /// The stored runs: neighbours may be equal.
    fn chunks(&self) -> Chunks<'_, T> {
        Chunks::new(&self.form)
    }

    /// The region and the form, for encoding.
    #[cfg(feature = "serde")]
    pub(crate) fn parts(&self) -> (Option<&Region>, &Form<T>) {
        (self.region.as_ref(), &self.form)
    }

    /// The map of runs given by their lengths, if these add up to the count of the region.
    #[cfg(feature = "serde")]
    pub(crate) fn from_lens(region: Option<Region>, lens: Vec<(u32, T)>) -> Option<Self> {
        let count = region.as_ref().map_or(0, Region::count);
        if lens.len() == count && lens.iter().all(|(len, _)| *len == 1) {
            let values = lens.into_iter().map(|(_, value)| value).collect();
            return Some(Self {
                region,
                form: Form::Dense(values),
            });
        }
        let mut end: u32 = 0;
        let mut runs = Vec::with_capacity(lens.len());
        for (len, value) in lens {
            end = end.checked_add(len).filter(|_| 0 < len)?;
            runs.push((end, value));
        }
        (end as usize == count).then_some(Self {
            region,
            form: Form::Runs(runs),
        })
    }
}

impl<T, E> RankMap<Result<T, E>> {
    /// Returns the map of the values, or the first error in the order of the ordinals.
    ///
    /// # Errors
    ///
    /// The first error in the map.
    pub fn transpose(self) -> Result<RankMap<T>, E> {
        let form = match self.form {
            Form::Runs(runs) => {
                let runs = runs.into_iter().map(|(end, value)| Ok((end, value?)));
                Form::Runs(runs.collect::<Result<_, E>>()?)
            }
            Form::Dense(values) => Form::Dense(values.into_iter().collect::<Result<_, E>>()?),
        };
        Ok(RankMap {
            region: self.region,
            form,
        })
    }
}

impl<T> Form<T> {
    fn runs_are_smaller(n_runs: usize, count: usize) -> bool {
        n_runs <= 1 || n_runs * size_of::<(u32, T)>() < count * size_of::<T>()
    }

    /// The smaller form of these runs.
    fn fitted(runs: Vec<(u32, T)>, count: usize) -> Self
    where
        T: Clone,
    {
        if Self::runs_are_smaller(runs.len(), count) {
            return Self::Runs(runs);
        }
        let mut values = Vec::with_capacity(count);
        for (end, value) in runs {
            values.resize(end as usize, value);
        }
        Self::Dense(values)
    }
}

impl<T> Default for RankMap<T> {
    fn default() -> Self {
        Self::empty()
    }
}

impl<T: PartialEq> PartialEq for RankMap<T> {
    fn eq(&self, other: &Self) -> bool {
        if self.region != other.region {
            return false;
        }
        let (mut left_chunks, mut right_chunks) = (self.chunks(), other.chunks());
        let (mut left, mut right) = (left_chunks.next(), right_chunks.next());
        while let (Some((left_range, left_value)), Some((right_range, right_value))) =
            (&left, &right)
        {
            if left_value != right_value {
                return false;
            }
            let ends = left_range.end.cmp(&right_range.end);
            if ends.is_le() {
                left = left_chunks.next();
            }
            if ends.is_ge() {
                right = right_chunks.next();
            }
        }
        true
    }
}

impl<T: Eq> Eq for RankMap<T> {}

impl<T: Hash + Eq> Hash for RankMap<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.region.hash(state);
        for (range, value) in self.runs() {
            range.end.hash(state);
            value.hash(state);
        }
    }
}

/// The run that `ordinal` is in; beyond the last one if it is in none.
fn run_idx<T>(runs: &[(u32, T)], ordinal: usize) -> usize {
    runs.partition_point(|(end, _)| *end as usize <= ordinal)
}

fn check_range(range: &Range<usize>, count: usize) -> Result<(), RankMapError> {
    if range.is_empty() {
        return Err(RankMapError::EmptyRange {
            start: range.start,
            end: range.end,
        });
    }
    if count < range.end {
        return Err(RankMapError::OutOfRange {
            index: range.end - 1,
            count,
        });
    }
    Ok(())
}

/// Error of building and changing a map.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RankMapError {
    /// The number of values is not the number of ordinals.
    WrongCount {
        /// The number of ordinals.
        expected: usize,
        /// The number of values.
        actual: usize,
    },
    /// Some ordinals have no value.
    Missing {
        /// The first of them.
        first: usize,
        /// How many there are.
        count: usize,
    },
    /// An ordinal is beyond the end of the region.
    OutOfRange {
        /// The ordinal.
        index: usize,
        /// The number of ordinals.
        count: usize,
    },
    /// A range has no ordinals.
    EmptyRange {
        /// Where the range starts.
        start: usize,
        /// Where it ends.
        end: usize,
    },
    /// Two ranges have ordinals in common.
    OverlappingRanges {
        /// The range that starts first.
        first: Range<usize>,
        /// The other one.
        second: Range<usize>,
    },
}

impl fmt::Display for RankMapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongCount { expected, actual } => {
                write!(f, "{actual} values were given for {expected} ordinals")
            }
            Self::Missing { first, count } => {
                write!(f, "{count} ordinals have no value, the first is {first}")
            }
            Self::OutOfRange { index, count } => {
                write!(f, "ordinal {index} is out of range for a map of {count}")
            }
            Self::EmptyRange { start, end } => write!(f, "range {start}..{end} is empty"),
            Self::OverlappingRanges { first, second } => {
                write!(f, "ranges {first:?} and {second:?} overlap")
            }
        }
    }
}

impl Error for RankMapError {}
