//! Sets of ranks and maps by rank: small, and searched in a time that hardly depends on their size.

use std::hint::black_box;

use hypermesh::ndslice::{Ordinal, Overlay, Range, RankMap, RankSet};
use hypermesh_benches::{Outcome, Report, Unit};

use crate::memory::bytes_of;
use crate::{beside, exactly, mesh};

/// The least runs of the map.
const N_RUNS: usize = 10_000;

/// How much longer a search in 1 000 times as many runs may take: the logarithm is three times as
/// large, and the caches are missed.
const LOGARITHMIC: f64 = 6.0;

/// Measures memory, searches, slices and updates.
pub(crate) async fn measure(report: &mut Report) -> Outcome<()> {
    let map = || {
        let region = mesh(20)?;
        let share = region.count() / N_RUNS;
        let map = RankMap::from_fn(region, |Ordinal(ordinal)| (ordinal / share) as u32);
        Outcome::Ok(map.compressed())
    };
    assert!(N_RUNS <= map()?.runs().count());
    let bytes = || Ok(bytes_of(map));
    let name = "map of 2^20 ranks in 10^4 runs";
    exactly(report, name, Unit::Bytes, 200_000.0, bytes).await?;
    let alternate = || Ok(bytes_of(|| (0..1_000_000).step_by(2).collect::<RankSet>()));
    let name = "set of every second of 10^6 ranks";
    exactly(report, name, Unit::Bytes, 160.0 * 1024.0, alternate).await?;
    let (small, large) = (Searched::of(1_000), Searched::of(1_000_000));
    let (ours, baseline) = ((1, || large.contains()), (1, || small.contains()));
    let name = "contains 10^6 : 10^3 runs";
    beside(report, name, LOGARITHMIC, ours, baseline).await?;
    let (ours, baseline) = ((1, || large.select()), (1, || small.select()));
    let name = "select 10^6 : 10^3 runs";
    beside(report, name, LOGARITHMIC, ours, baseline).await?;
    slices(report).await?;
    updates(report).await
}

/// A set of runs that are too far apart for a bitmap.
struct Searched {
    set: RankSet,
    n_runs: usize,
}

/// The distance of two runs.
const APART: usize = 1_000;

impl Searched {
    fn of(n_runs: usize) -> Self {
        let set = RankSet::from_ranges((0..n_runs).map(|run| run * APART..run * APART + 2));
        Self { set, n_runs }
    }

    /// One search in the middle of each of some runs that are far apart.
    fn contains(&self) -> usize {
        let ranks = (0..100).map(|i| i * 7_919 % self.n_runs * APART + i % 3);
        ranks.filter(|rank| self.set.contains(*rank)).count()
    }

    fn select(&self) -> Option<usize> {
        let positions = (0..100).map(|i| i * 7_919 % self.n_runs);
        positions
            .filter_map(|position| self.set.select(position))
            .max()
    }
}

async fn slices(report: &mut Report) -> Outcome<()> {
    let map = |bits| Outcome::Ok(RankMap::uniform(mesh(bits)?, 7_u8));
    let (small, large) = (map(10)?, map(20)?);
    let odd = |map: &RankMap<u8>| {
        let region = map.region().ok_or("the map has no region")?;
        let slice = region.range("gpu", Range::from(1..).step_by(2))?;
        Outcome::Ok(map.sliced(&slice)?)
    };
    let ours = (1, || odd(black_box(&large)));
    let baseline = (1, || odd(black_box(&small)));
    beside(
        report,
        "slice a uniform map 2^20 : 2^10",
        2.0,
        ours,
        baseline,
    )
    .await
}

/// Single ranks, far from the one before, with the value of half of the others.
async fn updates(report: &mut Report) -> Outcome<()> {
    let overlay = |count: usize| {
        let mut overlay = Overlay::empty();
        for i in 0..count {
            let rank = i * 7_919 % count;
            overlay.set(rank..rank + 1, rank % 2);
        }
        overlay
    };
    let ours = (1_000_000, || overlay(1_000_000));
    let baseline = (1_000, || overlay(1_000));
    beside(
        report,
        "update 10^6 : 10^3 single ranks",
        LOGARITHMIC,
        ours,
        baseline,
    )
    .await
}
