//! What every mesh has: a shape, nodes by rank, an identity and slices.

use hypermesh_ndslice::{Range, Shape, ShapeError};

/// A set of nodes arranged in named dimensions.
pub trait Mesh {
    /// What is at each rank.
    type Node;
    /// What tells one mesh from another.
    type Id;
    /// A part of the mesh, which is a mesh again.
    type Sliced<'a>: Mesh<Node = Self::Node>
    where
        Self: 'a;

    /// Returns the shape of the mesh.
    fn shape(&self) -> &Shape;

    /// Returns the part of the mesh whose position in the dimension `label` is in `range`.
    ///
    /// # Errors
    ///
    /// [`ShapeError`] if there is no such dimension, or the range is empty or out of bounds.
    fn select<R: Into<Range>>(&self, label: &str, range: R)
    -> Result<Self::Sliced<'_>, ShapeError>;

    /// Returns the node at `rank`, counted in this mesh, if it has that many.
    fn get(&self, rank: usize) -> Option<Self::Node>;

    /// Returns the identity of the mesh.
    fn id(&self) -> Self::Id;
}
