//! The figures of one command: printed as they come, as JSON at the end, and a status.

use std::error::Error;
use std::fmt::{self, Display};
use std::path::PathBuf;
use std::pin::Pin;
use std::process::ExitCode;

use clap::Parser;

use crate::Figure;
use crate::figure::{COLUMNS, line};
use crate::machine::Machine;

/// What a step of a benchmark returns.
pub type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// The options that every benchmark takes.
#[derive(Debug, Parser)]
pub struct Options {
    /// End with status 1 if a limit is missed.
    #[arg(long)]
    pub check: bool,
    /// Write the figures to FILE as well.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Print the machine and the figures in Markdown.
    #[arg(long)]
    pub markdown: bool,
    /// Repetitions of each figure, at least 5.
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u16).range(5..))]
    pub repeat: u16,
    /// Measure only the figures whose name contains TEXT.
    #[arg(long, value_name = "TEXT")]
    pub only: Option<String>,
}

/// Whoever does the same as we do, and the figure of ours beside it.
pub struct Rival<'a> {
    figure: Figure,
    run: Box<dyn FnMut() -> Run<'a> + 'a>,
}

/// One sample on its way.
type Run<'a> = Pin<Box<dyn Future<Output = Outcome<f64>> + 'a>>;

impl<'a> Rival<'a> {
    /// Returns the rival of whom `run` takes a sample, for `figure`.
    pub fn new<F>(figure: Figure, mut run: impl FnMut() -> F + 'a) -> Self
    where
        F: Future<Output = Outcome<f64>> + 'a,
    {
        Self {
            figure,
            run: Box::new(move || Box::pin(run())),
        }
    }
}

impl fmt::Debug for Rival<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rival")
            .field("figure", &self.figure)
            .finish_non_exhaustive()
    }
}

/// Collects the figures of a run.
#[derive(Debug)]
pub struct Report {
    options: Options,
    figures: Vec<Figure>,
}

impl Report {
    /// Starts a report and prints the machine and the head of its table.
    pub fn new(options: Options) -> Self {
        println!("{}\n", Machine::here());
        let report = Self {
            options,
            figures: Vec::new(),
        };
        report.print(&COLUMNS);
        if report.options.markdown {
            report.print(&["---"; COLUMNS.len()]);
        }
        report
    }

    /// Tells whether the figure `name` was asked for.
    pub fn wants(&self, name: &str) -> bool {
        self.options
            .only
            .as_deref()
            .is_none_or(|only| name.contains(only))
    }

    /// Returns the number of repetitions of each figure.
    pub fn repeat(&self) -> usize {
        usize::from(self.options.repeat)
    }

    /// Takes the samples of `figure`, after one that does not count; nothing if it was not asked for.
    ///
    /// # Errors
    ///
    /// The first of `ours`.
    pub async fn measure<E>(
        &mut self,
        mut figure: Figure,
        mut ours: impl AsyncFnMut() -> Result<f64, E>,
    ) -> Result<(), E> {
        if !self.wants(&figure.name) {
            return Ok(());
        }
        ours().await?;
        for _ in 0..self.repeat() {
            figure.samples.push(ours().await?);
        }
        self.add(figure);
        Ok(())
    }

    /// Takes the samples of `figure` and of its baseline in turns, after one of each that does not
    /// count; nothing if it was not asked for.
    ///
    /// # Errors
    ///
    /// The first of `ours` or `baseline`.
    pub async fn compare<E>(
        &mut self,
        mut figure: Figure,
        mut ours: impl AsyncFnMut() -> Result<f64, E>,
        mut baseline: impl AsyncFnMut() -> Result<f64, E>,
    ) -> Result<(), E> {
        if !self.wants(&figure.name) {
            return Ok(());
        }
        baseline().await?;
        ours().await?;
        for _ in 0..self.repeat() {
            figure.baseline.push(baseline().await?);
            figure.samples.push(ours().await?);
        }
        self.add(figure);
        Ok(())
    }

    /// Takes the samples of ours and of all `rivals` in turns, after one of each that does not count: a
    /// figure for each rival that was asked for.
    ///
    /// # Errors
    ///
    /// The first of `ours` or of a rival.
    pub async fn compete(
        &mut self,
        mut ours: impl AsyncFnMut() -> Outcome<f64>,
        mut rivals: Vec<Rival<'_>>,
    ) -> Outcome<()> {
        rivals.retain(|rival| self.wants(&rival.figure.name));
        if rivals.is_empty() {
            return Ok(());
        }
        for idx in 0..=self.repeat() {
            let sample = ours().await?;
            for rival in &mut rivals {
                let baseline = (rival.run)().await?;
                if 0 < idx {
                    rival.figure.samples.push(sample);
                    rival.figure.baseline.push(baseline);
                }
            }
        }
        for rival in rivals {
            self.add(rival.figure);
        }
        Ok(())
    }

    /// Prints `figure` and keeps it for the end.
    pub fn add(&mut self, figure: Figure) {
        self.print(&figure.columns());
        self.figures.push(figure);
    }

    fn print<T: Display>(&self, columns: &[T; COLUMNS.len()]) {
        if self.options.markdown {
            let cells = columns.iter().map(|column| format!(" {column} |"));
            println!("|{}", cells.collect::<String>());
        } else {
            println!("{}", line(columns));
        }
    }

    /// Writes the JSON file and returns the status of the command.
    ///
    /// # Errors
    ///
    /// The operating system's, when the file cannot be written.
    pub fn finish(self) -> std::io::Result<ExitCode> {
        if let Some(path) = &self.options.json {
            let rows: Vec<_> = self.figures.iter().map(Self::row).collect();
            std::fs::write(path, format!("{:#}\n", serde_json::Value::from(rows)))?;
        }
        let missed = self.figures.iter().filter(|figure| !figure.holds()).count();
        println!("\n{} figures, {missed} missed", self.figures.len());
        let failed = self.options.check && 0 < missed;
        Ok(if failed {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        })
    }

    fn row(figure: &Figure) -> serde_json::Value {
        serde_json::json!({
            "name": figure.name,
            "unit": figure.unit,
            "value": figure.value(),
            "baseline": figure.base(),
            "ratio": figure.ratio(),
            "limit": figure.limit,
            "ok": figure.holds(),
            "samples": figure.samples,
            "baseline_samples": figure.baseline,
        })
    }
}
