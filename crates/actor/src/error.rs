//! What a handler or a hook fails with: any standard error by `?`, or a text of its own.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::error::Error as StdError;
use std::fmt;

/// The result of handlers and hooks.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The most links of a chain of sources that are kept as text.
const MAX_CHAIN: usize = 32;

/// Why a handler or a hook failed.
///
/// Every [`std::error::Error`] converts into it by `?`. For that reason it does not implement the
/// trait itself.
///
/// # Examples
///
/// ```
/// use hypermesh_actor::{Error, Result};
///
/// fn parse(text: &str) -> Result<u64> {
///     text.parse().map_err(|e| Error::from(e).context(format!("bad count {text:?}")))
/// }
///
/// assert_eq!(parse("7").ok(), Some(7));
/// assert_eq!(parse("x").unwrap_err().to_string(), "bad count \"x\"");
/// assert_eq!(parse("x").unwrap_err().chain(), ["invalid digit found in string"]);
/// ```
pub struct Error {
    /// Boxed, so that a `Result` of a handler stays small.
    body: Box<Body>,
}

struct Body {
    /// Outermost last.
    contexts: Vec<String>,
    cause: Cause,
    backtrace: Backtrace,
}

enum Cause {
    Text(String),
    Source(Box<dyn StdError + Send + Sync>),
}

impl Error {
    /// Returns an error that says `text` and has no source.
    pub fn msg(text: impl fmt::Display) -> Self {
        Self::of(Cause::Text(text.to_string()))
    }

    /// Returns this error with `text` in front of it; what it said before becomes its source.
    #[must_use]
    pub fn context(mut self, text: impl fmt::Display) -> Self {
        self.body.contexts.push(text.to_string());
        self
    }

    /// Returns the texts below this error's own text, outermost first, at most 32 of them.
    pub fn chain(&self) -> Vec<String> {
        let mut chain: Vec<String> = self.body.contexts.iter().rev().skip(1).cloned().collect();
        let has_context = !self.body.contexts.is_empty();
        match &self.body.cause {
            Cause::Text(text) if has_context => chain.push(text.clone()),
            Cause::Text(_) => {}
            Cause::Source(source) => {
                if has_context {
                    chain.push(source.to_string());
                }
                let mut next = source.source();
                while let Some(error) = next.filter(|_| chain.len() < MAX_CHAIN) {
                    chain.push(error.to_string());
                    next = error.source();
                }
            }
        }
        chain.truncate(MAX_CHAIN);
        chain
    }

    /// Returns the wrapped error if it is an `E`.
    pub fn downcast_ref<E: StdError + 'static>(&self) -> Option<&E> {
        match &self.body.cause {
            Cause::Text(_) => None,
            Cause::Source(source) => source.downcast_ref(),
        }
    }

    /// Returns where the error was made, if `RUST_BACKTRACE` asks for it.
    pub(crate) fn backtrace(&self) -> Option<String> {
        let captured = self.body.backtrace.status() == BacktraceStatus::Captured;
        captured.then(|| self.body.backtrace.to_string())
    }

    fn of(cause: Cause) -> Self {
        let backtrace = Backtrace::capture();
        Self {
            body: Box::new(Body {
                contexts: Vec::new(),
                cause,
                backtrace,
            }),
        }
    }
}

impl<E: StdError + Send + Sync + 'static> From<E> for Error {
    fn from(error: E) -> Self {
        Self::of(Cause::Source(Box::new(error)))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.body.contexts.last(), &self.body.cause) {
            (Some(context), _) => f.write_str(context),
            (None, Cause::Text(text)) => f.write_str(text),
            (None, Cause::Source(source)) => source.fmt(f),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        for text in self.chain() {
            write!(f, ": {text}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(error: Error, text: &str, chain: &[&str]) {
        assert_eq!(error.to_string(), text);
        assert_eq!(error.chain(), chain);
    }

    #[test]
    fn text_and_chain_go_from_the_outermost_to_the_root() {
        check(Error::msg("no disk"), "no disk", &[]);
        check(
            Error::msg("no disk").context("cannot save"),
            "cannot save",
            &["no disk"],
        );
        let parse = "x".parse::<u8>().unwrap_err();
        check(parse.clone().into(), "invalid digit found in string", &[]);
        check(
            Error::from(parse)
                .context("bad port")
                .context("bad address"),
            "bad address",
            &["bad port", "invalid digit found in string"],
        );
    }

    #[test]
    fn the_wrapped_error_is_found_again() {
        let error = Error::from("x".parse::<u8>().unwrap_err()).context("bad port");
        assert!(error.downcast_ref::<std::num::ParseIntError>().is_some());
        assert!(error.downcast_ref::<fmt::Error>().is_none());
    }
}
