//! Collects one answer for each of n expected places. Holds no port, clock or task.
//!
//! # Invariants
//!
//! - **INV-1**: the first answer for a place stays; a later one is refused.
//! - **INV-2**: the gathering is complete exactly when every place has an answer.

/// The answers so far, in the order of their places.
#[derive(Debug)]
pub(crate) struct Gather<T> {
    slots: Vec<Option<T>>,
    open: usize,
}

impl<T> Gather<T> {
    /// Expects one answer for each of `places` places.
    pub(crate) fn new(places: usize) -> Self {
        let mut slots = Vec::with_capacity(places);
        slots.resize_with(places, || None);
        Gather {
            slots,
            open: places,
        }
    }

    /// Takes the answer for `place`; false if it was not expected or is a second one (INV-1).
    pub(crate) fn put(&mut self, place: usize, answer: T) -> bool {
        match self.slots.get_mut(place) {
            Some(slot @ None) => {
                *slot = Some(answer);
                self.open -= 1;
                true
            }
            _ => false,
        }
    }

    /// True once every place has an answer (INV-2).
    pub(crate) fn is_complete(&self) -> bool {
        self.open == 0
    }

    /// How many places have an answer.
    pub(crate) fn answered(&self) -> usize {
        self.slots.len() - self.open
    }

    /// How many answers are expected in all.
    pub(crate) fn places(&self) -> usize {
        self.slots.len()
    }

    /// Ends the gathering: `missing` answers for the places that have none.
    pub(crate) fn finish(self, mut missing: impl FnMut(usize) -> T) -> Vec<T> {
        let answer = |(place, slot): (usize, Option<T>)| slot.unwrap_or_else(|| missing(place));
        self.slots.into_iter().enumerate().map(answer).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Gather;

    /// Puts each `(place, answer)` and tells which were taken and what the end shows.
    #[track_caller]
    fn check(places: usize, puts: &[(usize, char)], taken: &[bool], end: &str) {
        let mut gather = Gather::new(places);
        let took: Vec<bool> = puts
            .iter()
            .map(|&(place, answer)| gather.put(place, answer))
            .collect();
        assert_eq!(took, taken);
        assert_eq!(gather.is_complete(), !end.contains('-'));
        assert_eq!(gather.answered(), end.chars().filter(|&c| c != '-').count());
        assert_eq!(gather.finish(|_| '-').into_iter().collect::<String>(), end);
    }

    #[test]
    fn inv1_the_first_answer_stays_and_strangers_are_refused() {
        check(
            2,
            &[(1, 'a'), (1, 'b'), (2, 'c')],
            &[true, false, false],
            "-a",
        );
    }

    #[test]
    fn inv2_it_is_complete_when_every_place_has_answered() {
        check(2, &[(1, 'a'), (0, 'b')], &[true, true], "ba");
        check(0, &[], &[], "");
    }
}
