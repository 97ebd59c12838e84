//! Building maps: every ordinal of the region gets exactly one value.

use std::ops::Range;

use super::{Form, Overlay, RankMap, RankMapError};
use crate::rank::Ordinal;
use crate::region::Region;

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

    /// Returns the map with the values of `overlay`, which has one for every ordinal.
    ///
    /// # Errors
    ///
    /// [`RankMapError::OutOfRange`] and [`RankMapError::Missing`].
    pub fn from_overlay(region: Region, overlay: Overlay<T>) -> Result<Self, RankMapError>
    where
        T: Clone,
    {
        let count = region.count();
        let mut runs: Vec<(u32, T)> = Vec::new();
        let mut first_missing = None;
        let mut n_missing = 0;
        let mut end = 0;
        for (range, value) in overlay.into_runs() {
            check_range(&range, count)?;
            if end < range.start {
                first_missing.get_or_insert(end);
                n_missing += range.start - end;
            }
            end = range.end;
            runs.push((end as u32, value));
        }
        if end < count {
            first_missing.get_or_insert(end);
            n_missing += count - end;
        }
        if let Some(first) = first_missing {
            let count = n_missing;
            return Err(RankMapError::Missing { first, count });
        }
        Ok(Self {
            region: Some(region),
            form: Form::fitted(runs, count),
        })
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

/// Collecting the values of a map with an iterator.
///
/// # Examples
///
/// ```
/// use hypermesh_ndslice::{CollectMesh, RankMapError, shape};
///
/// let names = ["a", "b", "c"];
/// let map = names.iter().collect_mesh(shape!(host = 3))?;
/// assert_eq!(map.get_by_rank(1.into()), Some(&&"b"));
/// let error = names.iter().collect_mesh(shape!(host = 4));
/// assert_eq!(error, Err(RankMapError::WrongCount { expected: 4, actual: 3 }));
/// # Ok::<(), RankMapError>(())
/// ```
pub trait CollectMesh: Iterator + Sized {
    /// Returns the map with these values in the order of the ordinals of `region`.
    ///
    /// An iterator that does not end is read up to one value too many.
    ///
    /// # Errors
    ///
    /// [`RankMapError::WrongCount`].
    fn collect_mesh(self, region: Region) -> Result<RankMap<Self::Item>, RankMapError> {
        let limit = region.count().saturating_add(1);
        RankMap::from_dense(region, self.take(limit).collect())
    }
}

impl<I: Iterator> CollectMesh for I {}

pub(super) fn check_range(range: &Range<usize>, count: usize) -> Result<(), RankMapError> {
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
