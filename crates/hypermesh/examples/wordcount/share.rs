//! Which bytes of which files one rank counts.
//!
//! The files are laid end to end and the whole is cut into equal spans, one for each rank. A span says where
//! a word must *start* to belong to the rank, so no word is counted twice or lost, whatever byte a cut hits.

use hypermesh::prelude::*;

/// A file to count, as the launcher saw it.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub(crate) struct Source {
    /// The bytes of the path, which need not be UTF-8.
    pub(crate) path: Vec<u8>,
    /// Length in bytes when the run started.
    pub(crate) len: u64,
}

/// The bytes `start..end` of file number `file`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    /// Index into the list of sources.
    pub(crate) file: usize,
    /// First byte at which a word may start.
    pub(crate) start: u64,
    /// First byte at which a word belongs to the next span.
    pub(crate) end: u64,
}

/// Returns the spans of rank `rank` of `ranks`, in file order; none if there is nothing for it to do.
pub(crate) fn of_rank(sources: &[Source], rank: usize, ranks: usize) -> Vec<Span> {
    let total: u64 = sources.iter().map(|source| source.len).sum();
    let cut = |rank: usize| (u128::from(total) * rank as u128 / ranks.max(1) as u128) as u64;
    let (from, to) = (cut(rank), cut(rank + 1));
    let mut spans = Vec::new();
    let mut base = 0;
    for (file, source) in sources.iter().enumerate() {
        let start = from.clamp(base, base + source.len) - base;
        let end = to.clamp(base, base + source.len) - base;
        if start < end {
            spans.push(Span { file, start, end });
        }
        base += source.len;
    }
    spans
}

/// What a rank is asked to do: its share of `sources` as one of `ranks`.
///
/// A cast carries `rank: None` and each member takes its own; redone work names the rank it stands in for.
#[derive(Clone, Debug, Message)]
pub(crate) struct Count {
    /// All files of the run, the same for every rank.
    pub(crate) sources: Vec<Source>,
    /// How many ranks share the work.
    pub(crate) ranks: usize,
    /// The rank whose share is meant, if it is not the receiver's own.
    pub(crate) rank: Option<usize>,
    /// Where to report progress.
    pub(crate) progress: PortRef<Progress>,
}

/// How far a rank is with its share.
#[derive(Clone, Copy, Debug, Message)]
pub(crate) struct Progress {
    /// The rank whose share it is.
    pub(crate) rank: usize,
    /// Bytes counted so far.
    pub(crate) bytes: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(lens: &[u64], ranks: usize, expected: &[&[(usize, u64, u64)]]) {
        let sources: Vec<_> = lens
            .iter()
            .map(|&len| Source {
                path: Vec::new(),
                len,
            })
            .collect();
        for (rank, expected) in expected.iter().enumerate() {
            let spans = of_rank(&sources, rank, ranks);
            let spans: Vec<_> = spans
                .iter()
                .map(|span| (span.file, span.start, span.end))
                .collect();
            assert_eq!(spans, *expected, "rank {rank} of {ranks}");
        }
    }

    #[test]
    fn the_shares_cover_every_byte_once() {
        check(&[10], 2, &[&[(0, 0, 5)], &[(0, 5, 10)]]);
        check(&[4, 0, 6], 2, &[&[(0, 0, 4), (2, 0, 1)], &[(2, 1, 6)]]);
        check(&[1], 3, &[&[], &[], &[(0, 0, 1)]]);
        check(&[], 2, &[&[], &[]]);
        check(
            &[u64::MAX / 2],
            2,
            &[&[(0, 0, u64::MAX / 4)], &[(0, u64::MAX / 4, u64::MAX / 2)]],
        );
    }
}
