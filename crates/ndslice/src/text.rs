//! The text forms: one scanner, one error and one way to quote labels for all of them.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use crate::extent::ExtentError;
use crate::shape_error::ShapeError;

/// The longest text that is parsed, in bytes.
pub const MAX_TEXT_LEN: usize = 4096;

/// Error of parsing a text form: what is wrong, and where.
///
/// # Examples
///
/// ```
/// use hypermesh_ndslice::{ParseErrorKind, Point};
///
/// let error = "x=1/4, y 0".parse::<Point>().unwrap_err();
/// assert_eq!(error.to_string(), "expected `=` at byte 9, found '0'");
/// assert_eq!(error.at, 9);
/// assert!(matches!(error.kind, ParseErrorKind::Expected { expected: "`=`", found: Some('0') }));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// The byte offset in the text.
    pub at: usize,
    /// What is wrong there.
    pub kind: ParseErrorKind,
}

/// What is wrong with a text: the part of a [`ParseError`] that does not depend on the place.
///
/// # Examples
///
/// ```
/// use hypermesh_ndslice::{ParseErrorKind, Selection};
///
/// let error = "1::0".parse::<Selection>().unwrap_err();
/// assert_eq!(error.kind, ParseErrorKind::ZeroStep);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParseErrorKind {
    /// The text is too long.
    TooLong {
        /// Its length in bytes.
        len: usize,
        /// The largest length, [`MAX_TEXT_LEN`].
        max: usize,
    },
    /// Something else stands there.
    Expected {
        /// What may stand there.
        expected: &'static str,
        /// What does; `None` is the end of the text.
        found: Option<char>,
    },
    /// A number is larger than `u32::MAX`.
    NumberTooLarge,
    /// A range has step 0.
    ZeroStep,
    /// Parentheses are nested too deep.
    NestedTooDeep {
        /// The largest depth.
        max: usize,
    },
    /// A dim has stride 0.
    ZeroStride,
    /// The strides of a region overlap, so that no row-major base has these ranks.
    OverlappingStrides,
    /// The dims are no valid extent.
    Extent(ExtentError),
    /// A coordinate is no index of its dim.
    Shape(ShapeError),
}

impl ParseError {
    pub(crate) fn new(at: usize, kind: ParseErrorKind) -> Self {
        Self { at, kind }
    }

    pub(crate) fn extent(at: usize, error: ExtentError) -> Self {
        Self::new(at, ParseErrorKind::Extent(error))
    }

    pub(crate) fn shape(at: usize, error: ShapeError) -> Self {
        Self::new(at, ParseErrorKind::Shape(error))
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.at;
        match &self.kind {
            ParseErrorKind::TooLong { len, max } => {
                write!(f, "the text has {len} bytes, and {max} are allowed")
            }
            ParseErrorKind::Expected {
                expected,
                found: Some(found),
            } => {
                write!(f, "expected {expected} at byte {at}, found {found:?}")
            }
            ParseErrorKind::Expected {
                expected,
                found: None,
            } => {
                write!(
                    f,
                    "expected {expected} at byte {at}, found the end of the text"
                )
            }
            ParseErrorKind::NumberTooLarge => {
                write!(f, "the number at byte {at} is larger than {}", u32::MAX)
            }
            ParseErrorKind::ZeroStep => write!(f, "the step at byte {at} is 0"),
            ParseErrorKind::NestedTooDeep { max } => {
                write!(
                    f,
                    "the parenthesis at byte {at} is nested deeper than {max} levels"
                )
            }
            ParseErrorKind::ZeroStride => write!(f, "the stride of the dim at byte {at} is 0"),
            ParseErrorKind::OverlappingStrides => {
                write!(f, "the dim at byte {at} overlaps another one")
            }
            ParseErrorKind::Extent(_) => write!(f, "the dim at byte {at} is illegal"),
            ParseErrorKind::Shape(_) => write!(f, "the coordinate at byte {at} is illegal"),
        }
    }
}

impl Error for ParseError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.kind {
            ParseErrorKind::Extent(source) => Some(source),
            ParseErrorKind::Shape(source) => Some(source),
            _ => None,
        }
    }
}

/// A label as it is written: bare if it is a word, else in quotes.
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use std::fmt::Write;

        if !self.0.is_empty() && self.0.chars().all(is_word) {
            return f.write_str(self.0);
        }
        f.write_char('"')?;
        for c in self.0.chars() {
            match c {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                _ => f.write_char(c)?,
            }
        }
        f.write_char('"')
    }
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// A position in a text of at most [`MAX_TEXT_LEN`] bytes. It never goes back past a dim, so every
/// form is parsed in linear time.
#[derive(Debug)]
pub(crate) struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(text: &'a str) -> Result<Self, ParseError> {
        if MAX_TEXT_LEN < text.len() {
            let kind = ParseErrorKind::TooLong {
                len: text.len(),
                max: MAX_TEXT_LEN,
            };
            return Err(ParseError::new(MAX_TEXT_LEN, kind));
        }
        Ok(Self { text, at: 0 })
    }

    /// Skips blanks and returns the offset of what follows.
    pub(crate) fn at(&mut self) -> usize {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r']).len();
        self.at
    }

    fn peek(&mut self) -> Option<char> {
        let at = self.at();
        self.text[at..].chars().next()
    }

    /// Whether `c` comes next.
    pub(crate) fn is_at(&mut self, c: char) -> bool {
        self.peek() == Some(c)
    }

    /// Whether nothing but blanks comes next.
    pub(crate) fn is_at_end(&mut self) -> bool {
        self.peek().is_none()
    }

    /// Skips `c` if it comes next.
    pub(crate) fn eat(&mut self, c: char) -> bool {
        let found = self.is_at(c);
        if found {
            self.at += c.len_utf8();
        }
        found
    }

    fn expected<T>(&mut self, expected: &'static str) -> Result<T, ParseError> {
        let found = self.peek();
        Err(ParseError::new(
            self.at,
            ParseErrorKind::Expected { expected, found },
        ))
    }

    /// Skips `c`, which is called `expected` in the error.
    pub(crate) fn expect(&mut self, c: char, expected: &'static str) -> Result<(), ParseError> {
        if self.eat(c) {
            Ok(())
        } else {
            self.expected(expected)
        }
    }

    /// The end of the text, which is called `expected` in the error.
    pub(crate) fn expect_end(&mut self, expected: &'static str) -> Result<(), ParseError> {
        if self.is_at_end() {
            Ok(())
        } else {
            self.expected(expected)
        }
    }

    /// A decimal number.
    pub(crate) fn number(&mut self) -> Result<u32, ParseError> {
        let at = self.at();
        let rest = &self.text[at..];
        let digits = &rest[..rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len())];
        if digits.is_empty() {
            return self.expected("a number");
        }
        self.at += digits.len();
        digits
            .parse()
            .map_err(|_| ParseError::new(at, ParseErrorKind::NumberTooLarge))
    }

    /// A number and a `+`, if both come next.
    pub(crate) fn offset(&mut self) -> Result<Option<u32>, ParseError> {
        let at = self.at();
        let digits = self.text[at..].trim_start_matches(|c: char| c.is_ascii_digit());
        let is_offset = digits.trim_start().starts_with('+');
        if !is_offset {
            return Ok(None);
        }
        let offset = self.number()?;
        self.expect('+', "`+`")?;
        Ok(Some(offset))
    }

    /// A word, or any text in quotes.
    pub(crate) fn label(&mut self) -> Result<Arc<str>, ParseError> {
        if self.eat('"') {
            return self.quoted_label();
        }
        let at = self.at();
        let rest = &self.text[at..];
        let word = &rest[..rest.find(|c| !is_word(c)).unwrap_or(rest.len())];
        if word.is_empty() {
            return self.expected("a label");
        }
        self.at += word.len();
        Ok(word.into())
    }

    /// What follows the opening quote, up to the closing one.
    fn quoted_label(&mut self) -> Result<Arc<str>, ParseError> {
        let mut label = String::new();
        let mut chars = self.text[self.at..].char_indices();
        while let Some((offset, c)) = chars.next() {
            let c = match c {
                '"' => {
                    self.at += offset + 1;
                    return Ok(label.into());
                }
                '\\' => match chars.next() {
                    Some((_, 'n')) => '\n',
                    Some((_, c @ ('"' | '\\'))) => c,
                    found => {
                        let expected = "`\"`, `\\` or `n`";
                        let found = found.map(|(_, c)| c);
                        let kind = ParseErrorKind::Expected { expected, found };
                        return Err(ParseError::new(self.at + offset + 1, kind));
                    }
                },
                _ => c,
            };
            label.push(c);
        }
        let kind = ParseErrorKind::Expected {
            expected: "a closing quote",
            found: None,
        };
        Err(ParseError::new(self.text.len(), kind))
    }

    /// The rest of the text: `label=value,label=value,...`, or nothing. `value` gets the offset of
    /// the dim and its label, and parses what follows the `=`.
    pub(crate) fn dims(
        &mut self,
        mut value: impl FnMut(&mut Self, usize, Arc<str>) -> Result<(), ParseError>,
    ) -> Result<(), ParseError> {
        if self.is_at_end() {
            return Ok(());
        }
        loop {
            let at = self.at();
            let label = self.label()?;
            self.expect('=', "`=`")?;
            value(self, at, label)?;
            if self.is_at_end() {
                return Ok(());
            }
            self.expect(',', "`,` or the end of the text")?;
        }
    }
}
