//! The figures of links: throughput, gateways, TLS, round trips, reconnects and memory, over unix sockets and over
//! tcp, beside raw sockets and ZeroMQ.
//!
//! Each figure is measured between two processes. The program starts itself in a [`Role`] for the other
//! end; that child ends with its parent, however the parent ends.

// A benchmark is a program: it prints.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod allocations;
mod case;
mod certificates;
mod gateway;
mod inside;
mod load;
mod memory;
mod one_way;
mod ours;
mod ping_pong;
mod proxy;
mod raw;
mod reconnect;
mod role;
mod round_trip;
mod tls;
mod transport;
#[cfg(feature = "zmq")]
mod zeromq;

use std::process::ExitCode;

use clap::Parser;
use hypermesh_benches::processors::{Awake, Place, at, stay_at};
use hypermesh_benches::{CountingAllocator, Options, Outcome, Report, peer};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

use crate::role::Role;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// Threads of the runtime, in every process.
const N_THREADS: usize = 2;

fn main() -> Outcome<ExitCode> {
    let role = peer::role_of_this_process::<Role>()?;
    match role {
        Some(role) => {
            // First of all: threads stay where the one is that starts them.
            if role.is_an_end() {
                stay_at(Place::Second)?;
            }
            let runtime = runtime()?;
            let outcome = runtime.block_on(role.play());
            // A thread that still waits for its parent ends with the process.
            runtime.shutdown_background();
            outcome.map(|()| ExitCode::SUCCESS)
        }
        None => {
            let _awake = Awake::start()?;
            // Not this thread: a child begins where the one is that starts it.
            let runtime = at(Place::First, runtime)??;
            runtime.block_on(measure())
        }
    }
}

async fn measure() -> Outcome<ExitCode> {
    load::check_sizes()?;
    if cfg!(not(feature = "zmq")) {
        eprintln!("without ZeroMQ: the feature `zmq` of this package is off");
    }
    let mut report = Report::new(Options::parse());
    // First, while the heap of this process is as it was.
    memory::measure(&mut report).await?;
    one_way::measure(&mut report).await?;
    inside::measure(&mut report).await?;
    allocations::measure(&mut report).await?;
    gateway::measure(&mut report).await?;
    tls::measure(&mut report).await?;
    round_trip::measure(&mut report).await?;
    reconnect::measure(&mut report).await?;
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
