//! The figures of actors: messages, questions, a fan-out, a million of them, refs, and other processes; beside
//! bare channels, other libraries of actors, and our own channel layer.
//!
//! The program starts itself in a [`Role`] for what is measured in a process of its own; that child ends with
//! its parent, however the parent ends.

// A benchmark is a program: it prints.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod channels;
mod contest;
mod idle;
mod library;
mod links;
mod ours;
#[cfg(feature = "peers")]
mod peers;
mod role;
mod travelled;

use std::process::ExitCode;

use clap::Parser;
use hypermesh_benches::{CountingAllocator, Options, Outcome, Report, peer};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

use crate::role::Role;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// Threads of the runtime, in every process.
const N_THREADS: usize = 2;

fn main() -> Outcome<ExitCode> {
    let runtime = runtime()?;
    let outcome = match peer::role_of_this_process::<Role>()? {
        Some(role) => runtime.block_on(role.play()).map(|()| ExitCode::SUCCESS),
        None => runtime.block_on(measure()),
    };
    // A thread that still waits for its parent ends with the process.
    runtime.shutdown_background();
    outcome
}

async fn measure() -> Outcome<ExitCode> {
    if cfg!(not(feature = "peers")) {
        eprintln!("without the libraries of others: the feature `peers` of this package is off");
    }
    let mut report = Report::new(Options::parse());
    contest::measure(&mut report).await?;
    travelled::measure(&mut report).await?;
    links::measure(&mut report).await?;
    idle::measure(&mut report).await?;
    Ok(report.finish()?)
}

fn runtime() -> Outcome<Runtime> {
    Ok(Builder::new_multi_thread()
        .worker_threads(N_THREADS)
        .enable_all()
        .build()?)
}

/// Runs `work` on a worker of the runtime, as a program would; this thread is none.
pub(crate) async fn in_task<T: Send + 'static>(
    work: impl Future<Output = Outcome<T>> + Send + 'static,
) -> Outcome<T> {
    let mut tasks = JoinSet::new();
    tasks.spawn(work);
    tasks.join_next().await.ok_or("no task was spawned")??
}
