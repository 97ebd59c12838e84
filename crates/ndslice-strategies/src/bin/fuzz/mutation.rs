//! New inputs out of old ones: the same seed and corpus give the same inputs.

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
    b"\xc3\xa4",
    b"\xff",
    b"\x00",
    b"\x80\x01",
    b"\xff\xff\xff\xff\x0f",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
];

/// Changes inputs of a corpus at random.
pub(crate) struct Mutation<'a> {
    state: u64,
    corpus: &'a [Vec<u8>],
}

impl<'a> Mutation<'a> {
    pub(crate) fn new(seed: u64, corpus: &'a [Vec<u8>]) -> Self {
        Self {
            state: seed,
            corpus,
        }
    }

    /// Some input of the corpus with a few changes.
    pub(crate) fn next_input(&mut self) -> Vec<u8> {
        let mut input = self.seed_input();
        for _ in 0..=self.below(6) {
            self.change(&mut input);
        }
        input.truncate(MAX_LEN);
        input
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
        match self.below(8) {
            0 if start < input.len() => input[start] ^= 1 << self.below(8),
            1 if start < input.len() => input[start] = self.below(256) as u8,
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
                let piece = PIECES[self.below(PIECES.len())];
                let n_times = 1 << self.below(8);
                input.splice(start..start, piece.repeat(n_times));
            }
            _ => {
                let piece = PIECES[self.below(PIECES.len())];
                let end = end.min(start + self.below(4));
                input.splice(start..end, piece.iter().copied());
            }
        }
        input.truncate(MAX_LEN);
    }

    /// A number below `end`, which is not 0.
    fn below(&mut self, end: usize) -> usize {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        (bits % end as u64) as usize
    }
}
