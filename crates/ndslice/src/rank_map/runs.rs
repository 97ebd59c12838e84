//! The runs of a map, as they are stored and maximal ones, and its values one by one.

use std::iter::{FusedIterator, Peekable};
use std::ops::Range;

use super::Form;

/// An iterator over the stored runs of a map.
#[derive(Debug)]
pub(super) struct Chunks<'a, T> {
    form: &'a Form<T>,
    next: usize,
    start: usize,
}

impl<'a, T> Chunks<'a, T> {
    pub(super) fn new(form: &'a Form<T>) -> Self {
        Self {
            form,
            next: 0,
            start: 0,
        }
    }
}

impl<T> Clone for Chunks<'_, T> {
    fn clone(&self) -> Self {
        Self { ..*self }
    }
}

impl<'a, T> Iterator for Chunks<'a, T> {
    type Item = (Range<usize>, &'a T);

    fn next(&mut self) -> Option<Self::Item> {
        let (end, value) = match self.form {
            Form::Runs(runs) => runs
                .get(self.next)
                .map(|(end, value)| (*end as usize, value))?,
            Form::Dense(values) => (self.next + 1, values.get(self.next)?),
        };
        let range = self.start..end;
        self.next += 1;
        self.start = end;
        Some((range, value))
    }
}

/// An iterator over the maximal runs of a map with their values, made by [`RankMap::runs`](crate::RankMap::runs).
///
/// # Examples
///
/// ```
/// use hypermesh_ndslice::{CollectMesh, shape};
///
/// let states = ["up", "up", "down"].into_iter().collect_mesh(shape!(host = 3))?;
/// let mut runs = states.runs();
/// assert_eq!((runs.next(), runs.next()), (Some((0..2, &"up")), Some((2..3, &"down"))));
/// # Ok::<(), hypermesh_ndslice::RankMapError>(())
/// ```
#[derive(Debug)]
pub struct Runs<'a, T> {
    chunks: Peekable<Chunks<'a, T>>,
}

impl<'a, T> Runs<'a, T> {
    pub(super) fn new(chunks: Chunks<'a, T>) -> Self {
        Self {
            chunks: chunks.peekable(),
        }
    }
}

impl<T> Clone for Runs<'_, T> {
    fn clone(&self) -> Self {
        Self {
            chunks: self.chunks.clone(),
        }
    }
}

impl<'a, T: PartialEq> Iterator for Runs<'a, T> {
    type Item = (Range<usize>, &'a T);

    fn next(&mut self) -> Option<Self::Item> {
        let (mut range, value) = self.chunks.next()?;
        while let Some((more, _)) = self.chunks.next_if(|(_, next)| *next == value) {
            range.end = more.end;
        }
        Some((range, value))
    }
}

impl<T: PartialEq> FusedIterator for Runs<'_, T> {}

/// An iterator over the values of a map in the order of the ordinals, made by
/// [`RankMap::values`](crate::RankMap::values).
///
/// # Examples
///
/// ```
/// use hypermesh_ndslice::{RankMap, shape};
///
/// let states = RankMap::uniform(shape!(host = 3), "up");
/// assert_eq!(states.values().len(), 3);
/// assert_eq!(states.values().collect::<Vec<_>>(), [&"up", &"up", &"up"]);
/// ```
#[derive(Debug)]
pub struct Values<'a, T> {
    chunks: Chunks<'a, T>,
    /// The value of the run that is begun, which may have nothing left.
    value: Option<&'a T>,
    in_run: usize,
    left: usize,
}

impl<'a, T> Values<'a, T> {
    pub(super) fn new(chunks: Chunks<'a, T>, count: usize) -> Self {
        Self {
            chunks,
            value: None,
            in_run: 0,
            left: count,
        }
    }
}

impl<T> Clone for Values<'_, T> {
    fn clone(&self) -> Self {
        Self {
            chunks: self.chunks.clone(),
            ..*self
        }
    }
}

impl<'a, T> Iterator for Values<'a, T> {
    type Item = &'a T;

    fn next(&mut self) -> Option<&'a T> {
        self.nth(0)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }

    /// Takes one step for each stored run that is passed.
    fn nth(&mut self, n: usize) -> Option<&'a T> {
        let mut skipped = n.min(self.left);
        while self.in_run <= skipped {
            skipped -= self.in_run;
            self.left -= self.in_run;
            self.in_run = 0;
            let (range, value) = self.chunks.next()?;
            (self.value, self.in_run) = (Some(value), range.len());
        }
        self.in_run -= skipped + 1;
        self.left -= skipped + 1;
        self.value
    }
}

impl<T> ExactSizeIterator for Values<'_, T> {}
impl<T> FusedIterator for Values<'_, T> {}
