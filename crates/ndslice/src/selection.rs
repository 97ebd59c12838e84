//! Selections: a small query language that names some of the ranks of a region.
//!
//! ```text
//! expr   := term (('|' | '-') term)*       union and difference, left to right
//! term   := chain ('&' chain)*             intersection
//! chain  := factor (',' factor)*           one factor after the other, outermost dim first
//! factor := '*' | ':' | '?' | index | range | '(' expr ')'
//! range  := [start] ':' [end] [':' step]
//! ```
//!
//! A factor says something about the dims it spans: one, or as many as the deepest chain within its
//! parentheses. Dims that a chain does not reach may have any index. So a chain is the intersection
//! of its factors, each at its own dims.
//!
//! # Invariants
//!
//! - **INV-1**: `nodes` is a program in postfix order that leaves one value, and no node stands for
//!   more than 64 levels of parentheses or 4096 bytes of text.
//! - **INV-2**: a range that holds every index is [`Node::All`], and no step is 0.

mod build;
mod eval;
mod explain;
mod program;
mod syntax;
mod text;

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use crate::shape_error::ShapeError;

pub use syntax::MAX_NESTING;
pub(crate) use syntax::{Node, SyntaxErrorKind, parse};

/// The largest number of regions that a selection is evaluated to.
pub const MAX_REGIONS: usize = 4096;

/// Some of the ranks of any region that it is applied to.
///
/// | text        | meaning in a region of `zone = 2, host = 4, gpu = 8`             |
/// |-------------|------------------------------------------------------------------|
/// | `*`, `:`    | everything                                                       |
/// | `1,1,1`     | one rank; coordinates go from the outermost dim inwards          |
/// | `*,0`       | the first index of a dim, in any slice: [`Selection::first`]     |
/// | `0,1`       | dims that are not named may have any index: 8 ranks              |
/// | `*,*,1::2`  | a range `start:end:step`, every part optional: the odd gpus      |
/// | `*,(1\|3)`  | parentheses: hosts 1 and 3 of both zones                         |
/// | `a & b`     | intersection; binds tighter than `\|` and `-`, looser than `,`   |
/// | `a - b`     | difference, at the level of `\|`, from left to right             |
/// | `?`         | one index, picked by a seed: [`Selection::eval_seeded`]          |
///
/// [`sel!`](crate::sel) parses at compile time, [`FromStr`](std::str::FromStr) at run time.
///
/// # Examples
///
/// ```
/// use hypermesh_ndslice::{Selection, sel, shape};
///
/// let shape = shape!(zone = 2, host = 4, gpu = 8);
/// let selection: Selection = "*, (1|3), 0:2".parse()?;
/// assert_eq!(selection, sel!(*, (1 | 3), 0:2));
/// assert_eq!(selection.ranks(&shape)?.to_string(), "8..10,24..26,40..42,56..58");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Selection {
    nodes: Result<Arc<[Node]>, Arc<ShapeError>>,
}

impl Selection {
    /// Returns the selection that reports `error` whenever it is evaluated, combined or encoded.
    ///
    /// It lets `sel_from_shape!` stand where a selection is expected.
    pub fn invalid(error: ShapeError) -> Self {
        Self {
            nodes: Err(Arc::new(error)),
        }
    }

    /// Returns the error of a selection that names something its shape does not have.
    pub fn error(&self) -> Option<&ShapeError> {
        self.nodes.as_ref().err().map(|error| &**error)
    }

    /// Returns whether there is a `?`, so that evaluation takes a seed.
    pub fn is_random(&self) -> bool {
        self.nodes
            .as_ref()
            .is_ok_and(|nodes| nodes.contains(&Node::Pick))
    }

    /// The program, or the error to report.
    fn nodes(&self) -> Result<&[Node], SelectionError> {
        match &self.nodes {
            Ok(nodes) => Ok(nodes),
            Err(error) => Err(SelectionError::Shape(ShapeError::clone(error))),
        }
    }

    /// The caller has checked INV-1 and INV-2.
    pub(crate) fn from_nodes(nodes: impl Into<Arc<[Node]>>) -> Self {
        Self {
            nodes: Ok(nodes.into()),
        }
    }
}

impl fmt::Debug for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Selection({self})")
    }
}

/// Error of building and evaluating a selection.
///
/// # Examples
///
/// ```
/// use hypermesh_ndslice::{SelectionError, sel, shape};
///
/// let error = sel!(0, 1, 2).ranks(&shape!(host = 4, gpu = 8)).unwrap_err();
/// assert_eq!(error, SelectionError::TooDeep { dims: 2, found: 3 });
/// assert_eq!(error.to_string(), "the selection has 3 dims and the region 2");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SelectionError {
    /// The selection has more dims than the region.
    TooDeep {
        /// The number of dims of the region.
        dims: usize,
        /// The number of dims of the selection.
        found: usize,
    },
    /// An index or a range is illegal in its dim, or the selection names an unknown dim.
    Shape(ShapeError),
    /// There is a `?`, and no seed.
    Unseeded,
    /// The selection needs more regions than are made; its ranks are still available.
    TooManyRegions {
        /// The largest number, [`MAX_REGIONS`].
        max: usize,
    },
    /// The text of the selection would be too long.
    TooLong {
        /// Its length in bytes.
        len: usize,
        /// The largest length, [`MAX_TEXT_LEN`](crate::MAX_TEXT_LEN).
        max: usize,
    },
    /// Parentheses would be nested too deep.
    NestedTooDeep {
        /// The depth.
        depth: usize,
        /// The largest depth, [`MAX_NESTING`].
        max: usize,
    },
    /// An index is larger than any dim.
    IndexTooLarge {
        /// The index.
        index: usize,
    },
    /// A range has step 0.
    ZeroStep,
}

impl fmt::Display for SelectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooDeep { dims, found } => {
                write!(f, "the selection has {found} dims and the region {dims}")
            }
            Self::Shape(_) => write!(f, "the selection does not fit the region"),
            Self::Unseeded => write!(f, "the selection picks an index and there is no seed"),
            Self::TooManyRegions { max } => {
                write!(f, "the selection needs more than {max} regions")
            }
            Self::TooLong { len, max } => {
                write!(
                    f,
                    "the text of the selection has {len} bytes, and {max} are allowed"
                )
            }
            Self::NestedTooDeep { depth, max } => {
                write!(
                    f,
                    "the selection nests {depth} levels, and {max} are allowed"
                )
            }
            Self::IndexTooLarge { index } => {
                write!(f, "index {index} is larger than any dim")
            }
            Self::ZeroStep => write!(f, "the step of a range is 0"),
        }
    }
}

impl Error for SelectionError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Shape(source) => Some(source),
            _ => None,
        }
    }
}

impl From<ShapeError> for SelectionError {
    fn from(source: ShapeError) -> Self {
        Self::Shape(source)
    }
}
