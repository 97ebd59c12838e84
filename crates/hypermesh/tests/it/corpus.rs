//! Texts to count, and the plain definition of their words.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use hypermesh_testkit::{Rng, Seed};
use tempfile::TempDir;

/// How often each word occurs.
pub(crate) type Words = BTreeMap<String, u64>;

/// Files in a directory of their own, and the words in them.
pub(crate) struct Corpus {
    dir: TempDir,
    pub(crate) words: Words,
    pub(crate) files: u64,
    pub(crate) bytes: u64,
}

impl Corpus {
    pub(crate) fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            words: Words::new(),
            files: 0,
            bytes: 0,
        }
    }

    /// Returns the path of the directory, as the kernel tells it.
    pub(crate) fn dir(&self) -> PathBuf {
        self.dir.path().canonicalize().unwrap()
    }

    /// Writes `text` to a file that is to be counted.
    pub(crate) fn add(&mut self, path: impl AsRef<Path>, text: &[u8]) -> PathBuf {
        count(text, &mut self.words);
        self.files += 1;
        self.bytes += text.len() as u64;
        self.add_other(path, text)
    }

    /// Writes `text` to a file that is not to be counted.
    pub(crate) fn add_other(&self, path: impl AsRef<Path>, text: &[u8]) -> PathBuf {
        let path = self.dir().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// Makes a file of `len` bytes that takes no room: some words around each of `parts` equal cuts,
    /// and holes in between.
    pub(crate) fn add_sparse(&mut self, name: &str, len: u64, parts: u64) -> PathBuf {
        const TEXT: &[u8] = b" Words around a cut: one, Two, THREE, four-and-five ";
        let path = self.dir().join(name);
        let file = File::create(&path).unwrap();
        file.set_len(len).unwrap();
        for part in 1..parts {
            let cut = len / parts * part;
            file.write_all_at(TEXT, cut - TEXT.len() as u64 / 2)
                .unwrap();
            count(TEXT, &mut self.words);
        }
        self.files += 1;
        self.bytes += len;
        path
    }
}

/// Adds the words of `text` to `words`: a word is a maximal run of ASCII letters.
fn count(text: &[u8], words: &mut Words) {
    for word in text.split(|byte| !byte.is_ascii_alphabetic()) {
        if !word.is_empty() {
            let word = String::from_utf8(word.to_ascii_lowercase()).unwrap();
            *words.entry(word).or_default() += 1;
        }
    }
}

/// Returns about `len` bytes of words from a small vocabulary, with every kind of byte in between.
pub(crate) fn random_text(seed: &Seed, len: usize) -> Vec<u8> {
    let mut rng = seed.rng();
    let vocabulary: Vec<Vec<u8>> = (0..3000).map(|_| random_word(&mut rng)).collect();
    let mut text = Vec::with_capacity(len + 32);
    while text.len() < len {
        // The smaller of two: some words are more frequent than others.
        let [a, b] = [(); 2].map(|()| rng.below(vocabulary.len() as u64) as usize);
        text.extend_from_slice(&vocabulary[a.min(b)]);
        match rng.below(8) {
            0 => text.extend((0..rng.below(6)).map(|_| rng.below(256) as u8)),
            1 => text.push(b'\n'),
            _ => text.push(b' '),
        }
    }
    text
}

fn random_word(rng: &mut Rng) -> Vec<u8> {
    let len = 1 + rng.below(12);
    let mut letter = || {
        let letter = b'a' + rng.below(26) as u8;
        if rng.chance(0.2) {
            letter.to_ascii_uppercase()
        } else {
            letter
        }
    };
    (0..len).map(|_| letter()).collect()
}
