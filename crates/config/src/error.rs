//! What can be wrong with settings.

use std::fmt;
use std::path::PathBuf;

/// Where a text came from that is no value of its setting.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Place {
    /// The environment variable of this name.
    Env(String),
    /// The file at this path.
    File(PathBuf),
    /// The process that started this one.
    Parent,
    /// A call of this program.
    RunTime,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(variable) => write!(f, "environment variable {variable}"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Parent => f.write_str("the parent process"),
            Self::RunTime => f.write_str("the program"),
        }
    }
}

/// One thing that is wrong with the settings of this process.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A text is no value of its setting.
    #[error("setting {setting}: {place} says {text:?}, expected {expected}")]
    BadValue {
        /// The setting.
        setting: String,
        /// Where the text comes from.
        place: Place,
        /// The text.
        text: String,
        /// What it should look like.
        expected: String,
    },
    /// Two settings have the same environment variable.
    #[error("settings {first} and {second} both use environment variable {variable}")]
    OneVariable {
        /// The variable.
        variable: String,
        /// One of the settings, with its module.
        first: String,
        /// The other.
        second: String,
    },
    /// Two settings have the same name.
    #[error("two settings are named {name}: one in {first}, one in {second}")]
    OneName {
        /// The name.
        name: String,
        /// The module of one.
        first: String,
        /// The module of the other.
        second: String,
    },
}
