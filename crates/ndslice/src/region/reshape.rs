//! Reshaping: other labels, other dims or another order for the same ranks.

use std::sync::Arc;

use super::layout::hidden_label;
use super::{Region, UNUSED};
use crate::extent::{ExtentBuilder, MAX_DIMS};
use crate::progression::Progression;
use crate::shape_error::ShapeError;

impl Region {
    /// Returns the region with the dims in another order; ordinals change, the ranks do not.
    ///
    /// # Examples
    ///
    /// ```
    /// let shape = hypermesh_ndslice::shape!(x = 2, y = 2).permute(&["y", "x"])?;
    /// assert_eq!(shape.ranks().map(usize::from).collect::<Vec<_>>(), [0, 2, 1, 3]);
    /// # Ok::<(), hypermesh_ndslice::ShapeError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ShapeError::UnknownDim`], and [`ShapeError::NotAPermutation`] when a label is missing or
    /// repeated.
    pub fn permute(&self, labels: &[&str]) -> Result<Self, ShapeError> {
        let mut order = [usize::MAX; MAX_DIMS];
        for (i, label) in labels.iter().enumerate() {
            let dim = self.dim_of(label)?;
            // As no dim occurs twice, there are no more labels than dims.
            if order.contains(&dim) {
                return Err(self.not_a_permutation());
            }
            order[i] = dim;
        }
        if labels.len() != self.ndim() {
            return Err(self.not_a_permutation());
        }
        let order = order.into_iter().take(labels.len());
        Ok(Self::from_axes(self.base.clone(), self.axes, order))
    }

    /// Returns the region with other labels: `(old, new)` for each dim to rename, all at once.
    ///
    /// The label of a dim that [`Region::at`] has dropped is free again; in the base of the result,
    /// the dropped dim then has another label.
    ///
    /// # Examples
    ///
    /// ```
    /// let shape = hypermesh_ndslice::shape!(host = 2, gpu = 4);
    /// let swapped = shape.rename(&[("host", "gpu"), ("gpu", "host")])?;
    /// assert_eq!(swapped.extent().to_string(), "gpu=2,host=4");
    /// let one = shape.at("host", 1)?.rename(&[("gpu", "host")])?;
    /// assert_eq!((one.to_string(), one.base().to_string()), ("4+host=4/1".into(), "_=2,host=4".into()));
    /// # Ok::<(), hypermesh_ndslice::ShapeError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ShapeError::UnknownDim`], and [`ShapeError::Extent`] when a label would occur twice or is
    /// illegal.
    pub fn rename(&self, labels: &[(&str, &str)]) -> Result<Self, ShapeError> {
        let mut dims = self.base_dims();
        for (old, new) in labels {
            dims[self.dim_of(old)?].label = (*new).into();
        }
        Self::rebuild(dims, self.dims().collect())
    }

    /// Returns the region with one dim split into several, outermost first; the size of one of
    /// them may be left open.
    ///
    /// # Examples
    ///
    /// ```
    /// let shape = hypermesh_ndslice::shape!(host = 4).split("host", &[("dp", None), ("pp", Some(2))])?;
    /// assert_eq!(shape.extent().to_string(), "dp=2,pp=2");
    /// # Ok::<(), hypermesh_ndslice::ShapeError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ShapeError::UnknownDim`]; [`ShapeError::ManyOpenSizes`]; [`ShapeError::NotDivisible`];
    /// [`ShapeError::NotAligned`] when no box of a finer base has these ranks;
    /// [`ShapeError::Extent`] when the finer base has an illegal label or too many dims.
    pub fn split(&self, label: &str, parts: &[(&str, Option<usize>)]) -> Result<Self, ShapeError> {
        let dim = self.dim_of(label)?;
        let mut dims = self.base_dims();
        let whole = dims.remove(dim);
        let sizes = part_sizes(&whole, parts)?;
        let mut outer = (whole.axis, whole.size);
        for (i, ((part, _), size)) in parts.iter().zip(sizes).enumerate().rev() {
            let (axis, base_size) = if i == 0 {
                outer
            } else {
                let split =
                    split_axis(outer.0, outer.1, size).ok_or_else(|| ShapeError::NotAligned {
                        dim: whole.label.clone(),
                    })?;
                outer = split.0;
                split.1
            };
            dims.insert(
                dim,
                BaseDim {
                    label: (*part).into(),
                    size: base_size,
                    axis,
                },
            );
        }
        let n_parts = parts.len();
        let order = self.dims().flat_map(|kept| match kept {
            _ if kept == dim => dim..dim + n_parts,
            _ if dim < kept => kept + n_parts - 1..kept + n_parts,
            _ => kept..kept + 1,
        });
        Self::rebuild(dims, order.collect())
    }

    /// Returns the region with neighbouring dims joined into one called `label`.
    ///
    /// # Examples
    ///
    /// ```
    /// let shape = hypermesh_ndslice::shape!(zone = 2, host = 4, gpu = 8);
    /// let flat = shape.flatten(&["host", "gpu"], "all")?;
    /// assert_eq!(flat.extent().to_string(), "zone=2,all=32");
    /// # Ok::<(), hypermesh_ndslice::ShapeError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ShapeError::UnknownDim`]; [`ShapeError::NotAligned`] when the dims are no neighbours or
    /// their ranks no progression; [`ShapeError::Extent`] when the label is illegal.
    pub fn flatten(&self, labels: &[&str], label: &str) -> Result<Self, ShapeError> {
        let joined = labels
            .iter()
            .map(|joined| self.dim_of(joined))
            .collect::<Result<Vec<_>, _>>()?;
        let not_aligned = || ShapeError::NotAligned { dim: label.into() };
        let (Some(&first), Some(&last)) = (joined.first(), joined.last()) else {
            return Err(not_aligned());
        };
        // Neighbours: in the order of the region, and in the base but for pinned dims.
        let order: Vec<usize> = self.dims().collect();
        let is_neighbours = order.windows(joined.len()).any(|window| window == joined);
        let is_kept = |dim: &usize| joined.contains(dim) || self.is_pinned(*dim);
        if !is_neighbours || !joined.is_sorted() || !(first..=last).all(|dim| is_kept(&dim)) {
            return Err(not_aligned());
        }
        let mut dims = self.base_dims();
        let mut flat = (Progression::full(1), 1);
        for dim in dims.drain(first..=last) {
            flat = join_axes(flat, (dim.axis, dim.size)).ok_or_else(not_aligned)?;
        }
        dims.insert(
            first,
            BaseDim {
                label: label.into(),
                size: flat.1,
                axis: flat.0,
            },
        );
        let order = order
            .into_iter()
            .filter(|dim| *dim == first || !joined.contains(dim));
        let order = order.map(|dim| {
            if last < dim {
                dim - (last - first)
            } else {
                dim
            }
        });
        Self::rebuild(dims, order.collect())
    }

    fn not_a_permutation(&self) -> ShapeError {
        ShapeError::NotAPermutation {
            dims: self.extent().label_list(),
        }
    }

    fn base_dims(&self) -> Vec<BaseDim> {
        let dims = self.base.dims().zip(self.axes);
        dims.map(|((label, size), axis)| BaseDim {
            label,
            size: size as u32,
            axis,
        })
        .collect()
    }

    /// The region of these dims of a base, of which `order` does not name the pinned ones.
    fn rebuild(mut dims: Vec<BaseDim>, order: Vec<usize>) -> Result<Self, ShapeError> {
        // A pinned dim has no label that a slice knows, so it gives way to one that has.
        for dim in (0..dims.len()).filter(|dim| !order.contains(dim)) {
            let is_taken = order
                .iter()
                .any(|kept| dims[*kept].label == dims[dim].label);
            if is_taken {
                dims[dim].label = hidden_label(dims.iter().map(|dim| &dim.label));
            }
        }
        let mut builder = ExtentBuilder::new();
        let mut axes = [UNUSED; MAX_DIMS];
        for (i, dim) in dims.into_iter().enumerate() {
            // The builder refuses a ninth dim, so `i` is below `MAX_DIMS`.
            builder.push(dim.label, dim.size as usize)?;
            axes[i] = dim.axis;
        }
        Ok(Self::from_axes(builder.finish(), axes, order))
    }
}

/// One dim of a base that is taken apart.
struct BaseDim {
    label: Arc<str>,
    size: u32,
    axis: Progression,
}

/// The sizes of the parts, with the open one inferred.
fn part_sizes(whole: &BaseDim, parts: &[(&str, Option<usize>)]) -> Result<Vec<u32>, ShapeError> {
    let size = whole.axis.len as usize;
    let n_open = parts.iter().filter(|(_, part)| part.is_none()).count();
    if 1 < n_open {
        return Err(ShapeError::ManyOpenSizes {
            dim: whole.label.clone(),
        });
    }
    let stated = parts.iter().filter_map(|(_, part)| *part);
    let by = stated.fold(1, usize::saturating_mul);
    let is_divisible = by != 0 && size.is_multiple_of(by) && (n_open == 1 || size == by);
    if !is_divisible || parts.is_empty() {
        return Err(ShapeError::NotDivisible {
            dim: whole.label.clone(),
            size,
            by,
        });
    }
    // Every part divides `size`, which is a u32.
    Ok(parts
        .iter()
        .map(|(_, part)| part.unwrap_or(size / by) as u32)
        .collect())
}

/// A progression and the size of its dim.
type SizedAxis = (Progression, u32);

/// Splits an inner dim of `inner_len` indices off, which divides the number of indices.
fn split_axis(axis: Progression, size: u32, inner_len: u32) -> Option<(SizedAxis, SizedAxis)> {
    if inner_len == 1 {
        return Some(((axis, size), (Progression::full(1), 1)));
    }
    if inner_len == axis.len {
        return Some(((Progression::full(1), 1), (axis, size)));
    }
    // One turn of the inner dim is as long as `inner_len` steps, else the next index of the outer
    // dim would not continue the progression.
    let inner_size = axis.step.checked_mul(inner_len)?;
    let inner_start = axis.start % inner_size;
    if !size.is_multiple_of(inner_size) || axis.step <= inner_start {
        return None;
    }
    let outer = Progression::new(axis.start / inner_size, 1, axis.len / inner_len);
    let inner = Progression::new(inner_start, axis.step, inner_len);
    Some(((outer, size / inner_size), (inner, inner_size)))
}

/// Joins neighbouring dims, if their indices in row-major order are a progression.
fn join_axes((outer, outer_size): SizedAxis, (inner, inner_size): SizedAxis) -> Option<SizedAxis> {
    let start = outer.start * inner_size + inner.start;
    let (step, len) = if outer.len == 1 {
        (inner.step, inner.len)
    } else if inner.len == 1 {
        (outer.step * inner_size, outer.len)
    } else if u64::from(outer.step) * u64::from(inner_size)
        == u64::from(inner.step) * u64::from(inner.len)
    {
        (inner.step, outer.len * inner.len)
    } else {
        return None;
    };
    Some((Progression::new(start, step, len), outer_size * inner_size))
}
