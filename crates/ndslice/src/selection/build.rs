//! Building selections by functions instead of text.

use std::sync::Arc;

use super::{Node, Selection, SelectionError, text};
use crate::range::Range;
use crate::region::Region;
use crate::shape_error::ShapeError;

impl Selection {
    /// Returns `*`: everything.
    pub fn all() -> Self {
        Self::from_nodes([Node::All])
    }

    /// Returns `?`: one index of the outermost dim, picked when the selection is evaluated.
    pub fn pick() -> Self {
        Self::from_nodes([Node::Pick])
    }

    /// Returns `0`: the first index of the outermost dim, whatever slice it is applied to. Every dim has
    /// one, so this never fails, and takes no seed as [`pick`](Self::pick) does.
    ///
    /// # Examples
    ///
    /// ```
    /// use hypermesh_ndslice::{Selection, sel, shape};
    ///
    /// let leaders = Selection::chain([Selection::all(), Selection::first()])?;
    /// assert_eq!(leaders, sel!(*, 0));
    /// let upper = shape!(host = 2, gpu = 8).range("gpu", 4..)?;
    /// assert_eq!(leaders.ranks(&upper)?.iter().collect::<Vec<_>>(), [4, 12]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn first() -> Self {
        Self::from_nodes([Node::Index(0)])
    }

    /// Returns the selection of one index of the outermost dim.
    ///
    /// # Errors
    ///
    /// [`SelectionError::IndexTooLarge`].
    pub fn index(index: usize) -> Result<Self, SelectionError> {
        Ok(Self::from_nodes([Node::Index(narrow(index)?)]))
    }

    /// Returns the selection of a range of indices of the outermost dim.
    ///
    /// # Errors
    ///
    /// [`SelectionError::IndexTooLarge`] and [`SelectionError::ZeroStep`].
    pub fn range(range: impl Into<Range>) -> Result<Self, SelectionError> {
        let Range { start, end, step } = range.into();
        if step == 0 {
            return Err(SelectionError::ZeroStep);
        }
        let end = end.map(narrow).transpose()?;
        Ok(Self::from_nodes([Node::range(
            narrow(start)?,
            end,
            narrow(step)?,
        )]))
    }

    /// Returns `a,b,...`: each of `factors` at the dims that follow those of the one before.
    ///
    /// # Examples
    ///
    /// ```
    /// use hypermesh_ndslice::{Selection, sel};
    ///
    /// let chain = Selection::chain([Selection::all(), Selection::range(0..4)?])?;
    /// assert_eq!(chain, sel!(*, 0:4));
    /// # Ok::<(), hypermesh_ndslice::SelectionError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The error of a factor; [`SelectionError::TooLong`] and [`SelectionError::NestedTooDeep`].
    pub fn chain(factors: impl IntoIterator<Item = Self>) -> Result<Self, SelectionError> {
        let mut nodes = Vec::new();
        let mut n_factors = 0;
        for factor in factors {
            nodes.extend_from_slice(factor.nodes()?);
            n_factors += 1;
        }
        match n_factors {
            0 => return Ok(Self::all()),
            1 => {}
            _ => nodes.push(Node::Chain(n_factors)),
        }
        Self::checked(nodes)
    }

    /// Returns `self | other`.
    ///
    /// # Errors
    ///
    /// The error of an operand; [`SelectionError::TooLong`] and [`SelectionError::NestedTooDeep`].
    pub fn union(&self, other: &Self) -> Result<Self, SelectionError> {
        self.joined(other, Node::Union)
    }

    /// Returns `self & other`.
    ///
    /// # Errors
    ///
    /// The error of an operand; [`SelectionError::TooLong`] and [`SelectionError::NestedTooDeep`].
    pub fn intersection(&self, other: &Self) -> Result<Self, SelectionError> {
        self.joined(other, Node::Inter)
    }

    /// Returns `self - other`.
    ///
    /// # Errors
    ///
    /// The error of an operand; [`SelectionError::TooLong`] and [`SelectionError::NestedTooDeep`].
    pub fn difference(&self, other: &Self) -> Result<Self, SelectionError> {
        self.joined(other, Node::Minus)
    }

    /// Returns the selection that selects the ranks of `region`, a slice of `mesh`, when it is
    /// applied to `mesh`.
    ///
    /// # Errors
    ///
    /// [`ShapeError::BaseMismatch`] and [`ShapeError::NotSubset`].
    pub fn from_region(region: &Region, mesh: &Region) -> Result<Self, ShapeError> {
        let relative = region.relative_to(mesh)?;
        let sizes = relative.base().sizes();
        let mut nodes: Vec<Node> = relative
            .axes()
            .iter()
            .zip(sizes)
            .map(|(axis, size)| match axis.len {
                len if len as usize == size => Node::All,
                1 => Node::Index(axis.start),
                _ => Node::range(axis.start, Some(axis.last() + 1), axis.step),
            })
            .collect();
        // Dims that are not named may have any index.
        let n_named = nodes
            .iter()
            .rposition(|node| *node != Node::All)
            .map_or(1, |last| last + 1);
        nodes.resize(n_named, Node::All);
        if 1 < n_named {
            nodes.push(Node::Chain(n_named as u32));
        }
        Ok(Self::from_nodes(nodes))
    }

    /// Returns the selection that selects the same ranks as [`Region::range`] for each of `ranges`,
    /// when it is applied to `shape`. An illegal label or range makes an
    /// [invalid](Selection::invalid) selection.
    ///
    /// [`sel_from_shape!`](crate::sel_from_shape) calls it.
    pub fn from_ranges<'a>(
        shape: &Region,
        ranges: impl IntoIterator<Item = (&'a str, Range)>,
    ) -> Self {
        let region = ranges
            .into_iter()
            .try_fold(shape.clone(), |region, (label, range)| {
                region.range(label, range)
            });
        region
            .and_then(|region| Self::from_region(&region, shape))
            .unwrap_or_else(Self::invalid)
    }

    fn joined(&self, other: &Self, operator: Node) -> Result<Self, SelectionError> {
        let mut nodes = self.nodes()?.to_vec();
        nodes.extend_from_slice(other.nodes()?);
        nodes.push(operator);
        Self::checked(nodes)
    }

    /// The selection of these nodes, if they can be written (INV-1).
    fn checked(nodes: impl Into<Arc<[Node]>>) -> Result<Self, SelectionError> {
        let nodes = nodes.into();
        text::check(&nodes)?;
        Ok(Self::from_nodes(nodes))
    }
}

impl Default for Selection {
    fn default() -> Self {
        Self::all()
    }
}

fn narrow(index: usize) -> Result<u32, SelectionError> {
    u32::try_from(index).map_err(|_| SelectionError::IndexTooLarge { index })
}
