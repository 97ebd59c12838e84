//! Extents: the named sizes of a row-major grid of ranks.
//!
//! # Invariants
//!
//! - **INV-1**: there are at most eight dims, and their labels are distinct, not empty and at most
//!   64 bytes long.
//! - **INV-2**: every size is at least 1 and their product, the number of ranks, is a `u32`.
//! - **INV-3**: the sizes beyond the last dim are 0, so that equal extents are equal fields.

use std::error::Error;
use std::fmt;
use std::iter::FusedIterator;
use std::str::FromStr;
use std::sync::Arc;

use crate::coords::Coords;
use crate::point::Point;
use crate::shape_error::ShapeError;
use crate::text::{ParseError, Quoted, Scanner};

/// The largest number of dims.
pub const MAX_DIMS: usize = 8;

/// The largest length of a label in bytes.
pub const MAX_LABEL_LEN: usize = 64;

/// Named sizes in row-major order: the last dim varies fastest.
///
/// A clone shares the labels and allocates nothing.
///
/// # Examples
///
/// ```
/// use hypermesh_ndslice::Extent;
///
/// let extent = Extent::new([("zone", 2), ("host", 4), ("gpu", 8)])?;
/// assert_eq!((extent.ndim(), extent.count()), (3, 64));
/// assert_eq!(extent.size("host"), Some(4));
/// assert_eq!(extent.point([1, 2, 3])?.rank(), 51);
/// assert_eq!("zone=2,host=4,gpu=8".parse(), Ok(extent));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Extent {
    labels: Arc<[Arc<str>]>,
    sizes: [u32; MAX_DIMS],
}

impl Extent {
    /// Returns the extent with these labels and sizes, outermost dim first.
    ///
    /// # Errors
    ///
    /// [`ExtentError`] when a label, a size, their number or the product of the sizes is illegal.
    pub fn new<L: Into<Arc<str>>>(
        dims: impl IntoIterator<Item = (L, usize)>,
    ) -> Result<Self, ExtentError> {
        let mut builder = ExtentBuilder::new();
        for (label, size) in dims {
            builder.push(label.into(), size)?;
        }
        Ok(builder.finish())
    }

    /// Returns the extent with these labels and sizes, outermost dim first.
    ///
    /// # Errors
    ///
    /// [`ExtentError`] as for [`Extent::new`], and when there are more labels than sizes or fewer.
    pub fn from_parts<L: Into<Arc<str>>>(
        labels: impl IntoIterator<Item = L>,
        sizes: &[usize],
    ) -> Result<Self, ExtentError> {
        let mut labels = labels.into_iter();
        let mut builder = ExtentBuilder::new();
        for (i, size) in sizes.iter().enumerate() {
            let label = labels.next().ok_or(ExtentError::DimMismatch {
                expected: sizes.len(),
                actual: i,
            })?;
            builder.push(label.into(), *size)?;
        }
        if labels.next().is_some() {
            let actual = sizes.len() + 1;
            return Err(ExtentError::DimMismatch {
                expected: sizes.len(),
                actual,
            });
        }
        Ok(builder.finish())
    }

    /// Returns the extent without dims, which has exactly one rank.
    pub fn unity() -> Self {
        Self {
            labels: Arc::from([]),
            sizes: [0; MAX_DIMS],
        }
    }

    /// Returns the number of dims.
    pub fn ndim(&self) -> usize {
        self.labels.len()
    }

    /// Returns the number of ranks.
    pub fn count(&self) -> usize {
        self.sizes[..self.ndim()]
            .iter()
            .map(|size| *size as usize)
            .product()
    }

    /// Returns the labels, outermost dim first.
    pub fn labels(&self) -> impl DoubleEndedIterator<Item = &str> + ExactSizeIterator + Clone {
        self.labels.iter().map(|label| &**label)
    }

    /// Returns the sizes, outermost dim first.
    pub fn sizes(&self) -> Coords {
        Coords::new(self.sizes, self.ndim())
    }

    /// Returns the size of the dim called `label`, if there is one.
    pub fn size(&self, label: &str) -> Option<usize> {
        self.position(label).map(|dim| self.sizes[dim] as usize)
    }

    /// Returns where the dim called `label` stands, if there is one.
    pub fn position(&self, label: &str) -> Option<usize> {
        self.labels().position(|known| known == label)
    }

    /// Returns the dims of this extent followed by those of `inner`.
    ///
    /// # Examples
    ///
    /// ```
    /// use hypermesh_ndslice::extent;
    ///
    /// let both = extent!(x = 4).concat(&extent!(y = 2))?;
    /// assert_eq!(both.to_string(), "x=4,y=2");
    /// # Ok::<(), hypermesh_ndslice::ExtentError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ExtentError`] when a label occurs in both, or the result is too large.
    pub fn concat(&self, inner: &Self) -> Result<Self, ExtentError> {
        Self::new(self.dims().chain(inner.dims()))
    }

    /// Returns the point with these coordinates, outermost dim first.
    ///
    /// # Errors
    ///
    /// [`ShapeError::DimMismatch`] and [`ShapeError::OutOfRange`].
    pub fn point(&self, coords: impl AsRef<[usize]>) -> Result<Point, ShapeError> {
        let coords = coords.as_ref();
        if coords.len() != self.ndim() {
            let (expected, actual) = (self.ndim(), coords.len());
            return Err(ShapeError::DimMismatch { expected, actual });
        }
        let mut rank = 0;
        for (dim, &index) in coords.iter().enumerate() {
            let size = self.size_at(dim) as usize;
            if size <= index {
                let dim = Some(self.label_at(dim).clone());
                return Err(ShapeError::OutOfRange { dim, index, size });
            }
            rank = rank * size + index;
        }
        Ok(Point::new(self.clone(), rank as u32))
    }

    /// Returns the point with this rank.
    ///
    /// # Errors
    ///
    /// [`ShapeError::OutOfRange`] when `rank` is not below [`Extent::count`].
    pub fn point_of_rank(&self, rank: usize) -> Result<Point, ShapeError> {
        let size = self.count();
        if size <= rank {
            return Err(ShapeError::OutOfRange {
                dim: None,
                index: rank,
                size,
            });
        }
        Ok(Point::new(self.clone(), rank as u32))
    }

    /// Returns all points, by ascending rank.
    pub fn points(&self) -> Points {
        Points {
            extent: self.clone(),
            ranks: 0..self.count() as u32,
        }
    }

    /// The labels and sizes in pairs.
    pub(crate) fn dims(
        &self,
    ) -> impl DoubleEndedIterator<Item = (Arc<str>, usize)> + ExactSizeIterator {
        self.labels
            .iter()
            .zip(&self.sizes)
            .map(|(label, size)| (label.clone(), *size as usize))
    }

    pub(crate) fn label_at(&self, dim: usize) -> &Arc<str> {
        &self.labels[dim]
    }

    pub(crate) fn size_at(&self, dim: usize) -> u32 {
        self.sizes[dim]
    }

    /// The labels as errors list them.
    pub(crate) fn label_list(&self) -> Vec<Arc<str>> {
        self.labels.to_vec()
    }

    /// The distance in ranks of two neighbours in each dim.
    pub(crate) fn strides(&self) -> [u32; MAX_DIMS] {
        let mut strides = [1; MAX_DIMS];
        let mut stride = 1;
        for dim in (0..self.ndim()).rev() {
            strides[dim] = stride;
            stride *= self.sizes[dim];
        }
        strides
    }

    /// The coordinates of `rank`, which is below `count`.
    pub(crate) fn coords_of(&self, rank: u32) -> [u32; MAX_DIMS] {
        let mut coords = [0; MAX_DIMS];
        let mut rest = rank;
        for dim in (0..self.ndim()).rev() {
            coords[dim] = rest % self.sizes[dim];
            rest /= self.sizes[dim];
        }
        coords
    }
}

impl fmt::Display for Extent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (label, size)) in self.dims().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            write!(f, "{comma}{}={size}", Quoted(&label))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Extent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Extent({self})")
    }
}

impl FromStr for Extent {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let mut scanner = Scanner::new(text)?;
        let mut builder = ExtentBuilder::new();
        scanner.dims(|scanner, at, label| {
            let size = scanner.number()?;
            builder
                .push(label, size as usize)
                .map_err(|error| ParseError::extent(at, error))
        })?;
        Ok(builder.finish())
    }
}

/// Collects dims and checks each of them as it comes.
#[derive(Debug)]
pub(crate) struct ExtentBuilder {
    labels: Vec<Arc<str>>,
    sizes: [u32; MAX_DIMS],
    count: u32,
}

impl ExtentBuilder {
    pub(crate) fn new() -> Self {
        Self {
            labels: Vec::new(),
            sizes: [0; MAX_DIMS],
            count: 1,
        }
    }

    /// Adds the next inner dim, if INV-1 and INV-2 allow it.
    pub(crate) fn push(&mut self, label: Arc<str>, size: usize) -> Result<(), ExtentError> {
        let ndim = self.labels.len();
        if ndim == MAX_DIMS {
            return Err(ExtentError::TooManyDims { max: MAX_DIMS });
        }
        if label.is_empty() {
            return Err(ExtentError::EmptyLabel);
        }
        if MAX_LABEL_LEN < label.len() {
            let (len, max) = (label.len(), MAX_LABEL_LEN);
            return Err(ExtentError::LabelTooLong { label, len, max });
        }
        if self.labels.contains(&label) {
            return Err(ExtentError::DuplicateLabel { label });
        }
        if size == 0 {
            return Err(ExtentError::EmptyRange { label });
        }
        let checked = u32::try_from(size)
            .ok()
            .and_then(|s| Some((s, self.count.checked_mul(s)?)));
        let Some((size, count)) = checked else {
            return Err(ExtentError::TooLarge {
                label,
                size,
                max: u32::MAX as usize,
            });
        };
        self.sizes[ndim] = size;
        self.count = count;
        self.labels.push(label);
        Ok(())
    }

    pub(crate) fn finish(self) -> Extent {
        Extent {
            labels: self.labels.into(),
            sizes: self.sizes,
        }
    }
}

/// Error of building an extent.
///
/// # Examples
///
/// ```
/// use hypermesh_ndslice::{Extent, ExtentError};
///
/// let error = Extent::new([("host", 2), ("host", 4)]).unwrap_err();
/// assert_eq!(error, ExtentError::DuplicateLabel { label: "host".into() });
/// assert_eq!(error.to_string(), "two dims are called \"host\"");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExtentError {
    /// Two dims have the same label.
    DuplicateLabel {
        /// The label.
        label: Arc<str>,
    },
    /// A dim has no label.
    EmptyLabel,
    /// A label is too long.
    LabelTooLong {
        /// The label.
        label: Arc<str>,
        /// Its length in bytes.
        len: usize,
        /// The largest length, [`MAX_LABEL_LEN`].
        max: usize,
    },
    /// A dim has size 0.
    EmptyRange {
        /// The label of the dim.
        label: Arc<str>,
    },
    /// There are more labels than sizes or fewer.
    DimMismatch {
        /// The number of sizes.
        expected: usize,
        /// The number of labels, counted up to one too many.
        actual: usize,
    },
    /// There are more ranks than fit.
    TooLarge {
        /// The label of the dim that makes it too many.
        label: Arc<str>,
        /// The size of that dim.
        size: usize,
        /// The largest number of ranks.
        max: usize,
    },
    /// There are too many dims.
    TooManyDims {
        /// The largest number, [`MAX_DIMS`].
        max: usize,
    },
}

impl fmt::Display for ExtentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DuplicateLabel { label } => write!(f, "two dims are called {label:?}"),
            Self::EmptyLabel => write!(f, "a dim has an empty label"),
            Self::LabelTooLong { label, len, max } => {
                write!(f, "label {label:?} has {len} bytes, and {max} are allowed")
            }
            Self::EmptyRange { label } => write!(f, "dim {label:?} has size 0, and the least is 1"),
            Self::DimMismatch { expected, actual } => {
                write!(f, "{actual} labels were given for {expected} sizes")
            }
            Self::TooLarge { label, size, max } => {
                write!(
                    f,
                    "dim {label:?} of size {size} makes more ranks than the largest number, {max}"
                )
            }
            Self::TooManyDims { max } => write!(f, "there are more than {max} dims"),
        }
    }
}

impl Error for ExtentError {}

/// An iterator over the points of an extent, by ascending rank; made by [`Extent::points`].
///
/// # Examples
///
/// ```
/// let mut points = hypermesh_ndslice::extent!(host = 2, gpu = 3).points();
/// assert_eq!(points.len(), 6);
/// assert_eq!(points.nth(4).map(|point| point.to_string()).as_deref(), Some("host=1/2,gpu=1/3"));
/// ```
#[derive(Clone, Debug)]
pub struct Points {
    extent: Extent,
    ranks: std::ops::Range<u32>,
}

impl Iterator for Points {
    type Item = Point;

    fn next(&mut self) -> Option<Point> {
        self.ranks
            .next()
            .map(|rank| Point::new(self.extent.clone(), rank))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.ranks.size_hint()
    }

    fn nth(&mut self, n: usize) -> Option<Point> {
        self.ranks
            .nth(n)
            .map(|rank| Point::new(self.extent.clone(), rank))
    }
}

impl DoubleEndedIterator for Points {
    fn next_back(&mut self) -> Option<Point> {
        self.ranks
            .next_back()
            .map(|rank| Point::new(self.extent.clone(), rank))
    }

    fn nth_back(&mut self, n: usize) -> Option<Point> {
        self.ranks
            .nth_back(n)
            .map(|rank| Point::new(self.extent.clone(), rank))
    }
}

impl ExactSizeIterator for Points {}
impl FusedIterator for Points {}
