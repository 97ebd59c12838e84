//! The job: bring up the mesh, cast the work, fold the answers, redo what a dead worker has lost.

use std::collections::HashMap;
use std::io::{IsTerminal, stderr};
use std::pin::pin;
use std::time::Duration;

use hypermesh::prelude::*;
use hypermesh::proc_mesh::ProcEvents;
use indicatif::{ProgressBar, ProgressStyle};

use crate::args::Args;
use crate::share::{Count, Progress};
use crate::sources::Sources;
use crate::tally::{MergeTallies, Tally};
use crate::worker::Worker;

/// Counting has no deadline of its own: a terabyte takes as long as it takes.
const NO_DEADLINE: Duration = Duration::from_secs(365 * 24 * 3600);

/// How long to wait for the reason of a death that a missing answer has shown already.
const REASON_WITHIN: Duration = Duration::from_secs(5);

/// How often the share of a rank is tried before the program gives up.
const TRIES: usize = 3;

/// What a run has counted.
pub(crate) struct Outcome {
    /// All words of all ranks.
    pub(crate) tally: Tally,
    /// What had to be redone: which rank on which host, and why.
    pub(crate) redone: Vec<String>,
}

/// The mesh at work.
pub(crate) struct Job<'a> {
    args: &'a Args,
    hosts: &'a HostMesh,
    n_ranks: usize,
    bar: ProgressBar,
}

impl<'a> Job<'a> {
    /// Counts `sources` on `hosts`.
    ///
    /// # Errors
    ///
    /// If the workers do not come up, or one dies and its share cannot or must not be redone.
    pub(crate) async fn run(
        args: &'a Args,
        hosts: &'a HostMesh,
        sources: &Sources,
    ) -> Result<Outcome> {
        let job = Job {
            args,
            hosts,
            n_ranks: args.workers(),
            bar: progress_bar(sources.bytes()),
        };
        let outcome = job.count(sources).await;
        job.bar.finish_and_clear();
        outcome
    }

    async fn count(&self, sources: &Sources) -> Result<Outcome> {
        let cx = global_root_client();
        let per_host = extent!(procs = usize::from(self.args.procs));
        let mut procs = self.hosts.spawn(cx, "wordcount", per_host).await?;
        let mut deaths = Deaths::of(&mut procs);
        let workers = procs.spawn::<Worker>(cx, "worker", &()).await?;

        let (port, mut progress) = cx.mailbox().open_port::<Progress>();
        let sources = sources.files.clone();
        let work = Count {
            sources,
            ranks: self.n_ranks,
            rank: None,
            progress: port.bind(),
        };
        let reduction = workers
            .reduce(cx, sel!(*), work.clone(), MergeTallies)
            .timeout(NO_DEADLINE);
        let mut reduction = pin!(reduction.into_future());
        let mut done = HashMap::new();
        let reduced = loop {
            tokio::select! {
                reduced = &mut reduction => break reduced?,
                Ok(Progress { rank, bytes }) = progress.recv() => {
                    done.insert(rank, bytes);
                    self.bar.set_position(done.values().sum());
                }
            }
        };

        let mut outcome = Outcome {
            tally: reduced.value,
            redone: Vec::new(),
        };
        for (rank, failure) in reduced.missing {
            let reason = deaths.of_rank(rank).await;
            let reason = reason.unwrap_or_else(|| failure.to_string());
            let host = procs.shape().extent().point_of_rank(rank)?.get("hosts");
            let host = host.ok_or_else(|| Error::msg("the mesh has no hosts"))?;
            let lost = format!("rank {rank} on host {host}: {reason}");
            if self.args.no_retry {
                return Err(Error::msg(format!(
                    "{lost} (--no-retry: its share is lost)"
                )));
            }
            self.bar
                .suspend(|| eprintln!("wordcount: {lost}; redoing its share on a fresh process"));
            outcome.tally.merge(self.redo(rank, host, &work).await?);
            outcome.redone.push(lost);
        }
        Ok(outcome)
    }

    /// Counts the share of `rank` on a fresh process of `host`.
    async fn redo(&self, rank: usize, host: usize, work: &Count) -> Result<Tally> {
        let cx = global_root_client();
        let host = self.hosts.range("hosts", host)?;
        let work = Count {
            rank: Some(rank),
            ..work.clone()
        };
        let mut last = String::new();
        for attempt in 1..=TRIES {
            let name = format!("wordcount-redo-{rank}-{attempt}");
            let procs = host.spawn(cx, &name, extent!(procs = 1)).await?;
            let workers = procs.spawn::<Worker>(cx, "worker", &()).await?;
            let call = workers.call(cx, sel!(*), work.clone()).timeout(NO_DEADLINE);
            match call.await?.values().next().cloned() {
                Some(Ok(tally)) => return Ok(tally),
                Some(Err(failure)) => last = failure.to_string(),
                None => last = "no answer".into(),
            }
        }
        Err(Error::msg(format!(
            "the share of rank {rank} failed {TRIES} more times: {last}"
        )))
    }
}

/// How processes of the mesh have ended. Their events come in any order.
struct Deaths {
    events: Option<ProcEvents>,
    reasons: HashMap<usize, String>,
}

impl Deaths {
    fn of(procs: &mut ProcMesh) -> Self {
        Self {
            events: procs.events(),
            reasons: HashMap::new(),
        }
    }

    /// Returns how the process of `rank` ended, once the mesh says so.
    async fn of_rank(&mut self, rank: usize) -> Option<String> {
        let Self { events, reasons } = self;
        let events = events.as_mut()?;
        let told = async {
            while !reasons.contains_key(&rank)
                && let Some(event) = events.next().await
            {
                if let ProcEvent::Stopped(rank, reason) = event {
                    reasons.insert(rank, reason.to_string());
                }
            }
        };
        // Without a reason in time the failure of the answer has to do.
        _ = tokio::time::timeout(REASON_WITHIN, told).await;
        reasons.remove(&rank)
    }
}

/// A bar on a terminal, nothing elsewhere.
fn progress_bar(bytes: u64) -> ProgressBar {
    if !stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = "{bar:40} {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} {eta}";
    let style =
        ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(bytes).with_style(style)
}
