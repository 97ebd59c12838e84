//! What generated code refers to, for packages that depend on this crate and not on `wire`.

pub use hypermesh_wire::macro_support::*;
