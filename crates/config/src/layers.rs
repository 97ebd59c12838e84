//! Which of the values of a setting counts. Reads no environment and no file.
//!
//! # Invariants
//!
//! - **INV-1**: the value of the strongest source that has one counts: test > run time > parent > env >
//!   file. Taking it away brings back the next.
//! - **INV-2**: of several test values the one that was set last counts, in whatever order they go.

use crate::Source;

/// The values that a setting was given, by source. The default is not among them.
pub(crate) struct Layers<T> {
    pub(crate) file: Option<T>,
    pub(crate) env: Option<T>,
    pub(crate) parent: Option<T>,
    pub(crate) run_time: Option<T>,
    /// The values of tests with their tickets, the newest last.
    test: Vec<(u64, T)>,
    next_ticket: u64,
    /// How many values of single threads there are. They are kept by their threads.
    pub(crate) n_threads: usize,
}

impl<T> Layers<T> {
    pub(crate) const fn new() -> Self {
        Self {
            file: None,
            env: None,
            parent: None,
            run_time: None,
            test: Vec::new(),
            next_ticket: 0,
            n_threads: 0,
        }
    }

    /// Returns the value that counts (INV-1), unless it is the default.
    pub(crate) fn effective(&self) -> Option<(Source, &T)> {
        let test = self.test.last().map(|(_, value)| value);
        [
            (Source::Test, test),
            (Source::RunTime, self.run_time.as_ref()),
            (Source::Parent, self.parent.as_ref()),
            (Source::Env, self.env.as_ref()),
            (Source::File, self.file.as_ref()),
        ]
        .into_iter()
        .find_map(|(source, value)| value.map(|value| (source, value)))
    }

    /// Adds the value of a test and returns the ticket to remove it by.
    pub(crate) fn push_test(&mut self, value: T) -> u64 {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.test.push((ticket, value));
        ticket
    }

    /// Removes the value of a test, wherever it stands (INV-2).
    pub(crate) fn remove_test(&mut self, ticket: u64) {
        self.test.retain(|entry| entry.0 != ticket);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Put = fn(&mut Layers<Source>, Option<Source>);

    /// The sources from the weakest, and how each is set and cleared.
    const SOURCES: [(Source, Put); 5] = [
        (Source::File, |layers, value| layers.file = value),
        (Source::Env, |layers, value| layers.env = value),
        (Source::Parent, |layers, value| layers.parent = value),
        (Source::RunTime, |layers, value| layers.run_time = value),
        (Source::Test, |layers, value| match value {
            Some(value) => _ = layers.push_test(value),
            None => layers.remove_test(0),
        }),
    ];

    fn source(layers: &Layers<Source>) -> Source {
        layers
            .effective()
            .map_or(Source::Default, |(source, value)| {
                assert_eq!(source, *value);
                source
            })
    }

    #[test]
    fn inv1_of_every_pair_the_stronger_counts_and_clearing_it_brings_back_the_weaker() {
        for (weak_idx, (weak, put_weak)) in SOURCES.iter().enumerate() {
            for (strong, put_strong) in &SOURCES[weak_idx + 1..] {
                let mut layers = Layers::new();
                assert_eq!(source(&layers), Source::Default);
                put_strong(&mut layers, Some(*strong));
                put_weak(&mut layers, Some(*weak));
                assert_eq!(source(&layers), *strong, "{strong} over {weak}");
                put_strong(&mut layers, None);
                assert_eq!(source(&layers), *weak);
                put_weak(&mut layers, None);
                assert_eq!(source(&layers), Source::Default);
            }
        }
    }

    #[test]
    fn inv2_test_values_nest_and_go_in_any_order() {
        let mut layers = Layers::new();
        let tickets = ["a", "b", "c"].map(|value| layers.push_test(value));
        assert_eq!(layers.effective(), Some((Source::Test, &"c")));
        layers.remove_test(tickets[1]);
        assert_eq!(layers.effective(), Some((Source::Test, &"c")));
        layers.remove_test(tickets[2]);
        assert_eq!(layers.effective(), Some((Source::Test, &"a")));
        layers.remove_test(tickets[0]);
        assert_eq!(layers.effective(), None);
    }
}
