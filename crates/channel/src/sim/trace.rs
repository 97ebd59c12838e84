//! What happened in a simulated network, as text: of two runs alike, every byte is the same.

use std::{
    fmt::{self, Write as _},
    hash::{DefaultHasher, Hasher},
    time::Duration,
};

/// When the text is longer than this, the earlier half of it is forgotten.
const MAX_TEXT: usize = 4 << 20;

/// The events of a network: the text of the last ones, and a sum of all.
#[derive(Debug)]
pub(super) struct Trace {
    text: String,
    /// How many events are not in the text any more.
    n_forgotten: u64,
    /// The sum of the events that were forgotten.
    forgotten: DefaultHasher,
    max_text: usize,
}

impl Trace {
    pub(super) fn new() -> Self {
        Self {
            text: String::new(),
            n_forgotten: 0,
            forgotten: DefaultHasher::new(),
            max_text: MAX_TEXT,
        }
    }

    /// Records an event at a time since the start.
    pub(super) fn add(&mut self, at: Duration, event: fmt::Arguments<'_>) {
        let (secs, nanos) = (at.as_secs(), at.subsec_nanos());
        writeln!(self.text, "{secs}.{nanos:09} {event}").expect("a string takes all");
        if self.max_text < self.text.len() {
            self.forget();
        }
    }

    /// Returns the events, one a line. If some were forgotten, the first line gives their number and sum.
    pub(super) fn text(&self) -> String {
        match self.n_forgotten {
            0 => self.text.clone(),
            n => format!(
                "{n} earlier events with the sum {:016x}\n{}",
                self.forgotten.finish(),
                self.text
            ),
        }
    }

    fn forget(&mut self) {
        let half = self.text.len() / 2;
        let end = self.text.as_bytes()[half..]
            .iter()
            .position(|&byte| byte == b'\n')
            .map_or(self.text.len(), |after| half + after + 1);
        let old = &self.text[..end];
        self.forgotten.write(old.as_bytes());
        self.n_forgotten += old.lines().count() as u64;
        self.text.drain(..end);
    }
}

/// Returns a sum of `bytes`, by which a trace tells contents apart.
pub(super) fn sum(bytes: &[u8]) -> u32 {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    // The upper half is as good as the whole.
    (hasher.finish() >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_trace_forgets_its_start_but_not_that_it_differed() {
        let traced = |first: &str| {
            let mut trace = Trace::new();
            trace.max_text = 100;
            trace.add(Duration::ZERO, format_args!("{first}"));
            for i in 0..20 {
                trace.add(Duration::from_millis(i), format_args!("event {i}"));
            }
            assert!(trace.text.len() <= 100);
            trace.text()
        };
        let (one, same, other) = (traced("one"), traced("one"), traced("other"));
        assert!(one.ends_with("0.019000000 event 19\n"), "{one}");
        assert_eq!(one, same);
        assert_ne!(one, other);
    }
}
