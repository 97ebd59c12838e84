//! Counting the words of one span in constant memory, and the table that the ranks fold together.
//!
//! # Invariants
//!
//! - **INV-1**: a word belongs to the span in which its first letter stands.
//! - **INV-2**: memory is one read block, the longest word and the table of distinct words.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use hypermesh::prelude::*;

use crate::share::{Source, Span};

/// Bytes read at a time.
const BLOCK: usize = 256 * 1024;

/// How often each word was seen, and what could not be read.
#[derive(Clone, Debug, Default, Message)]
pub(crate) struct Tally {
    /// Occurrences of each word, lower-cased.
    pub(crate) words: HashMap<String, u64>,
    /// One line for each file that could not be read, naming it.
    pub(crate) errors: Vec<String>,
}

impl Tally {
    /// Counts one more `word`.
    pub(crate) fn add(&mut self, word: &str) {
        match self.words.get_mut(word) {
            Some(count) => *count += 1,
            None => _ = self.words.insert(word.to_owned(), 1),
        }
    }

    /// Counts `word`, if there is one, and empties it for the next.
    fn end_word(&mut self, word: &mut String) {
        if !word.is_empty() {
            self.add(word);
            word.clear();
        }
    }

    /// Takes over everything `other` has counted.
    pub(crate) fn merge(&mut self, mut other: Tally) {
        if self.words.len() < other.words.len() {
            std::mem::swap(&mut self.words, &mut other.words);
        }
        for (word, count) in other.words {
            *self.words.entry(word).or_default() += count;
        }
        self.errors.append(&mut other.errors);
    }

    /// Returns the number of words seen, repeats included.
    pub(crate) fn total(&self) -> u64 {
        self.words.values().sum()
    }

    /// Returns the `k` most frequent words; equal counts in alphabetical order.
    pub(crate) fn top(&self, k: usize) -> Vec<(&str, u64)> {
        let mut words: Vec<_> = self
            .words
            .iter()
            .map(|(word, &count)| (word.as_str(), count))
            .collect();
        words.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        words.truncate(k);
        words
    }
}

/// Folds the tallies of the ranks along the tree.
#[derive(Clone, Copy, Debug, Message)]
pub(crate) struct MergeTallies;

impl Reducer for MergeTallies {
    type Input = Tally;
    type Output = Tally;

    fn unit(&self) -> Tally {
        Tally::default()
    }

    fn fold(&self, acc: &mut Tally, input: Tally) -> Result<(), ReduceError> {
        acc.merge(input);
        Ok(())
    }

    fn merge(&self, acc: &mut Tally, other: Tally) -> Result<(), ReduceError> {
        acc.merge(other);
        Ok(())
    }
}

hypermesh::register_reducer!(MergeTallies);

/// The words of one span, a block at a time, so that the caller can report and yield in between.
pub(crate) struct SpanReader {
    file: File,
    block: Vec<u8>,
    span: Span,
    position: u64,
    word: String,
    /// The letters at the start of the span are the tail of a word of the span before (INV-1).
    skipping: bool,
}

impl SpanReader {
    /// Opens `source` at `span`.
    ///
    /// # Errors
    ///
    /// The operating system's, when the file cannot be opened or read.
    pub(crate) fn open(source: &Source, span: Span) -> io::Result<Self> {
        let mut file = File::open(Path::new(OsStr::from_bytes(&source.path)))?;
        let mut skipping = false;
        if let Some(before) = span.start.checked_sub(1) {
            file.seek(SeekFrom::Start(before))?;
            let mut byte = [0];
            skipping = file.read(&mut byte)? == 1 && byte[0].is_ascii_alphabetic();
        }
        let block = vec![0; BLOCK];
        Ok(Self {
            file,
            block,
            span,
            position: span.start,
            word: String::new(),
            skipping,
        })
    }

    /// Counts one block into `tally`; returns the bytes of the span that are done, or `None` at its end.
    ///
    /// # Errors
    ///
    /// The operating system's, when the file cannot be read.
    pub(crate) fn count_block(&mut self, tally: &mut Tally) -> io::Result<Option<u64>> {
        let n_read = loop {
            match self.file.read(&mut self.block) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result?,
            }
        };
        let (block, word) = (&self.block[..n_read], &mut self.word);
        for &byte in block {
            let is_behind = self.span.end <= self.position;
            if byte.is_ascii_alphabetic() {
                // A word that starts behind the end is the next span's.
                if word.is_empty() && is_behind {
                    return Ok(None);
                }
                if !self.skipping {
                    word.push(char::from(byte.to_ascii_lowercase()));
                }
            } else {
                self.skipping = false;
                tally.end_word(word);
                if is_behind {
                    return Ok(None);
                }
            }
            self.position += 1;
        }
        if n_read == 0 {
            tally.end_word(word);
            return Ok(None);
        }
        Ok(Some(self.position.min(self.span.end) - self.span.start))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::share::of_rank;

    /// Counts `text` as `ranks` ranks would and compares with the plain definition of a word.
    #[track_caller]
    fn check(text: &[u8], ranks: usize) {
        let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
        file.write_all(text).expect("write the text");
        let path = file.path().as_os_str().as_bytes().to_vec();
        let sources = [Source {
            path,
            len: text.len() as u64,
        }];
        let mut tally = Tally::default();
        for rank in 0..ranks {
            for span in of_rank(&sources, rank, ranks) {
                let mut reader = SpanReader::open(&sources[0], span).expect("open");
                let mut part = Tally::default();
                while reader.count_block(&mut part).expect("read").is_some() {}
                tally.merge(part);
            }
        }
        let mut expected = HashMap::new();
        for word in text
            .split(|byte| !byte.is_ascii_alphabetic())
            .filter(|word| !word.is_empty())
        {
            *expected
                .entry(String::from_utf8_lossy(word).to_lowercase())
                .or_insert(0) += 1;
        }
        assert_eq!(
            tally.words,
            expected,
            "{:?} over {ranks} ranks",
            text.escape_ascii().to_string()
        );
    }

    #[test]
    fn inv1_every_cut_counts_each_word_once() {
        for ranks in 1..=12 {
            check(b"", ranks);
            check(b"one", ranks);
            check(b"One two\nTWO  three,three-three", ranks);
            check(b"  leading and trailing  ", ranks);
            check(b"caf\xc3\xa9 na\xefve \xff\xfe bytes", ranks);
            check(&b"longword".repeat(20), ranks);
        }
    }

    #[test]
    fn a_word_that_spans_read_blocks_is_one_word() {
        let mut text = vec![b'x'; BLOCK - 2];
        text.extend_from_slice(b" abcdef ");
        text.extend(vec![b'y'; BLOCK + 7]);
        for ranks in [1, 2, 3, 5] {
            check(&text, ranks);
        }
    }

    #[test]
    fn the_most_frequent_words_come_first_and_ties_by_name() {
        let mut tally = Tally::default();
        for word in ["b", "a", "c", "c"] {
            tally.add(word);
        }
        assert_eq!(tally.top(2), [("c", 2), ("a", 1)]);
        assert_eq!(tally.total(), 4);
    }
}
