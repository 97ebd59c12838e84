//! A fast hash for ids, for maps whose keys we choose ourselves.
//!
//! It is seeded, but no match for somebody who chooses many keys in order to make them collide. A map
//! that peers make entries in keeps the hash of the standard library; that peers look keys up in a map
//! does no harm.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

/// An odd number whose bits look random.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

/// Makes the hashers of one map.
#[derive(Clone)]
pub(crate) struct IdHash {
    seed: u64,
}

/// One hash in progress.
pub(crate) struct IdHasher {
    state: u64,
}

impl Default for IdHash {
    /// Takes a new seed, so that the order of one map says nothing about another.
    fn default() -> Self {
        Self {
            seed: RandomState::new().hash_one(FACTOR),
        }
    }
}

impl BuildHasher for IdHash {
    type Hasher = IdHasher;

    fn build_hasher(&self) -> IdHasher {
        IdHasher { state: self.seed }
    }
}

impl Hasher for IdHasher {
    #[inline]
    fn write_u64(&mut self, value: u64) {
        // Both halves of the product: each bit of the value reaches all bits of the state.
        let product = u128::from(self.state ^ value) * u128::from(FACTOR);
        self.state = (product as u64 ^ (product >> 64) as u64).rotate_left(23);
    }

    #[inline]
    fn write_u32(&mut self, value: u32) {
        self.write_u64(value.into());
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.state
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::ProcId;

    /// Checks that `hashes` fill the low and the high bits about evenly, as maps need.
    #[track_caller]
    fn check(hashes: &[u64]) {
        assert_eq!(hashes.iter().collect::<HashSet<_>>().len(), hashes.len());
        for shift in [0, 57] {
            let mut buckets = [0_usize; 128];
            for hash in hashes {
                buckets[(hash >> shift) as usize % 128] += 1;
            }
            let (min, max) = (buckets.iter().min(), buckets.iter().max());
            let mean = hashes.len() / 128;
            assert!(min > Some(&(mean / 2)), "{min:?} of {mean} in a bucket");
            assert!(max < Some(&(mean * 2)), "{max:?} of {mean} in a bucket");
        }
    }

    #[test]
    fn ids_that_differ_in_one_number_are_spread() {
        for seed in [0, 1, u64::MAX, FACTOR] {
            let hash = IdHash { seed };
            let of = |world, rank, generation| hash.hash_one(ProcId::new(world, rank, generation));
            let range = 0..10_000_u32;
            check(&range.clone().map(|n| of(7, n, 0)).collect::<Vec<_>>());
            check(&range.clone().map(|n| of(7, 0, n)).collect::<Vec<_>>());
            check(&range.map(|n| of(n.into(), 0, 0)).collect::<Vec<_>>());
        }
    }
}
