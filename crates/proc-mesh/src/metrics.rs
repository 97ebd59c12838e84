//! Counters of what meshes do, with a bounded number of series.
//!
//! # Invariants
//!
//! - **INV-1**: a metric has at most `limit` series, and one more that takes what is beyond.
//! - **INV-2**: no count is lost: folding changes the labels, never the sum.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// How many series one metric keeps before further labels are folded into one.
const SERIES_LIMIT: usize = 256;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Metric {
    /// Procs that came up in a mesh. Label: alloc.
    ProcsAllocated,
    /// Unhandled failures of actors. Labels: actor, rank, status.
    ActorFailures,
    /// Procs that ended. Labels: create key, rank, reason.
    ProcsStopped,
}

/// One series: a metric, the values of its labels, and its count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Series {
    /// What is counted.
    pub metric: Metric,
    /// The values of the labels, or `other` alone for what was folded.
    pub labels: Vec<String>,
    /// How many there were since the process started.
    pub count: u64,
}

/// The label of the series that takes what is beyond the limit.
const OTHER: &str = "other";

/// The counts of this process. They are written by whoever owns a mesh and read by observers; like
/// every counter of a process they belong to it as a whole.
static COUNTERS: Mutex<Counters> = Mutex::new(Counters {
    series: BTreeMap::new(),
});

/// Returns all series of this process, in the order of metric and labels.
#[must_use]
pub fn snapshot() -> Vec<Series> {
    COUNTERS
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .snapshot()
}

/// Counts `by` more of `metric` under `labels`.
pub(crate) fn count(metric: Metric, labels: Vec<String>, by: u64) {
    COUNTERS
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .add(metric, labels, by, SERIES_LIMIT);
}

#[derive(Debug)]
struct Counters {
    series: BTreeMap<Metric, BTreeMap<Vec<String>, u64>>,
}

impl Counters {
    fn add(&mut self, metric: Metric, labels: Vec<String>, by: u64, limit: usize) {
        let known = self.series.entry(metric).or_default();
        let labels = if known.contains_key(&labels) || known.len() < limit {
            labels
        } else {
            vec![OTHER.to_owned()]
        };
        *known.entry(labels).or_default() += by;
    }

    fn snapshot(&self) -> Vec<Series> {
        let series = |(&metric, known): (&Metric, &BTreeMap<Vec<String>, u64>)| {
            let one = move |(labels, &count): (&Vec<String>, &u64)| Series {
                metric,
                labels: labels.clone(),
                count,
            };
            known.iter().map(one).collect::<Vec<_>>()
        };
        self.series.iter().flat_map(series).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Counters, Metric};

    #[track_caller]
    fn check(limit: usize, labels: &[&str], expected: &[(&str, u64)]) {
        let mut counters = Counters {
            series: BTreeMap::new(),
        };
        for label in labels {
            counters.add(Metric::ProcsStopped, vec![(*label).to_owned()], 1, limit);
        }
        let series = counters.snapshot();
        let found: Vec<(&str, u64)> = series
            .iter()
            .map(|series| (series.labels[0].as_str(), series.count))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn inv1_labels_beyond_the_limit_share_one_series() {
        check(
            2,
            &["a", "b", "c", "d", "a"],
            &[("a", 2), ("b", 1), ("other", 2)],
        );
    }

    #[test]
    fn inv2_a_limit_of_zero_still_counts_everything() {
        check(0, &["a", "b"], &[("other", 2)]);
    }
}
