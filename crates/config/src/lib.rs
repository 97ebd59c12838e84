//! Typed settings with layers: default, file, environment, parent process, run time, test.
//!
//! ```
//! use std::time::Duration;
//! use hypermesh_config::{Source, config};
//!
//! config! {
//!     /// How long a greeting may take.
//!     pub static GREETING_TIMEOUT: Duration = Duration::from_secs(10),
//!         env = "HYPERMESH_GREETING_TIMEOUT",
//!         check = |timeout| !timeout.is_zero(),
//!         expected = "more than nothing";
//! }
//!
//! assert_eq!(GREETING_TIMEOUT.get(), Duration::from_secs(10));
//! GREETING_TIMEOUT.set_runtime(Duration::from_secs(3))?;
//! assert_eq!(GREETING_TIMEOUT.source(), Source::RunTime);
//! # Ok::<(), hypermesh_config::ConfigError>(())
//! ```
//!
//! * A setting is a `static`, declared with [`config!`] in the crate that uses it. Reading it is a
//!   pointer read and a clone.
//! * Its value comes from the highest [`Source`] that has one: test > run time > parent > environment >
//!   file > default. What a launcher set explicitly reaches its children as a [`Snapshot`], so that a
//!   stale variable on one machine cannot split a mesh.
//! * Text that is no value of its setting is never fatal where it is read: the next source counts.
//!   [`check_all`] reports all of it at once; whoever starts a process calls it.

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
mod value;

pub use byte_size::{ByteSize, ParseByteSizeError};
pub use catalog::{SettingInfo, check_all, list};
pub use error::{ConfigError, Place};
pub use file::{FileError, load_file};
pub use setting::{Override, Setting};
pub use snapshot::{Snapshot, apply_parent, snapshot};
pub use source::Source;
pub use value::Value;
