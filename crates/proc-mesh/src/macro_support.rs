//! What generated code refers to, for packages that depend on this crate and not on those below.

pub use hypermesh_alloc::macro_support::*;
