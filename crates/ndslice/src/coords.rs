//! Coordinates: an inline list of at most eight numbers, one per dim.

use std::iter::FusedIterator;

use crate::extent::MAX_DIMS;

/// An iterator over the coordinates of one point, outermost dim first. It allocates nothing.
///
/// # Examples
///
/// ```
/// let point = hypermesh_ndslice::extent!(x = 2, y = 3).point_of_rank(5)?;
/// assert_eq!(point.coords().collect::<Vec<_>>(), [1, 2]);
/// # Ok::<(), hypermesh_ndslice::ShapeError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coords {
    values: [u32; MAX_DIMS],
    front: u8,
    back: u8,
}

impl Coords {
    /// The first `ndim` of `values`.
    pub(crate) fn new(values: [u32; MAX_DIMS], ndim: usize) -> Self {
        Self {
            values,
            front: 0,
            back: ndim.min(MAX_DIMS) as u8,
        }
    }
}

impl Iterator for Coords {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        if self.front == self.back {
            return None;
        }
        let value = self.values[usize::from(self.front)];
        self.front += 1;
        Some(value as usize)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let rest = usize::from(self.back - self.front);
        (rest, Some(rest))
    }
}

impl DoubleEndedIterator for Coords {
    fn next_back(&mut self) -> Option<usize> {
        if self.front == self.back {
            return None;
        }
        self.back -= 1;
        Some(self.values[usize::from(self.back)] as usize)
    }
}

impl ExactSizeIterator for Coords {}
impl FusedIterator for Coords {}
