//! Building, slicing and comparing regions: as fast for 2^30 ranks as for 2^10.

use std::hint::black_box;

use hypermesh::ndslice::{Extent, Ordinal, Range, Rank, Region};
use hypermesh_benches::{Outcome, Report, Unit};

use crate::{beside, exactly, mesh, within};

/// The longest that one operation may take, in nanoseconds.
const LIMIT: f64 = 1_000.0;

/// How much longer it may take for a million times as many ranks.
const SAME: f64 = 1.5;

/// Two overlapping slices of one mesh.
struct Slices {
    mesh: Region,
    left: Region,
    right: Region,
}

impl Slices {
    fn of(bits: u32) -> Outcome<Self> {
        let mesh = mesh(bits)?;
        let every = |step| Range::from(1..).step_by(step);
        let left = mesh.range("gpu", every(2))?.range("rack", ..2)?;
        let right = mesh.range("gpu", every(3))?.range("host", 1..)?;
        Ok(Self { mesh, left, right })
    }

    fn build(&self) -> Region {
        // The labels are shared: what is built is the region, not four strings.
        Region::of(black_box(self.mesh.base()).clone())
    }

    fn slice(&self) -> Outcome<Region> {
        let even = Range::from(..).step_by(2);
        Ok(black_box(&self.mesh).range("gpu", even)?)
    }

    fn intersect(&self) -> Outcome<Option<Region>> {
        Ok(black_box(&self.left).intersection(&self.right)?)
    }

    fn is_subset(&self) -> Outcome<bool> {
        Ok(black_box(&self.left).is_subset(&self.mesh)?)
    }

    fn count_below(&self) -> usize {
        black_box(&self.left).count_below(black_box(Rank(777)))
    }

    fn convert(&self) -> Outcome<Ordinal> {
        let rank = self.left.rank_at(black_box(Ordinal(33)))?;
        Ok(self.left.ordinal_of(rank)?)
    }
}

/// Measures each operation at 2^20 ranks, and at 2^30 beside 2^10.
pub(crate) async fn measure(report: &mut Report) -> Outcome<()> {
    let (small, middle, large) = (Slices::of(10)?, Slices::of(20)?, Slices::of(30)?);

    within(report, "build a region 2^20", LIMIT, || middle.build()).await?;
    let name = "build a region 2^30 : 2^10";
    beside(
        report,
        name,
        SAME,
        (1, || large.build()),
        (1, || small.build()),
    )
    .await?;
    let labelled = || Extent::new([("pod", 32), ("rack", 32), ("host", 32), ("gpu", 32)]);
    within(report, "build an extent with labels 2^20", LIMIT, labelled).await?;

    within(report, "slice 2^20", LIMIT, || middle.slice()).await?;
    let name = "slice 2^30 : 2^10";
    beside(
        report,
        name,
        SAME,
        (1, || large.slice()),
        (1, || small.slice()),
    )
    .await?;

    within(report, "intersect 2^20", LIMIT, || middle.intersect()).await?;
    let (ours, baseline) = ((1, || large.intersect()), (1, || small.intersect()));
    beside(report, "intersect 2^30 : 2^10", SAME, ours, baseline).await?;

    within(report, "is subset 2^20", LIMIT, || middle.is_subset()).await?;
    let (ours, baseline) = ((1, || large.is_subset()), (1, || small.is_subset()));
    beside(report, "is subset 2^30 : 2^10", SAME, ours, baseline).await?;

    within(report, "count below 2^20", LIMIT, || middle.count_below()).await?;
    let (ours, baseline) = ((1, || large.count_below()), (1, || small.count_below()));
    beside(report, "count below 2^30 : 2^10", SAME, ours, baseline).await?;

    within(report, "ordinal to rank and back 2^20", LIMIT, || {
        middle.convert()
    })
    .await?;
    let size = || Ok(size_of::<Region>());
    exactly(report, "size of a region", Unit::Bytes, 256.0, size).await
}
