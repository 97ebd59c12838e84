//! The begin and the end of 16 worker processes.

use std::time::Instant;

use hypermesh::prelude::*;
use hypermesh_benches::{Figure, Limit, Outcome, Report, Unit};

use crate::{nanoseconds, proc_table, raw};

/// Worker processes.
const N_WORKERS: usize = 16;

/// Measures how long it takes to start them and to stop them, and counts what is left then.
pub(crate) async fn measure(report: &mut Report) -> Outcome<()> {
    let mut start = Figure::new(
        "start 16 processes",
        Unit::Nanoseconds,
        Limit::RatioAtMost(2.0),
    );
    let mut stop = Figure::new("stop 16 processes", Unit::Nanoseconds, Limit::AtMost(200e6));
    let mut left = Figure::new("left of 16 processes", Unit::Count, Limit::AtMost(0.0));
    if ![&start, &stop, &left]
        .into_iter()
        .any(|figure| report.wants(&figure.name))
    {
        return Ok(());
    }
    // The first round warms the file cache up and does not count.
    for idx in 0..=report.repeat() {
        let baseline = raw::fork_exec_exit(N_WORKERS)?;
        let round = round().await?;
        if 0 < idx {
            start.baseline.push(nanoseconds(baseline));
            start.samples.push(round.start);
            stop.samples.push(round.stop);
            left.samples.push(round.n_left as f64);
        }
    }
    [start, stop, left]
        .into_iter()
        .for_each(|figure| report.add(figure));
    Ok(())
}

struct Round {
    start: f64,
    stop: f64,
    n_left: usize,
}

/// Starts a host with its workers and shuts it down.
async fn round() -> Outcome<Round> {
    let cx = global_root_client();
    let before = proc_table::descendants()?;
    assert!(
        before.is_empty(),
        "these are left of what was measured before: {before:?}"
    );

    let begin = Instant::now();
    let host_mesh = HostMesh::local().await?;
    let proc_mesh = host_mesh
        .spawn(cx, "workers", extent!(procs = N_WORKERS))
        .await?;
    let start = begin.elapsed();
    let workers = proc_table::descendants()?;
    assert_eq!(
        workers.len(),
        N_WORKERS,
        "each proc is a process of its own"
    );

    let begin = Instant::now();
    host_mesh.shutdown(cx).await?;
    let stop = begin.elapsed();
    let mut left = proc_table::descendants()?;
    left.extend(workers.into_iter().filter(|pid| proc_table::exists(*pid)));
    left.sort_unstable();
    left.dedup();
    drop(proc_mesh);
    Ok(Round {
        start: nanoseconds(start),
        stop: nanoseconds(stop),
        n_left: left.len(),
    })
}
