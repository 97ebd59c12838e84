//! Everything CI does, as subcommands of `cargo xtask` that a person can run alone.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line talks to a person"
)]

mod alone;
mod bench;
mod ci;
mod command;
mod examples;
mod fresh;
mod fuzz;
mod layers;
mod marker;
mod readme;
mod sim;
mod tidy;
mod workspace;

use std::{error::Error, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

use crate::{ci::Step, workspace::Workspace};

/// Everything CI does.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Run every check of the project, in order, up to the first that fails.
    Ci {
        /// Run this step alone; may be given more than once.
        #[arg(long, value_name = "STEP")]
        only: Vec<Step>,
        /// Leave this step out; may be given more than once.
        #[arg(long, value_name = "STEP", conflicts_with = "only")]
        skip: Vec<Step>,
    },
    /// Check that the crates depend on each other only as `[workspace.metadata.layers]` allows.
    Layers,
    /// Check sizes, file heads, names, unfinished code, sleeping tests and links.
    Tidy,
    /// Build one benchmark in release mode and run it.
    Bench {
        /// The name of the benchmark: a file of `benches/src/bin`.
        name: String,
        /// End with a non-zero status if a figure misses its limit.
        #[arg(long)]
        check: bool,
        /// Write the figures to FILE as well.
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
        /// Further arguments for the benchmark.
        #[arg(last = true)]
        rest: Vec<String>,
    },
    /// Give random changes of its corpus to a parser or decoder.
    Fuzz {
        /// The name of the target: `CRATE_NAME` for a directory `fuzz/CRATE/corpus/NAME`; or `all`.
        target: String,
        /// How long each target runs.
        #[arg(long, value_name = "N", default_value_t = 10)]
        seconds: u32,
        /// What to draw the changes from; the same number draws the same.
        #[arg(long, value_name = "N", default_value_t = 1)]
        seed: u64,
    },
    /// Run the channel over a simulated network with random faults, one program for each seed.
    Sim {
        /// How many seeds.
        #[arg(long, value_name = "N", default_value_t = 100)]
        seeds: u32,
        /// The first seed; the others follow it.
        #[arg(long, value_name = "S", default_value_t = 0)]
        start: u64,
    },
    /// Run the two commands of the README in a fresh clone of what is committed.
    Fresh,
}

fn main() -> ExitCode {
    match run(Cli::parse().task) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            let mut cause = error.source();
            while let Some(error) = cause {
                eprintln!("  because: {error}");
                cause = error.source();
            }
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<ExitCode, Box<dyn Error>> {
    let workspace = Workspace::locate()?;
    match task {
        Task::Ci { only, skip } => ci::run(&workspace, &ci::chosen(&only, &skip))?,
        Task::Layers => layers::run(&workspace)?,
        Task::Tidy => tidy::run(&workspace)?,
        Task::Bench {
            name,
            check,
            json,
            rest,
        } => {
            return Ok(bench::run(
                &workspace,
                &name,
                check,
                json.as_deref(),
                &rest,
            )?);
        }
        Task::Fuzz {
            target,
            seconds,
            seed,
        } => fuzz::run(&workspace, &target, seconds, seed)?,
        Task::Sim { seeds, start } => sim::run(&workspace, seeds, start)?,
        Task::Fresh => fresh::run(&workspace)?,
    }
    Ok(ExitCode::SUCCESS)
}
