//! The command line.

use std::path::PathBuf;

use clap::Parser;

/// Counts words over a mesh of operating-system processes.
///
/// A word is a maximal run of ASCII letters, lower-cased. Without a PATH it counts the sources and documents of
/// the hypermesh workspace. A directory is walked (without its `target` and `.git`).
#[derive(Debug, Parser)]
#[command(name = "wordcount", version)]
pub(crate) struct Args {
    /// Host processes to start.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) hosts: u16,
    /// Worker processes on each host.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) procs: u16,
    /// How many of the most frequent words to print.
    #[arg(long, default_value_t = 10)]
    pub(crate) top: usize,
    /// Print one JSON object instead of text.
    #[arg(long)]
    pub(crate) json: bool,
    /// End with status 1 when a worker dies, instead of redoing its share on a fresh process.
    #[arg(long)]
    pub(crate) no_retry: bool,
    /// Files and directories to count.
    pub(crate) paths: Vec<PathBuf>,
}

impl Args {
    /// Returns the number of worker processes.
    pub(crate) fn workers(&self) -> usize {
        usize::from(self.hosts) * usize::from(self.procs)
    }
}
