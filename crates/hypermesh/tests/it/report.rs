//! What `wordcount --json` says, and whether it is true.

use serde_json::Value;

use crate::corpus::{Corpus, Words};
use crate::program::Ended;

/// The keys of the report.
const KEYS: [&str; 8] = [
    "bytes", "distinct", "errors", "files", "redone", "top", "total", "workers",
];

/// The parsed report.
#[derive(Debug)]
pub(crate) struct Report(Value);

impl Report {
    /// Parses what a program has printed.
    #[track_caller]
    pub(crate) fn of(ended: &Ended) -> Self {
        match serde_json::from_str(&ended.stdout) {
            Ok(value) => Self(value),
            Err(error) => panic!("{error}: {ended:?}"),
        }
    }

    /// Asserts that the report, printed with a `--top` that keeps every word, is that of `corpus`.
    #[track_caller]
    pub(crate) fn assert_counts(&self, corpus: &Corpus) {
        let Self(value) = self;
        let keys: Vec<_> = value
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        assert_eq!(keys, KEYS);
        let top = self.top();
        let words: Words = top.iter().cloned().collect();
        assert!(
            words == corpus.words,
            "{}",
            difference(&words, &corpus.words)
        );
        assert_eq!(top.len(), words.len(), "no word twice");
        let is_sorted = top.is_sorted_by(|(a, n_a), (b, n_b)| (n_b, a) < (n_a, b));
        assert!(is_sorted, "the most frequent first, ties by name: {top:?}");
        let total: u64 = corpus.words.values().sum();
        let expected = [total, corpus.words.len() as u64, corpus.files, corpus.bytes];
        let said = ["total", "distinct", "files", "bytes"].map(|key| self.number(key));
        assert_eq!(said, expected, "total, distinct, files, bytes");
    }

    /// Returns the most frequent words with their counts.
    pub(crate) fn top(&self) -> Vec<(String, u64)> {
        let entry = |entry: &Value| {
            let word = entry["word"].as_str().unwrap().to_owned();
            (word, entry["count"].as_u64().unwrap())
        };
        self.0["top"]
            .as_array()
            .unwrap()
            .iter()
            .map(entry)
            .collect()
    }

    /// Returns the number behind `key`.
    pub(crate) fn number(&self, key: &str) -> u64 {
        self.0[key].as_u64().unwrap()
    }

    /// Returns the lines behind `key`.
    pub(crate) fn lines(&self, key: &str) -> Vec<String> {
        let lines = self.0[key].as_array().unwrap().iter();
        lines
            .map(|line| line.as_str().unwrap().to_owned())
            .collect()
    }
}

/// Returns the words of which there are not as many as expected: a few, the table is long.
fn difference(words: &Words, expected: &Words) -> String {
    let count = |words: &Words, word: &String| words.get(word).copied().unwrap_or(0);
    let mut all: Vec<_> = words.keys().chain(expected.keys()).collect();
    all.sort_unstable();
    all.dedup();
    let wrong = all
        .into_iter()
        .filter(|word| count(words, word) != count(expected, word));
    let line = |word: &String| {
        format!(
            "{word}: {}, expected {}\n",
            count(words, word),
            count(expected, word)
        )
    };
    wrong.take(10).map(line).collect()
}
