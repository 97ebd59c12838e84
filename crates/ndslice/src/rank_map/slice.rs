//! Slicing and changing a map, run by run.

use std::ops::Range;

use super::{Form, Overlay, RankMap, RankMapError, check_range, run_idx};
use crate::rank::{Ordinal, Rank};
use crate::region::Region;
use crate::shape_error::ShapeError;

impl<T: Clone> RankMap<T> {
    /// Returns the values of `region`, a part of the map's region.
    ///
    /// Unless the part has its dims in another order, it takes time by the runs that it touches.
    ///
    /// # Errors
    ///
    /// [`ShapeError::BaseMismatch`] and [`ShapeError::NotSubset`].
    pub fn sliced(&self, region: &Region) -> Result<Self, ShapeError> {
        let own = self.region.as_ref().ok_or(ShapeError::NotSubset)?;
        let relative = region.relative_to(own)?;
        let form = match &self.form {
            Form::Dense(values) => Form::Dense(
                relative
                    .ranks()
                    .map(|Rank(ordinal)| values[ordinal].clone())
                    .collect(),
            ),
            Form::Runs(runs) if relative.is_ascending() => {
                Form::fitted(cut_ascending(runs, &relative), relative.count())
            }
            Form::Runs(runs) => Form::fitted(cut(runs, &relative), relative.count()),
        };
        Ok(Self {
            region: Some(region.clone()),
            form,
        })
    }

    /// Gives every ordinal in `range` this value.
    ///
    /// # Errors
    ///
    /// [`RankMapError::EmptyRange`] and [`RankMapError::OutOfRange`].
    pub fn set_range(&mut self, range: Range<usize>, value: T) -> Result<(), RankMapError>
    where
        T: PartialEq,
    {
        let count = self.count();
        check_range(&range, count)?;
        let runs = match &mut self.form {
            Form::Dense(values) => {
                values[range].fill(value);
                return Ok(());
            }
            Form::Runs(runs) => runs,
        };
        // The runs that the range touches, and one more on each side, which may be equal to it.
        let (first, last) = (run_idx(runs, range.start), run_idx(runs, range.end - 1));
        let around = first.saturating_sub(1)..runs.len().min(last + 2);
        let mut changed = Vec::with_capacity(5);
        for (end, value) in &runs[around.start..first] {
            push_run(&mut changed, *end as usize, value);
        }
        if run_start(runs, first) < range.start {
            push_run(&mut changed, range.start, &runs[first].1);
        }
        push_run(&mut changed, range.end, &value);
        for (end, value) in &runs[last..around.end] {
            push_run(&mut changed, *end as usize, value);
        }
        runs.splice(around, changed);
        if !Form::<T>::runs_are_smaller(runs.len(), count) {
            self.form = Form::fitted(std::mem::take(runs), count);
        }
        Ok(())
    }

    /// Gives every ordinal that `overlay` has a value for this value.
    ///
    /// # Errors
    ///
    /// [`RankMapError::OutOfRange`]; then nothing has changed.
    pub fn merge(&mut self, overlay: &Overlay<T>) -> Result<(), RankMapError>
    where
        T: PartialEq,
    {
        let count = self.count();
        if let Some((range, _)) = overlay.runs().next_back() {
            check_range(&range, count)?;
        }
        if let Form::Dense(values) = &mut self.form {
            for (range, value) in overlay.runs() {
                values[range].fill(value.clone());
            }
            return Ok(());
        }
        // One pass over both: what lies below the next change comes from the map.
        let mut merged = Vec::new();
        let mut chunks = self.runs().peekable();
        for (range, value) in overlay.runs() {
            while let Some((old, old_value)) = chunks.next_if(|(old, _)| old.end <= range.start) {
                push_run(&mut merged, old.end, old_value);
            }
            if let Some((old, old_value)) = chunks.peek()
                && old.start < range.start
            {
                push_run(&mut merged, range.start, old_value);
            }
            push_run(&mut merged, range.end, value);
            while chunks.next_if(|(old, _)| old.end <= range.end).is_some() {}
        }
        for (old, old_value) in chunks {
            push_run(&mut merged, old.end, old_value);
        }
        self.form = Form::fitted(merged, count);
        Ok(())
    }
}

fn run_start<T>(runs: &[(u32, T)], idx: usize) -> usize {
    idx.checked_sub(1)
        .map_or(0, |before| runs[before].0 as usize)
}

/// Adds a run from the end of the last one up to `end`, if that is not behind.
fn push_run<T: Clone + PartialEq>(runs: &mut Vec<(u32, T)>, end: usize, value: &T) {
    let end = end as u32;
    match runs.last_mut() {
        Some(last) if end <= last.0 => {}
        Some(last) if last.1 == *value => last.0 = end,
        _ => runs.push((end, value.clone())),
    }
}

/// The runs at the ranks of `relative`, which ascend: one step for each run that has some.
fn cut_ascending<T: Clone>(runs: &[(u32, T)], relative: &Region) -> Vec<(u32, T)> {
    let mut cut = Vec::new();
    let mut n_done = 0;
    while let Ok(Rank(ordinal)) = relative.rank_at(Ordinal(n_done)) {
        let (end, value) = &runs[run_idx(runs, ordinal)];
        n_done = relative.count_below(Rank(*end as usize));
        cut.push((n_done as u32, value.clone()));
    }
    cut
}

/// The runs at the ranks of `relative`, in their order.
fn cut<T: Clone>(runs: &[(u32, T)], relative: &Region) -> Vec<(u32, T)> {
    let mut cut: Vec<(u32, T)> = Vec::new();
    let mut last_idx = None;
    for (n_done, Rank(ordinal)) in (1..).zip(relative.ranks()) {
        let idx = run_idx(runs, ordinal);
        match cut.last_mut().filter(|_| last_idx == Some(idx)) {
            Some(run) => run.0 = n_done,
            None => cut.push((n_done, runs[idx].1.clone())),
        }
        last_idx = Some(idx);
    }
    cut
}
