//! What the code of our macros names in a crate that depends on this one.

pub use hypermesh_proc_mesh::macro_support::*;
