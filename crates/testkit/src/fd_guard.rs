//! The guard that lets no descriptor outlive the test that opened it.

use std::{collections::BTreeMap, fmt::Write as _, fs, process::id, time::Duration};

use crate::poll::wait_until;

/// A guard that remembers which descriptors this process has open.
///
/// Descriptors belong to the process and not to the thread, so a test that takes this guard runs
/// alone in its binary or beside tests that open nothing.
#[derive(Debug)]
pub struct FdGuard {
    before: Open,
    ignored: Vec<String>,
}

/// The targets of the open descriptors by their kind.
type Open = BTreeMap<String, Vec<String>>;

impl FdGuard {
    /// Returns a guard for the descriptors that are open now.
    #[expect(
        clippy::new_without_default,
        reason = "a guard is taken on purpose, never by default"
    )]
    pub fn new() -> Self {
        Self {
            before: open(),
            ignored: Vec::new(),
        }
    }

    /// Leaves descriptors of `kind` out of the comparison, for example the `[eventpoll]` and the
    /// `[eventfd]` of a runtime that outlives the test.
    ///
    /// The kind is the target of the link in `/proc/self/fd`, without the number of an inode:
    /// `socket`, `pipe`, `[eventpoll]`, or the path of a file.
    #[must_use]
    pub fn ignoring(mut self, kind: &str) -> Self {
        self.ignored.push(kind.to_owned());
        self
    }

    /// Waits, at most `within`, until no kind has more open descriptors than at the start.
    ///
    /// # Panics
    ///
    /// If some kind has more. The text lists what is open of it.
    #[track_caller]
    pub fn assert_same(&self, within: Duration) {
        let mut more = Vec::new();
        let same = wait_until(within, || {
            more = self.more(open());
            more.is_empty()
        });
        if same {
            return;
        }
        let mut text = String::new();
        for (kind, before, targets) in &more {
            write!(text, "\n  {kind}: {before} before, now {targets:?}")
                .expect("a String takes any text");
        }
        panic!("descriptors left open after {within:?}:{text}");
    }

    /// Returns the kinds of which more is open in `now`, how many there were, and what is open.
    fn more(&self, now: Open) -> Vec<(String, usize, Vec<String>)> {
        now.into_iter()
            .filter(|(kind, _)| !self.ignored.contains(kind))
            .filter_map(|(kind, targets)| {
                let before = self.before.get(&kind).map_or(0, Vec::len);
                (before < targets.len()).then_some((kind, before, targets))
            })
            .collect()
    }
}

/// Reads `/proc/self/fd`, without the descriptor that reads it.
fn open() -> Open {
    let own = format!("/proc/{}/fd", id());
    let mut open = Open::new();
    for entry in fs::read_dir("/proc/self/fd")
        .expect("/proc is mounted")
        .flatten()
    {
        // A descriptor that another thread closed in between has no target any more.
        let Ok(target) = fs::read_link(entry.path()) else {
            continue;
        };
        let target = target.to_string_lossy().into_owned();
        if target != own {
            open.entry(kind(&target).to_owned())
                .or_default()
                .push(target);
        }
    }
    open
}

/// Returns the kind of a link's target: `socket` of `socket:[42]`, `[eventfd]` of
/// `anon_inode:[eventfd]`, a path as it is.
fn kind(target: &str) -> &str {
    match target.split_once(':') {
        Some(("anon_inode", name)) => name,
        Some((kind, _)) if !target.starts_with('/') => kind,
        _ => target,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_the_target_without_the_inode() {
        for (target, expected) in [
            ("socket:[42]", "socket"),
            ("pipe:[7]", "pipe"),
            ("anon_inode:[eventpoll]", "[eventpoll]"),
            ("anon_inode:inotify", "inotify"),
            ("/dev/null", "/dev/null"),
            ("/tmp/a:b", "/tmp/a:b"),
        ] {
            assert_eq!(kind(target), expected, "{target}");
        }
    }

    #[test]
    fn only_kinds_that_grew_and_are_not_ignored_are_reported() {
        let open = |kinds: &[(&str, usize)]| -> Open {
            let targets = |&(kind, n): &(&str, usize)| (kind.to_owned(), vec![kind.to_owned(); n]);
            kinds.iter().map(targets).collect()
        };
        let guard = FdGuard {
            before: open(&[("socket", 2), ("pipe", 2)]),
            ignored: Vec::new(),
        }
        .ignoring("[eventfd]");
        let grown = |kinds: &[(&str, usize)]| -> Vec<String> {
            guard
                .more(open(kinds))
                .into_iter()
                .map(|(kind, ..)| kind)
                .collect()
        };
        assert!(grown(&[("socket", 2), ("pipe", 1), ("[eventfd]", 3)]).is_empty());
        assert_eq!(
            grown(&[("socket", 3), ("pipe", 2), ("/dev/null", 1)]),
            ["/dev/null", "socket"]
        );
    }
}
