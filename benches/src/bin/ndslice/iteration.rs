//! Iterating all ranks, beside bare nested loops that sum the same ranks.

use std::hint::black_box;

use hypermesh::ndslice::{Range, Rank, Region};
use hypermesh_benches::Report;

use crate::{beside, mesh};
use hypermesh_benches::Outcome;

/// How much slower than the bare loops it may be.
const LIMIT: f64 = 3.0;

/// Measures a whole mesh of 2^20 ranks and a slice of one with as many.
pub(crate) async fn measure(report: &mut Report) -> Outcome<()> {
    let whole = mesh(20)?;
    compare(report, "iterate 2^20 ranks", &whole, [1; 4]).await?;
    let steps = [1, 1, 2, 2];
    let mut slice = mesh(22)?;
    for (label, step) in ["pod", "rack", "host", "gpu"].into_iter().zip(steps) {
        slice = slice.range(label, Range::from(..).step_by(step))?;
    }
    compare(report, "iterate 2^20 stepped ranks", &slice, steps).await
}

async fn compare(
    report: &mut Report,
    name: &'static str,
    region: &Region,
    steps: [usize; 4],
) -> Outcome<()> {
    let base: Vec<usize> = region.base().sizes().collect();
    assert_eq!(
        sum(region),
        bare_sum(&base, steps),
        "the loops sum the same ranks"
    );
    let ours = (1, || sum(black_box(region)));
    let baseline = (1, || bare_sum(black_box(&base), black_box(steps)));
    beside(report, name, LIMIT, ours, baseline).await
}

fn sum(region: &Region) -> usize {
    let mut sum = 0;
    for Rank(rank) in region.ranks() {
        sum += rank;
    }
    sum
}

fn bare_sum(sizes: &[usize], steps: [usize; 4]) -> usize {
    let [pods, racks, hosts, gpus] = [sizes[0], sizes[1], sizes[2], sizes[3]];
    let mut sum = 0;
    for pod in (0..pods).step_by(steps[0]) {
        for rack in (0..racks).step_by(steps[1]) {
            for host in (0..hosts).step_by(steps[2]) {
                for gpu in (0..gpus).step_by(steps[3]) {
                    sum += ((pod * racks + rack) * hosts + host) * gpus + gpu;
                }
            }
        }
    }
    sum
}
