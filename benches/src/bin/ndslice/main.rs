//! The figures of shapes of ranks: time and memory of regions, sets, maps, selections and trees.

mod algebra;
mod by_rank;
mod iteration;
mod memory;
mod parsing;
mod planning;
mod selecting;
mod set_operations;

use std::hint::black_box;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use hypermesh::ndslice::{Extent, Region};
use hypermesh_benches::{Figure, Limit, Options, Outcome, Report, Unit};

/// The least time of one sample, in nanoseconds.
const MIN_SAMPLE: u64 = 2_000_000;

fn main() -> Outcome<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(async {
        let mut report = Report::new(Options::parse());
        algebra::measure(&mut report).await?;
        iteration::measure(&mut report).await?;
        by_rank::measure(&mut report).await?;
        set_operations::measure(&mut report).await?;
        parsing::measure(&mut report).await?;
        selecting::measure(&mut report).await?;
        planning::measure(&mut report).await?;
        Ok(report.finish()?)
    })
}

/// Returns the nanoseconds that one `run` takes, as the mean of many.
pub(crate) fn time_of<T>(mut run: impl FnMut() -> T) -> f64 {
    let mut n_runs: u64 = 1;
    loop {
        let start = Instant::now();
        for _ in 0..n_runs {
            black_box(run());
        }
        let elapsed = start.elapsed().as_nanos() as u64;
        if MIN_SAMPLE <= elapsed {
            return elapsed as f64 / n_runs as f64;
        }
        n_runs *= 2;
    }
}

/// Adds the nanoseconds of `ours`, which may be at most `limit`.
pub(crate) async fn within<T>(
    report: &mut Report,
    name: &'static str,
    limit: f64,
    mut ours: impl FnMut() -> T,
) -> Outcome<()> {
    let figure = Figure::new(name, Unit::Nanoseconds, Limit::AtMost(limit));
    report
        .measure(figure, async || Outcome::Ok(time_of(&mut ours)))
        .await
}

/// Adds the nanoseconds of `ours` beside those of `baseline`, of which they may be at most `limit`
/// times as many. Both are divided by the number of units that each of them has.
pub(crate) async fn beside<T, U>(
    report: &mut Report,
    name: &'static str,
    limit: f64,
    (ours_units, mut ours): (usize, impl FnMut() -> T),
    (baseline_units, mut baseline): (usize, impl FnMut() -> U),
) -> Outcome<()> {
    let figure = Figure::new(name, Unit::Nanoseconds, Limit::RatioAtMost(limit));
    report
        .compare(
            figure,
            async || Outcome::Ok(time_of(&mut ours) / ours_units as f64),
            async || Outcome::Ok(time_of(&mut baseline) / baseline_units as f64),
        )
        .await
}

/// Adds a value that is the same each time.
pub(crate) async fn exactly(
    report: &mut Report,
    name: &'static str,
    unit: Unit,
    limit: f64,
    mut ours: impl FnMut() -> Outcome<usize>,
) -> Outcome<()> {
    let figure = Figure::new(name, unit, Limit::AtMost(limit));
    report.measure(figure, async || Ok(ours()? as f64)).await
}

/// Returns the region of four dims with 2 to the power of `bits` ranks, at most 2^30.
pub(crate) fn mesh(bits: u32) -> Outcome<Region> {
    let size = |dim: u32| 1_usize << ((bits + dim) / 4);
    let dims = [("pod", 0), ("rack", 1), ("host", 2), ("gpu", 3)];
    let extent = Extent::new(dims.map(|(label, dim)| (label, size(dim))))?;
    assert_eq!(extent.count(), 1 << bits);
    Ok(Region::of(extent))
}
