//! What generated code refers to, for packages that depend on this crate and not on those below.

pub use crate::reducer_registry::ReducerRegistration;
pub use hypermesh_channel::macro_support::*;
