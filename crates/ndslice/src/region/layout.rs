//! Layouts: a region as offset, sizes and strides, the form that numeric libraries share.
//!
//! A layout states ranks and no base. On the way back, the region gets the coarsest row-major base
//! that has these ranks: with the dims by falling stride, the base stride of a dim is the greatest
//! common divisor of the strides down to it. Every base that has these ranks is a refinement of
//! that one, so if they do not fit into it, they fit into none.

use std::sync::Arc;

use super::{Region, UNUSED};
use crate::extent::{Extent, ExtentBuilder, ExtentError, MAX_DIMS};
use crate::progression::Progression;
use crate::shape_error::ShapeError;

/// Where the members of a region lie in its base, which is one dense array of ranks.
///
/// The member at coordinates `c` has rank `offset + c[0] * strides[0] + c[1] * strides[1] + ...`.
/// All numbers count ranks, not bytes. The labels are left out.
///
/// # Examples
///
/// ```
/// use hypermesh_ndslice::{Layout, shape};
///
/// let odd = shape!(host = 2, gpu = 8).range("gpu", 4..)?;
/// let layout = odd.layout();
/// assert_eq!((layout.offset(), layout.sizes(), layout.strides()), (4, &[2, 4][..], &[8, 1][..]));
/// assert_eq!(layout, Layout::new(4, &[2, 4], &[8, 1])?);
/// assert_eq!(layout.region(&["host", "gpu"])?.layout(), layout);
/// # Ok::<(), hypermesh_ndslice::ShapeError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Layout {
    offset: usize,
    ndim: usize,
    sizes: [usize; MAX_DIMS],
    strides: [usize; MAX_DIMS],
}

impl Layout {
    /// Returns the layout of these numbers, outermost dim first.
    ///
    /// Whether a region can have it is not checked here but by [`Layout::region`].
    ///
    /// # Errors
    ///
    /// [`ShapeError::DimMismatch`] when there are more sizes than strides or fewer, and
    /// [`ShapeError::Extent`] when there are too many dims.
    pub fn new(offset: usize, sizes: &[usize], strides: &[usize]) -> Result<Self, ShapeError> {
        let (expected, actual) = (sizes.len(), strides.len());
        if expected != actual {
            return Err(ShapeError::DimMismatch { expected, actual });
        }
        let mut layout = Self {
            offset,
            ndim: expected,
            sizes: [0; MAX_DIMS],
            strides: [0; MAX_DIMS],
        };
        let slots = layout.sizes.iter_mut().zip(&mut layout.strides);
        for ((size_slot, stride_slot), (size, stride)) in slots.zip(sizes.iter().zip(strides)) {
            (*size_slot, *stride_slot) = (*size, *stride);
        }
        if MAX_DIMS < expected {
            return Err(ExtentError::TooManyDims { max: MAX_DIMS }.into());
        }
        Ok(layout)
    }

    /// Returns the rank of the member whose coordinates are all 0.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// Returns the number of dims.
    pub fn ndim(&self) -> usize {
        self.ndim
    }

    /// Returns the sizes, outermost dim first.
    pub fn sizes(&self) -> &[usize] {
        &self.sizes[..self.ndim]
    }

    /// Returns the distance in ranks of two neighbours in each dim, outermost dim first. A dim of
    /// one index has the stride of the base.
    pub fn strides(&self) -> &[usize] {
        &self.strides[..self.ndim]
    }

    /// Returns the region with these labels that has this layout; its base is the smallest that
    /// has these ranks.
    ///
    /// For the layout of a region and its own labels, the result has the same labels, sizes and
    /// ranks in the same order; its base is the same only if the layout says all about it.
    ///
    /// # Errors
    ///
    /// [`ShapeError::DimMismatch`] when there are more labels than dims or fewer;
    /// [`ShapeError::ZeroStep`] for stride 0; [`ShapeError::NotAligned`] when strides overlap, so
    /// that no slice of an extent has these ranks; [`ShapeError::Extent`] when a label or a size is
    /// illegal or the ranks are too large.
    pub fn region(&self, labels: &[&str]) -> Result<Region, ShapeError> {
        if labels.len() != self.ndim {
            let (expected, actual) = (self.ndim, labels.len());
            return Err(ShapeError::DimMismatch { expected, actual });
        }
        let mut checked = ExtentBuilder::new();
        let mut dims = Vec::with_capacity(self.ndim);
        let numbers = self.sizes().iter().zip(self.strides());
        for (position, (label, (&len, &stride))) in labels.iter().zip(numbers).enumerate() {
            let label: Arc<str> = (*label).into();
            checked.push(label.clone(), len)?;
            if stride == 0 {
                return Err(ShapeError::ZeroStep { dim: label });
            }
            let stride = number(&label, stride)?;
            let len = len as u32;
            dims.push(StridedDim {
                label,
                len,
                stride,
                position,
            });
        }
        let offset = number(
            &hidden_label(dims.iter().map(|dim| &dim.label)),
            self.offset,
        )?;
        place(offset, dims).map_err(|error| match error {
            PlaceError::Overlap { position } => ShapeError::NotAligned {
                dim: labels[position].into(),
            },
            PlaceError::Extent { source, .. } => source.into(),
        })
    }
}

/// A number of ranks as it is kept in a region.
fn number(label: &Arc<str>, size: usize) -> Result<u32, ExtentError> {
    u32::try_from(size).map_err(|_| ExtentError::TooLarge {
        label: label.clone(),
        size,
        max: u32::MAX as usize,
    })
}

impl Region {
    /// Returns the offset, sizes and strides of the region.
    pub fn layout(&self) -> Layout {
        let mut layout = Layout {
            offset: self.offset() as usize,
            ndim: self.ndim(),
            sizes: [0; MAX_DIMS],
            strides: [0; MAX_DIMS],
        };
        let base_strides = self.base.strides();
        for (i, dim) in self.dims().enumerate() {
            let axis = self.axes[dim];
            layout.sizes[i] = axis.len as usize;
            layout.strides[i] = (axis.step * base_strides[dim]) as usize;
        }
        layout
    }
}

/// A dim of a layout.
pub(super) struct StridedDim {
    pub(super) label: Arc<str>,
    /// At least 1.
    pub(super) len: u32,
    /// At least 1.
    pub(super) stride: u32,
    /// Where it stands in the region's order.
    pub(super) position: usize,
}

/// Why no base has the ranks of a layout.
pub(super) enum PlaceError {
    /// The dim at `position` overlaps another one.
    Overlap { position: usize },
    /// The base would be no valid extent, by the dim at `position` or by a hidden one.
    Extent {
        position: Option<usize>,
        source: ExtentError,
    },
}

/// The region over the coarsest base that has the ranks of these dims, at most eight.
pub(super) fn place(offset: u32, mut dims: Vec<StridedDim>) -> Result<Region, PlaceError> {
    // Of two equal strides, the inner dim is one of size 1.
    dims.sort_by_key(|dim| std::cmp::Reverse((dim.stride, dim.len)));
    let mut builder = ExtentBuilder::new();
    let mut axes = [UNUSED; MAX_DIMS];
    let mut order = vec![0; dims.len()];
    let mut rest = offset;
    let mut outer_stride: Option<u32> = None;
    for (i, dim) in dims.iter().enumerate() {
        let position = dim.position;
        let is_innermost = i + 1 == dims.len();
        let stride = match outer_stride {
            _ if is_innermost && !keeps_stride(&dims) => 1,
            None => dim.stride,
            Some(outer_stride) => gcd(outer_stride, dim.stride),
        };
        let start = rest / stride;
        rest %= stride;
        let step = dim.stride / stride;
        let end = u64::from(start) + u64::from(step) * u64::from(dim.len - 1) + 1;
        let size = outer_stride.map_or(end, |outer_stride| u64::from(outer_stride / stride));
        if size < end {
            return Err(PlaceError::Overlap { position });
        }
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        builder
            .push(dim.label.clone(), size)
            .map_err(|source| PlaceError::Extent {
                position: Some(position),
                source,
            })?;
        axes[i] = Progression::new(start, step, dim.len);
        order[position] = i;
        outer_stride = Some(stride);
    }
    // What the dims leave over is a pinned dim below them, or the only one.
    let hidden = match outer_stride {
        Some(stride @ 2..) => Some(stride as usize),
        None if 0 < offset => Some(offset as usize + 1),
        _ => None,
    };
    if let Some(size) = hidden {
        builder
            .push(hidden_label(dims.iter().map(|dim| &dim.label)), size)
            .map_err(|source| PlaceError::Extent {
                position: None,
                source,
            })?;
        axes[dims.len()] = Progression::one(rest);
    }
    let base: Extent = builder.finish();
    Ok(Region::from_axes(base, axes, order))
}

/// Whether the innermost dim has one index, whose stride a pinned dim below it has to keep: a
/// progression of one index has no step.
fn keeps_stride(dims: &[StridedDim]) -> bool {
    dims.len() < MAX_DIMS && dims.last().is_some_and(|dim| dim.len == 1)
}

/// A label for a pinned dim, which nobody asks for: none of those in use.
pub(super) fn hidden_label<'a>(used: impl Iterator<Item = &'a Arc<str>> + Clone) -> Arc<str> {
    let mut label = String::from("_");
    while used.clone().any(|used| **used == *label) {
        label.push('_');
    }
    label.into()
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}
