//! Multicast trees: a hop is planned without memory, a whole tree in linear time.

use std::hint::black_box;
use std::iter;
use std::ops::Range;

use hypermesh::ndslice::RankSet;
use hypermesh::ndslice::tree::{self, hosts, postal};
use hypermesh_benches::{Outcome, Report, Unit};

use crate::memory::calls_of;
use crate::{beside, exactly, within};

/// Members of the tree.
const COUNT: usize = 1 << 20;

/// Members of each host.
const PER_HOST: usize = 8;

/// What a node sends to at most.
const FAN_OUT: usize = 8;

/// Rounds that a message is under way.
const LATENCY: usize = 4;

/// Measures each tree.
pub(crate) async fn measure(report: &mut Report) -> Outcome<()> {
    let members: RankSet = (0..COUNT).filter(|rank| rank % 7 != 3).collect();
    let sum = |children: &mut dyn Iterator<Item = Range<usize>>| -> usize {
        children.map(|child| black_box(child).start).sum()
    };
    let k_ary = || Outcome::Ok(sum(&mut tree::children(black_box(0..COUNT), FAN_OUT)?));
    let by_host = || {
        Outcome::Ok(sum(&mut hosts::children(
            black_box(0..COUNT),
            PER_HOST,
            FAN_OUT,
        )?))
    };
    let postal = || Outcome::Ok(sum(&mut postal::children(black_box(0..COUNT), LATENCY)?));
    let live = || {
        let live = hosts::live_children(black_box(0..COUNT), PER_HOST, FAN_OUT, &members);
        Outcome::Ok(sum(&mut live?))
    };
    let calls = || {
        let calls = calls_of(k_ary) + calls_of(by_host) + calls_of(postal) + calls_of(live);
        Ok(calls + calls_of(|| tree::path(COUNT - 1, 0..COUNT, FAN_OUT).map(Iterator::count)))
    };
    let name = "allocations of a hop of each tree";
    exactly(report, name, Unit::Count, 0.0, calls).await?;
    within(report, "plan a hop, k-ary", 1_000.0, k_ary).await?;
    within(report, "plan a hop, host then local", 1_000.0, by_host).await?;
    within(report, "plan a hop, postal", 1_000.0, postal).await?;
    within(report, "plan a hop, some members dead", 10_000.0, live).await?;

    let ours = (COUNT, || plan(black_box(COUNT)));
    let baseline = (COUNT >> 10, || plan(black_box(COUNT >> 10)));
    let name = "plan a node of a tree 2^20 : 2^10";
    beside(report, name, 2.0, ours, baseline).await
}

/// Plans every hop and returns how many there are.
fn plan(count: usize) -> Outcome<usize> {
    let mut pending = Vec::from_iter(iter::once(0..count));
    let mut n_nodes = 0;
    while let Some(interval) = pending.pop() {
        n_nodes += 1;
        pending.extend(tree::children(interval, FAN_OUT)?);
    }
    assert_eq!(n_nodes, count, "every node is planned once");
    Ok(n_nodes)
}
