//! The memory of many actors, each time in a fresh process, so that nothing else is counted.

use std::fs;
use std::io;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hypermesh::actor::Proc;
use hypermesh::prelude::*;
use hypermesh_benches::{Figure, Limit, Outcome, Report, Unit};
use tokio::sync::Notify;

use crate::bench_proc;
use crate::role::Role;

/// Actors that are alive at the same time.
const N_ACTORS: usize = 100_000;

/// Rounds of spawning and stopping that many.
const N_ROUNDS: usize = 7;

/// Rounds at the begin that do not count: the heap becomes as fragmented as it will be.
const N_WARM: usize = 3;

#[derive(Message)]
struct Touch;

/// Does nothing after its first message.
struct Idle {
    gate: Arc<Gate>,
}

#[actor]
impl Idle {
    #[handler]
    async fn touch(&mut self, _cx: &Cx<'_, Self>, _touch: Touch) {
        self.gate.pass();
    }
}

/// Opens when every actor has passed.
struct Gate {
    n_left: AtomicUsize,
    open: Notify,
}

impl Gate {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            n_left: AtomicUsize::new(N_ACTORS),
            open: Notify::new(),
        })
    }

    fn pass(&self) {
        if self.n_left.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.open.notify_one();
        }
    }
}

/// Measures both, each repetition in a process of its own.
pub(crate) fn measure(report: &mut Report) -> Outcome<()> {
    let idle = Figure::new("idle actor", Unit::Bytes, Limit::AtMost(2048.0));
    in_children(report, idle, Role::Idle)?;
    let churn = Figure::new("left by a stopped actor", Unit::Bytes, Limit::AtMost(16.0));
    in_children(report, churn, Role::Churn)
}

/// Is the child that prints the bytes of one idle actor.
pub(crate) async fn idle() -> Outcome<()> {
    let proc = bench_proc("idle")?;
    let before = resident()?;
    let actors = spawn_all(&proc).await?;
    let taken = resident()? - before;
    println!("{}", taken / N_ACTORS as f64);
    drop(actors);
    Ok(())
}

/// Is the child that prints by how many bytes it grows for each actor that comes and goes.
pub(crate) async fn churn() -> Outcome<()> {
    let proc = bench_proc("churn")?;
    let mut peaks = Vec::with_capacity(N_ROUNDS);
    for _ in 0..N_ROUNDS {
        let actors = spawn_all(&proc).await?;
        // What was left before is in here as well; after the end of the actors the allocator gives
        // back all of their memory or none of it, as it happens.
        peaks.push(resident()?);
        for actor in &actors {
            actor.stop();
        }
        for actor in &actors {
            actor.wait().await;
        }
    }
    let grown = peaks[N_ROUNDS - 1] - peaks[N_WARM - 1];
    println!("{}", grown / ((N_ROUNDS - N_WARM) * N_ACTORS) as f64);
    Ok(())
}

/// Spawns them all, and returns when each has handled one message.
async fn spawn_all(proc: &Proc) -> Outcome<Vec<ActorHandle<Idle>>> {
    let gate = Gate::new();
    let spawn = || proc.spawn(Idle { gate: gate.clone() });
    let actors: Vec<_> = std::iter::repeat_with(spawn).take(N_ACTORS).collect();
    for actor in &actors {
        actor.tell(Touch)?;
    }
    gate.open.notified().await;
    Ok(actors)
}

/// Takes as the samples of `figure` what children in `role` print; each is as cold as the others.
fn in_children(report: &mut Report, mut figure: Figure, role: Role) -> Outcome<()> {
    if !report.wants(&figure.name) {
        return Ok(());
    }
    for _ in 0..report.repeat() {
        let output = role
            .start(Stdio::null(), Stdio::piped())?
            .wait_with_output()?;
        assert!(
            output.status.success(),
            "the child that measures ended with {}",
            output.status
        );
        figure
            .samples
            .push(String::from_utf8(output.stdout)?.trim().parse()?);
    }
    report.add(figure);
    Ok(())
}

/// Returns the bytes of anonymous memory of this process that are in core.
fn resident() -> io::Result<f64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<f64>().ok());
    kibibytes
        .map(|kibibytes| kibibytes * 1024.0)
        .ok_or_else(|| io::Error::other("/proc/self/status shows no RssAnon in kB"))
}
