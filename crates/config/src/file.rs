//! Settings from a file.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::ConfigError;
use crate::catalog::{AnySetting, settings};

/// Error of [`load_file`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The file cannot be read.
    #[error("cannot read settings from {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not TOML.
    #[error("{} is not a TOML file", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// Some settings in the file are wrong. The others count.
    #[error("{}", Lines(errors))]
    Values {
        /// What is wrong.
        errors: Vec<ConfigError>,
    },
}

struct Lines<'a>(&'a [ConfigError]);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (idx, error) in self.0.iter().enumerate() {
            let separator = if idx == 0 { "" } else { "\n" };
            write!(f, "{separator}{error}")?;
        }
        Ok(())
    }
}

/// Reads settings from a TOML file of `name = value` lines, where names are in lower case.
///
/// Names that no setting has are logged as warnings, with the nearest one that exists. After an earlier
/// file, what it says counts instead; what it does not mention stays.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use hypermesh_config::{Source, config, load_file};
///
/// config! {
///     static FAREWELL_TIMEOUT: Duration = Duration::from_secs(10), env = "HYPERMESH_FAREWELL_TIMEOUT";
/// }
///
/// # let path = std::env::temp_dir().join(format!("hypermesh-doc-{}.toml", std::process::id()));
/// # std::fs::write(&path, "farewell_timeout = \"250ms\"")?;
/// // With the line: farewell_timeout = "250ms"
/// load_file(&path)?;
/// assert_eq!(FAREWELL_TIMEOUT.get(), Duration::from_millis(250));
/// assert_eq!(FAREWELL_TIMEOUT.source(), Source::File);
/// # std::fs::remove_file(&path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`FileError`] when the file cannot be read, is not TOML, or has texts that are no values of their
/// settings.
pub fn load_file(path: impl AsRef<Path>) -> Result<(), FileError> {
    let path = path.as_ref();
    let text = std::fs::read_to_string(path).map_err(|source| FileError::Read {
        path: path.to_owned(),
        source,
    })?;
    let settings: Vec<_> = settings().collect();
    let loaded = load(&text, path, &settings)?;
    for unknown in loaded.unknown {
        tracing::warn!("{}: {unknown}", path.display());
    }
    if loaded.errors.is_empty() {
        Ok(())
    } else {
        Err(FileError::Values {
            errors: loaded.errors,
        })
    }
}

struct Loaded {
    errors: Vec<ConfigError>,
    unknown: Vec<UnknownName>,
}

/// A name in a file that no setting has.
#[derive(Debug, PartialEq, Eq)]
struct UnknownName {
    name: String,
    nearest: Option<String>,
}

impl fmt::Display for UnknownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no setting {:?}", self.name)?;
        match &self.nearest {
            Some(nearest) => write!(f, ", did you mean {nearest:?}?"),
            None => Ok(()),
        }
    }
}

/// Hands every setting what `text` from the file `path` says about it.
fn load(text: &str, path: &Path, settings: &[&dyn AnySetting]) -> Result<Loaded, FileError> {
    let table: toml::Table = text.parse().map_err(|source| FileError::Syntax {
        path: path.to_owned(),
        source: Box::new(source),
    })?;
    let mut loaded = Loaded {
        errors: Vec::new(),
        unknown: Vec::new(),
    };
    for (name, value) in table {
        let text = match value {
            toml::Value::String(text) => text,
            value => value.to_string(),
        };
        match settings.iter().find(|setting| setting.name() == name) {
            Some(setting) => loaded.errors.extend(setting.set_file(&text, path).err()),
            None => {
                let nearest = nearest(&name, settings.iter().map(|setting| setting.name()));
                loaded.unknown.push(UnknownName { name, nearest });
            }
        }
    }
    Ok(loaded)
}

/// Returns the name that `name` may be a slip of: a third of its letters may be wrong.
fn nearest(name: &str, names: impl Iterator<Item = String>) -> Option<String> {
    let slips = names.map(|known| (distance(name, &known), known));
    slips
        .filter(|(n_slips, known)| *n_slips * 3 <= known.len())
        .min()
        .map(|(_, known)| known)
}

/// Returns how many letters must be added, removed or replaced to get from `a` to `b`.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (a_idx, a_char) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = a_idx + 1;
        for (b_idx, b_char) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(a_char != *b_char);
            diagonal = row[b_idx + 1];
            row[b_idx + 1] = replaced.min(diagonal + 1).min(row[b_idx] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{Source, config};

    config! {
        static WAIT: Duration = Duration::from_secs(1), env = "HYPERMESH_TEST_FILE_WAIT";
        static RANKS: u64 = 1, env = "HYPERMESH_TEST_FILE_RANKS";
        static FLAG: bool = false, env = "HYPERMESH_TEST_FILE_FLAG";
    }

    #[test]
    fn a_file_sets_what_it_names_and_reports_the_rest() {
        let text = "wait = '1.5s'\nranks = 'many'\nflag = true\nwayt = '2s'\nnothing_like_it = 1\n";
        let loaded = load(text, Path::new("a.toml"), &[&WAIT, &RANKS, &FLAG]).unwrap();
        assert_eq!(
            (WAIT.get(), WAIT.source()),
            (Duration::from_millis(1500), Source::File)
        );
        assert!(FLAG.get());
        let errors = FileError::Values {
            errors: loaded.errors,
        }
        .to_string();
        assert_eq!(
            errors,
            "setting ranks: file a.toml says \"many\", expected a whole number, not negative"
        );
        assert_eq!(RANKS.source(), Source::Default);
        let unknown: Vec<String> = loaded.unknown.iter().map(ToString::to_string).collect();
        assert_eq!(
            unknown,
            [
                "there is no setting \"nothing_like_it\"",
                "there is no setting \"wayt\", did you mean \"wait\"?"
            ]
        );
    }

    #[test]
    fn what_is_not_toml_is_refused_with_its_name() {
        let error = load("wait 3", Path::new("b.toml"), &[]).err().unwrap();
        assert_eq!(error.to_string(), "b.toml is not a TOML file");
        let error = load_file("/nonexistent/c.toml").unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot read settings from /nonexistent/c.toml"
        );
    }

    #[test]
    fn a_distance_counts_slips() {
        for (a, b, expected) in [
            ("", "", 0),
            ("abc", "abc", 0),
            ("", "abc", 3),
            ("ab", "ba", 2),
        ] {
            assert_eq!(
                (distance(a, b), distance(b, a)),
                (expected, expected),
                "{a} {b}"
            );
        }
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
