//! How far the slowest of a number of members has come.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use hypermesh_wire::{Message, Named, TypeKey};
use serde::{Deserialize, Serialize};

use super::TotalOrd;
use crate::{ReduceError, Reducer};

/// Tells how far the slowest member has come. Each of the members `0..n` sends its number and its mark, as often
/// as it likes; a mark below one that it sent before changes nothing.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub struct LowWatermark<T> {
    n: u64,
    #[serde(skip)]
    mark: PhantomData<fn() -> T>,
}

impl<T> LowWatermark<T> {
    /// Returns the reducer over the marks of `n` members.
    pub const fn new(n: u64) -> Self {
        Self {
            n,
            mark: PhantomData,
        }
    }
}

/// The highest mark of each member so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watermarks<T> {
    n: u64,
    /// By member, in ascending order.
    marks: Vec<(u64, T)>,
}

impl<T: TotalOrd> Watermarks<T> {
    /// Returns the lowest mark, or `None` until every member has sent one. It never goes back.
    pub fn low(&self) -> Option<&T> {
        if (self.marks.len() as u64) < self.n {
            return None;
        }
        let marks = self.marks.iter().map(|(_, mark)| mark);
        marks.min_by(|ours, theirs| ours.total_cmp(theirs))
    }

    /// Returns how many members have sent a mark.
    pub fn n_reported(&self) -> u64 {
        self.marks.len() as u64
    }

    fn raise(&mut self, member: u64, mark: T) {
        match self
            .marks
            .binary_search_by_key(&member, |(member, _)| *member)
        {
            Ok(idx) if mark.total_cmp(&self.marks[idx].1).is_gt() => self.marks[idx].1 = mark,
            Ok(_) => {}
            Err(idx) => self.marks.insert(idx, (member, mark)),
        }
    }
}

impl<T: Message + TotalOrd> Reducer for LowWatermark<T> {
    type Input = (u64, T);
    type Output = Watermarks<T>;

    fn unit(&self) -> Watermarks<T> {
        let (n, marks) = (self.n, Vec::new());
        Watermarks { n, marks }
    }

    fn fold(&self, acc: &mut Watermarks<T>, (member, mark): (u64, T)) -> Result<(), ReduceError> {
        if self.n <= member {
            let text = format!(
                "member {member} is not one of the {} that send marks",
                self.n
            );
            return Err(ReduceError::Refused(text.into()));
        }
        acc.raise(member, mark);
        Ok(())
    }

    fn merge(&self, acc: &mut Watermarks<T>, other: Watermarks<T>) -> Result<(), ReduceError> {
        if let Some((member, _)) = other.marks.iter().find(|(member, _)| self.n <= *member) {
            let text = format!(
                "member {member} is not one of the {} that send marks",
                self.n
            );
            return Err(ReduceError::Refused(text.into()));
        }
        for (member, mark) in other.marks {
            acc.raise(member, mark);
        }
        Ok(())
    }
}

impl<T> Clone for LowWatermark<T> {
    fn clone(&self) -> Self {
        Self::new(self.n)
    }
}

impl<T> fmt::Debug for LowWatermark<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LowWatermark({})", self.n)
    }
}

impl<T: Named> Named for LowWatermark<T> {
    const KEY: TypeKey = TypeKey::of("hypermesh::LowWatermark").with(T::KEY);

    fn name() -> Cow<'static, str> {
        format!("hypermesh::LowWatermark<{}>", T::name()).into()
    }
}

impl<T: Named> Named for Watermarks<T> {
    const KEY: TypeKey = TypeKey::of("hypermesh::Watermarks").with(T::KEY);

    fn name() -> Cow<'static, str> {
        format!("hypermesh::Watermarks<{}>", T::name()).into()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::reducers::tests::{a_tree, in_a_tree};

    proptest! {
        #[test]
        fn it_is_none_until_all_reported_and_never_goes_back(
            updates in prop::collection::vec((0_u64..4, -50_i64..50), 0..40), (shape, shuffle) in a_tree(),
        ) {
            let (reducer, mut highest) = (LowWatermark::<i64>::new(4), [None::<i64>; 4]);
            let (mut running, mut last) = (reducer.unit(), None);
            for (member, mark) in &updates {
                let slot = &mut highest[*member as usize];
                *slot = Some(slot.map_or(*mark, |old| old.max(*mark)));
                reducer.fold(&mut running, (*member, *mark)).unwrap();
                let low = running.low().copied();
                prop_assert_eq!(low, highest.iter().copied().collect::<Option<Vec<_>>>()
                    .and_then(|marks| marks.into_iter().min()));
                prop_assert!(last <= low);
                last = low;
            }
            prop_assert_eq!(in_a_tree(&reducer, &updates, &shape, shuffle), Ok(running));
        }
    }

    #[test]
    fn a_member_that_is_none_is_refused() {
        let reducer = LowWatermark::<u32>::new(2);
        let mut marks = reducer.unit();
        reducer.fold(&mut marks, (1, 9)).unwrap();
        assert!(reducer.fold(&mut marks, (2, 1)).is_err());
        let mut foreign = LowWatermark::<u32>::new(9).unit();
        foreign.raise(7, 1);
        assert!(reducer.merge(&mut marks, foreign).is_err());
        assert_eq!((marks.n_reported(), marks.low()), (1, None));
        assert_eq!(LowWatermark::<u32>::new(0).unit().low(), None);
    }
}
