//! Arithmetic progressions: the indices that a region keeps of one dim of its base.
//!
//! # Invariants
//!
//! - **INV-1**: `len` and `step` are at least 1, and the last index is below `u32::MAX`.
//! - **INV-2**: a progression of one index has step 1, so equal sets of indices are equal values.

use crate::range::Range;

/// `start`, `start + step`, ..., `len` indices in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Progression {
    pub(crate) start: u32,
    pub(crate) step: u32,
    pub(crate) len: u32,
}

impl Progression {
    /// The canonical form (INV-2); the caller has checked INV-1.
    pub(crate) const fn new(start: u32, step: u32, len: u32) -> Self {
        Self {
            start,
            step: if len == 1 { 1 } else { step },
            len,
        }
    }

    /// Every index of a dim of `size`.
    pub(crate) const fn full(size: u32) -> Self {
        Self::new(0, 1, size)
    }

    /// One index.
    pub(crate) const fn one(index: u32) -> Self {
        Self::new(index, 1, 1)
    }

    /// The index at `position`, which is below `len`.
    pub(crate) const fn at(self, position: u32) -> u32 {
        self.start + position * self.step
    }

    /// The last index.
    pub(crate) const fn last(self) -> u32 {
        self.at(self.len - 1)
    }

    /// The same as a range that ends behind the last index.
    pub(crate) const fn range(self) -> Range {
        Range {
            start: self.start as usize,
            end: Some(self.last() as usize + 1),
            step: self.step as usize,
        }
    }

    /// Where `index` stands, if it is one of the indices.
    pub(crate) const fn position(self, index: u32) -> Option<u32> {
        if index < self.start || self.last() < index {
            return None;
        }
        let distance = index - self.start;
        if distance.is_multiple_of(self.step) {
            Some(distance / self.step)
        } else {
            None
        }
    }

    /// How many indices are below `index`.
    pub(crate) const fn count_below(self, index: u32) -> u32 {
        if index <= self.start {
            return 0;
        }
        if self.last() < index {
            return self.len;
        }
        (index - self.start).div_ceil(self.step)
    }

    /// The part of this progression at the positions of `inner`.
    pub(crate) const fn compose(self, inner: Self) -> Self {
        if inner.len == 1 {
            return Self::one(self.at(inner.start));
        }
        // Two positions exist, so `inner.step` is below `self.len` and the product is an index.
        Self::new(self.at(inner.start), self.step * inner.step, inner.len)
    }

    /// The positions of `part` in this progression: the inverse of `compose`.
    pub(crate) fn positions_of(self, part: Self) -> Option<Self> {
        let start = self.position(part.start)?;
        if part.len == 1 {
            return Some(Self::one(start));
        }
        self.position(part.last())?;
        part.step.is_multiple_of(self.step).then(|| {
            let step = part.step / self.step;
            Self::new(start, step, part.len)
        })
    }

    /// The common indices, found by the Chinese remainder theorem.
    pub(crate) fn intersection(self, other: Self) -> Option<Self> {
        let low = i128::from(self.start.max(other.start));
        let high = i128::from(self.last().min(other.last()));
        let (step, other_step) = (i128::from(self.step), i128::from(other.step));
        let (gcd, inverse) = gcd_and_inverse(step, other_step);
        let distance = i128::from(other.start) - i128::from(self.start);
        if distance % gcd != 0 {
            return None;
        }
        let period = step / gcd * other_step;
        let turns = (distance / gcd * inverse).rem_euclid(other_step / gcd);
        let residue = i128::from(self.start) + step * turns;
        let start = low + (residue - low).rem_euclid(period);
        if high < start {
            return None;
        }
        let len = (high - start) / period + 1;
        // With two indices the period is below a u32; with one it is not used (INV-2).
        let period = if len == 1 { 1 } else { period };
        Some(Self::new(start as u32, period as u32, len as u32))
    }

    /// The indices that are not in `part`, which is contained in this progression, as disjoint
    /// progressions: at most one more than the ratio of the steps.
    pub(crate) fn without(self, part: Self) -> Vec<Self> {
        let Some(positions) = self.positions_of(part) else {
            return vec![self];
        };
        let mut rest = Vec::new();
        let mut keep = |start: u32, step: u32, len: u32| {
            if 0 < len {
                rest.push(self.compose(Self::new(start, step, len)));
            }
        };
        keep(0, 1, positions.start);
        let gaps = positions.len - 1;
        let residues = positions.step - 1;
        if gaps < residues {
            // Few and wide gaps: one progression for each of them.
            for gap in 0..gaps {
                keep(positions.at(gap) + 1, 1, residues);
            }
        } else {
            for residue in 1..=residues {
                keep(positions.start + residue, positions.step, gaps);
            }
        }
        let after = positions.last() + 1;
        keep(after, 1, self.len - after);
        rest
    }
}

/// The greatest common divisor of two positive numbers, and the inverse of `a / gcd` modulo
/// `b / gcd`.
fn gcd_and_inverse(a: i128, b: i128) -> (i128, i128) {
    let (mut old_rest, mut rest) = (a, b);
    let (mut old_factor, mut factor) = (1, 0);
    while rest != 0 {
        let quotient = old_rest / rest;
        (old_rest, rest) = (rest, old_rest - quotient * rest);
        (old_factor, factor) = (factor, old_factor - quotient * factor);
    }
    (old_rest, old_factor)
}

#[cfg(test)]
mod tests {
    use super::Progression;

    fn all() -> Vec<Progression> {
        let mut all = Vec::new();
        for start in 0..5 {
            for step in 1..6 {
                all.extend((1..5).map(|len| Progression::new(start, step, len)));
            }
        }
        all
    }

    fn indices(progression: Progression) -> Vec<u32> {
        (0..progression.len)
            .map(|position| progression.at(position))
            .collect()
    }

    #[test]
    fn intersection_and_rest_equal_the_enumerated_ones() {
        for a in all() {
            for b in all() {
                let both: Vec<u32> = indices(a)
                    .into_iter()
                    .filter(|i| indices(b).contains(i))
                    .collect();
                let part = a.intersection(b);
                assert_eq!(
                    part.map(indices).unwrap_or_default(),
                    both,
                    "{a:?} and {b:?}"
                );
                let Some(part) = part else { continue };
                let rest = a.without(part);
                assert!(rest.len() <= 1 + (part.step / a.step) as usize || part.len == 1);
                let mut together: Vec<u32> = rest.into_iter().flat_map(indices).collect();
                together.extend(both);
                together.sort_unstable();
                assert_eq!(together, indices(a), "{a:?} without {part:?}");
            }
        }
    }

    #[test]
    fn inv2_one_index_has_step_one_and_positions_invert_composition() {
        assert_eq!(Progression::new(3, 5, 1), Progression::one(3));
        for a in all() {
            for b in all().into_iter().filter(|b| b.last() < a.len) {
                assert_eq!(a.positions_of(a.compose(b)), Some(b), "{a:?} at {b:?}");
            }
            for index in 0..30 {
                let below = indices(a).into_iter().filter(|i| *i < index).count();
                assert_eq!(a.count_below(index) as usize, below, "{a:?} below {index}");
            }
        }
    }
}
