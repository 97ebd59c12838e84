//! The operations on two sets of ranks, and searches in maps: linear and logarithmic in their runs.

use std::hint::black_box;

use hypermesh::ndslice::{Ordinal, RankMap, RankSet, shape};
use hypermesh_benches::Report;

use crate::beside;
use hypermesh_benches::Outcome;

/// How much longer a linear operation may take on ten times as many runs.
const LINEAR: f64 = 13.0;

/// How much longer a search in a hundred times as many runs may take: the logarithm is twice as large,
/// and the caches are missed.
const LOGARITHMIC: f64 = 4.0;

/// The distance of two runs: too large for a bitmap.
const APART: usize = 1_000;

/// Measures both.
pub(crate) async fn measure(report: &mut Report) -> Outcome<()> {
    let (few, many) = (sets(1_000), sets(10_000));
    type Operation = fn(&RankSet, &RankSet) -> RankSet;
    let operations: [(&str, Operation); 3] = [
        ("union 10^4 : 10^3 runs", RankSet::union),
        ("intersection 10^4 : 10^3 runs", RankSet::intersection),
        ("difference 10^4 : 10^3 runs", RankSet::difference),
    ];
    for (name, operation) in operations {
        let run = |(left, right): &(RankSet, RankSet)| operation(black_box(left), black_box(right));
        let ours = (1, || run(&many));
        let baseline = (1, || run(&few));
        beside(report, name, LINEAR, ours, baseline).await?;
    }
    let (few, many) = (map(100)?, map(10_000)?);
    let (ours, baseline) = ((1, || sum(&many)), (1, || sum(&few)));
    let name = "get from a map 10^4 : 10^2 runs";
    beside(report, name, LOGARITHMIC, ours, baseline).await
}

/// Two sets of so many runs each, of which every other one overlaps with one of the other set.
fn sets(n_runs: usize) -> (RankSet, RankSet) {
    let set = |shift: usize| {
        let start = |run: usize| run * APART + shift * (1 + run % 2);
        RankSet::from_ranges((0..n_runs).map(|run| start(run)..start(run) + 2))
    };
    (set(0), set(1))
}

/// A map of 2^20 ranks in so many runs.
fn map(n_runs: usize) -> Outcome<RankMap<usize>> {
    let shape = shape!(rank = 1 << 20);
    let share = shape.count().div_ceil(n_runs);
    let map = RankMap::from_fn(shape, |Ordinal(ordinal)| ordinal / share);
    let map = map.compressed();
    assert_eq!(
        map.runs().count(),
        shape!(rank = 1 << 20).count().div_ceil(share)
    );
    Ok(map)
}

/// A hundred searches all over the map.
fn sum(map: &RankMap<usize>) -> usize {
    let ordinals = (0..100).map(|i| Ordinal(i * 104_729 % (1 << 20)));
    ordinals
        .filter_map(|ordinal| map.get(black_box(ordinal)))
        .sum()
}
