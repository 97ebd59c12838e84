//! The strided text form of a region: `[offset+]label=size/stride,...`.
//!
//! The text states ranks and no base. Parsing makes the coarsest row-major base that has them: with
//! the dims by falling stride, the base stride of a dim is the greatest common divisor of the
//! strides down to it. Every base that has these ranks is a refinement of that one, so if they do
//! not fit into it, they fit into none.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::{Region, UNUSED};
use crate::extent::{Extent, ExtentBuilder, MAX_DIMS};
use crate::progression::Progression;
use crate::rank::{Ordinal, Rank};
use crate::text::{ParseError, ParseErrorKind, Quoted, Scanner};

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Rank(offset) = self
            .rank_at(Ordinal(0))
            .expect("INV-4: there is at least one rank");
        if offset != 0 {
            write!(f, "{offset}+")?;
        }
        let strides = self.base.strides();
        for (i, dim) in self.dims().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            let label = Quoted(self.base.label_at(dim));
            let axis = self.axes[dim];
            write!(
                f,
                "{comma}{label}={}/{}",
                axis.len,
                axis.step * strides[dim]
            )?;
        }
        Ok(())
    }
}

impl FromStr for Region {
    type Err = ParseError;

    /// Parses the strided form. The region has the labels, the sizes and the ranks of the text, in
    /// the same order; its base is the smallest that has them.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let mut scanner = Scanner::new(text)?;
        let offset = scanner.offset()?.unwrap_or(0);
        let mut builder = ExtentBuilder::new();
        let mut strided = Vec::new();
        scanner.dims(|scanner, at, label| {
            let len = scanner.number()?;
            scanner.expect('/', "`/`")?;
            let stride = scanner.number()?;
            builder
                .push(label.clone(), len as usize)
                .map_err(|error| ParseError::extent(at, error))?;
            if stride == 0 {
                return Err(ParseError::new(at, ParseErrorKind::ZeroStride));
            }
            strided.push(Strided {
                at,
                label,
                len,
                stride,
                position: strided.len(),
            });
            Ok(())
        })?;
        if strided.is_empty() {
            return pinned(offset);
        }
        // Of two equal strides, the inner dim is one of size 1.
        strided.sort_by_key(|dim| std::cmp::Reverse((dim.stride, dim.len)));
        place(offset, &strided)
    }
}

/// A dim of the text.
struct Strided {
    at: usize,
    label: Arc<str>,
    len: u32,
    stride: u32,
    /// Where it stands in the region's order.
    position: usize,
}

/// The region without dims that has this one rank.
fn pinned(rank: u32) -> Result<Region, ParseError> {
    if rank == 0 {
        return Ok(Region::of(Extent::unity()));
    }
    let error = |source| ParseError::extent(0, source);
    let base = Extent::new([(hidden_label(&[]), rank as usize + 1)]).map_err(error)?;
    let mut axes = [UNUSED; MAX_DIMS];
    axes[0] = Progression::one(rank);
    Ok(Region::from_axes(base, axes, []))
}

/// The region over the coarsest base, for at least one dim by falling stride.
fn place(offset: u32, dims: &[Strided]) -> Result<Region, ParseError> {
    let mut builder = ExtentBuilder::new();
    let mut axes = [UNUSED; MAX_DIMS];
    let mut order = vec![0; dims.len()];
    let mut rest = offset;
    let mut outer_stride: Option<u32> = None;
    for (i, dim) in dims.iter().enumerate() {
        let is_innermost = i + 1 == dims.len();
        let stride = match outer_stride {
            _ if is_innermost && !keeps_stride(dims) => 1,
            None => dim.stride,
            Some(outer_stride) => gcd(outer_stride, dim.stride),
        };
        let start = rest / stride;
        rest %= stride;
        let step = dim.stride / stride;
        let end = u64::from(start) + u64::from(step) * u64::from(dim.len - 1) + 1;
        let size = outer_stride.map_or(end, |outer_stride| u64::from(outer_stride / stride));
        if size < end {
            return Err(ParseError::new(dim.at, ParseErrorKind::OverlappingStrides));
        }
        builder
            .push(
                dim.label.clone(),
                usize::try_from(size).unwrap_or(usize::MAX),
            )
            .map_err(|error| ParseError::extent(dim.at, error))?;
        axes[i] = Progression::new(start, step, dim.len);
        order[dim.position] = i;
        outer_stride = Some(stride);
    }
    if let Some(stride @ 2..) = outer_stride {
        builder
            .push(hidden_label(dims), stride as usize)
            .map_err(|error| ParseError::extent(0, error))?;
        axes[dims.len()] = Progression::one(rest);
    }
    Ok(Region::from_axes(builder.finish(), axes, order))
}

/// Whether the innermost dim has one index, whose stride a pinned dim below it has to keep: a
/// progression of one index has no step.
fn keeps_stride(dims: &[Strided]) -> bool {
    dims.len() < MAX_DIMS && dims.last().is_some_and(|dim| dim.len == 1)
}

/// A label for a pinned dim, which no text shows: none of those in use.
fn hidden_label(dims: &[Strided]) -> Arc<str> {
    let mut label = String::from("_");
    while dims.iter().any(|dim| *dim.label == *label) {
        label.push('_');
    }
    label.into()
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}
