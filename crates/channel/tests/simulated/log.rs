//! What is logged, for tests to look at.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};

use hypermesh_testkit::{Subscribed, subscribe};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

/// Keeps the texts of what these crates log, however fine.
#[derive(Clone, Default)]
pub(crate) struct Log {
    lines: Arc<Mutex<Vec<String>>>,
    spans: Arc<AtomicU64>,
}

impl Log {
    /// Returns a log of what this thread says, until the second result is dropped.
    pub(crate) fn listen() -> (Self, Subscribed) {
        let log = Self::default();
        let subscribed = subscribe(log.clone());
        (log, subscribed)
    }

    /// Returns the lines so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("hypermesh")
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1 + self.spans.fetch_add(1, Ordering::Relaxed))
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = Text::default();
        event.record(&mut text);
        self.lines.lock().unwrap().push(text.0);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

#[derive(Default)]
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0 += &format!("{field}={value:?} ");
    }
}

/// Returns the sum of what the lines with `at` say about a count.
pub(crate) fn sum(lines: &[String], at: &str, count: &str) -> u64 {
    let lines = lines.iter().filter(|line| line.contains(at));
    let counts = lines.flat_map(|line| {
        line.split(' ')
            .filter_map(|field| field.strip_prefix(count))
    });
    counts.map(|count| count.parse::<u64>().unwrap()).sum()
}
