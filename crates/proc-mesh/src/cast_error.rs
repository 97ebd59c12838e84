//! Why nothing was cast.

use hypermesh_ndslice::SelectionError;
use hypermesh_wire::EncodeError;

/// Error of a cast: nothing was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CastError {
    /// The selection does not fit the mesh.
    #[error("the selection does not fit the mesh")]
    Selection(#[from] SelectionError),
    /// The selection leaves no rank.
    #[error("the selection leaves no rank")]
    NothingSelected,
    /// The message cannot be encoded for other processes.
    #[error("the message cannot be encoded")]
    Encode(#[from] EncodeError),
    /// The message is larger than links take.
    #[error("the message has {len} bytes, and {max} are allowed")]
    TooLarge {
        /// How many bytes it has.
        len: u64,
        /// How many are allowed.
        max: u64,
    },
}
