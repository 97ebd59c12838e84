//! Typed settings with layers: default, file, environment, parent process, run time, test.
//!
#![doc = include_str!("../README.md")]

mod byte_size;
mod catalog;
mod declaration;
mod duration_text;
mod error;
mod file;
mod layers;
#[doc(hidden)]
pub mod macro_support;
mod setting;
mod snapshot;
mod source;
mod test_value;
mod value;

pub use byte_size::{ByteSize, ParseByteSizeError};
pub use catalog::{SettingInfo, check_all, list};
pub use error::{ConfigError, Place};
pub use file::{FileError, load_file};
pub use setting::Setting;
pub use snapshot::{Snapshot, apply_parent, snapshot};
pub use source::Source;
pub use test_value::{Override, ThreadOverride};
pub use value::Value;
