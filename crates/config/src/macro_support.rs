//! What the code that [`config!`](crate::config) generates refers to. Not part of the public API.

pub use crate::catalog::Registered;
pub use crate::declaration::{ByText, ByValue, Declaration, Probe};
pub use inventory;
