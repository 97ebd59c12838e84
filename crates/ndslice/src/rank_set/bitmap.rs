//! One bit for each rank, with a directory of counts.
//!
//! # Invariants
//!
//! - **INV-1**: the last word is not 0.
//! - **INV-2**: `below` has the number of ranks before each block of words, and then the number of
//!   all ranks.
//! - **INV-3**: `n_runs` is the number of maximal runs.

use std::ops::Range;

/// The bits of a word.
const WORD: usize = 64;

/// The words of a block, which has one entry in the directory.
const BLOCK: usize = 16;

/// Ranks as bits; a lookup is a binary search in the directory and a scan of one block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bitmap {
    words: Vec<u64>,
    below: Vec<u32>,
    n_runs: usize,
}

impl Bitmap {
    /// The bitmap of these words.
    pub(super) fn from_words(mut words: Vec<u64>) -> Self {
        while words.last() == Some(&0) {
            words.pop();
        }
        let mut below = Vec::with_capacity(words.len().div_ceil(BLOCK) + 1);
        let mut count = 0;
        below.push(count);
        for block in words.chunks(BLOCK) {
            count += count_ones(block);
            below.push(count);
        }
        let n_runs = starts_in(&words, 0, words.len() * WORD);
        Self {
            words,
            below,
            n_runs,
        }
    }

    /// The bitmap of these runs, which ascend; the last one ends at `end`.
    pub(super) fn from_runs(runs: impl Iterator<Item = Range<usize>>, end: usize) -> Self {
        let mut words = vec![0; end.div_ceil(WORD)];
        for run in runs {
            each_word(&run, |idx, mask| words[idx] |= mask);
        }
        Self::from_words(words)
    }

    /// The bytes that a bitmap up to `end` takes.
    pub(super) const fn bytes(end: usize) -> usize {
        let n_words = end.div_ceil(WORD);
        n_words * size_of::<u64>() + (n_words.div_ceil(BLOCK) + 1) * size_of::<u32>()
    }

    pub(super) fn words(&self) -> &[u64] {
        &self.words
    }

    pub(super) fn n_runs(&self) -> usize {
        self.n_runs
    }

    /// The number of ranks.
    pub(super) fn count(&self) -> usize {
        self.below.last().map_or(0, |count| *count as usize)
    }

    /// One more than the largest rank.
    pub(super) fn end(&self) -> usize {
        let unused = self.words.last().map_or(0, |word| word.leading_zeros());
        self.words.len() * WORD - unused as usize
    }

    pub(super) fn contains(&self, rank: usize) -> bool {
        is_set(&self.words, rank)
    }

    pub(super) fn select(&self, n: usize) -> Option<usize> {
        if self.count() <= n {
            return None;
        }
        let behind = self.below.partition_point(|below| *below as usize <= n);
        let block = behind.checked_sub(1)?;
        let mut rest = n - self.below[block] as usize;
        for (idx, &word) in self.words.iter().enumerate().skip(block * BLOCK) {
            let ones = word.count_ones() as usize;
            if rest < ones {
                // Without its `rest` lowest bits, the lowest bit of the word is the one.
                let left = (0..rest).fold(word, |left, _| left & (left - 1));
                return Some(idx * WORD + left.trailing_zeros() as usize);
            }
            rest -= ones;
        }
        None
    }

    pub(super) fn count_below(&self, rank: usize) -> usize {
        let idx = rank / WORD;
        let Some(word) = self.words.get(idx) else {
            return self.count();
        };
        let block = idx / BLOCK;
        let before = count_ones(&self.words[block * BLOCK..idx]);
        let inside = (word & !(u64::MAX << (rank % WORD))).count_ones();
        (self.below[block] + before + inside) as usize
    }

    /// Adds the ranks of `range`, which is not empty.
    pub(super) fn insert(&mut self, range: &Range<usize>) {
        let n_words = range.end.div_ceil(WORD);
        if let Some(more @ 1..) = n_words.checked_sub(self.words.len()) {
            // Growing by an eighth keeps appending cheap and wastes less than doubling.
            self.words.reserve_exact(more.max(self.words.len() / 8));
            self.words.resize(n_words, 0);
            let count = self.count() as u32;
            self.below.resize(n_words.div_ceil(BLOCK) + 1, count);
        }
        let n_joined = starts_in(&self.words, range.start, range.end + 1);
        let is_start = range.start == 0 || !self.contains(range.start - 1);
        self.n_runs = self.n_runs + usize::from(is_start) - n_joined;
        each_word(range, |idx, mask| self.words[idx] |= mask);
        self.recount(range);
    }

    /// Removes `rank`, which is there.
    pub(super) fn remove(&mut self, rank: usize) {
        let has_before = 0 < rank && self.contains(rank - 1);
        let has_behind = self.contains(rank + 1);
        self.n_runs = self.n_runs + usize::from(has_before) + usize::from(has_behind) - 1;
        self.words[rank / WORD] &= !(1 << (rank % WORD));
        self.recount(&(rank..rank + 1));
        while self.words.last() == Some(&0) {
            self.words.pop();
        }
        self.below.truncate(self.words.len().div_ceil(BLOCK) + 1);
    }

    pub(super) fn runs(&self) -> BitRuns<'_> {
        BitRuns {
            words: &self.words,
            front: 0,
            back: self.end(),
            left: self.n_runs,
        }
    }

    /// Gives back what the bitmap has allocated and does not use.
    pub(super) fn shrink(&mut self) {
        self.words.shrink_to_fit();
        self.below.shrink_to_fit();
    }

    /// Restores INV-2 after a change in `range`.
    fn recount(&mut self, range: &Range<usize>) {
        let first = range.start / (WORD * BLOCK);
        let last = (range.end - 1) / (WORD * BLOCK);
        let mut below = self.below[first];
        for (block, words) in self
            .words
            .chunks(BLOCK)
            .enumerate()
            .take(last + 1)
            .skip(first)
        {
            self.below[block] = below;
            below += count_ones(words);
        }
        let old = self.below[last + 1];
        for behind in &mut self.below[last + 1..] {
            *behind = *behind - old + below;
        }
    }
}

/// An iterator over the runs of a bitmap.
#[derive(Clone, Debug)]
pub(super) struct BitRuns<'a> {
    words: &'a [u64],
    front: usize,
    back: usize,
    left: usize,
}

impl Iterator for BitRuns<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        self.left = self.left.checked_sub(1)?;
        let start = first_from(self.words, self.front, 0);
        self.front = first_from(self.words, start, u64::MAX);
        Some(start..self.front)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl DoubleEndedIterator for BitRuns<'_> {
    fn next_back(&mut self) -> Option<Range<usize>> {
        self.left = self.left.checked_sub(1)?;
        let end = end_of_last_before(self.words, self.back, 0);
        self.back = end_of_last_before(self.words, end, u64::MAX);
        Some(self.back..end)
    }
}

impl ExactSizeIterator for BitRuns<'_> {}

fn count_ones(words: &[u64]) -> u32 {
    words.iter().map(|word| word.count_ones()).sum()
}

fn is_set(words: &[u64], bit: usize) -> bool {
    words
        .get(bit / WORD)
        .is_some_and(|word| word >> (bit % WORD) & 1 == 1)
}

/// Calls `each` with the index of every word that `range` touches, and the bits that it has there.
fn each_word(range: &Range<usize>, mut each: impl FnMut(usize, u64)) {
    for idx in range.start / WORD..range.end.div_ceil(WORD) {
        let start = range.start.saturating_sub(idx * WORD);
        let unused = ((idx + 1) * WORD).saturating_sub(range.end);
        each(idx, u64::MAX << start & u64::MAX >> unused);
    }
}

/// How many runs start at a bit in `start..end`.
fn starts_in(words: &[u64], start: usize, end: usize) -> usize {
    let mut n_starts = 0;
    let end = end.min(words.len() * WORD);
    each_word(&(start..end.max(start)), |idx, mask| {
        let Some(word) = words.get(idx) else { return };
        let before = idx.checked_sub(1).map_or(0, |before| words[before]);
        let starts = word & !(word << 1 | before >> (WORD - 1));
        n_starts += (starts & mask).count_ones() as usize;
    });
    n_starts
}

/// The first bit from `from` on that is 1 after the exclusive or with `flip`; beyond the end if
/// there is none.
fn first_from(words: &[u64], from: usize, flip: u64) -> usize {
    let mut mask = u64::MAX << (from % WORD);
    for (idx, word) in words.iter().enumerate().skip(from / WORD) {
        let found = (word ^ flip) & mask;
        if found != 0 {
            return idx * WORD + found.trailing_zeros() as usize;
        }
        mask = u64::MAX;
    }
    words.len() * WORD
}

/// One more than the last bit below `before` that is 1 after the exclusive or with `flip`; 0 if
/// there is none.
fn end_of_last_before(words: &[u64], before: usize, flip: u64) -> usize {
    let n_words = before.div_ceil(WORD);
    let mut mask = u64::MAX >> (n_words * WORD - before);
    for (idx, word) in words.iter().enumerate().take(n_words).rev() {
        let found = (word ^ flip) & mask;
        if found != 0 {
            return idx * WORD + WORD - found.leading_zeros() as usize;
        }
        mask = u64::MAX;
    }
    0
}
