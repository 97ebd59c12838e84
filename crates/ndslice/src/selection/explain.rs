//! Pictures of what a selection selects, for people.
//!
//! The innermost dim goes from left to right, the next one from top to bottom, and each combination
//! of the others has a panel of its own. What does not fit is counted instead of drawn, so that a
//! picture has less than [`MAX_PANELS`] × [`MAX_ROWS`] lines, whatever the size of the mesh.
//!
//! # Invariants
//!
//! - **INV-1**: the marks that are drawn and the counts of what is not add up to the count at the
//!   top.

use std::fmt::{self, Write};

use super::{Selection, SelectionError};
use crate::range::Range;
use crate::rank::Rank;
use crate::rank_set::RankSet;
use crate::region::Region;
use crate::text::Quoted;

/// The most indices of the innermost dim that are drawn.
const MAX_COLUMNS: usize = 32;

/// The most indices of the next dim that are drawn.
const MAX_ROWS: usize = 16;

/// The most panels that are drawn.
const MAX_PANELS: usize = 4;

/// The most bytes of the selection and of the mesh that the picture repeats.
const MAX_TITLE: usize = 120;

impl Selection {
    /// Returns a picture of the ranks of `region` that the selection selects: `#` is a rank that it
    /// does, `.` one that it does not.
    ///
    /// At most 4 panels of 16 rows of 32 ranks are drawn; what lies beyond is counted. The picture
    /// ends with a line break. It is for people: its form may change.
    ///
    /// # Examples
    ///
    /// ```
    /// use hypermesh_ndslice::{sel, shape};
    ///
    /// let picture = sel!(*, 1:3, ::2).explain(&shape!(zone = 2, host = 3, gpu = 6))?;
    /// assert_eq!(picture, "\
    /// *,1:3,::2 selects 12 of 36 ranks of zone=2,host=3,gpu=6
    ///
    /// zone 0   gpu 0 1 2 3 4 5
    ///   host 0     . . . . . .
    ///   host 1     # . # . # .
    ///   host 2     # . # . # .
    ///
    /// zone 1   gpu 0 1 2 3 4 5
    ///   host 0     . . . . . .
    ///   host 1     # . # . # .
    ///   host 2     # . # . # .
    /// ");
    /// # Ok::<(), hypermesh_ndslice::SelectionError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Selection::ranks`].
    pub fn explain(&self, region: &Region) -> Result<String, SelectionError> {
        self.picture(region, None)
    }

    /// Returns the picture of [`Selection::explain`] with every `?` picked by `seed`.
    ///
    /// # Errors
    ///
    /// As [`Selection::ranks_seeded`].
    pub fn explain_seeded(&self, region: &Region, seed: u64) -> Result<String, SelectionError> {
        self.picture(region, Some(seed))
    }

    fn picture(&self, region: &Region, seed: Option<u64>) -> Result<String, SelectionError> {
        let selected = match self.boxes(region, seed) {
            Ok(boxes) => Selected::Boxes(boxes),
            Err(SelectionError::TooManyRegions { .. }) => {
                Selected::Set(self.ranks_by(region, seed)?)
            }
            Err(error) => return Err(error),
        };
        let mut picture = Picture {
            region,
            selected,
            text: String::new(),
        };
        let (n_selected, count) = (picture.selected.count_in(region)?, region.count());
        let (selection, mesh) = (shortened(self), shortened(&region.extent()));
        let mesh = if mesh.is_empty() {
            mesh
        } else {
            format!(" of {mesh}")
        };
        picture.line(format_args!(
            "{selection} selects {n_selected} of {count} ranks{mesh}"
        ));
        picture.panels(n_selected)?;
        Ok(picture.text)
    }
}

/// What is selected: disjoint regions, or a set where these are too many.
enum Selected {
    Boxes(Vec<Region>),
    Set(RankSet),
}

impl Selected {
    fn contains(&self, rank: Rank) -> bool {
        match self {
            Self::Boxes(boxes) => boxes.iter().any(|region| region.contains(rank)),
            Self::Set(set) => set.contains(rank.0),
        }
    }

    /// The number of ranks of `part` that are selected.
    fn count_in(&self, part: &Region) -> Result<usize, SelectionError> {
        match self {
            Self::Boxes(boxes) => boxes.iter().try_fold(0, |count, region| {
                let both = region.intersection(part)?;
                Ok(count + both.map_or(0, |both| both.count()))
            }),
            Self::Set(set) => Ok(set.intersection(&RankSet::from(part)).count()),
        }
    }
}

/// A picture of a region that is being drawn.
struct Picture<'a> {
    region: &'a Region,
    selected: Selected,
    text: String,
}

impl Picture<'_> {
    fn line(&mut self, line: impl fmt::Display) {
        // A string takes any text.
        _ = writeln!(self.text, "{line}");
    }

    /// Draws the first panels, and counts in the others.
    fn panels(&mut self, n_selected: usize) -> Result<(), SelectionError> {
        let n_outer = self.region.ndim().saturating_sub(2);
        let sizes: Vec<usize> = self.region.sizes().take(n_outer).collect();
        let n_panels: usize = sizes.iter().product();
        let mut drawn = 0;
        let mut n_drawn = 0;
        for panel in 0..n_panels.min(MAX_PANELS) {
            let mut part = self.region.clone();
            let mut name = String::new();
            let mut rest = panel;
            for (dim, size) in sizes.iter().enumerate().rev() {
                part = part.range_at(dim, Range::from(rest % size))?;
                let comma = if dim + 1 < n_outer { ", " } else { "" };
                name = format!("{} {}{comma}{name}", self.label(dim), rest % size);
                rest /= size;
            }
            self.line("");
            self.panel(&part, &name)?;
            drawn += part.count();
            n_drawn += self.selected.count_in(&part)?;
        }
        if MAX_PANELS < n_panels {
            let (hit, count) = (n_selected - n_drawn, self.region.count() - drawn);
            let n_more = n_panels - MAX_PANELS;
            self.line(format_args!(
                "\n{n_more} more panels: {hit} of {count} ranks"
            ));
        }
        Ok(())
    }

    /// Draws the innermost two dims of `part`, of whose other dims one index is left.
    fn panel(&mut self, part: &Region, name: &str) -> Result<(), SelectionError> {
        let ndim = self.region.ndim();
        let Some(column_dim) = ndim.checked_sub(1) else {
            return self.row(part, "");
        };
        let n_columns = self.size(column_dim);
        let row_dim = column_dim.checked_sub(1);
        let n_rows = row_dim.map_or(1, |dim| self.size(dim));
        let row_name = |row: usize| match row_dim {
            Some(dim) => format!("  {} {row}", self.label(dim)),
            None => String::new(),
        };
        let names: Vec<String> = (0..n_rows.min(MAX_ROWS)).map(row_name).collect();
        let width = names
            .iter()
            .map(String::as_str)
            .chain([name])
            .map(|name| name.chars().count())
            .max()
            .unwrap_or(0);
        let gap = if width == 0 { 0 } else { width + 1 };

        let label = self.label(column_dim);
        let mut head = format!("{name:<gap$}{label}");
        let mark_width = mark_width(n_columns);
        for column in 0..n_columns.min(MAX_COLUMNS) {
            _ = write!(head, " {column:>mark_width$}");
        }
        if MAX_COLUMNS < n_columns {
            _ = write!(head, " .. {}", n_columns - 1);
        }
        self.line(head);
        let gap = gap + label.chars().count();
        for (row, name) in names.iter().enumerate() {
            let part = match row_dim {
                Some(dim) => part.range_at(dim, Range::from(row))?,
                None => part.clone(),
            };
            self.row(&part, &format!("{name:<gap$}"))?;
        }
        if let Some(dim) = row_dim
            && MAX_ROWS < n_rows
        {
            let rest = part.range_at(dim, Range::from(MAX_ROWS..))?;
            let (hit, count) = (self.selected.count_in(&rest)?, rest.count());
            let (label, last) = (self.label(dim), n_rows - 1);
            self.line(format_args!(
                "  {label} {MAX_ROWS} to {last}: {hit} of {count} ranks"
            ));
        }
        Ok(())
    }

    /// Draws `part`, of which at most the innermost dim has more than one index.
    fn row(&mut self, part: &Region, name: &str) -> Result<(), SelectionError> {
        let n_columns = part.count();
        let mark_width = mark_width(n_columns);
        let mut row = name.to_string();
        for rank in part.ranks().take(MAX_COLUMNS) {
            let mark = if self.selected.contains(rank) {
                '#'
            } else {
                '.'
            };
            _ = write!(row, " {mark:>mark_width$}");
        }
        if MAX_COLUMNS < n_columns {
            let rest = part.range_at(part.ndim() - 1, Range::from(MAX_COLUMNS..))?;
            let (hit, count) = (self.selected.count_in(&rest)?, rest.count());
            _ = write!(row, " and {hit} of {count} more");
        }
        self.line(row);
        Ok(())
    }

    fn size(&self, dim: usize) -> usize {
        self.region.sizes().nth(dim).unwrap_or(1)
    }

    /// The label of a dim, as texts show it.
    fn label(&self, dim: usize) -> String {
        let label = self.region.labels().nth(dim);
        Quoted(label.unwrap_or_default()).to_string()
    }
}

/// How wide a mark is: as wide as the index of the last column that is drawn.
fn mark_width(n_columns: usize) -> usize {
    (n_columns.min(MAX_COLUMNS) - 1).to_string().len()
}

/// The text of `value`, or its begin if that is long.
fn shortened(value: &impl fmt::Display) -> String {
    let text = value.to_string();
    match text.char_indices().nth(MAX_TITLE) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}
