//! The figures of the spine: messages, questions, memory, casts over processes, their begin and end.
//!
//! The program is its own worker: started by a mesh it becomes a worker, started by itself with a
//! role it becomes a baseline.

// A benchmark is a program: it prints.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod cast;
mod local;
mod memory;
mod proc_table;
mod processes;
mod raw;
mod role;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use hypermesh::actor::{Proc, ProcOptions};
use hypermesh::alloc::bootstrap;
use hypermesh::channel::ChannelTransport;
use hypermesh::mailbox::{Gateway, GatewayOptions, ProcId, WorldId};
use hypermesh_benches::{Options, Outcome, Report};
use tokio::runtime::{Builder, Handle, Runtime};

use crate::role::Role;

/// Bytes that travel in one direction in a round.
pub(crate) const PAYLOAD: usize = 64;

/// Threads of the runtime.
const N_THREADS: usize = 2;

fn main() -> Outcome<ExitCode> {
    // First of all, for it is the baseline of what a process costs.
    let role = Role::of_this_process();
    match role {
        Some(Role::Exit) => return Ok(ExitCode::SUCCESS),
        Some(Role::Echo) => return Ok(raw::echo().map(|()| ExitCode::SUCCESS)?),
        _ => {}
    }
    let runtime = runtime()?;
    match role {
        Some(Role::Idle) => runtime.block_on(memory::idle())?,
        Some(Role::Churn) => runtime.block_on(memory::churn())?,
        _ => return runtime.block_on(measure()),
    }
    Ok(ExitCode::SUCCESS)
}

async fn measure() -> Outcome<ExitCode> {
    bootstrap::run_if_child().await;
    let mut report = Report::new(Options::parse());
    // First, while this process is small: to fork a large one takes longer.
    processes::measure(&mut report).await?;
    cast::measure(&mut report).await?;
    local::measure(&mut report).await?;
    memory::measure(&mut report)?;
    Ok(report.finish()?)
}

fn runtime() -> Outcome<Runtime> {
    Ok(Builder::new_multi_thread()
        .worker_threads(N_THREADS)
        .enable_all()
        .build()?)
}

/// Returns a proc of the runtime that measures.
pub(crate) fn bench_proc(name: &str) -> Outcome<Proc> {
    let runtime = Handle::current();
    let gateway = Gateway::new(GatewayOptions::new(
        runtime.clone(),
        ChannelTransport::Local,
    ));
    let id = ProcId::new(WorldId::new(name).id(), 0, 0);
    Ok(Proc::new(ProcOptions {
        id,
        name: name.into(),
        gateway,
        runtime,
    })?)
}

/// Returns `time` as figures have it.
pub(crate) fn nanoseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e9
}
