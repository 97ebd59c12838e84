//! The steps of CI, in their order, with the time that each takes.

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use clap::ValueEnum;

use crate::{
    alone::{self, AloneError},
    command::RunError,
    examples::{self, ExamplesError},
    layers::{self, LayersError},
    tidy::{self, TidyError},
    workspace::Workspace,
};

/// How long all tests together may take once they are built.
const TEST_LIMIT: Duration = Duration::from_secs(20 * 60);

/// What random tests begin with here, so that a change fails by its own fault. Whoever runs the tests otherwise looks
/// further each time.
const SEED: &str = "1";

/// One step; the order here is the order in which they run: what is quick to fail comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Step {
    /// The code is formatted.
    Fmt,
    /// The crates depend on each other only as they may.
    Layers,
    /// Sizes, heads, names, unfinished code, sleeping tests, links.
    Tidy,
    /// Clippy has nothing to say.
    Clippy,
    /// Everything builds, so that tests find the programs that they start.
    Build,
    /// The tests pass, those in the docs too, and leave no process behind.
    Test,
    /// The docs build without a warning.
    Doc,
    /// Each package compiles alone, with each feature off and on.
    Alone,
    /// Each example runs to its end and leaves no process behind.
    Examples,
}

/// Error returned by [`run`]: the first step that failed.
#[derive(Debug, thiserror::Error)]
#[error("the step `{step}` failed; repeat it with: cargo xtask ci --only {step}", step = step.name())]
pub(crate) struct CiError {
    step: Step,
    source: StepError,
}

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum StepError {
    /// A program says so.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The layers say so.
    #[error(transparent)]
    Layers(#[from] LayersError),
    /// Tidy says so.
    #[error(transparent)]
    Tidy(#[from] TidyError),
    /// A package does not compile alone.
    #[error(transparent)]
    Alone(#[from] AloneError),
    /// An example did not do what it must.
    #[error(transparent)]
    Examples(#[from] ExamplesError),
}

impl Step {
    /// Returns the name under which a person asks for the step.
    fn name(self) -> String {
        self.to_possible_value()
            .map_or_else(String::new, |value| value.get_name().to_owned())
    }

    fn run(self, workspace: &Workspace) -> Result<(), StepError> {
        let cargo = |line: &str| workspace.cargo(line.split(' '));
        match self {
            Self::Fmt => cargo("fmt --all --check").run()?,
            Self::Layers => layers::run(workspace)?,
            Self::Tidy => tidy::run(workspace)?,
            Self::Clippy => {
                cargo("clippy --workspace --all-targets --all-features -- -D warnings").run()?;
            }
            Self::Build => cargo("build --workspace --all-targets --all-features").run()?,
            Self::Test => {
                cargo("test --workspace --all-features")
                    .env("HYPERMESH_SEED", SEED)
                    .env("PROPTEST_RNG_SEED", SEED)
                    .run_leaving_nothing(TEST_LIMIT)?;
            }
            Self::Doc => cargo("doc --workspace --no-deps --all-features")
                .env("RUSTDOCFLAGS", "-D warnings")
                .run()?,
            Self::Alone => alone::run(workspace)?,
            Self::Examples => examples::run(workspace)?,
        }
        Ok(())
    }
}

/// Returns the steps to run, in their order: those of `only`, or all but those of `skip`.
pub(crate) fn chosen(only: &[Step], skip: &[Step]) -> Vec<Step> {
    let is_chosen = |step: &Step| {
        if only.is_empty() {
            !skip.contains(step)
        } else {
            only.contains(step)
        }
    };
    Step::value_variants()
        .iter()
        .copied()
        .filter(is_chosen)
        .collect()
}

/// Runs `steps` up to the first that fails, and prints how each went and how long it took.
pub(crate) fn run(workspace: &Workspace, steps: &[Step]) -> Result<(), CiError> {
    let mut took = Vec::new();
    let mut failure = None;
    for &step in steps {
        println!("\n=== {} ===", step.name());
        let start = Instant::now();
        let result = step.run(workspace);
        took.push(start.elapsed());
        if let Err(source) = result {
            failure = Some(CiError { step, source });
            break;
        }
    }
    println!("\n{}", table(steps, &took, failure.is_some()));
    failure.map_or(Ok(()), Err)
}

/// Returns a line for each of `steps`, of which the first ones `took` their times and the last of
/// those failed or not.
fn table(steps: &[Step], took: &[Duration], failed: bool) -> String {
    let mut table = String::new();
    for (idx, step) in steps.iter().enumerate() {
        let name = step.name();
        let result = match took.get(idx) {
            None => format!("{name:<9} {:>9}  not run", "-"),
            Some(time) => {
                let verdict = if failed && idx + 1 == took.len() {
                    "FAILED"
                } else {
                    "ok"
                };
                format!("{name:<9} {:>8.1}s  {verdict}", time.as_secs_f64())
            }
        };
        writeln!(table, "{result}").expect("a String takes any text");
    }
    let total: Duration = took.iter().sum();
    write!(table, "{:<9} {:>8.1}s", "total", total.as_secs_f64()).expect("a String takes any text");
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_run_in_their_own_order_whatever_the_order_of_the_request() {
        assert_eq!(chosen(&[], &[]).len(), Step::value_variants().len());
        assert_eq!(chosen(&[Step::Doc, Step::Fmt], &[]), [Step::Fmt, Step::Doc]);
        let without = chosen(&[], &[Step::Test, Step::Clippy]);
        assert_eq!(
            without[..4],
            [Step::Fmt, Step::Layers, Step::Tidy, Step::Build]
        );
        assert!(!without.contains(&Step::Test));
    }

    #[test]
    fn the_table_tells_passed_failed_and_not_run_apart() {
        let steps = [Step::Fmt, Step::Examples, Step::Doc];
        let took = [Duration::from_millis(1_240), Duration::from_secs(61)];
        let expected = "fmt            1.2s  ok\n\
                        examples      61.0s  FAILED\n\
                        doc               -  not run\n\
                        total         62.2s";
        assert_eq!(table(&steps, &took, true), expected);
        assert!(table(&steps, &took, false).contains("examples      61.0s  ok"));
    }

    #[test]
    fn a_failed_step_names_the_command_that_repeats_it() {
        let workspace = Workspace::at("/");
        let error = run(&workspace, &[Step::Layers, Step::Fmt]).unwrap_err();
        let expected = "the step `layers` failed; repeat it with: cargo xtask ci --only layers";
        assert_eq!(error.to_string(), expected);
    }
}
