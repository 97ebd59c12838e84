//! One value per rank of a region.
//!
//! # Invariants
//!
//! - **INV-1**: the map of the values has a region.

use std::fmt;
use std::future::Future;
use std::hash::{Hash, Hasher};

use futures_util::future::join_all;
use hypermesh_ndslice::{
    Ordinal, Overlay, Point, RankMap, RankMapError, RankSet, Region, Runs, ShapeError, View,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The most groups that the text of a [`ValueMesh`] shows.
const SHOWN_GROUPS: usize = 16;

/// The most bytes of one value, and of the ranks that have it, that the text shows.
const SHOWN_BYTES: usize = 256;

/// One value per rank of a region, in the order of its ordinals.
///
/// Runs of equal values may be stored once; neither equality nor hash show it. The methods of
/// [`ViewExt`](hypermesh_ndslice::ViewExt) slice it: `range`, `at`, `selected` and more.
///
/// # Examples
///
/// ```
/// use hypermesh_ndslice::{ViewExt, shape};
/// use hypermesh_proc_mesh::ValueMesh;
///
/// let values = ValueMesh::new(shape!(host = 2, gpu = 2), [3, 3, 3, 4])?;
/// assert_eq!(values.to_string(), "3: 0..3; 4: 3");
/// assert_eq!(values.at("gpu", 1)?.values().copied().collect::<Vec<_>>(), [3, 4]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct ValueMesh<T> {
    values: RankMap<T>,
}

/// Error of building or changing a [`ValueMesh`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ValueMeshError {
    /// There are fewer values than ranks.
    #[error("{values} values are too few for {ranks} ranks")]
    TooFew {
        /// How many values there are.
        values: usize,
        /// How many ranks there are.
        ranks: usize,
    },
    /// There are more values than ranks.
    #[error("there are more values than {ranks} ranks")]
    TooMany {
        /// How many ranks there are.
        ranks: usize,
    },
    /// The values do not fit the ranks.
    #[error("the values do not fit the ranks")]
    Ranks(#[from] RankMapError),
}

impl<T> ValueMesh<T> {
    /// Returns the mesh of `values` in the order of the ordinals of `region`.
    ///
    /// # Errors
    ///
    /// [`ValueMeshError::TooFew`] and [`ValueMeshError::TooMany`].
    pub fn new(
        region: Region,
        values: impl IntoIterator<Item = T>,
    ) -> Result<Self, ValueMeshError> {
        let ranks = region.count();
        let mut values = values.into_iter();
        let taken: Vec<T> = values.by_ref().take(ranks).collect();
        if taken.len() < ranks {
            return Err(ValueMeshError::TooFew {
                values: taken.len(),
                ranks,
            });
        }
        if values.next().is_some() {
            return Err(ValueMeshError::TooMany { ranks });
        }
        Ok(ValueMesh {
            values: RankMap::from_dense(region, taken)?,
        })
    }

    /// Returns the mesh in which every rank of `region` has this value.
    #[must_use]
    pub fn uniform(region: Region, value: T) -> Self {
        ValueMesh {
            values: RankMap::uniform(region, value),
        }
    }

    /// Returns the mesh of values that come in any order with their ordinals; the last one wins.
    ///
    /// # Errors
    ///
    /// [`ValueMeshError::Ranks`] if an ordinal has no value or is out of range.
    pub fn from_indexed(
        region: Region,
        values: impl IntoIterator<Item = (Ordinal, T)>,
    ) -> Result<Self, ValueMeshError> {
        Ok(ValueMesh {
            values: RankMap::from_indexed(region, values)?,
        })
    }

    /// Waits for all `futures` at the same time and returns the mesh of their outputs, which are in
    /// the order of the ordinals of `region`.
    ///
    /// # Errors
    ///
    /// [`ValueMeshError::TooFew`] and [`ValueMeshError::TooMany`].
    pub async fn join<F: Future<Output = T>>(
        region: Region,
        futures: impl IntoIterator<Item = F>,
    ) -> Result<Self, ValueMeshError> {
        Self::new(region, join_all(futures).await)
    }

    /// Returns the region that has the values.
    #[must_use]
    pub fn region(&self) -> &Region {
        self.values
            .region()
            .expect("INV-1: every constructor gives the map a region")
    }

    /// Returns the number of ranks.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.count()
    }

    /// Returns whether there is no rank, which no region has.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Returns the value at `rank`, counted in this mesh.
    #[must_use]
    pub fn get(&self, rank: usize) -> Option<&T> {
        self.values.get(Ordinal(rank))
    }

    /// Returns the values, in rank order.
    pub fn values(&self) -> impl Iterator<Item = &T> + Clone {
        self.values.values()
    }

    /// Returns the values with their points, in rank order.
    pub fn iter(&self) -> impl Iterator<Item = (Point, &T)> {
        self.values.iter()
    }

    /// Returns the maximal runs of ranks with equal values.
    pub fn runs(&self) -> Runs<'_, T>
    where
        T: PartialEq,
    {
        self.values.runs()
    }

    /// Returns the mesh of what `map` makes of the values; it is called once for each stored run.
    pub fn map<U>(&self, map: impl FnMut(&T) -> U) -> ValueMesh<U> {
        ValueMesh {
            values: self.values.map(map),
        }
    }

    /// Returns the mesh of what `map` makes of the values, or its first error in rank order.
    ///
    /// # Errors
    ///
    /// What `map` returns.
    pub fn try_map<U, E>(&self, map: impl FnMut(&T) -> Result<U, E>) -> Result<ValueMesh<U>, E> {
        Ok(ValueMesh {
            values: self.values.try_map(map)?,
        })
    }

    /// Returns the same mesh in the form that takes the least memory.
    #[must_use]
    pub fn compressed(self) -> Self
    where
        T: PartialEq + Clone,
    {
        ValueMesh {
            values: self.values.compressed(),
        }
    }

    /// Lays `overlay` over the mesh: where it has a value, that one stays.
    ///
    /// # Errors
    ///
    /// [`ValueMeshError::Ranks`] if it has values out of range; then nothing has changed.
    pub fn merge(&mut self, overlay: &Overlay<T>) -> Result<(), ValueMeshError>
    where
        T: PartialEq + Clone,
    {
        Ok(self.values.merge(overlay)?)
    }

    /// Returns the different values, each with the ranks that have it, by their lowest ranks.
    pub fn groups(&self) -> Vec<(&T, RankSet)>
    where
        T: PartialEq,
    {
        let mut groups: Vec<(&T, RankSet)> = Vec::new();
        for (range, value) in self.runs() {
            match groups.iter_mut().find(|(known, _)| *known == value) {
                Some((_, ranks)) => ranks.insert_range(range),
                None => groups.push((value, RankSet::from_ranges([range]))),
            }
        }
        groups
    }
}

impl<T, E> ValueMesh<Result<T, E>> {
    /// Returns the mesh of the values, or the first error in rank order.
    ///
    /// # Errors
    ///
    /// The first error in the mesh.
    pub fn transpose(self) -> Result<ValueMesh<T>, E> {
        Ok(ValueMesh {
            values: self.values.transpose()?,
        })
    }
}

impl<T: Clone> View for ValueMesh<T> {
    type Item<'a>
        = &'a T
    where
        Self: 'a;
    type Sliced = ValueMesh<T>;

    fn region(&self) -> &Region {
        self.region()
    }

    fn get(&self, ordinal: Ordinal) -> Option<&T> {
        self.values.get(ordinal)
    }

    fn sliced(&self, region: Region) -> Result<ValueMesh<T>, ShapeError> {
        let values = self.values.sliced(&region)?;
        Ok(ValueMesh { values })
    }
}

impl<T: PartialEq> PartialEq for ValueMesh<T> {
    fn eq(&self, other: &Self) -> bool {
        self.values == other.values
    }
}

impl<T: Eq> Eq for ValueMesh<T> {}

impl<T: Hash + Eq> Hash for ValueMesh<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.values.hash(state);
    }
}

impl<T: Serialize> Serialize for ValueMesh<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.values.serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for ValueMesh<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let values = RankMap::deserialize(deserializer)?;
        match values.region() {
            Some(_) => Ok(ValueMesh { values }),
            None => Err(de::Error::custom("a mesh of values has a region")),
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for ValueMesh<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.iter().map(|(point, value)| (point.rank(), value)))
            .finish()
    }
}

/// Writes each value with the ranks that have it, like `Timeout: 3,5..8`, in bounded length.
impl<T: fmt::Display + PartialEq> fmt::Display for ValueMesh<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let groups = self.groups();
        for (idx, (value, ranks)) in groups.iter().take(SHOWN_GROUPS).enumerate() {
            let separator = if idx == 0 { "" } else { "; " };
            let (value, ranks) = (Cut(value.to_string()), Cut(ranks.to_string()));
            write!(f, "{separator}{value}: {ranks}")?;
        }
        match groups.len().saturating_sub(SHOWN_GROUPS) {
            0 => Ok(()),
            more => write!(f, "; and {more} more values"),
        }
    }
}

/// A text that is shown up to [`SHOWN_BYTES`].
struct Cut(String);

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_end = |at: &usize| self.0.is_char_boundary(*at);
        let end = (0..=SHOWN_BYTES.min(self.0.len()))
            .rev()
            .find(is_end)
            .unwrap_or_default();
        f.write_str(&self.0[..end])?;
        f.write_str(if end < self.0.len() { "…" } else { "" })
    }
}

#[cfg(test)]
mod tests;
