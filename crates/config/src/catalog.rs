//! All settings of this program.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use crate::setting::{Env, Setting, process_env};
use crate::{ConfigError, Place, Source};

/// A setting that takes part in [`list`] and [`check_all`].
pub struct Registered(pub &'static dyn AnySetting);

inventory::collect!(Registered);

/// Returns all settings that are linked into this program.
pub(crate) fn settings() -> impl Iterator<Item = &'static dyn AnySetting> {
    inventory::iter::<Registered>
        .into_iter()
        .map(|registered| registered.0)
}

/// A setting of any type.
pub trait AnySetting: Send + Sync {
    #[doc(hidden)]
    fn info(&self) -> SettingInfo;
    #[doc(hidden)]
    fn name(&self) -> String;
    #[doc(hidden)]
    fn module(&self) -> &'static str;
    #[doc(hidden)]
    fn is_local(&self) -> bool;
    #[doc(hidden)]
    fn check_env(&self, env: Env<'_>) -> Result<(), ConfigError>;
    #[doc(hidden)]
    fn explicit_text(&self) -> Option<String>;
    #[doc(hidden)]
    fn set_parent(&self, text: Option<&str>);
    #[doc(hidden)]
    fn parent_error(&self) -> Option<ConfigError>;
    #[doc(hidden)]
    fn set_file(&self, text: &str, path: &Path) -> Result<(), ConfigError>;
}

impl<T: Clone + Send + Sync + 'static> AnySetting for Setting<T> {
    fn info(&self) -> SettingInfo {
        let declaration = self.declaration();
        let mut variables = declaration.variables();
        let (source, value) = self.read(|source, value| (source, declaration.shown(value)));
        SettingInfo {
            name: declaration.name(),
            doc: declaration.doc(),
            env: variables.next().unwrap_or_default(),
            aka: variables.next(),
            value,
            default: declaration.shown(&declaration.default_value()),
            source,
            expected: declaration.expected_text(),
            local: declaration.is_local(),
            secret: declaration.is_secret(),
        }
    }

    fn name(&self) -> String {
        self.declaration().name()
    }

    fn module(&self) -> &'static str {
        self.declaration().module()
    }

    fn is_local(&self) -> bool {
        self.declaration().is_local()
    }

    fn check_env(&self, env: Env<'_>) -> Result<(), ConfigError> {
        self.declaration().read_env(env).value.map(drop)
    }

    fn explicit_text(&self) -> Option<String> {
        Setting::explicit_text(self)
    }

    fn set_parent(&self, text: Option<&str>) {
        Setting::set_parent(self, text);
    }

    fn parent_error(&self) -> Option<ConfigError> {
        Setting::parent_error(self)
    }

    fn set_file(&self, text: &str, path: &Path) -> Result<(), ConfigError> {
        let value = self
            .declaration()
            .parse(text, Place::File(path.to_owned()))?;
        Setting::set_file(self, value);
        Ok(())
    }
}

/// One setting as it is now, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SettingInfo {
    /// The name, as in files and snapshots.
    pub name: String,
    /// What it is for.
    pub doc: String,
    /// Its environment variable.
    pub env: &'static str,
    /// The second variable, which counts less.
    pub aka: Option<&'static str>,
    /// The value that counts; `***` if it is a secret.
    pub value: String,
    /// The value of the declaration; `***` if it is a secret.
    pub default: String,
    /// Where the value that counts comes from.
    pub source: Source,
    /// What the texts of good values have in common.
    pub expected: String,
    /// Whether child processes do not inherit it.
    pub local: bool,
    /// Whether nobody is shown its values.
    pub secret: bool,
}

/// Returns all settings of this program, by name: what `hypermesh config` lists.
///
/// # Examples
///
/// ```
/// for info in hypermesh_config::list() {
///     println!("{} = {} ({})  # {}", info.name, info.value, info.source, info.doc);
/// }
/// ```
pub fn list() -> Vec<SettingInfo> {
    let mut infos: Vec<_> = settings().map(|setting| setting.info()).collect();
    infos.sort_by(|a, b| a.name.cmp(&b.name));
    infos
}

/// Checks the settings of this program and everything that the environment and the parent process say
/// about them.
///
/// Success does not say anything about files: [`load_file`](crate::load_file) reports on its own.
///
/// # Examples
///
/// ```
/// if let Err(errors) = hypermesh_config::check_all() {
///     let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
///     panic!("{}", lines.join("\n"));
/// }
/// ```
///
/// # Errors
///
/// All that is wrong, by name of the setting.
pub fn check_all() -> Result<(), Vec<ConfigError>> {
    check_settings(settings(), &process_env)
}

/// The rule behind [`check_all`].
pub(crate) fn check_settings<'a>(
    settings: impl Iterator<Item = &'a dyn AnySetting>,
    env: Env<'_>,
) -> Result<(), Vec<ConfigError>> {
    let mut sorted: Vec<_> = settings.collect();
    sorted.sort_by_key(|setting| (setting.name(), setting.module()));
    let mut errors = clashes(&sorted);
    for setting in sorted {
        errors.extend(setting.check_env(env).err());
        errors.extend(setting.parent_error());
    }
    if errors.is_empty() {
        Ok(())
    } else {
        Err(errors)
    }
}

/// Finds settings that share a name or an environment variable.
fn clashes(sorted: &[&dyn AnySetting]) -> Vec<ConfigError> {
    let mut errors = Vec::new();
    for pair in sorted
        .windows(2)
        .filter(|pair| pair[0].name() == pair[1].name())
    {
        errors.push(ConfigError::OneName {
            name: pair[0].name(),
            first: pair[0].module().to_owned(),
            second: pair[1].module().to_owned(),
        });
    }
    let mut users = BTreeMap::new();
    for setting in sorted {
        let info = setting.info();
        let user = format!("{}::{}", setting.module(), info.name);
        for variable in [Some(info.env), info.aka].into_iter().flatten() {
            if let Some(first) = users.insert(variable, user.clone()) {
                let (variable, second) = (variable.to_owned(), user.clone());
                errors.push(ConfigError::OneVariable {
                    variable,
                    first,
                    second,
                });
            }
        }
    }
    errors
}

#[cfg(test)]
mod tests;
