//! Where the value of a setting comes from.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where the value of a setting comes from, from the weakest to the strongest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The declaration.
    Default,
    /// A file, by [`load_file`](crate::load_file).
    File,
    /// An environment variable.
    Env,
    /// The process that started this one, by [`apply_parent`](crate::apply_parent).
    Parent,
    /// The program, by [`Setting::set_runtime`](crate::Setting::set_runtime).
    RunTime,
    /// A test, by [`Setting::override_for_test`](crate::Setting::override_for_test).
    Test,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Default => "default",
            Self::File => "file",
            Self::Env => "env",
            Self::Parent => "parent",
            Self::RunTime => "run time",
            Self::Test => "test",
        })
    }
}
