//! Points: one member of an extent, with its coordinates.

use std::fmt;
use std::str::FromStr;

use crate::coords::Coords;
use crate::extent::{Extent, ExtentBuilder};
use crate::shape_error::ShapeError;
use crate::text::{ParseError, Quoted, Scanner};

/// A rank of an extent, which answers for its coordinates.
///
/// # Examples
///
/// ```
/// let point = hypermesh_ndslice::extent!(x = 4, y = 2).point([1, 0])?;
/// assert_eq!(point.rank(), 2);
/// assert_eq!((point.get("x"), point.get("z")), (Some(1), None));
/// assert_eq!(point.to_string(), "x=1/4,y=0/2");
/// # Ok::<(), hypermesh_ndslice::ShapeError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Point {
    extent: Extent,
    rank: u32,
}

impl Point {
    /// The caller has checked that `rank` is below the extent's count.
    pub(crate) fn new(extent: Extent, rank: u32) -> Self {
        Self { extent, rank }
    }

    /// Returns the rank in the point's extent.
    pub fn rank(&self) -> usize {
        self.rank as usize
    }

    /// Returns the extent that the point belongs to.
    pub fn extent(&self) -> &Extent {
        &self.extent
    }

    /// Returns the number of coordinates.
    pub fn ndim(&self) -> usize {
        self.extent.ndim()
    }

    /// Returns the coordinate of the dim at `dim`, if there is one.
    pub fn coord(&self, dim: usize) -> Option<usize> {
        self.coords().nth(dim)
    }

    /// Returns the coordinate of the dim called `label`, if there is one.
    pub fn get(&self, label: &str) -> Option<usize> {
        self.coord(self.extent.position(label)?)
    }

    /// Returns the coordinates, outermost dim first.
    pub fn coords(&self) -> Coords {
        Coords::new(self.extent.coords_of(self.rank), self.ndim())
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, ((label, size), coord)) in self.extent.dims().zip(self.coords()).enumerate() {
            let comma = if i == 0 { "" } else { "," };
            write!(f, "{comma}{}={coord}/{size}", Quoted(&label))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Point({self})")
    }
}

impl FromStr for Point {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let mut scanner = Scanner::new(text)?;
        let mut builder = ExtentBuilder::new();
        let mut rank = 0;
        scanner.dims(|scanner, at, label| {
            let index = scanner.number()?;
            scanner.expect('/', "`/`")?;
            let size = scanner.number()?;
            builder
                .push(label.clone(), size as usize)
                .map_err(|error| ParseError::extent(at, error))?;
            if size <= index {
                let (index, size) = (index as usize, size as usize);
                let error = ShapeError::OutOfRange {
                    dim: Some(label),
                    index,
                    size,
                };
                return Err(ParseError::shape(at, error));
            }
            // Below the product of the sizes, which the builder has checked.
            rank = rank * size + index;
            Ok(())
        })?;
        Ok(Self::new(builder.finish(), rank))
    }
}
