//! Campaigns over the simulated network: each seed is a program of traffic and faults.
//!
//! `cargo xtask sim --seeds N --start S` chooses the seeds; without that it is a few. A campaign is a
//! function in [`CAMPAIGNS`] that panics when a promise is broken.

#![allow(
    clippy::unwrap_used,
    reason = "this is all test code, which clippy sees by `cfg(test)` only"
)]

mod sessions;
mod streams;

use std::{
    env,
    error::Error,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    process::ExitCode,
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use hypermesh_channel::SimNetwork;
use tokio::runtime::Builder;

use crate::sessions::Ways;

/// A program that runs on a network and draws all that is random from the seed.
type Campaign = fn(SimNetwork, u64) -> Pin<Box<dyn Future<Output = ()>>>;

/// The campaigns, each with the number of seeds that are tried if nobody says how many.
const CAMPAIGNS: [(&str, usize, Campaign); 3] = [
    ("streams", 30, |network, seed| {
        Box::pin(streams::run(network, seed))
    }),
    ("sessions", 2000, |network, seed| {
        Box::pin(sessions::run(network, seed, Ways::Direct))
    }),
    ("gateways", 300, |network, seed| {
        Box::pin(sessions::run(network, seed, Ways::Gateways))
    }),
];

/// A seed takes some milliseconds; one that takes longer than this does not end.
const LONGEST: Duration = Duration::from_secs(30);

/// One of so many seeds is run twice, to see that everything happens again in the same way.
const EVERY_TWICE: u64 = 4;

/// So many lines at the end of the trace are shown of a seed that fails.
const SHOWN: usize = 40;

/// What is to be run.
struct Options {
    /// The first seed.
    start: u64,
    /// How many seeds; each campaign knows how many are enough.
    n_seeds: Option<usize>,
    /// The name of the campaign, if it is one alone.
    campaign: Option<String>,
}

#[expect(clippy::print_stdout, reason = "this is a test runner")]
fn main() -> ExitCode {
    let Ok(options) = options() else {
        println!("usage: sim [--start S] [--seeds N] [--campaign NAME]");
        return ExitCode::FAILURE;
    };
    let (watched, watch) = mpsc::channel();
    let watching = thread::spawn(move || watch_over(&watch));
    let is_wanted = |name: &str| {
        options
            .campaign
            .as_deref()
            .is_none_or(|wanted| wanted == name)
    };
    for (name, enough, campaign) in CAMPAIGNS.into_iter().filter(|(name, ..)| is_wanted(name)) {
        let (start, n_seeds) = (options.start, options.n_seeds.unwrap_or(enough));
        let mut n_events = 0;
        for seed in (start..).take(n_seeds) {
            // It ends with this process at the latest.
            _ = watched.send((name, seed));
            match check(campaign, seed) {
                Ok(n) => n_events += n,
                Err(trace) => {
                    let n_lines = trace.lines().count();
                    for line in trace.lines().skip(n_lines.saturating_sub(SHOWN)) {
                        println!("  {line}");
                    }
                    println!("campaign {name}: seed {seed} FAILED");
                    println!("replay with: cargo xtask sim --seeds 1 --start {seed}");
                    return ExitCode::FAILURE;
                }
            }
        }
        println!("campaign {name}: {n_seeds} seeds from {start}, {n_events} events, ok");
    }
    drop(watched);
    watching.join().unwrap();
    ExitCode::SUCCESS
}

/// Ends the process if a seed does not end: under a clock that stands still nothing else notices that somebody
/// turns in circles.
#[expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "this is a test runner"
)]
fn watch_over(seeds: &mpsc::Receiver<(&str, u64)>) {
    let mut last = None;
    loop {
        match seeds.recv_timeout(LONGEST) {
            Ok(seed) => last = Some(seed),
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {
                println!("a seed does not end: {last:?}");
                std::process::abort();
            }
        }
    }
}

/// Reads the arguments. What else `cargo test` passes to all tests is not for this one.
fn options() -> Result<Options, Box<dyn Error>> {
    let mut options = Options {
        start: 0,
        n_seeds: None,
        campaign: None,
    };
    let mut args = env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or("a value is missing");
        match arg.as_str() {
            "--start" => options.start = value()?.parse()?,
            "--seeds" => options.n_seeds = Some(value()?.parse()?),
            "--campaign" => options.campaign = Some(value()?),
            _ => {}
        }
    }
    Ok(options)
}

/// Runs a seed, some twice, and returns how many lines its trace has; or the trace if it panics, or if the two
/// are not the same.
#[expect(clippy::print_stdout, reason = "this is a test runner")]
fn check(campaign: Campaign, seed: u64) -> Result<usize, String> {
    let first = trace(campaign, seed)?;
    if !seed.is_multiple_of(EVERY_TWICE) {
        return Ok(first.lines().count());
    }
    let second = trace(campaign, seed)?;
    if let Some((one, other)) = first
        .lines()
        .zip(second.lines())
        .find(|(one, other)| one != other)
    {
        println!("two runs differ:\n  {one}\n  {other}");
        return Err(second);
    }
    if first.len() != second.len() {
        println!("one of two runs is longer");
        return Err(second);
    }
    Ok(first.lines().count())
}

/// Runs a seed on a network and a clock of its own, and returns the trace; an error if it panics.
fn trace(campaign: Campaign, seed: u64) -> Result<String, String> {
    let mut builder = Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build().unwrap();
    let network = runtime.block_on(async { SimNetwork::new(seed) });
    let run = || runtime.block_on(campaign(network.clone(), seed));
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(()) => Ok(network.trace()),
        Err(_) => Err(network.trace()),
    }
}
