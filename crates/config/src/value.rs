//! How settings are written as text.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::duration_text;

/// A type of settings with a text form of its own.
///
/// Types that implement `FromStr` and `Display` can be settings without it. With it, mistakes are told
/// what was expected.
///
/// # Examples
///
/// ```
/// use hypermesh_config::{Value, config};
///
/// #[derive(Clone, Debug, PartialEq)]
/// enum Color { Red, Green }
///
/// impl Value for Color {
///     const FORM: &'static str = "`red` or `green`";
///
///     fn parse(text: &str) -> Option<Self> {
///         match text {
///             "red" => Some(Self::Red),
///             "green" => Some(Self::Green),
///             _ => None,
///         }
///     }
///
///     fn to_text(&self) -> String {
///         match self {
///             Self::Red => "red".to_owned(),
///             Self::Green => "green".to_owned(),
///         }
///     }
/// }
///
/// config! {
///     static COLOR: Color = Color::Green, env = "HYPERMESH_COLOR";
/// }
///
/// assert_eq!(COLOR.get(), Color::Green);
/// ```
pub trait Value: Sized {
    /// What a text has to look like, to complete the sentence "expected …".
    const FORM: &'static str;

    /// Returns the value that `text` stands for, if it has the form.
    fn parse(text: &str) -> Option<Self>;

    /// Returns a text that [`parse`](Self::parse) understands.
    fn to_text(&self) -> String;
}

impl Value for bool {
    const FORM: &'static str = "one of `0`, `1`, `true` and `false`";

    fn parse(text: &str) -> Option<Self> {
        match text {
            "0" | "false" => Some(false),
            "1" | "true" => Some(true),
            _ => None,
        }
    }

    fn to_text(&self) -> String {
        self.to_string()
    }
}

impl Value for Duration {
    const FORM: &'static str = "a duration like `10s`, `1.5s`, `250ms`, `5m` or `1h`";

    fn parse(text: &str) -> Option<Self> {
        duration_text::parse(text)
    }

    fn to_text(&self) -> String {
        duration_text::format(*self)
    }
}

impl Value for PathBuf {
    const FORM: &'static str = "a path";

    fn parse(text: &str) -> Option<Self> {
        Some(text.into())
    }

    fn to_text(&self) -> String {
        self.to_string_lossy().into_owned()
    }
}

impl<T: FromStr + Display + PartialOrd> Value for RangeInclusive<T> {
    const FORM: &'static str = "a range like `8000-8100`, both ends included";

    fn parse(text: &str) -> Option<Self> {
        let (first, last) = text.split_once("..=").or_else(|| text.split_once('-'))?;
        let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        (first <= last).then_some(first..=last)
    }

    fn to_text(&self) -> String {
        format!("{}..={}", self.start(), self.end())
    }
}

macro_rules! values {
    ($($type:ty => $form:literal),* $(,)?) => { $(
        impl Value for $type {
            const FORM: &'static str = $form;

            fn parse(text: &str) -> Option<Self> {
                text.parse().ok()
            }

            fn to_text(&self) -> String {
                self.to_string()
            }
        }
    )* };
}

values! {
    u16 => "a number from 0 to 65535",
    u32 => "a number from 0 to 4294967295",
    u64 => "a whole number, not negative",
    usize => "a whole number, not negative",
    i64 => "a whole number",
    f64 => "a number",
    String => "any text",
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Debug;

    #[track_caller]
    fn check<T: Value + PartialEq + Debug>(text: &str, expected: Option<T>) {
        let value = T::parse(text);
        assert_eq!(value, expected, "{text:?}");
        if let Some(value) = value {
            assert_eq!(T::parse(&value.to_text()), Some(value));
        }
    }

    #[test]
    fn flags_have_four_texts() {
        check("0", Some(false));
        check("1", Some(true));
        check("true", Some(true));
        check("false", Some(false));
        for text in ["", "yes", "TRUE", "2", " 1"] {
            check::<bool>(text, None);
        }
    }

    #[test]
    fn ranges_include_both_ends_and_are_not_empty() {
        check("8000-8100", Some(8000_u16..=8100));
        check("8000..=8100", Some(8000_u16..=8100));
        check("7-7", Some(7_u64..=7));
        check("-5..=3", Some(-5_i64..=3));
        for text in ["", "8000", "8100-8000", "1-70000", "a-b", "1-2-3"] {
            check::<RangeInclusive<u16>>(text, None);
        }
    }

    #[test]
    fn numbers_are_whole_and_fit() {
        check("65535", Some(65_535_u16));
        check::<u16>("65536", None);
        check::<u64>("-1", None);
        check::<usize>("1.5", None);
        check("-1.5", Some(-1.5_f64));
    }
}
