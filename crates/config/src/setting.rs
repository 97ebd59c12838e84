//! One typed setting.
//!
//! # Invariants
//!
//! - **INV-1**: `current` is what `layers` and the default say, or empty before the first read: it is
//!   stored under the lock of `state`, after every change.
//! - **INV-2**: the environment is read once, at the first use.
//! - **INV-3**: a read takes no lock once there is a `current`.

use std::ffi::OsString;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwapOption;

use crate::declaration::Declaration;
use crate::layers::Layers;
use crate::test_value::{self, Override, ThreadOverride};
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
    /// Whether some thread has a value of its own.
    is_overridden_on_threads: bool,
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
        // Where `config!` calls it, this is an error of the compiler.
        assert!(
            declaration.has_env(),
            "a setting has an environment variable: `env = \"HYPERMESH_…\"`"
        );
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
    ///
    /// It costs a pointer read and the clone of the value, and takes no lock. The first read of all reads
    /// the environment.
    pub fn get(&self) -> T {
        self.read(|_, value| value.clone())
    }

    /// Returns where the value that counts now comes from.
    pub fn source(&self) -> Source {
        self.read(|source, _| source)
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

    /// Sets the value for this thread until the returned guard is dropped.
    ///
    /// No other thread sees it: neither the tests that run in parallel, nor the threads that this one
    /// starts. That fits a test whose tasks all run on its own thread, as those of `#[tokio::test]` do.
    /// The check of the declaration is not asked.
    ///
    /// Overrides nest and may be dropped in any order; they count over those for the whole process.
    ///
    /// # Examples
    ///
    /// ```
    /// hypermesh_config::config! {
    ///     static LIMIT: u64 = 8, env = "HYPERMESH_DOC_LIMIT";
    /// }
    ///
    /// let small = LIMIT.override_for_thread(1);
    /// assert_eq!(LIMIT.get(), 1);
    /// std::thread::scope(|scope| scope.spawn(|| assert_eq!(LIMIT.get(), 8)).join()).unwrap();
    /// drop(small);
    /// assert_eq!(LIMIT.get(), 8);
    /// ```
    #[must_use = "dropping the guard ends the override"]
    pub fn override_for_thread(&'static self, value: T) -> ThreadOverride<T> {
        ThreadOverride::new(self, value)
    }

    /// Sets the value for the whole process until the returned guard is dropped.
    ///
    /// Overrides nest and may be dropped in any order. Tests that run in parallel in one process see
    /// each other's: it is for a test that has its process for itself.
    /// [`override_for_thread`](Self::override_for_thread) is for all others. The check of the declaration
    /// is not asked.
    #[must_use = "dropping the guard ends the override"]
    pub fn override_for_test(&'static self, value: T) -> Override<T> {
        Override::new(self, value)
    }

    pub(crate) fn declaration(&self) -> &Declaration<T> {
        &self.declaration
    }

    /// Returns the value that counts as text, unless it is the default.
    pub(crate) fn explicit_text(&self) -> Option<String> {
        self.read(|source, value| match source {
            Source::Default => None,
            _ => Some(self.declaration.text(value)),
        })
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

    /// Reads what counts on this thread now (INV-3).
    pub(crate) fn read<R>(&self, read: impl FnOnce(Source, &T) -> R) -> R {
        let current = self.current.load();
        let first;
        let current = match &*current {
            Some(current) => current,
            None => {
                first = self.update(|_| {});
                &first
            }
        };
        if current.is_overridden_on_threads
            && let Some(value) = test_value::of_this_thread(self)
        {
            return read(Source::Test, &value);
        }
        read(current.source, &current.value)
    }

    /// Makes a change and lets it count.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Layers<T>)) {
        self.update(change);
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
        let current = Arc::new(Current {
            source,
            value,
            is_overridden_on_threads: 0 < state.layers.n_threads,
        });
        self.current.store(Some(Arc::clone(&current)));
        current
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // A panic under the lock can only come from the user's `Clone`; the layers are whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
