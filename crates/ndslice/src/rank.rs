//! Ranks and ordinals: the two ways to number a member of a region.

use std::fmt;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        #[cfg_attr(feature = "serde", serde(transparent))]
        pub struct $name(pub usize);

        impl From<usize> for $name {
            fn from(number: usize) -> Self {
                Self(number)
            }
        }

        impl From<$name> for usize {
            fn from(number: $name) -> Self {
                number.0
            }
        }

        impl PartialEq<usize> for $name {
            fn eq(&self, other: &usize) -> bool {
                self.0 == *other
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

number! {
    /// A position in a region's *base* extent: the same member has the same rank in every slice.
    ///
    /// # Examples
    ///
    /// ```
    /// use hypermesh_ndslice::{Ordinal, Range, Rank, shape};
    ///
    /// let odd = shape!(gpu = 8).range("gpu", Range::from(1..).step_by(2))?;
    /// assert_eq!(odd.rank_at(Ordinal(2))?, Rank(5));
    /// assert_eq!(odd.ordinal_of(Rank(5))?, Ordinal(2));
    /// # Ok::<(), hypermesh_ndslice::ShapeError>(())
    /// ```
    ///
    /// A rank is no ordinal:
    ///
    /// ```compile_fail
    /// use hypermesh_ndslice::{Rank, shape};
    ///
    /// shape!(gpu = 8).rank_at(Rank(5));
    /// ```
    Rank
}

number! {
    /// A position in the region's *own* row-major order: `0..region.count()`.
    ///
    /// # Examples
    ///
    /// An ordinal is no rank:
    ///
    /// ```compile_fail
    /// use hypermesh_ndslice::{Ordinal, shape};
    ///
    /// shape!(gpu = 8).ordinal_of(Ordinal(5));
    /// ```
    Ordinal
}
