//! Looks for bytes that break a property, without a fuzzer: changes a corpus at random for some
//! seconds. `cargo xtask fuzz` builds it and tells it what to do.
//!
//! It is blind to the code that it runs through, unlike the fuzz targets in `fuzz/`, but it needs no
//! compiler of its own.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line talks to a person"
)]

mod memory;
mod mutation;

use std::error::Error;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use std::{env, fs};

use hypermesh_ndslice_strategies::properties::{self, TARGETS, Target};

use crate::mutation::Mutation;

/// How long one input may take.
const MAX_TIME: Duration = Duration::from_secs(5);

/// The bytes that any input may make a target allocate.
const MAX_BYTES: usize = 4 << 20;

/// The further bytes that each byte of an input may make a target allocate.
const MAX_BYTES_PER_BYTE: usize = 1 << 10;

/// What a person asked for.
struct Plan {
    target: Target,
    /// The corpora, one directory for each target.
    corpus: PathBuf,
    /// Where an input that breaks a property is written.
    artifacts: PathBuf,
    time: Duration,
    seed: u64,
}

fn main() -> ExitCode {
    let plan = match plan() {
        Ok(plan) => plan,
        Err(error) => {
            eprintln!("error: {error}");
            eprintln!("usage: fuzz TARGET CORPUS ARTIFACTS SECONDS SEED");
            return ExitCode::from(2);
        }
    };
    match run(&plan) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

fn plan() -> Result<Plan, Box<dyn Error>> {
    let args: Vec<String> = env::args().skip(1).collect();
    let [target, corpus, artifacts, seconds, seed] = &args[..] else {
        return Err("there are five arguments".into());
    };
    let target = properties::named(target).ok_or_else(|| {
        let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
        format!("no target is named {target:?}; there are {names:?}")
    })?;
    Ok(Plan {
        target,
        corpus: corpus.into(),
        artifacts: artifacts.into(),
        time: Duration::from_secs(seconds.parse()?),
        seed: seed.parse()?,
    })
}

fn run(plan: &Plan) -> Result<ExitCode, Box<dyn Error>> {
    let name = plan.target.name;
    let corpus = inputs(&plan.corpus.join(name))?;
    let mut mutation = Mutation::new(plan.seed, &corpus);
    let start = Instant::now();
    let mut n_inputs: u64 = 0;
    let mut corpus_left = corpus.iter();
    while start.elapsed() < plan.time {
        let input = match corpus_left.next() {
            Some(input) => input.clone(),
            None => mutation.next_input(),
        };
        n_inputs += 1;
        if let Err(reason) = check(plan.target, &input) {
            let path = write(&plan.artifacts, name, &input)?;
            println!(
                "{name}: {reason} by input {n_inputs} of seed {}: {}",
                plan.seed,
                path.display()
            );
            return Ok(ExitCode::FAILURE);
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    let rate = n_inputs as f64 / seconds;
    let seed = plan.seed;
    println!(
        "{name}: {n_inputs} inputs in {seconds:.1} s ({rate:.0}/s), seed {seed}: nothing found"
    );
    Ok(ExitCode::SUCCESS)
}

/// Runs the target, which may not panic, take long or take much memory.
fn check(target: Target, input: &[u8]) -> Result<(), String> {
    let start = Instant::now();
    let before = memory::start_watch();
    // What the hook prints tells more than the payload.
    panic::catch_unwind(|| (target.check)(input)).map_err(|_| "panicked".to_string())?;
    let (time, taken) = (start.elapsed(), memory::peak_since(before));
    if MAX_TIME < time {
        return Err(format!("took {time:?}"));
    }
    if MAX_BYTES + MAX_BYTES_PER_BYTE * input.len() < taken {
        return Err(format!("allocated {taken} bytes for {}", input.len()));
    }
    Ok(())
}

/// The files of a directory, by their names.
fn inputs(dir: &Path) -> Result<Vec<Vec<u8>>, Box<dyn Error>> {
    let error = |error| format!("cannot read the corpus {}: {error}", dir.display());
    let mut paths = Vec::new();
    for entry in fs::read_dir(dir).map_err(error)? {
        paths.push(entry?.path());
    }
    paths.sort();
    let inputs: Result<Vec<_>, _> = paths.iter().map(fs::read).collect();
    Ok(inputs?)
}

fn write(artifacts: &Path, name: &str, input: &[u8]) -> Result<PathBuf, Box<dyn Error>> {
    let dir = artifacts.join(name);
    fs::create_dir_all(&dir)?;
    let mut hasher = DefaultHasher::new();
    input.hash(&mut hasher);
    let path = dir.join(format!("crash-{:016x}", hasher.finish()));
    fs::write(&path, input)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(check: fn(&[u8])) -> Result<(), String> {
        let name = "planted";
        super::check(Target { name, check }, b"input")
    }

    #[test]
    fn a_panic_and_a_large_allocation_are_found() {
        assert_eq!(verdict(|_| {}), Ok(()));
        let panics = verdict(|bytes| assert!(bytes.is_empty(), "planted"));
        assert_eq!(panics, Err("panicked".to_string()));
        let allocates = verdict(|_| drop(Vec::<u8>::with_capacity(2 * MAX_BYTES)));
        assert!(allocates.is_err_and(|reason| reason.starts_with("allocated ")));
    }

    #[test]
    fn a_seed_draws_the_same_inputs_again() {
        let corpus = [b"x=1/4".to_vec(), b"y=0:8:2/8".to_vec()];
        let inputs = |seed| {
            let mut mutation = Mutation::new(seed, &corpus);
            Vec::from_iter((0..200).map(|_| mutation.next_input()))
        };
        assert_eq!(inputs(1), inputs(1));
        assert_ne!(inputs(1), inputs(2));
        let mut mutation = Mutation::new(3, &[]);
        assert!((0..200).any(|_| !mutation.next_input().is_empty()));
    }
}
