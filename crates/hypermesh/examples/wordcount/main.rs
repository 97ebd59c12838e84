//! Counts the words of files over a mesh of host and worker processes.
//!
//! `cargo run --release --example wordcount -- [--hosts H] [--procs P] [--top K] [--json] [PATH…]`

// An example is a program: it prints.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod args;
mod job;
mod report;
mod share;
mod sources;
mod tally;
mod worker;

use std::process::ExitCode;

use clap::Parser;
use hypermesh::prelude::*;

use crate::args::Args;
use crate::job::Job;
use crate::sources::Sources;

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args).await {
        Ok(status) => status,
        Err(error) => {
            eprintln!("wordcount: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &Args) -> Result<ExitCode> {
    // Hosts and workers are this program started again: in them, this line takes over and never returns.
    let hosts = extent!(hosts = usize::from(args.hosts));
    let hosts = HostMesh::process(hosts, BootstrapCommand::current()?).await?;
    let sources = if args.paths.is_empty() {
        Sources::of_workspace()
    } else {
        Sources::collect(&args.paths)
    };
    let outcome = Job::run(args, &hosts, &sources).await;
    // Whatever came of the job, nothing is left running; what the job says comes first.
    let shutdown = hosts.shutdown(global_root_client()).await;
    let status = report::print(args, &sources, &outcome?)?;
    shutdown?;
    Ok(status)
}
