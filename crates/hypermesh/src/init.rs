//! Showing what the framework logs.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

/// The variable that says what to log, such as `info` or `hypermesh_channel=debug`.
const VARIABLE: &str = "HYPERMESH_LOG";

/// Writes what the framework and the program log to stderr, as `HYPERMESH_LOG` says; warnings without it.
///
/// Without this call, or a subscriber of the program's own, nothing is printed.
///
/// # Errors
///
/// [`InitError`] if the variable does not parse, or there is a subscriber already.
pub fn init() -> Result<(), InitError> {
    let filter = match std::env::var_os(VARIABLE) {
        Some(text) => EnvFilter::builder().parse(text.to_string_lossy())?,
        None => EnvFilter::new("warn"),
    };
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    subscriber.finish().try_init()?;
    Ok(())
}

/// Error returned by [`init`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InitError {
    /// The variable says nothing that can be understood.
    #[error("the variable {VARIABLE} cannot be used")]
    Filter(#[from] ParseError),
    /// There is a subscriber already.
    #[error("this process logs already")]
    Twice(#[from] TryInitError),
}
