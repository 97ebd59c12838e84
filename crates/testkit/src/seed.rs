//! Random values that a failing test can be given again.

use std::{
    env,
    hash::{BuildHasher, RandomState},
    thread::panicking,
};

/// The environment variable from which [`Seed`] takes its value.
pub const SEED_VARIABLE: &str = "HYPERMESH_SEED";

/// The seed of a test's random values; it says on stderr what it was when the test panics.
///
/// # Examples
///
/// ```
/// use hypermesh_testkit::Seed;
///
/// let seed = Seed::from_env();
/// let mut rng = seed.rng();
/// assert!(rng.below(6) < 6);
/// ```
#[derive(Debug)]
pub struct Seed {
    value: u64,
}

impl Seed {
    /// Returns the seed that [`SEED_VARIABLE`] names, or a random one if it is not set.
    ///
    /// # Panics
    ///
    /// If the variable holds neither a decimal nor a `0x` hexadecimal number of 64 bits.
    pub fn from_env() -> Self {
        match env::var_os(SEED_VARIABLE) {
            None => Self::new(RandomState::new().hash_one(SEED_VARIABLE)),
            Some(text) => match text.to_str().and_then(parse) {
                Some(value) => Self::new(value),
                None => panic!("{SEED_VARIABLE}={} is no number of 64 bits", text.display()),
            },
        }
    }

    /// Returns the seed `value`, for a case that is kept as a test.
    pub fn new(value: u64) -> Self {
        Self { value }
    }

    /// Returns the number that the seed stands for.
    pub fn value(&self) -> u64 {
        self.value
    }

    /// Returns a generator that starts from this seed; all of them give the same values.
    pub fn rng(&self) -> Rng {
        Rng::new(self.value)
    }
}

impl Drop for Seed {
    #[expect(
        clippy::print_stderr,
        reason = "the one who reads a failed test needs the seed"
    )]
    fn drop(&mut self) {
        if panicking() {
            eprintln!("replay with {SEED_VARIABLE}={:#018x}", self.value);
        }
    }
}

/// A small deterministic generator of random values (SplitMix64): fast, even, not for secrets.
#[derive(Clone, Debug)]
pub struct Rng {
    state: u64,
}

impl Rng {
    /// Returns a generator that starts from `seed`.
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// Returns the next value, any of the 2⁶⁴ with the same chance.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a value below `n`, each with the same chance.
    ///
    /// # Panics
    ///
    /// If `n` is zero, because no value is below that.
    pub fn below(&mut self, n: u64) -> u64 {
        assert!(n != 0, "no value is below 0");
        // The lowest `2^64 mod n` values are drawn again: what remains is a multiple of `n`.
        let uneven = n.wrapping_neg() % n;
        loop {
            let value = self.next_u64();
            if uneven <= value {
                return value % n;
            }
        }
    }

    /// Returns `true` with the chance `p`: never for 0 and below, always for 1 and above.
    pub fn chance(&mut self, p: f64) -> bool {
        // 53 bits are what an f64 holds exactly, so the unit interval is cut evenly.
        let unit = (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        unit < p
    }

    /// Brings `values` into a random order, each order with the same chance.
    pub fn shuffle<T>(&mut self, values: &mut [T]) {
        for last in (1..values.len()).rev() {
            let chosen = self.below(last as u64 + 1) as usize;
            values.swap(last, chosen);
        }
    }
}

/// Reads a decimal or a `0x` hexadecimal number.
fn parse(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_read_in_decimal_and_in_hexadecimal() {
        for (text, expected) in [
            ("0", Some(0)),
            ("42", Some(42)),
            ("0x2a", Some(42)),
            ("0xffffffffffffffff", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("0x", None),
            ("", None),
            ("-1", None),
        ] {
            assert_eq!(parse(text), expected, "{text:?}");
        }
    }

    #[test]
    fn the_generator_gives_the_published_values() {
        let mut rng = Seed::new(1_234_567).rng();
        assert_eq!(rng.next_u64(), 6_457_827_717_110_365_317);
        assert_eq!(rng.next_u64(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn below_reaches_every_value_about_evenly() {
        let mut rng = Rng::new(1);
        let mut counts = [0_u32; 6];
        for _ in 0..6_000 {
            counts[rng.below(6) as usize] += 1;
        }
        assert!(
            counts.iter().all(|count| (850..1150).contains(count)),
            "{counts:?}"
        );
    }

    #[test]
    fn chance_keeps_to_its_share_and_to_its_ends() {
        let mut rng = Rng::new(2);
        let mut hits = |p| (0..10_000).filter(|_| rng.chance(p)).count();
        assert_eq!(hits(0.0), 0);
        assert_eq!(hits(1.0), 10_000);
        let quarter = hits(0.25);
        assert!((2_300..2_700).contains(&quarter), "{quarter}");
    }

    #[test]
    fn shuffle_keeps_the_values_and_repeats_with_the_seed() {
        let shuffled = |seed| {
            let mut values: Vec<u32> = (0..100).collect();
            Rng::new(seed).shuffle(&mut values);
            values
        };
        let once = shuffled(3);
        assert_eq!(once, shuffled(3));
        assert_ne!(once, shuffled(4));
        let mut sorted = once;
        sorted.sort_unstable();
        assert_eq!(sorted, (0..100).collect::<Vec<_>>());
    }
}
