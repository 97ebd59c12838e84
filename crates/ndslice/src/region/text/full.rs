//! The full text form of a region: the base, what is kept of each of its dims, and the view order.
//!
//! ```text
//! full  := [axis (',' axis)*] [';' [label (',' label)*]]      the dims of the base, then the view order
//! axis  := label '=' (start ':' end [':' step] | '@' index) '/' size
//! ```
//!
//! `start:end:step` keeps a range of a dim, `@index` pins the dim to one index, as
//! [`Region::at`] does. The view order names each dim that is kept; it is left out where it is
//! that of the base. The base without dims is written `;`.
//!
//! Every full text has a `:`, an `@` or a `;` outside of quotes. Extents, points and the short form
//! of regions have none of them, and selections have no `=`, `@` or `;`: so no full text is of
//! another form.

use std::fmt;
use std::sync::Arc;

use crate::extent::{ExtentBuilder, MAX_DIMS};
use crate::progression::Progression;
use crate::range::Range;
use crate::region::{Region, UNUSED};
use crate::shape_error::ShapeError;
use crate::text::{ParseError, Quoted, Scanner};

impl Region {
    /// Returns the full text form, which [`Region::parse_full_text`] makes an equal region of.
    ///
    /// [`Display`](fmt::Display) prints the short form: the ranks and their order, but no base.
    ///
    /// # Examples
    ///
    /// ```
    /// use hypermesh_ndslice::{Range, Region, shape};
    ///
    /// let shape = shape!(zone = 2, host = 4, gpu = 8);
    /// let odd = shape.at("host", 1)?.range("gpu", Range::from(1..).step_by(2))?;
    /// assert_eq!(odd.full_text().to_string(), "zone=0:2/2,host=@1/4,gpu=1:8:2/8");
    ///
    /// let swapped = odd.permute(&["gpu", "zone"])?;
    /// let text = swapped.full_text().to_string();
    /// assert_eq!(text, "zone=0:2/2,host=@1/4,gpu=1:8:2/8;gpu,zone");
    /// assert_eq!(Region::parse_full_text(&text)?, swapped);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn full_text(&self) -> impl fmt::Display + '_ {
        FullText(self)
    }

    /// Parses the full text form. Ranges follow the rules of [`Region::range`], and blanks may
    /// stand around each part.
    ///
    /// # Examples
    ///
    /// ```
    /// use hypermesh_ndslice::{Region, Range, shape};
    ///
    /// let even = shape!(x = 8).range("x", Range::from(..).step_by(2))?;
    /// assert_eq!(Region::parse_full_text("x=0:8:2/8")?, even);
    /// assert!("x=0:8:2/8".parse::<Region>().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ParseError`] with the byte at which the text is wrong.
    pub fn parse_full_text(text: &str) -> Result<Self, ParseError> {
        let mut scanner = Scanner::new(text)?;
        let mut builder = ExtentBuilder::new();
        let mut axes = Vec::new();
        if !scanner.is_at(';') {
            axes.push(axis(&mut scanner, &mut builder)?);
            while scanner.eat(',') {
                axes.push(axis(&mut scanner, &mut builder)?);
            }
        }
        let order = if scanner.eat(';') {
            view_order(&mut scanner, &axes)?
        } else {
            scanner.expect_end("`,`, `;` or the end of the text")?;
            kept(&axes).collect()
        };
        let mut progressions = [UNUSED; MAX_DIMS];
        for (slot, axis) in progressions.iter_mut().zip(&axes) {
            *slot = axis.indices;
        }
        Ok(Self::from_axes(builder.finish(), progressions, order))
    }
}

/// What a region keeps of one dim of its base.
struct Axis {
    label: Arc<str>,
    indices: Progression,
    is_pinned: bool,
}

/// The dims of the base that are not pinned.
fn kept(axes: &[Axis]) -> impl Iterator<Item = usize> + '_ {
    (0..axes.len()).filter(|dim| !axes[*dim].is_pinned)
}

/// One dim of the base.
fn axis(scanner: &mut Scanner<'_>, builder: &mut ExtentBuilder) -> Result<Axis, ParseError> {
    let label_at = scanner.at();
    let label = scanner.label()?;
    scanner.expect('=', "`=`")?;
    let range_at = scanner.at();
    let is_pinned = scanner.eat('@');
    let start = scanner.number()? as usize;
    let range = if is_pinned {
        Range::from(start)
    } else {
        scanner.expect(':', "`:`")?;
        let end = Some(scanner.number()? as usize);
        let step = if scanner.eat(':') {
            scanner.number()? as usize
        } else {
            1
        };
        Range { start, end, step }
    };
    scanner.expect('/', "`/`")?;
    let size = scanner.number()?;
    builder
        .push(label.clone(), size as usize)
        .map_err(|error| ParseError::extent(label_at, error))?;
    let indices = range
        .resolve(&label, size)
        .map_err(|error| ParseError::shape(range_at, error))?;
    Ok(Axis {
        label,
        indices,
        is_pinned,
    })
}

/// The rest of the text: the labels of all dims that are kept, in the order of the view.
fn view_order(scanner: &mut Scanner<'_>, axes: &[Axis]) -> Result<Vec<usize>, ParseError> {
    let order_at = scanner.at();
    let mut order = Vec::new();
    while !scanner.is_at_end() {
        if !order.is_empty() {
            scanner.expect(',', "`,` or the end of the text")?;
        }
        let at = scanner.at();
        let label = scanner.label()?;
        match kept(axes).find(|dim| axes[*dim].label == label) {
            Some(dim) if !order.contains(&dim) => order.push(dim),
            Some(_) => return Err(no_permutation(at, axes)),
            None => {
                let known = kept(axes).map(|dim| axes[dim].label.clone()).collect();
                let error = ShapeError::UnknownDim { label, known };
                return Err(ParseError::shape(at, error));
            }
        }
    }
    if order.len() < kept(axes).count() {
        return Err(no_permutation(order_at, axes));
    }
    Ok(order)
}

fn no_permutation(at: usize, axes: &[Axis]) -> ParseError {
    let dims = kept(axes).map(|dim| axes[dim].label.clone()).collect();
    ParseError::shape(at, ShapeError::NotAPermutation { dims })
}

struct FullText<'a>(&'a Region);

impl fmt::Display for FullText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let region = self.0;
        let base = region.base();
        for (dim, axis) in region.axes().iter().enumerate() {
            let comma = if dim == 0 { "" } else { "," };
            let (label, size) = (Quoted(base.label_at(dim)), base.size_at(dim));
            write!(f, "{comma}{label}=")?;
            if region.is_pinned(dim) {
                write!(f, "@{}/{size}", axis.start)?;
                continue;
            }
            // Where the next index would be, if the dim had it.
            let end = u64::from(axis.last()) + u64::from(axis.step);
            write!(f, "{}:{}", axis.start, end.min(size.into()))?;
            if axis.step != 1 {
                write!(f, ":{}", axis.step)?;
            }
            write!(f, "/{size}")?;
        }
        if base.ndim() == 0 || !region.dims().is_sorted() {
            f.write_str(";")?;
            for (i, dim) in region.dims().enumerate() {
                let comma = if i == 0 { "" } else { "," };
                write!(f, "{comma}{}", Quoted(base.label_at(dim)))?;
            }
        }
        Ok(())
    }
}
