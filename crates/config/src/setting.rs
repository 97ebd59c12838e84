//! One typed setting.
//!
//! # Invariants
//!
//! - **INV-1**: `current` is what `layers` and the default say, or empty before the first read: it is
//!   stored under the lock of `state`, after every change.
//! - **INV-2**: the environment is read once, at the first use.

use std::ffi::OsString;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwapOption;

use crate::declaration::Declaration;
use crate::layers::Layers;
use crate::{ConfigError, Place, Source};

/// Reads an environment variable.
pub(crate) type Env<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// Reads an environment variable of this process.
pub(crate) fn process_env(variable: &str) -> Option<OsString> {
    std::env::var_os(variable)
}

/// One typed setting: a `static` that [`config!`](crate::config) declares.
pub struct Setting<T: 'static> {
    declaration: Declaration<T>,
    current: ArcSwapOption<Current<T>>,
    state: Mutex<State<T>>,
}

/// The value that counts.
struct Current<T> {
    source: Source,
    value: T,
}

struct State<T> {
    layers: Layers<T>,
    env_is_read: bool,
    /// What is wrong with the text that the parent process sent.
    parent_error: Option<ConfigError>,
}

impl<T: Clone + Send + Sync + 'static> Setting<T> {
    #[doc(hidden)]
    pub const fn new(declaration: Declaration<T>) -> Self {
        Self {
            declaration,
            current: ArcSwapOption::const_empty(),
            state: Mutex::new(State {
                layers: Layers::new(),
                env_is_read: false,
                parent_error: None,
            }),
        }
    }

    /// Returns the name, in lower case.
    pub fn name(&self) -> String {
        self.declaration.name()
    }

    /// Returns the value that counts now.
    pub fn get(&self) -> T {
        match &*self.current.load() {
            Some(current) => current.value.clone(),
            None => self.update(|_| {}).value.clone(),
        }
    }

    /// Returns where the value that counts now comes from.
    pub fn source(&self) -> Source {
        match &*self.current.load() {
            Some(current) => current.source,
            None => self.update(|_| {}).source,
        }
    }

    /// Sets the value for this process, over everything but tests.
    ///
    /// # Errors
    ///
    /// [`ConfigError::BadValue`] when the check of the declaration refuses it; nothing is changed then.
    pub fn set_runtime(&self, value: T) -> Result<(), ConfigError> {
        self.declaration.check_value(&value, Place::RunTime)?;
        self.update(|layers| layers.run_time = Some(value));
        Ok(())
    }

    /// Takes back what [`set_runtime`](Self::set_runtime) set.
    pub fn clear_runtime(&self) {
        self.update(|layers| layers.run_time = None);
    }

    /// Sets the value for the whole process until the returned guard is dropped.
    ///
    /// Overrides nest and may be dropped in any order. Tests that run in parallel in one process see
    /// each other's: a test that overrides a setting which others read belongs into a process of its
    /// own.
    #[must_use = "dropping the guard ends the override"]
    pub fn override_for_test(&'static self, value: T) -> Override<T> {
        let mut ticket = 0;
        self.update(|layers| ticket = layers.push_test(value));
        Override {
            setting: self,
            ticket,
        }
    }

    pub(crate) fn declaration(&self) -> &Declaration<T> {
        &self.declaration
    }

    /// Returns the value that counts as text, unless it is the default.
    pub(crate) fn explicit_text(&self) -> Option<String> {
        match self.source() {
            Source::Default => None,
            _ => Some(self.declaration.text(&self.get())),
        }
    }

    /// Takes the text of the parent process, or its silence.
    pub(crate) fn set_parent(&self, text: Option<&str>) {
        let parsed = text
            .map(|text| self.declaration.parse(text, Place::Parent))
            .transpose();
        let (value, error) = match parsed {
            Ok(value) => (value, None),
            Err(error) => (None, Some(error)),
        };
        self.update(|layers| layers.parent = value);
        self.lock().parent_error = error;
    }

    pub(crate) fn parent_error(&self) -> Option<ConfigError> {
        self.lock().parent_error.clone()
    }

    /// Takes the value of a file.
    pub(crate) fn set_file(&self, value: T) {
        self.update(|layers| layers.file = Some(value));
    }

    /// Makes a change and lets it count (INV-1).
    fn update(&self, change: impl FnOnce(&mut Layers<T>)) -> Arc<Current<T>> {
        self.update_with(&process_env, change)
    }

    /// Like [`update`](Self::update), in the environment `env`.
    fn update_with(&self, env: Env<'_>, change: impl FnOnce(&mut Layers<T>)) -> Arc<Current<T>> {
        let mut state = self.lock();
        if !state.env_is_read {
            state.env_is_read = true;
            let reading = self.declaration.read_env(env);
            reading.warn(&self.declaration.name());
            state.layers.env = reading.value.unwrap_or_default();
        }
        change(&mut state.layers);
        let (source, value) = match state.layers.effective() {
            Some((source, value)) => (source, value.clone()),
            None => (Source::Default, self.declaration.default_value()),
        };
        let current = Arc::new(Current { source, value });
        self.current.store(Some(Arc::clone(&current)));
        current
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // A panic under the lock can only come from the user's `Clone`; the layers are whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A test's value of a setting, which counts until this is dropped.
#[must_use = "dropping the guard ends the override"]
pub struct Override<T: Clone + Send + Sync + 'static> {
    setting: &'static Setting<T>,
    ticket: u64,
}

impl<T: Clone + Send + Sync + 'static> Drop for Override<T> {
    fn drop(&mut self) {
        self.setting
            .update(|layers| layers.remove_test(self.ticket));
    }
}

#[cfg(test)]
mod tests;
