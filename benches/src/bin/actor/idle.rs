//! What it takes to have an actor that does nothing: time to spawn it, and bytes.
//!
//! Each sample is taken in a process of its own, so that no heap is warm.

use std::process::Stdio;
use std::time::Instant;

use hypermesh::actor::Status;
use hypermesh_benches::peer::{Peer, say};
use hypermesh_benches::{AllocationCount, Figure, Limit, Outcome, Report, Unit};
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::channels::{Item, Unbounded};
use crate::in_task;
use crate::library::{Adder, Library};
use crate::ours::{Add, OurAdder, Ours};
use crate::role::Role;

/// How many actors are alive at the same time.
const COUNTS: [usize; 3] = [10_000, 100_000, 1_000_000];

/// Samples of each: a process with a million actors takes seconds.
const N_SAMPLES: usize = 3;

/// Which actors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    /// Ours, after `init`.
    Fresh,
    /// Ours, when each has handled one message.
    Used,
    /// Tasks of tokio with a channel each, as they wait for the first message.
    Bare,
}

/// What a child measures.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Case {
    n: usize,
    kind: Kind,
    /// It counts bytes; to do so takes time.
    counts: bool,
}

/// What a child found, for each actor.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Cost {
    /// Nanoseconds of the call that spawns.
    spawn: f64,
    /// Nanoseconds until all of them are ready, for each.
    ready: f64,
    /// Bytes asked of the allocator and not given back, if it counts them.
    bytes: f64,
}

/// Measures each number of actors.
pub(crate) async fn measure(report: &mut Report) -> Outcome<()> {
    for n in COUNTS {
        let is_last = n == COUNTS[COUNTS.len() - 1];
        let bar = |limit| if is_last { limit } else { Limit::Any };
        let rows = [
            ("spawn", Unit::Nanoseconds, bar(Limit::AtMost(1000.0))),
            ("spawn until ready", Unit::Nanoseconds, Limit::Any),
            ("idle actor", Unit::Bytes, bar(Limit::AtMost(700.0))),
            ("idle actor after a message", Unit::Bytes, Limit::Any),
        ];
        let mut figures =
            rows.map(|(name, unit, limit)| Figure::new(format!("{name}, {n}"), unit, limit));
        if !figures.iter().any(|figure| report.wants(&figure.name)) {
            continue;
        }
        for _ in 0..N_SAMPLES {
            let [bare, fresh, used] = [
                cost(n, Kind::Bare).await?,
                cost(n, Kind::Fresh).await?,
                cost(n, Kind::Used).await?,
            ];
            let samples = [fresh.spawn, fresh.ready, fresh.bytes, used.bytes];
            let baselines = [bare.spawn, bare.ready, bare.bytes, bare.bytes];
            for (figure, (sample, baseline)) in
                figures.iter_mut().zip(samples.into_iter().zip(baselines))
            {
                figure.samples.push(sample);
                figure.baseline.push(baseline);
            }
        }
        for figure in figures {
            report.add(figure);
        }
    }
    Ok(())
}

/// Measures the time in one child and the bytes in another.
async fn cost(n: usize, kind: Kind) -> Outcome<Cost> {
    let mut costs = Vec::new();
    for counts in [false, true] {
        let role = Role::Idle(Case { n, kind, counts });
        let mut child = Peer::start(&role, Stdio::piped())?;
        costs.push(child.hear::<Cost>().await?);
    }
    Ok(Cost {
        bytes: costs[1].bytes,
        ..costs[0]
    })
}

/// Is the child that measures a case and says what it costs.
pub(crate) async fn measure_here(case: Case) -> Outcome<()> {
    let Case { n, kind, counts } = case;
    let cost = match kind {
        Kind::Bare => in_task(bare(n, counts)).await?,
        Kind::Fresh | Kind::Used => in_task(ours(n, kind == Kind::Used, counts)).await?,
    };
    say(&cost)
}

async fn ours(n: usize, is_used: bool, counts: bool) -> Outcome<Cost> {
    let ours = Ours::new("idle")?;
    let (done, mut sums) = mpsc::unbounded_channel();
    let mut handles = Vec::with_capacity(n);
    let count = counts.then(AllocationCount::start);
    let start = Instant::now();
    for _ in 0..n {
        handles.push(ours.proc.spawn(OurAdder(Adder::new(1, done.clone()))));
    }
    let spawned = start.elapsed();
    for handle in &handles {
        handle.reached(Status::Running).await;
    }
    let ready = start.elapsed();
    if is_used {
        for handle in &handles {
            handle.tell(Add(1))?;
            // One by one: the queue of these is no part of the actors.
            sums.recv().await;
        }
    }
    // The tasks go on for a moment after what can be seen of them.
    settle().await;
    let bytes = live(count.as_ref());
    drop(count);
    Ok(Cost::of(n, spawned, ready, bytes))
}

async fn bare(n: usize, counts: bool) -> Outcome<Cost> {
    let (done, mut sums) = mpsc::unbounded_channel();
    let (ready, mut readies) = mpsc::unbounded_channel::<()>();
    let mut senders = Vec::with_capacity(n);
    let count = counts.then(AllocationCount::start);
    let start = Instant::now();
    for _ in 0..n {
        let (sender, mut receiver) = mpsc::unbounded_channel::<Item>();
        let (mut adder, ready) = (Adder::new(1, done.clone()), ready.clone());
        // It ends with its sender.
        Handle::current().spawn(async move {
            drop(ready);
            while let Some(item) = receiver.recv().await {
                item.handle(&mut adder);
            }
        });
        senders.push(sender);
    }
    let spawned = start.elapsed();
    drop(ready);
    // Until the last of them has run.
    readies.recv().await;
    let ready = start.elapsed();
    settle().await;
    let bytes = live(count.as_ref());
    drop(count);
    Unbounded::tell(&senders[0], 1).await?;
    sums.recv().await;
    Ok(Cost::of(n, spawned, ready, bytes))
}

fn live(count: Option<&AllocationCount>) -> i64 {
    count.map_or(0, |count| count.so_far().live)
}

/// Lets all that is ready run.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

impl Cost {
    fn of(n: usize, spawned: std::time::Duration, ready: std::time::Duration, bytes: i64) -> Self {
        Self {
            spawn: spawned.as_secs_f64() * 1e9 / n as f64,
            ready: ready.as_secs_f64() * 1e9 / n as f64,
            bytes: bytes as f64 / n as f64,
        }
    }
}
