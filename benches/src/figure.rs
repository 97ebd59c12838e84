//! One figure: medians of interleaved repetitions, its baseline and its limit.

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;

/// What a value is measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Nanoseconds for one operation.
    Nanoseconds,
    /// Operations in a second.
    PerSecond,
    /// Bytes in a second.
    BytesPerSecond,
    /// Bytes.
    Bytes,
    /// A count.
    Count,
}

impl Unit {
    fn show(self, value: f64) -> String {
        let scaled = |steps: &[(f64, &str)], fallback: &str| {
            let step = steps.iter().find(|(size, _)| *size <= value);
            match step {
                Some((size, name)) => format!("{:.2} {name}", value / size),
                None => format!("{value:.0} {fallback}"),
            }
        };
        match self {
            Self::Nanoseconds => scaled(&[(1e9, "s"), (1e6, "ms"), (1e3, "µs")], "ns"),
            Self::PerSecond => scaled(&[(1e9, "G/s"), (1e6, "M/s"), (1e3, "k/s")], "/s"),
            Self::BytesPerSecond => scaled(&[(1e9, "GB/s"), (1e6, "MB/s"), (1e3, "kB/s")], "B/s"),
            Self::Bytes => scaled(&[(1e9, "GB"), (1e6, "MB"), (1e3, "kB")], "B"),
            Self::Count if value.fract() == 0.0 => format!("{value:.0}"),
            Self::Count => format!("{value:.2}"),
        }
    }
}

/// The bar that a figure must pass.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// The ratio to the baseline is at least this.
    RatioAtLeast(f64),
    /// The ratio to the baseline is at most this.
    RatioAtMost(f64),
    /// The value itself is at most this.
    AtMost(f64),
    /// Every value passes: it is shown because it explains another.
    Any,
}

/// A measured value beside its baseline.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    /// What was measured.
    pub name: Cow<'static, str>,
    /// What the samples are measured in.
    pub unit: Unit,
    /// Ours, one sample for each repetition.
    pub samples: Vec<f64>,
    /// The baseline of the same repetition; empty if the figure has none.
    pub baseline: Vec<f64>,
    /// The bar.
    pub limit: Limit,
}

impl Figure {
    /// Returns a figure that has no samples yet.
    pub fn new(name: impl Into<Cow<'static, str>>, unit: Unit, limit: Limit) -> Self {
        Self {
            name: name.into(),
            unit,
            samples: Vec::new(),
            baseline: Vec::new(),
            limit,
        }
    }

    /// Returns the median of our samples.
    pub fn value(&self) -> f64 {
        median(&self.samples)
    }

    /// Returns the median of the baseline, if there is one.
    pub fn base(&self) -> Option<f64> {
        (!self.baseline.is_empty()).then(|| median(&self.baseline))
    }

    /// Returns the median of the ratios, taken repetition by repetition, if there is a baseline.
    pub fn ratio(&self) -> Option<f64> {
        let ratios = self.ratios();
        (!ratios.is_empty()).then(|| median(&ratios))
    }

    fn ratios(&self) -> Vec<f64> {
        let pairs = self.samples.iter().zip(&self.baseline);
        pairs.map(|(ours, base)| ours / base).collect()
    }

    /// Tells whether the limit holds.
    pub fn holds(&self) -> bool {
        match self.limit {
            Limit::RatioAtLeast(bar) => self.ratio().is_some_and(|ratio| bar <= ratio),
            Limit::RatioAtMost(bar) => self.ratio().is_some_and(|ratio| ratio <= bar),
            Limit::AtMost(bar) => self.value() <= bar,
            Limit::Any => true,
        }
    }
}

/// The columns of a table of figures, as [`Figure::columns`] fills them.
pub(crate) const COLUMNS: [&str; 8] = [
    "figure", "ours", "baseline", "ratio", "bar", "", "samples", "ratios",
];

impl Figure {
    /// Returns the texts of [`COLUMNS`], empty where a figure has nothing there.
    pub(crate) fn columns(&self) -> [String; COLUMNS.len()] {
        let unit = self.unit;
        let show_ratio = |ratio: f64| format!("{ratio:.2}");
        let limit = match self.limit {
            Limit::RatioAtLeast(bar) => format!(">= {bar} x"),
            Limit::RatioAtMost(bar) => format!("<= {bar} x"),
            Limit::AtMost(bar) => format!("<= {}", unit.show(bar)),
            Limit::Any => String::new(),
        };
        let verdict = match self.limit {
            Limit::Any => "",
            _ if self.holds() => "ok",
            _ => "MISS",
        };
        [
            self.name.to_string(),
            unit.show(self.value()),
            self.base().map(|base| unit.show(base)).unwrap_or_default(),
            self.ratio().map(show_ratio).unwrap_or_default(),
            limit,
            verdict.to_owned(),
            format!(
                "n={}{}",
                self.samples.len(),
                span(&self.samples, |sample| unit.show(sample))
            ),
            span(&self.ratios(), show_ratio).trim_start().to_owned(),
        ]
    }
}

/// Returns the least and the greatest of more than one sample as a text that begins with a space.
fn span(samples: &[f64], show: impl Fn(f64) -> String) -> String {
    if samples.len() < 2 {
        return String::new();
    }
    let least = samples.iter().copied().fold(f64::INFINITY, f64::min);
    let greatest = samples.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    format!(" {} .. {}", show(least), show(greatest))
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&line(&self.columns()))
    }
}

/// Returns the texts of [`COLUMNS`] beside each other, each as wide as most texts of that column.
pub(crate) fn line<T: fmt::Display>(columns: &[T; COLUMNS.len()]) -> String {
    let [name, value, base, ratio, limit, verdict, values, ratios] = columns;
    let line = format!(
        "{name:<36} {value:>11} {base:>11} {ratio:>7} {limit:>11}  {verdict:<4}  {values:<28}  {ratios}"
    );
    line.trim_end().to_owned()
}

/// Returns the median; the mean of the middle two for an even number of samples.
pub fn median(samples: &[f64]) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(samples: &[f64], baseline: &[f64], limit: Limit, holds: bool) {
        let (samples, baseline) = (samples.to_vec(), baseline.to_vec());
        let figure = Figure {
            name: "x".into(),
            unit: Unit::Count,
            samples,
            baseline,
            limit,
        };
        assert_eq!(figure.holds(), holds, "{figure}");
        assert_eq!(figure.to_string().contains("MISS"), !holds);
    }

    #[test]
    fn columns_show_the_medians_and_how_far_the_samples_are_apart() {
        let mut figure = Figure::new("round trip", Unit::Nanoseconds, Limit::RatioAtMost(1.5));
        figure.samples = vec![3e3, 1e3, 2e3];
        figure.baseline = vec![2e3, 1e3, 2e3];
        let columns = figure.columns();
        assert_eq!(
            columns.each_ref().map(String::as_str),
            [
                "round trip",
                "2.00 µs",
                "2.00 µs",
                "1.00",
                "<= 1.5 x",
                "ok",
                "n=3 1.00 µs .. 3.00 µs",
                "1.00 .. 1.50"
            ]
        );
        let mut alone = Figure::new("bytes", Unit::Bytes, Limit::Any);
        alone.samples.push(7.0);
        assert_eq!(alone.columns(), ["bytes", "7 B", "", "", "", "", "n=1", ""]);
    }

    #[test]
    fn the_ratio_is_taken_pair_by_pair_and_its_median_decides() {
        check(
            &[1.0, 20.0, 3.0],
            &[1.0, 10.0, 1.0],
            Limit::RatioAtMost(2.0),
            true,
        );
        check(
            &[1.0, 20.0, 3.0],
            &[1.0, 10.0, 1.0],
            Limit::RatioAtMost(1.9),
            false,
        );
        check(&[6.0], &[10.0], Limit::RatioAtLeast(0.6), true);
        check(&[5.0], &[10.0], Limit::RatioAtLeast(0.6), false);
        check(&[5.0, 7.0], &[], Limit::AtMost(6.0), true);
        check(&[5.0, 8.0], &[], Limit::AtMost(6.0), false);
        check(&[5.0], &[], Limit::RatioAtMost(6.0), false);
        check(&[], &[], Limit::AtMost(6.0), false);
        check(&[5.0], &[], Limit::Any, true);
    }
}
