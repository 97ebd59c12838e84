//! A small test runner: cases by name, one after the other, each with a guard over its processes.

use std::{
    env,
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitCode,
    sync::mpsc::{self, Receiver},
    time::Duration,
};

use hypermesh_alloc::{
    bootstrap::{Boot, BootstrapCommand},
    children::{ChildEvent, ChildKey, ChildSpec, Children, ExitFacts, Verdict},
};
use hypermesh_testkit::ProcessGuard;
use serde::Serialize;
use tokio::runtime::Runtime;

/// No wait of a test takes longer, unless it fails.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// A test: its name, a sentence, and what it does.
pub(crate) type Case = (&'static str, fn(&mut Bench<'_>));

/// What a test works with.
pub(crate) struct Bench<'a> {
    pub(crate) runtime: &'a Runtime,
    pub(crate) guard: ProcessGuard,
    events: Option<Receiver<(ChildKey, ChildEvent)>>,
}

/// Runs the cases whose names contain one of the arguments, or all.
#[expect(clippy::print_stdout, reason = "this is a test runner")]
pub(crate) fn run(runtime: &Runtime, cases: &[Case]) -> ExitCode {
    let filters: Vec<String> = env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with('-'))
        .collect();
    let is_wanted =
        |name: &str| filters.is_empty() || filters.iter().any(|part| name.contains(part));
    let (mut n_passed, mut failed) = (0, Vec::new());
    for (name, case) in cases.iter().filter(|(name, _)| is_wanted(name)) {
        let run = || {
            let mut bench = Bench {
                runtime,
                guard: ProcessGuard::new(),
                events: None,
            };
            case(&mut bench);
            bench.guard.assert_none_left(Duration::from_secs(5));
        };
        let passed = catch_unwind(AssertUnwindSafe(run)).is_ok();
        println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
        if passed {
            n_passed += 1;
        } else {
            failed.push(*name);
        }
    }
    println!("\n{n_passed} passed, {} failed {failed:?}", failed.len());
    if failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

impl Bench<'_> {
    /// Returns the command that starts this program, marked for the guard.
    pub(crate) fn this_program(&self) -> BootstrapCommand {
        self.marked(BootstrapCommand::current().unwrap())
    }

    /// Returns a shell that runs `script`, marked for the guard.
    pub(crate) fn shell(&self, script: &str) -> BootstrapCommand {
        let mut command = BootstrapCommand::from("sh");
        command.args = vec!["-c".into(), script.into()];
        self.marked(command)
    }

    pub(crate) fn marked(&self, mut command: BootstrapCommand) -> BootstrapCommand {
        let (variable, marker) = self.guard.env();
        command.env.insert(variable.into(), marker.into());
        command
    }

    /// Starts an owner of children whose events this bench takes.
    pub(crate) fn children(&mut self) -> Children {
        let (told, events) = mpsc::channel();
        self.events = Some(events);
        let on_event = move |key, event| {
            _ = told.send((key, event));
            Verdict::Keep
        };
        Children::start(on_event).unwrap()
    }

    /// Returns what starts this program as a child of kind `kind`.
    pub(crate) fn child(&self, kind: &str, payload: &impl Serialize) -> ChildSpec {
        spec(self.this_program(), kind, payload)
    }

    pub(crate) fn event(&mut self) -> (ChildKey, ChildEvent) {
        let events = self.events.as_ref().expect("the bench has children");
        events
            .recv_timeout(DEADLINE)
            .expect("an event comes in time")
    }

    /// Takes events until the child reports, and returns its pid if that came by.
    #[track_caller]
    pub(crate) fn report(&mut self) -> (Option<u32>, Vec<u8>) {
        let mut pid = None;
        loop {
            match self.event().1 {
                ChildEvent::Started { pid: started } => pid = Some(started),
                ChildEvent::Report(report) => return (pid, report.to_vec()),
                other => panic!("{other:?} came before a report"),
            }
        }
    }

    /// Takes events until a child has ended.
    #[track_caller]
    pub(crate) fn exit(&mut self) -> ExitFacts {
        loop {
            match self.event().1 {
                ChildEvent::Exited(facts) => return facts,
                ChildEvent::StartFailed(error) => panic!("{error}"),
                _ => {}
            }
        }
    }
}

pub(crate) fn spec(command: BootstrapCommand, kind: &str, payload: &impl Serialize) -> ChildSpec {
    let boot = Boot::new(kind, payload).unwrap();
    ChildSpec {
        command,
        boot,
        label: kind.into(),
        report_within: None,
    }
}
