//! What the program prints at the end, and its status.

use std::fmt::Write as _;
use std::io::{self, Write as _, stdout};
use std::process::ExitCode;

use crate::args::Args;
use crate::job::Outcome;
use crate::sources::Sources;

/// Prints the result; the status is a failure if some file could not be read.
///
/// # Errors
///
/// The operating system's, when the result cannot be written. That the reader has seen enough, as `head`
/// does, is no error.
pub(crate) fn print(args: &Args, sources: &Sources, outcome: &Outcome) -> io::Result<ExitCode> {
    let errors: Vec<_> = sources.errors.iter().chain(&outcome.tally.errors).collect();
    for error in &errors {
        eprintln!("wordcount: {error}");
    }
    let text = if args.json {
        json(args, sources, outcome, &errors)
    } else {
        text(args, sources, outcome)
    };
    match stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error),
        _ => {}
    }
    Ok(if errors.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Returns the result as lines of a number and what it counts.
fn text(args: &Args, sources: &Sources, outcome: &Outcome) -> String {
    let tally = &outcome.tally;
    let totals = [
        (sources.files.len() as u64, "files"),
        (sources.bytes(), "bytes"),
        (tally.total(), "words"),
        (tally.words.len() as u64, "distinct words"),
    ];
    let top = tally
        .top(args.top)
        .into_iter()
        .map(|(word, count)| (count, word));
    let mut text = String::new();
    for (count, what) in totals.into_iter().chain(top) {
        // A string takes any text.
        _ = writeln!(text, "{count:>10} {what}");
    }
    text
}

/// Returns the result as one JSON object.
fn json(args: &Args, sources: &Sources, outcome: &Outcome, errors: &[&String]) -> String {
    let tally = &outcome.tally;
    let top = tally.top(args.top).into_iter();
    let top: Vec<_> = top
        .map(|(word, count)| serde_json::json!({ "word": word, "count": count }))
        .collect();
    let report = serde_json::json!({
        "total": tally.total(),
        "distinct": tally.words.len(),
        "top": top,
        "files": sources.files.len(),
        "bytes": sources.bytes(),
        "workers": args.workers(),
        "redone": outcome.redone,
        "errors": errors,
    });
    format!("{report:#}\n")
}
