//! New inputs out of old ones: the same seed and corpus give the same inputs.

use crate::Rng;

/// The largest input: longer than the longest text that is parsed.
const MAX_LEN: usize = 5000;

/// Pieces of the text forms and of the encodings, and numbers at the limits.
const PIECES: &[&[u8]] = &[
    b",",
    b"=",
    b"/",
    b"+",
    b":",
    b"@",
    b";",
    b"|",
    b"&",
    b"-",
    b"*",
    b"?",
    b"(",
    b")",
    b"\"",
    b"\\",
    b"\\n",
    b" ",
    b"[",
    b"]",
    b"{",
    b"}",
    b"null",
    b"0",
    b"1",
    b"2",
    b"7",
    b"255",
    b"256",
    b"65535",
    b"65536",
    b"4294967295",
    b"4294967296",
    b"18446744073709551615",
    b"99999999999999999999",
    b"x",
    b"y",
    b"x=4",
    b"x=1/4",
    b"y=2/1",
    b"8+",
    b"x=0:8:2/8",
    b"y=@1/4",
    b"0:4",
    b"1::2",
    b"//",
    b"::1",
    b"tcp:",
    b"unix:",
    b"\xc3\xa4",
    b"\xff",
    b"\x00",
    b"\x01",
    b"\x80\x01",
    b"\x00\x01",
    b"\x00\x02",
    b"\xff\xff",
    b"\x00\x00\x00\x00",
    b"\x01\x00\x00\x00",
    b"\x00\x00\x10\x00",
    b"\xff\xff\xff\xff",
    b"\x00\x00\x00\x00\x01\x00\x00\x00",
    b"\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\xff\xff\xff\xff\x0f",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
];

/// Changes inputs of a corpus at random.
#[derive(Debug)]
pub(super) struct Mutation<'a> {
    rng: Rng,
    corpus: &'a [Vec<u8>],
}

impl<'a> Mutation<'a> {
    pub(super) fn new(seed: u64, corpus: &'a [Vec<u8>]) -> Self {
        Self {
            rng: Rng::new(seed),
            corpus,
        }
    }

    /// Returns some input of the corpus with a few changes.
    pub(super) fn next_input(&mut self) -> Vec<u8> {
        let input = self.seed_input();
        self.change_of(&input)
    }

    /// Returns `input` with a few changes.
    pub(super) fn change_of(&mut self, input: &[u8]) -> Vec<u8> {
        let mut input = input.to_vec();
        for _ in 0..=self.below(6) {
            self.change(&mut input);
        }
        input
    }

    /// Returns a few bytes, each of them random.
    pub(super) fn bytes(&mut self) -> Vec<u8> {
        (0..self.below(60)).map(|_| self.byte()).collect()
    }

    fn seed_input(&mut self) -> Vec<u8> {
        let idx = self.below(self.corpus.len().max(1));
        self.corpus.get(idx).cloned().unwrap_or_default()
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let (start, end) = {
            let (a, b) = (self.below(input.len() + 1), self.below(input.len() + 1));
            (a.min(b), a.max(b))
        };
        match self.below(9) {
            0 if start < input.len() => input[start] ^= 1 << self.below(8),
            1 if start < input.len() => input[start] = self.byte(),
            2 => drop(input.drain(start..end)),
            3 => {
                // A part of the input again, up to a few thousand times.
                let part = input[start..end].to_vec();
                let n_times = 1 << self.below(12);
                let n_times = n_times.min(MAX_LEN / part.len().max(1));
                input.splice(start..start, part.repeat(n_times));
            }
            4 => {
                let other = self.seed_input();
                let cut = self.below(other.len() + 1);
                input.truncate(start);
                input.extend_from_slice(&other[cut..]);
            }
            5 => {
                let n_times = 1 << self.below(8);
                let piece = self.piece().repeat(n_times);
                input.splice(start..start, piece);
            }
            6 => {
                // In place of as many bytes, so that the fields behind it stay where they are.
                let piece = self.piece();
                let end = input.len().min(start + piece.len());
                input.splice(start..end, piece.iter().copied());
            }
            _ => {
                let end = end.min(start + self.below(4));
                let piece = self.piece();
                input.splice(start..end, piece.iter().copied());
            }
        }
        input.truncate(MAX_LEN);
    }

    fn piece(&mut self) -> &'static [u8] {
        PIECES[self.below(PIECES.len())]
    }

    fn byte(&mut self) -> u8 {
        self.rng.next_u64() as u8
    }

    /// Returns a number below `end`, which is not 0.
    fn below(&mut self, end: usize) -> usize {
        self.rng.below(end as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_draws_the_same_inputs_again() {
        let corpus = [b"x=1/4".to_vec(), b"y=0:8:2/8".to_vec()];
        let inputs = |seed| {
            let mut mutation = Mutation::new(seed, &corpus);
            Vec::from_iter((0..200).map(|_| mutation.next_input()))
        };
        assert_eq!(inputs(1), inputs(1));
        assert_ne!(inputs(1), inputs(2));
        let mut mutation = Mutation::new(3, &[]);
        assert!((0..200).any(|_| !mutation.next_input().is_empty()));
    }
}
