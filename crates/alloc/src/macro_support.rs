//! What the code that macros write needs of this crate and of those below.

pub use hypermesh_actor::macro_support::*;
pub use inventory;
