//! Values by rank: one value for each ordinal of a region, in memory by the number of runs.
//!
//! # Invariants
//!
//! - **INV-1**: the ends of runs ascend strictly, from above 0 to the count of the region.
//! - **INV-2**: a dense form has as many values as the region has ranks; the map without a region
//!   has none.
//! - **INV-3**: equality and hash look at the values of the ordinals, not at the form.

mod build;
mod change;
mod error;
mod overlay;
mod runs;
mod slice;

use std::hash::{Hash, Hasher};

use crate::point::Point;
use crate::rank::{Ordinal, Rank};
use crate::region::Region;

pub use build::CollectMesh;
pub use error::RankMapError;
pub use overlay::Overlay;
use runs::Chunks;
pub use runs::{Runs, Values};

/// One value for each ordinal of a region.
///
/// Equal neighbours may share one value, so that a map of one value takes O(1) memory; which form
/// a map has is seen by nobody. A map that is made from single values keeps them in a list, as
/// these need not be comparable; [`RankMap::compressed`] chooses the smaller form. A map that is
/// made from runs or changed by them does so on its own, and never takes more than a list.
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
    pub fn values(&self) -> Values<'_, T> {
        Values::new(self.chunks(), self.count())
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
    fn fitted(mut runs: Vec<(u32, T)>, count: usize) -> Self
    where
        T: Clone,
    {
        if Self::runs_are_smaller(runs.len(), count) {
            runs.shrink_to_fit();
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
