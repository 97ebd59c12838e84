//! Changing a map, run by run.

use std::ops::Range;

use super::build::check_range;
use super::{Form, Overlay, RankMap, RankMapError, run_idx};

impl<T: Clone> RankMap<T> {
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
        // Growing by an eighth keeps single changes cheap and wastes less than doubling.
        if runs.capacity() < runs.len() + 2 {
            runs.reserve_exact((runs.len() / 8).max(4));
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
