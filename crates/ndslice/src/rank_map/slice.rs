//! Slicing a map: a walk over the runs that a part of its region touches.

use super::{Form, RankMap, run_idx};
use crate::extent::MAX_DIMS;
use crate::rank::Rank;
use crate::region::{Layout, Region};
use crate::shape_error::ShapeError;

impl<T: Clone> RankMap<T> {
    /// Returns the values of `region`, a part of the map's region.
    ///
    /// Of a map of runs, whatever the number of ranks, it takes O(dims) searches for each run of
    /// the slice; while the part has its dims in the order of the map, these are no more than the
    /// runs that it touches. Of a dense map it clones each value of the slice.
    ///
    /// # Errors
    ///
    /// [`ShapeError::BaseMismatch`], [`ShapeError::NotSubset`] and, of the empty map,
    /// [`ShapeError::NoRegion`].
    pub fn sliced(&self, region: &Region) -> Result<Self, ShapeError> {
        let own = self.region.as_ref().ok_or(ShapeError::NoRegion)?;
        let relative = region.relative_to(own)?;
        let form = match &self.form {
            Form::Dense(values) => Form::Dense(
                relative
                    .ranks()
                    .map(|Rank(ordinal)| values[ordinal].clone())
                    .collect(),
            ),
            Form::Runs(runs) => Form::fitted(Cut::of(runs, &relative), relative.count()),
        };
        Ok(Self {
            region: Some(region.clone()),
            form,
        })
    }
}

/// The stored runs at the members of a part, in the order of the part.
///
/// A block is what the part has inside some dims, at given indices of the dims around them. Its
/// ranks lie between its first and its last one, so if these are in one run, all of it is; if not,
/// the blocks inside of it are looked at, as many at once as lie in one run.
struct Cut<'a, T> {
    runs: &'a [(u32, T)],
    layout: Layout,
    /// By how much the last rank of a block exceeds its first one, by the outermost of its dims.
    spans: [usize; MAX_DIMS + 1],
    /// The number of ranks of a block, likewise.
    counts: [usize; MAX_DIMS + 1],
    /// What is cut out: the end and the value of each run.
    cut: Vec<(u32, T)>,
    /// The stored run of the last one.
    last_idx: Option<usize>,
}

impl<'a, T: Clone> Cut<'a, T> {
    fn of(runs: &'a [(u32, T)], relative: &Region) -> Vec<(u32, T)> {
        let layout = relative.layout();
        let mut cut = Self {
            runs,
            layout,
            spans: [0; MAX_DIMS + 1],
            counts: [1; MAX_DIMS + 1],
            cut: Vec::new(),
            last_idx: None,
        };
        for dim in (0..layout.ndim()).rev() {
            let (size, stride) = (layout.sizes()[dim], layout.strides()[dim]);
            cut.spans[dim] = cut.spans[dim + 1] + (size - 1) * stride;
            cut.counts[dim] = cut.counts[dim + 1] * size;
        }
        cut.walk(0, layout.offset());
        cut.cut
    }

    /// Cuts out the block of the dims from `dim` inwards that starts at the ordinal `first`.
    ///
    /// It calls itself once for each dim, at most eight deep.
    fn walk(&mut self, dim: usize, first: usize) {
        let last = first + self.spans[dim];
        let idx = run_idx(self.runs, first);
        if last < self.runs[idx].0 as usize {
            return self.push(idx, self.counts[dim]);
        }
        // The last rank is not the first, so there is a dim.
        let (size, stride) = (self.layout.sizes()[dim], self.layout.strides()[dim]);
        let (span, count) = (self.spans[dim + 1], self.counts[dim + 1]);
        let mut index = 0;
        while index < size {
            let first = first + index * stride;
            let idx = run_idx(self.runs, first);
            let end = self.runs[idx].0 as usize;
            let Some(beyond) = end.checked_sub(first + span + 1) else {
                self.walk(dim + 1, first);
                index += 1;
                continue;
            };
            let n_inside = (beyond / stride + 1).min(size - index);
            self.push(idx, n_inside * count);
            index += n_inside;
        }
    }

    /// Adds `count` ordinals of the stored run at `idx`.
    fn push(&mut self, idx: usize, count: usize) {
        let count = count as u32;
        let end = self.cut.last().map_or(0, |run| run.0) + count;
        match self.cut.last_mut() {
            Some(last) if self.last_idx == Some(idx) => last.0 = end,
            _ => self.cut.push((end, self.runs[idx].1.clone())),
        }
        self.last_idx = Some(idx);
    }
}
