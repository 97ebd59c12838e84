//! What the code that the macros generate refers to. Not part of the public API.

pub use crate::registry::Registration;
pub use crate::{Message, Named, TypeKey};
pub use inventory;
pub use serde;
pub use std::borrow::Cow;
pub use std::format;
