//! A process that takes its settings as it is told on stdin, and reports them on stdout.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::sync::{Arc, Mutex};

use hypermesh_config::{Snapshot, apply_parent, check_all, list, load_file, snapshot};
use hypermesh_testkit::ProcessGuard;
use serde::{Deserialize, Serialize};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// The variable that makes a child of a process.
const CHILD: &str = "CONFIG_TEST_CHILD";

/// What a child is to do.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Orders {
    /// Its environment variables.
    pub(crate) env: BTreeMap<String, String>,
    /// Its settings file.
    pub(crate) file: Option<PathBuf>,
    /// What its parent hands it.
    pub(crate) parent: Option<Snapshot>,
    /// What its own child is to do; the snapshot is added.
    pub(crate) child: Option<Box<Orders>>,
}

/// What a child says.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    /// Value and source by setting.
    pub(crate) settings: BTreeMap<String, (String, String)>,
    pub(crate) errors: Vec<String>,
    pub(crate) file_error: Option<String>,
    pub(crate) warnings: Vec<String>,
    /// What it hands its children.
    pub(crate) snapshot: Snapshot,
    /// What its child says.
    pub(crate) child: Option<Box<Report>>,
}

impl Report {
    #[track_caller]
    pub(crate) fn check(&self, setting: &str, value: &str, source: &str) {
        let found = &self.settings[setting];
        let expected = (value.to_owned(), source.to_owned());
        assert_eq!(*found, expected, "{setting}");
    }
}

/// Starts a child with `orders` and returns what it says.
pub(crate) fn start(orders: &Orders, guard: &ProcessGuard) -> Report {
    launch(orders, guard.env())
}

fn launch(orders: &Orders, (variable, marker): (&str, &str)) -> Report {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .env_clear()
        .env(CHILD, variable)
        .env(variable, marker)
        .envs(&orders.env)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let orders = serde_json::to_vec(orders).unwrap();
    child.stdin.take().unwrap().write_all(&orders).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{:?}", output.status);
    serde_json::from_slice(&output.stdout).unwrap()
}

pub(crate) fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

/// Follows the orders on stdin.
pub(crate) fn run() -> ExitCode {
    let orders: Orders = serde_json::from_reader(io::stdin()).unwrap();
    let log = Log::default();
    let report = tracing::subscriber::with_default(log.clone(), || follow(orders, &log));
    serde_json::to_writer(io::stdout(), &report).unwrap();
    ExitCode::SUCCESS
}

fn follow(orders: Orders, log: &Log) -> Report {
    if let Some(parent) = orders.parent {
        apply_parent(parent);
    }
    let file_error = orders.file.and_then(|file| load_file(file).err());
    let errors = check_all().err().into_iter().flatten();
    let errors = errors.map(|error| error.to_string()).collect();
    let settings = list().into_iter().map(|info| {
        let source = info.source.to_string();
        (info.name, (info.value, source))
    });
    let settings = settings.collect();
    // Read once more: what is wrong is told once.
    assert_eq!(list(), list());
    let child = orders.child.map(|mut child| {
        child.parent = Some(snapshot());
        let variable = std::env::var(CHILD).unwrap();
        let marker = std::env::var(&variable).unwrap();
        Box::new(launch(&child, (&variable, &marker)))
    });
    Report {
        settings,
        errors,
        file_error: file_error.map(|error| error.to_string()),
        warnings: log.lines.lock().unwrap().clone(),
        snapshot: snapshot(),
        child,
    }
}

/// Keeps the lines of the log.
#[derive(Clone, Default)]
struct Log {
    lines: Arc<Mutex<Vec<String>>>,
}

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut Lines(&self.lines));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Lines<'a>(&'a Mutex<Vec<String>>);

impl Visit for Lines<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0.lock().unwrap().push(format!("{value:?}"));
        }
    }
}
