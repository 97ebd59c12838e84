//! What the declaration of a setting says, and [`config!`](crate::config), which makes it.

use std::ffi::OsString;
use std::fmt::Display;
use std::marker::PhantomData;
use std::str::FromStr;

use crate::setting::Env;
use crate::{ConfigError, Place, Value};

/// Declares settings.
///
/// Each is a `static` of type [`Setting`](crate::Setting). `env` names its environment variable; without it
/// the program does not compile. Then follow, if need be: `aka`, a second variable that works the same way but counts less; `check`, a
/// function that tells good values, with `expected`, what they have in common; `local = true` for a
/// setting that child processes do not inherit; and `secret = true` for one whose values nobody is shown:
/// lists and errors say `***`, and it is local.
///
/// The type of a setting is a [`Value`](crate::Value), or has the standard traits `FromStr` and `Display`.
///
/// # Examples
///
/// ```
/// hypermesh_config::config! {
///     /// How many workers a process has.
///     pub static WORKERS: u64 = 4,
///         env = "HYPERMESH_WORKERS",
///         aka = "WORKERS",
///         check = |workers| *workers > 0,
///         expected = "at least 1";
/// }
///
/// assert_eq!(WORKERS.get(), 4);
/// assert!(WORKERS.set_runtime(0).is_err());
/// ```
///
/// A setting without a variable:
///
/// ```compile_fail,E0080
/// hypermesh_config::config! {
///     static NO_VARIABLE: u64 = 4;
/// }
/// ```
#[macro_export]
macro_rules! config {
    ($(
        $(#[doc = $doc:expr])*
        $visibility:vis static $name:ident: $type:ty = $default:expr
        $(, $key:ident = $value:expr)* $(,)?;
    )*) => { $(
        $(#[doc = $doc])*
        $visibility static $name: $crate::Setting<$type> = $crate::Setting::new(
            $crate::macro_support::Declaration::new(
                stringify!($name),
                concat!($($doc, "\n"),*),
                module_path!(),
                || -> $type { $default },
                || {
                    #[allow(unused_imports, reason = "a type needs one of the two")]
                    use $crate::macro_support::{ByText as _, ByValue as _, Probe};
                    (&&Probe::<$type>::NEW).codec()
                },
            )
            $(.$key($value))*,
        );

        $crate::macro_support::inventory::submit! {
            $crate::macro_support::Registered(&$name)
        }
    )* };
}

/// What the declaration of a setting says.
#[derive(Clone, Copy)]
pub struct Declaration<T> {
    name: &'static str,
    doc: &'static str,
    env: &'static str,
    aka: Option<&'static str>,
    module: &'static str,
    default: fn() -> T,
    codec: fn() -> Codec<T>,
    check: Option<fn(&T) -> bool>,
    expected: Option<&'static str>,
    local: bool,
    secret: bool,
}

/// What is shown of a secret.
const HIDDEN: &str = "***";

/// The part that the macro uses: one method for each key.
impl<T> Declaration<T> {
    #[doc(hidden)]
    pub const fn new(
        name: &'static str,
        doc: &'static str,
        module: &'static str,
        default: fn() -> T,
        codec: fn() -> Codec<T>,
    ) -> Self {
        Self {
            name,
            doc,
            env: "",
            aka: None,
            module,
            default,
            codec,
            check: None,
            expected: None,
            local: false,
            secret: false,
        }
    }

    #[doc(hidden)]
    #[must_use]
    pub const fn env(mut self, variable: &'static str) -> Self {
        self.env = variable;
        self
    }

    #[doc(hidden)]
    #[must_use]
    pub const fn aka(mut self, variable: &'static str) -> Self {
        self.aka = Some(variable);
        self
    }

    #[doc(hidden)]
    #[must_use]
    pub const fn check(mut self, check: fn(&T) -> bool) -> Self {
        self.check = Some(check);
        self
    }

    #[doc(hidden)]
    #[must_use]
    pub const fn expected(mut self, expected: &'static str) -> Self {
        self.expected = Some(expected);
        self
    }

    #[doc(hidden)]
    #[must_use]
    pub const fn local(mut self, local: bool) -> Self {
        self.local = local;
        self
    }

    #[doc(hidden)]
    #[must_use]
    pub const fn secret(mut self, secret: bool) -> Self {
        self.secret = secret;
        self
    }
}

impl<T> Declaration<T> {
    pub(crate) fn name(&self) -> String {
        self.name.to_ascii_lowercase()
    }

    pub(crate) fn doc(&self) -> String {
        self.doc
            .lines()
            .map(str::trim)
            .collect::<Vec<_>>()
            .join(" ")
            .trim()
            .to_owned()
    }

    pub(crate) fn module(&self) -> &'static str {
        self.module
    }

    /// Tells whether the setting stays in this process. A secret does: who inherits it could show it.
    pub(crate) fn is_local(&self) -> bool {
        self.local || self.secret
    }

    pub(crate) fn is_secret(&self) -> bool {
        self.secret
    }

    pub(crate) const fn has_env(&self) -> bool {
        !self.env.is_empty()
    }

    /// Returns the environment variables, the one that counts more first.
    pub(crate) fn variables(&self) -> impl Iterator<Item = &'static str> {
        [Some(self.env), self.aka].into_iter().flatten()
    }

    pub(crate) fn default_value(&self) -> T {
        (self.default)()
    }

    pub(crate) fn text(&self, value: &T) -> String {
        ((self.codec)().to_text)(value)
    }

    /// Returns the text of `value` for people.
    pub(crate) fn shown(&self, value: &T) -> String {
        self.unless_secret(self.text(value))
    }

    fn unless_secret(&self, text: String) -> String {
        if self.secret { HIDDEN.to_owned() } else { text }
    }

    /// Returns what the texts of good values have in common.
    pub(crate) fn expected_text(&self) -> String {
        let form = (self.codec)().form;
        match (self.expected, self.check) {
            (Some(expected), _) => format!("{form}, {expected}"),
            (None, Some(_)) => format!("{form}, within its limits"),
            (None, None) => form.to_owned(),
        }
    }

    /// Returns the value that `text` from `place` stands for.
    pub(crate) fn parse(&self, text: &str, place: Place) -> Result<T, ConfigError> {
        match ((self.codec)().parse)(text).filter(|value| self.accepts(value)) {
            Some(value) => Ok(value),
            None => Err(self.bad_value(text.to_owned(), place)),
        }
    }

    pub(crate) fn accepts(&self, value: &T) -> bool {
        self.check.is_none_or(|check| check(value))
    }

    pub(crate) fn bad_value(&self, text: String, place: Place) -> ConfigError {
        ConfigError::BadValue {
            setting: self.name(),
            place,
            text: self.unless_secret(text),
            expected: self.expected_text(),
        }
    }

    /// Reads the environment variables.
    pub(crate) fn read_env(&self, env: Env<'_>) -> EnvReading<T> {
        let mut set = self
            .variables()
            .filter_map(|variable| Some((variable, env(variable)?)));
        let Some((variable, text)) = set.next() else {
            return EnvReading {
                value: Ok(None),
                ignored: None,
            };
        };
        let ignored = set.next().map(|(ignored, _)| (ignored, variable));
        EnvReading {
            value: self.parse_env(variable, text).map(Some),
            ignored,
        }
    }

    fn parse_env(&self, variable: &str, text: OsString) -> Result<T, ConfigError> {
        let place = Place::Env(variable.to_owned());
        match text.into_string() {
            Ok(text) => self.parse(&text, place),
            Err(text) => Err(self.bad_value(text.to_string_lossy().into_owned(), place)),
        }
    }

    /// Checks a value that did not come as text.
    pub(crate) fn check_value(&self, value: &T, place: Place) -> Result<(), ConfigError> {
        if self.accepts(value) {
            Ok(())
        } else {
            Err(self.bad_value(self.text(value), place))
        }
    }
}

/// What the environment says about a setting.
pub(crate) struct EnvReading<T> {
    pub(crate) value: Result<Option<T>, ConfigError>,
    /// A variable that is set but does not count, and the one that does.
    pub(crate) ignored: Option<(&'static str, &'static str)>,
}

impl<T> EnvReading<T> {
    /// Tells the log what does not count.
    pub(crate) fn warn(&self, setting: &str) {
        if let Err(error) = &self.value {
            tracing::warn!("{error}: not used");
        }
        if let Some((ignored, used)) = self.ignored {
            tracing::warn!("setting {setting}: {ignored} is not used because {used} is set too");
        }
    }
}

/// How the values of a setting are written as text.
pub struct Codec<T> {
    parse: fn(&str) -> Option<T>,
    to_text: fn(&T) -> String,
    form: &'static str,
}

/// Finds the codec of a type: a method call on `&&Probe` prefers [`ByValue`] over [`ByText`].
pub struct Probe<T>(PhantomData<fn() -> T>);

impl<T> Probe<T> {
    /// The probe.
    pub const NEW: Self = Self(PhantomData);
}

/// The codec of types that are a [`Value`].
pub trait ByValue<T> {
    /// Returns the codec.
    fn codec(&self) -> Codec<T>;
}

impl<T: Value> ByValue<T> for &Probe<T> {
    fn codec(&self) -> Codec<T> {
        Codec {
            parse: T::parse,
            to_text: T::to_text,
            form: T::FORM,
        }
    }
}

/// The codec of all other types, which have the text form of the standard traits, or none.
pub trait ByText<T> {
    /// Returns the codec.
    fn codec(&self) -> Codec<T>
    where
        T: TextForm;
}

impl<T> ByText<T> for Probe<T> {
    fn codec(&self) -> Codec<T>
    where
        T: TextForm,
    {
        let path = std::any::type_name::<T>();
        let form = path.rsplit("::").next().unwrap_or(path);
        Codec {
            parse: |text| text.parse().ok(),
            to_text: T::to_string,
            form,
        }
    }
}

/// A type with the text form of the standard traits.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no text form, so it is no type for a setting",
    label = "no text form",
    note = "implement `hypermesh_config::Value` for `{Self}`, or `FromStr` and `Display`"
)]
pub trait TextForm: FromStr + Display {}

#[diagnostic::do_not_recommend]
impl<T: FromStr + Display> TextForm for T {}
