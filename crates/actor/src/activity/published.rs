//! What an actor publishes about itself: texts by names, which anybody may read without asking it.
//!
//! # Invariants
//!
//! - **INV-1**: the names of what every report has are not the actor's to set.
//! - **INV-2**: what is published has a bounded size, whatever an actor makes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::catch::{self, Panic};
use crate::failure::boundary;

/// The names that the fields of a report have.
const TAKEN: [&str; 10] = [
    "actor", "busy", "current", "exit", "handled", "label", "parent", "queued", "recent", "status",
];

/// The name under which it says that making a snapshot panicked.
const ERROR: &str = "error";

/// The most entries of a snapshot.
const MAX_ENTRIES: usize = 64;

/// The most bytes of a name or of a text; what is longer is cut.
const MAX_BYTES: usize = 1024;

/// What an actor has published last.
pub(super) type Snapshot = Arc<BTreeMap<String, String>>;

/// The place for it.
#[derive(Default)]
pub(super) struct Published {
    last: Mutex<Snapshot>,
}

impl Published {
    /// Publishes what `make` returns, in place of what was there. A panic in there is published instead.
    pub(super) fn set<N: Into<String>, T: ToString>(&self, make: impl FnOnce() -> Vec<(N, T)>) {
        let made = catch::call(|| {
            let entries = make().into_iter();
            let texts = entries.map(|(name, text)| (cut(name.into()), cut(text.to_string())));
            let own = texts.filter(|(name, _)| !TAKEN.contains(&name.as_str()));
            own.take(MAX_ENTRIES).collect()
        });
        let snapshot: BTreeMap<_, _> = made.unwrap_or_else(|Panic { text, .. }| {
            let text = format!("the snapshot panicked: {text}");
            BTreeMap::from([(ERROR.to_owned(), cut(text))])
        });
        let old = std::mem::replace(&mut *self.lock(), Arc::new(snapshot));
        drop(old);
    }

    /// Returns what was published last.
    pub(super) fn read(&self) -> BTreeMap<String, String> {
        // The copy is made without the lock: the actor does not wait for it.
        let last = self.lock().clone();
        (*last).clone()
    }

    fn lock(&self) -> MutexGuard<'_, Snapshot> {
        self.last.lock().expect("nothing panics under this lock")
    }
}

fn cut(mut text: String) -> String {
    if MAX_BYTES < text.len() {
        text.truncate(boundary(&text, MAX_BYTES));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(entries: &[(&str, &str)], seen: &[(&str, &str)]) {
        let published = Published::default();
        published.set(|| entries.to_vec());
        let own = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
        assert_eq!(published.read(), seen.iter().map(own).collect());
    }

    #[test]
    fn inv1_a_snapshot_appears_as_it_is_but_for_names_that_are_taken() {
        check(&[], &[]);
        check(
            &[("step", "7"), ("loss", "0.5")],
            &[("loss", "0.5"), ("step", "7")],
        );
        check(&[("status", "great"), ("step", "7")], &[("step", "7")]);
    }

    #[test]
    fn inv2_long_texts_are_cut_and_entries_are_counted() {
        let published = Published::default();
        published.set(|| {
            let entry = |n: usize| (format!("{n:04}"), "ä".repeat(MAX_BYTES));
            (0..1000).map(entry).collect()
        });
        let seen = published.read();
        assert_eq!(seen.len(), MAX_ENTRIES);
        assert!(seen.values().all(|text| text.len() == MAX_BYTES));
    }

    #[test]
    fn a_panic_is_published_in_place_of_the_snapshot() {
        let published = Published::default();
        published.set(|| vec![("step", 1)]);
        published.set::<&str, u8>(|| panic!("no numbers"));
        let expected = (
            "error".to_owned(),
            "the snapshot panicked: no numbers".to_owned(),
        );
        assert_eq!(published.read(), BTreeMap::from([expected]));
    }
}
