//! The strided text form of a region: `[offset+]label=size/stride,...`.
//!
//! The text is a layout with labels: it states ranks and no base. Parsing makes the coarsest base
//! that has them.

mod full;

use std::fmt;
use std::str::FromStr;

use super::Region;
use super::layout::{PlaceError, StridedDim, place};
use crate::extent::ExtentBuilder;
use crate::text::{ParseError, ParseErrorKind, Quoted, Scanner};

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let layout = self.layout();
        if layout.offset() != 0 {
            write!(f, "{}+", layout.offset())?;
        }
        let numbers = layout.sizes().iter().zip(layout.strides());
        for (i, (label, (size, stride))) in self.labels().zip(numbers).enumerate() {
            let comma = if i == 0 { "" } else { "," };
            write!(f, "{comma}{}={size}/{stride}", Quoted(label))?;
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
        let mut dims = Vec::new();
        let mut starts = Vec::new();
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
            dims.push(StridedDim {
                label,
                len,
                stride,
                position: dims.len(),
            });
            starts.push(at);
            Ok(())
        })?;
        place(offset, dims).map_err(|error| match error {
            PlaceError::Overlap { position } => {
                ParseError::new(starts[position], ParseErrorKind::OverlappingStrides)
            }
            PlaceError::Extent { position, source } => {
                ParseError::extent(position.map_or(0, |position| starts[position]), source)
            }
        })
    }
}
