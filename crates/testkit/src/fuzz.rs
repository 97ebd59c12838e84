//! Fuzz targets: the test that replays their corpora, and the search for more inputs.
//!
//! What a crate promises for any bytes is a function for each of its parsers and decoders. The crate has a test
//! target `fuzz` without a harness, whose `main` gives these functions to [`run_fuzz`].

mod mutation;

use std::{
    collections::BTreeSet,
    env,
    error::Error,
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    panic,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

use self::mutation::Mutation;
use crate::{AllocationWatch, Seed};

/// How long one input may take.
const MAX_TIME: Duration = Duration::from_secs(5);
/// The bytes that an input may make a target take at one time.
const MAX_BYTES: usize = 4 << 20;
/// The further bytes that each byte of an input may make a target take.
const MAX_BYTES_PER_BYTE: usize = 1 << 10;
/// The least number of inputs of a corpus.
const MIN_INPUTS: usize = 3;
/// How often each input of a corpus is changed by the test.
const N_CHANGED: usize = 256;
/// The test gives each target so many inputs that are random from the first byte on.
const N_RANDOM: usize = 256;

/// A parser or decoder with what holds for any bytes that it is given.
#[derive(Clone, Copy, Debug)]
pub struct FuzzTarget {
    name: &'static str,
    check: fn(&[u8]) -> bool,
    /// What may be allocated in all.
    max_sum: Option<usize>,
}

impl FuzzTarget {
    /// Returns the target `name`, which is also the name of its corpus. `check` panics if the bytes break a promise,
    /// and returns whether they were accepted.
    pub const fn new(name: &'static str, check: fn(&[u8]) -> bool) -> Self {
        Self {
            name,
            check,
            max_sum: None,
        }
    }

    /// Returns the target with a limit also for the sum of all that is allocated for an input: so many bytes, and 1 KiB
    /// for each of its own.
    #[must_use]
    pub const fn within(mut self, max_sum: usize) -> Self {
        self.max_sum = Some(max_sum);
        self
    }

    /// Runs the target, which may not panic, take long or take much memory, and returns whether it accepts the input.
    fn try_input(&self, input: &[u8]) -> Result<bool, String> {
        let (is_accepted, time) = self.timed(input)?;
        if time <= MAX_TIME {
            return Ok(is_accepted);
        }
        // The machine may have stood still: once more.
        match self.timed(input)? {
            (_, time) if MAX_TIME < time => Err(format!("took {time:?}")),
            _ => Ok(is_accepted),
        }
    }

    /// Does that once, and returns how long it took as well.
    fn timed(&self, input: &[u8]) -> Result<(bool, Duration), String> {
        let start = Instant::now();
        let watch = AllocationWatch::start();
        // What the hook prints tells more than the payload.
        let is_accepted =
            panic::catch_unwind(|| (self.check)(input)).map_err(|_| "panicked".to_owned())?;
        let (time, allocated) = (start.elapsed(), watch.so_far());
        let peak = usize::try_from(allocated.peak).unwrap_or(0);
        let limits = [(Some(MAX_BYTES), peak), (self.max_sum, allocated.bytes)];
        for (limit, bytes) in limits {
            if limit.is_some_and(|limit| limit + MAX_BYTES_PER_BYTE * input.len() < bytes) {
                return Err(format!("allocated {bytes} bytes for {}", input.len()));
            }
        }
        Ok((is_accepted, time))
    }
}

/// The `main` of a test target that has the [`CountingAllocator`](crate::CountingAllocator). `dir` holds for each
/// target the directory `corpus/NAME`, and the program `targets/NAME.rs` for a fuzzer.
///
/// Without an argument it is a test: each corpus is replayed, 256 random changes of each of its inputs are tried
/// ([`SEED_VARIABLE`](crate::SEED_VARIABLE) repeats them), and there have to be inputs that are accepted and inputs that
/// are not. An input may take 5 s, and 4 MiB at one time beside 1 KiB for each of its bytes. `--target NAME --seconds N --seed S` looks for an input that breaks a promise, with random changes of the
/// corpus for so long; the same seed tries the same inputs. An input that does is written to `artifacts/NAME`.
#[expect(clippy::print_stdout, reason = "this is a test runner")]
pub fn run_fuzz(dir: &Path, targets: &[FuzzTarget]) -> ExitCode {
    let result = match Search::from_args(targets) {
        Ok(None) => replay(dir, targets),
        Ok(Some(search)) => search.run(dir),
        Err(error) => Err(error),
    };
    match result {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Gives the corpora to their targets, as they are and changed, and returns what to print.
fn replay(dir: &Path, targets: &[FuzzTarget]) -> Result<String, Box<dyn Error>> {
    let expected: BTreeSet<_> = targets
        .iter()
        .map(|target| target.name.to_owned())
        .collect();
    for kind in ["corpus", "targets"] {
        let found = names(&dir.join(kind))?;
        if found != expected {
            return Err(format!("{kind} of {found:?}, targets {expected:?}").into());
        }
    }
    let seed = Seed::from_env();
    let mut lines = Vec::new();
    for target in targets {
        let name = target.name;
        let (n_corpus, n_accepted, n_inputs) = replay_one(dir, target, &seed)?;
        lines.push(format!(
            "fuzz {name}: {n_accepted} of {n_corpus} accepted, {n_inputs} inputs, ok"
        ));
    }
    Ok(lines.join("\n"))
}

/// Returns how many inputs the corpus has, how many of them are accepted, and how many inputs were tried.
fn replay_one(
    dir: &Path,
    target: &FuzzTarget,
    seed: &Seed,
) -> Result<(usize, usize, usize), Box<dyn Error>> {
    let corpus = inputs(dir, target.name)?;
    let tried = |input: &[u8], origin: &str| {
        let result = target.try_input(input);
        result.map_err(|reason| found(dir, target.name, input, &reason, origin))
    };
    let mut n_accepted = 0;
    for input in &corpus {
        n_accepted += usize::from(tried(input, "of the corpus")?);
    }
    if corpus.len() < MIN_INPUTS || n_accepted == 0 || n_accepted == corpus.len() {
        let counts = format!("{n_accepted} of {} inputs accepted", corpus.len());
        return Err(format!("{}: the corpus is too uniform, {counts}", target.name).into());
    }
    let origin = format!("with {}={:#018x}", crate::SEED_VARIABLE, seed.value());
    let mut mutation = Mutation::new(seed.value(), &corpus);
    for input in corpus.iter().flat_map(|input| [input; N_CHANGED]) {
        tried(&mutation.change_of(input), &origin)?;
    }
    for _ in 0..N_RANDOM {
        tried(&mutation.bytes(), &origin)?;
    }
    let n_inputs = corpus.len() * (1 + N_CHANGED) + N_RANDOM;
    Ok((corpus.len(), n_accepted, n_inputs))
}

/// A search that a person asked for.
struct Search {
    target: FuzzTarget,
    time: Duration,
    seed: u64,
}

impl Search {
    /// Reads the arguments, without those that `cargo test` passes to all tests.
    fn from_args(targets: &[FuzzTarget]) -> Result<Option<Self>, Box<dyn Error>> {
        let (mut name, mut seconds, mut seed) = (None, 10, 1);
        let mut args = env::args().skip(1);
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or("a value is missing");
            match arg.as_str() {
                "--target" => name = Some(value()?),
                "--seconds" => seconds = value()?.parse()?,
                "--seed" => seed = value()?.parse()?,
                _ => {}
            }
        }
        let Some(name) = name else { return Ok(None) };
        let target = targets.iter().find(|target| target.name == name);
        let target = target.ok_or_else(|| {
            let names: Vec<_> = targets.iter().map(|target| target.name).collect();
            format!("no target is named {name:?}; there are {names:?}")
        })?;
        Ok(Some(Self {
            target: *target,
            time: Duration::from_secs(seconds),
            seed,
        }))
    }

    /// Gives changes of the corpus to the target until the time is over, and returns what to print.
    fn run(&self, dir: &Path) -> Result<String, Box<dyn Error>> {
        let (name, seed) = (self.target.name, self.seed);
        let corpus = inputs(dir, name)?;
        let mut mutation = Mutation::new(seed, &corpus);
        let start = Instant::now();
        let mut corpus_left = corpus.iter();
        let (mut n_inputs, mut n_accepted) = (0_u64, 0_u64);
        while start.elapsed() < self.time {
            let input = match corpus_left.next() {
                Some(input) => input.clone(),
                None => mutation.next_input(),
            };
            n_inputs += 1;
            match self.target.try_input(&input) {
                Ok(is_accepted) => n_accepted += u64::from(is_accepted),
                Err(reason) => {
                    let origin = format!("the {n_inputs}. of seed {seed}");
                    return Err(found(dir, name, &input, &reason, &origin).into());
                }
            }
        }
        let seconds = start.elapsed().as_secs_f64();
        Ok(format!(
            "{name}: {n_inputs} inputs in {seconds:.1} s, {n_accepted} of them accepted, seed {seed}: nothing found"
        ))
    }
}

/// Keeps an input that broke a promise, and returns what to say about it.
fn found(dir: &Path, name: &str, input: &[u8], reason: &str, origin: &str) -> String {
    let written = write(&dir.join("artifacts").join(name), input);
    let place = match written {
        Ok(path) => path.display().to_string(),
        Err(error) => format!("{} (not written: {error})", input.escape_ascii()),
    };
    format!("{name}: {reason} by an input {origin}: {place}")
}

fn write(dir: &Path, input: &[u8]) -> std::io::Result<PathBuf> {
    fs::create_dir_all(dir)?;
    let mut hasher = DefaultHasher::new();
    input.hash(&mut hasher);
    let path = dir.join(format!("crash-{:016x}", hasher.finish()));
    fs::write(&path, input)?;
    Ok(path)
}

/// Returns the files of the corpus of a target, in the order of their names.
fn inputs(dir: &Path, target: &str) -> Result<Vec<Vec<u8>>, Box<dyn Error>> {
    let dir = dir.join("corpus").join(target);
    let mut paths: Vec<_> = entries(&dir)?;
    paths.sort();
    let inputs: Result<Vec<_>, _> = paths.iter().map(fs::read).collect();
    Ok(inputs?)
}

/// Returns the names in a directory, without what says that a file is a program.
fn names(dir: &Path) -> Result<BTreeSet<String>, Box<dyn Error>> {
    let stem = |path: &PathBuf| path.file_stem().map(|stem| stem.to_string_lossy().into());
    Ok(entries(dir)?.iter().filter_map(stem).collect())
}

fn entries(dir: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let list = || fs::read_dir(dir)?.map(|entry| Ok(entry?.path())).collect();
    let entries: std::io::Result<_> = list();
    Ok(entries.map_err(|error| format!("cannot list {}: {error}", dir.display()))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CountingAllocator;

    #[global_allocator]
    static ALLOCATOR: CountingAllocator = CountingAllocator;

    fn verdict(check: fn(&[u8]) -> bool) -> Result<bool, String> {
        FuzzTarget::new("planted", check).try_input(b"input")
    }

    #[test]
    fn a_panic_and_a_large_allocation_are_found() {
        assert_eq!(verdict(|_| true), Ok(true));
        let panics = verdict(|bytes| {
            assert!(bytes.is_empty(), "planted");
            false
        });
        assert_eq!(panics, Err("panicked".to_owned()));
        let allocates = verdict(|_| Vec::<u8>::with_capacity(2 * MAX_BYTES).is_empty());
        assert!(allocates.is_err_and(|reason| reason.starts_with("allocated 83")));
        let few = FuzzTarget::new("planted", |_| Vec::<u8>::with_capacity(6000).is_empty());
        assert_eq!(few.try_input(b""), Ok(true));
        assert!(few.within(5000).try_input(b"").is_err());
    }
}
