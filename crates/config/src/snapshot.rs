//! What a process hands its children: the settings that were set explicitly.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::catalog::{AnySetting, settings};

/// Settings as text, by name: what was set explicitly in the process that made it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Snapshot {
    texts: BTreeMap<String, String>,
}

impl Snapshot {
    /// Returns the text of the setting `name`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.texts.get(name).map(String::as_str)
    }

    /// Returns the settings and their texts, by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.texts
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_str()))
    }

    /// Returns whether nothing was set explicitly.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// Adds or replaces the text of the setting `name`.
    pub fn set(&mut self, name: impl Into<String>, text: impl Into<String>) {
        self.texts.insert(name.into(), text.into());
    }
}

/// What the parent process said about settings that this program does not have. Its children may.
static UNKNOWN: Mutex<BTreeMap<String, String>> = Mutex::new(BTreeMap::new());

/// Returns what was set explicitly in this process or its parents, and what this program does not know
/// but its children may.
///
/// Settings that are declared `local = true` or `secret = true` stay here.
///
/// # Examples
///
/// ```
/// use hypermesh_config::{Snapshot, apply_parent, config, snapshot};
///
/// config! {
///     static HELPERS: u64 = 4, env = "HYPERMESH_HELPERS";
/// }
///
/// // In the launcher, which sends the text to its child.
/// HELPERS.set_runtime(16)?;
/// let text = serde_json::to_string(&snapshot())?;
///
/// // In the child.
/// let snapshot: Snapshot = serde_json::from_str(&text)?;
/// assert_eq!(snapshot.get("helpers"), Some("16"));
/// apply_parent(snapshot);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn snapshot() -> Snapshot {
    take(
        settings(),
        &UNKNOWN.lock().unwrap_or_else(PoisonError::into_inner),
    )
}

/// Takes the snapshot of the process that started this one, in place of an earlier one.
///
/// A text that is no value of its setting does not count; [`check_all`](crate::check_all) reports it.
pub fn apply_parent(snapshot: Snapshot) {
    let unknown = apply(settings(), snapshot);
    *UNKNOWN.lock().unwrap_or_else(PoisonError::into_inner) = unknown;
}

fn take<'a>(
    settings: impl Iterator<Item = &'a dyn AnySetting>,
    unknown: &BTreeMap<String, String>,
) -> Snapshot {
    let mut texts = unknown.clone();
    for setting in settings.filter(|setting| !setting.is_local()) {
        texts.extend(setting.explicit_text().map(|text| (setting.name(), text)));
    }
    Snapshot { texts }
}

/// Hands every setting its text and returns what is left.
fn apply<'a>(
    settings: impl Iterator<Item = &'a dyn AnySetting>,
    snapshot: Snapshot,
) -> BTreeMap<String, String> {
    let mut texts = snapshot.texts;
    for setting in settings {
        let text = texts.remove(&setting.name());
        setting.set_parent(text.as_deref().filter(|_| !setting.is_local()));
    }
    texts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Setting, Source, config};

    config! {
        static KNOWN: u64 = 1, env = "HYPERMESH_TEST_SNAPSHOT_KNOWN";
        static LOCAL: u64 = 1, env = "HYPERMESH_TEST_SNAPSHOT_LOCAL", local = true;
        static QUIET: u64 = 1, env = "HYPERMESH_TEST_SNAPSHOT_QUIET";
    }

    fn settings() -> impl Iterator<Item = &'static dyn AnySetting> {
        let settings: [&'static Setting<u64>; 3] = [&KNOWN, &LOCAL, &QUIET];
        settings
            .into_iter()
            .map(|setting| setting as &dyn AnySetting)
    }

    fn snapshot_of(texts: &[(&str, &str)]) -> Snapshot {
        let mut snapshot = Snapshot::default();
        texts
            .iter()
            .for_each(|(name, text)| snapshot.set(*name, *text));
        snapshot
    }

    #[test]
    fn a_snapshot_reaches_the_grandchild_and_local_settings_stay() {
        LOCAL.set_runtime(5).unwrap();
        let sent = snapshot_of(&[("known", "7"), ("local", "9"), ("from_newer_version", "x")]);
        let unknown = apply(settings(), sent);
        assert_eq!((KNOWN.get(), KNOWN.source()), (7, Source::Parent));
        assert_eq!((LOCAL.get(), LOCAL.source()), (5, Source::RunTime));
        assert_eq!(QUIET.source(), Source::Default);
        let passed_on = take(settings(), &unknown);
        assert_eq!(
            passed_on,
            snapshot_of(&[("known", "7"), ("from_newer_version", "x")])
        );
        let json = serde_json::to_string(&passed_on).unwrap();
        assert_eq!(json, r#"{"from_newer_version":"x","known":"7"}"#);
        assert_eq!(serde_json::from_str::<Snapshot>(&json).unwrap(), passed_on);

        apply(settings(), snapshot_of(&[("known", "many")]));
        assert_eq!(
            KNOWN.source(),
            Source::Default,
            "an earlier snapshot does not linger"
        );
        let error = KNOWN.parent_error().unwrap().to_string();
        assert_eq!(
            error,
            "setting known: the parent process says \"many\", expected a whole number, not negative"
        );
        apply(settings(), Snapshot::default());
        assert_eq!(KNOWN.parent_error(), None);
    }
}
