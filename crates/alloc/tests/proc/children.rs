//! Tests of the owner of child processes: exits, the stop ladder, and that nobody is left.

use std::{
    env,
    io::{BufRead, BufReader},
    process::{Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use hypermesh_alloc::children::{ChildEvent, Children, ExitStatus, Ladder, Verdict};
use hypermesh_testkit::{Seed, process};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::runtime::Runtime;

use crate::{
    kinds::WITHOUT_DESCRIPTOR,
    runner::{Bench, Case, DEADLINE, spec},
};

pub(crate) const CASES: &[Case] = &[
    ("a_child_reports_drains_and_exits_with_status_0", drains),
    (
        "inv2_a_missing_program_is_one_event_with_path_and_errno",
        missing_program,
    ),
    ("exit_codes_and_the_stderr_tail_are_told", exit_codes),
    (
        "a_signal_from_outside_is_told_and_was_not_requested",
        outside_signal,
    ),
    ("a_deaf_child_is_killed_after_both_rungs", deaf),
    ("a_stopped_child_is_killed", stopped),
    (
        "a_child_without_a_descriptor_gets_sigterm",
        term_without_control,
    ),
    ("kill_needs_no_ladder", kill_at_once),
    ("n_deaf_children_cost_one_deadline", one_deadline),
    ("a_child_that_never_reports_is_overdue", overdue),
    ("inv5_garbage_on_the_descriptor_kills_the_child", garbage),
    ("inv4_the_process_group_dies_with_the_child", group),
    (
        "an_exit_is_seen_while_a_grandchild_holds_the_pipes",
        held_pipes,
    ),
    (
        "dropping_the_owner_leaves_nobody_with_and_without_a_runtime",
        dropping,
    ),
    ("a_killed_launcher_leaves_nobody", killed_launcher),
    (
        "a_launcher_killed_at_any_moment_of_its_starts_leaves_nobody",
        killed_while_starting,
    ),
    ("the_thread_that_asked_for_a_start_may_end", asking_thread),
    ("a_child_has_a_group_of_its_own_and_no_stdin", surroundings),
];

const LADDER: Ladder = Ladder {
    drain: Duration::from_secs(10),
    term: Duration::from_secs(10),
};
const SHORT: Ladder = Ladder {
    drain: Duration::from_millis(200),
    term: Duration::from_millis(200),
};

fn drains(bench: &mut Bench<'_>) {
    let children = bench.children();
    let key = children.spawn(bench.child("echo", &"hello"));
    let (pid, report) = bench.report();
    assert_eq!(report, b"hello");
    assert!(process::alive(pid.unwrap()));
    assert_eq!(children.count(), 1);

    children.stop(key, LADDER);
    let facts = bench.exit();
    assert_eq!(facts.status, ExitStatus::Code(0));
    assert!(facts.requested && !facts.escalated, "{facts:?}");
    assert_eq!(bench.runtime.block_on(children.wait_empty(DEADLINE)), 0);
    // A stop, or a kill, of one that has ended does nothing.
    children.stop(key, LADDER);
    children.kill(key);
}

fn missing_program(bench: &mut Bench<'_>) {
    let children = bench.children();
    children.spawn(spec("/nope/nothing".into(), "echo", &()));
    match bench.event().1 {
        ChildEvent::StartFailed(error) => {
            assert!(error.to_string().contains("/nope/nothing"), "{error}");
            assert_eq!(error.source.raw_os_error(), Some(2));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(children.wait_empty_blocking(DEADLINE), 0);
}

fn exit_codes(bench: &mut Bench<'_>) {
    let children = bench.children();
    children.spawn(bench.child("exit", &(7, vec!["boom-1", "boom-2"])));
    let facts = bench.exit();
    assert_eq!(facts.status, ExitStatus::Code(7));
    assert_eq!(facts.stderr_tail, "boom-1\nboom-2");
    assert!(!facts.requested);

    children.spawn(spec(bench.marked("false".into()), "echo", &()));
    assert_eq!(bench.exit().status, ExitStatus::Code(1));
}

fn outside_signal(bench: &mut Bench<'_>) {
    let children = bench.children();
    for signal in [Signal::SIGKILL, Signal::SIGTERM] {
        children.spawn(bench.child("echo", &"x"));
        let pid = bench.report().0.unwrap();
        kill(Pid::from_raw(pid.try_into().unwrap()), signal).unwrap();
        let facts = bench.exit();
        assert_eq!(
            facts.status,
            ExitStatus::Signal {
                signal: signal as i32,
                core: false
            }
        );
        assert!(!facts.requested && !facts.escalated, "{facts:?}");
    }
}

fn deaf(bench: &mut Bench<'_>) {
    let children = bench.children();
    let key = children.spawn(bench.child("deaf", &()));
    bench.report();
    let start = Instant::now();
    children.stop(key, SHORT);
    let facts = bench.exit();
    assert!(SHORT.total() <= start.elapsed());
    assert_eq!(
        facts.status,
        ExitStatus::Signal {
            signal: 9,
            core: false
        }
    );
    assert!(facts.requested && facts.escalated, "{facts:?}");
}

fn stopped(bench: &mut Bench<'_>) {
    let children = bench.children();
    let key = children.spawn(bench.child("echo", &"x"));
    let pid = bench.report().0.unwrap();
    kill(Pid::from_raw(pid.try_into().unwrap()), Signal::SIGSTOP).unwrap();
    children.stop(key, SHORT);
    assert!(bench.exit().escalated);
}

fn term_without_control(bench: &mut Bench<'_>) {
    let children = bench.children();
    // It closes what it inherited, so there is nobody to ask for a drain.
    let mut command = bench.this_program();
    command.args = vec![WITHOUT_DESCRIPTOR.into()];
    let key = children.spawn(spec(command, "echo", &()));
    let start = Instant::now();
    children.stop(
        key,
        Ladder {
            drain: Duration::from_secs(60),
            term: Duration::from_secs(60),
        },
    );
    let facts = bench.exit();
    assert_eq!(
        facts.status,
        ExitStatus::Signal {
            signal: 15,
            core: false
        }
    );
    assert!(start.elapsed() < DEADLINE);
}

fn kill_at_once(bench: &mut Bench<'_>) {
    let children = bench.children();
    let key = children.spawn(bench.child("deaf", &()));
    bench.report();
    children.kill(key);
    let facts = bench.exit();
    assert_eq!(
        facts.status,
        ExitStatus::Signal {
            signal: 9,
            core: false
        }
    );
    assert!(facts.requested && !facts.escalated, "{facts:?}");
}

fn one_deadline(bench: &mut Bench<'_>) {
    let children = bench.children();
    const N: u32 = 6;
    for _ in 0..N {
        children.spawn(bench.child("deaf", &()));
    }
    for _ in 0..N {
        bench.report();
    }
    let ladder = Ladder {
        drain: Duration::from_millis(500),
        term: Duration::from_millis(500),
    };
    let start = Instant::now();
    children.stop_all(ladder);
    assert_eq!(children.wait_empty_blocking(DEADLINE), 0);
    assert!(
        start.elapsed() < ladder.total() * (N - 1),
        "took {:?}",
        start.elapsed()
    );
}

fn overdue(bench: &mut Bench<'_>) {
    let children = bench.children();
    let mut late = spec(bench.shell("echo started >&2; sleep 60"), "echo", &());
    late.report_within = Some(Duration::from_millis(500));
    children.spawn(late);
    assert!(matches!(bench.event().1, ChildEvent::Started { .. }));
    assert!(matches!(bench.event().1, ChildEvent::Overdue));
    let facts = bench.exit();
    assert_eq!(facts.stderr_tail, "started");
    assert!(!facts.requested);
}

fn garbage(bench: &mut Bench<'_>) {
    let children = bench.children();
    children.spawn(bench.child("raw", &b"HTTP/1.1 400 Bad Request\r\n".to_vec()));
    assert!(matches!(bench.event().1, ChildEvent::Started { .. }));
    match bench.event().1 {
        ChildEvent::Garbled(error) => assert!(error.to_string().contains("HTTP"), "{error}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(
        bench.exit().status,
        ExitStatus::Signal {
            signal: 9,
            core: false
        }
    );
}

fn group(bench: &mut Bench<'_>) {
    let children = bench.children();
    let key = children.spawn(bench.child("parent", &("sleep", vec!["60"])));
    let grandchild = u32::from_le_bytes(bench.report().1.try_into().unwrap());
    assert!(process::alive(grandchild));
    children.stop(key, LADDER);
    assert_eq!(bench.exit().status, ExitStatus::Code(0));
    assert!(process::wait_ended(grandchild, DEADLINE));
}

fn held_pipes(bench: &mut Bench<'_>) {
    let children = bench.children();
    // The grandchild leaves the group, so the group's end does not end it.
    let key = children.spawn(bench.child("parent", &("setsid", vec!["sleep", "60"])));
    let grandchild = u32::from_le_bytes(bench.report().1.try_into().unwrap());
    hypermesh_testkit::wait_until(DEADLINE, || {
        process::Process::read(grandchild).is_some_and(|process| process.command == "sleep 60")
    });
    let start = Instant::now();
    children.stop(key, LADDER);
    assert_eq!(bench.exit().status, ExitStatus::Code(0));
    assert!(start.elapsed() < LADDER.drain);
    // Leaving both group and session is what only a keeper process can answer.
    process::kill(grandchild);
    process::wait_ended(grandchild, DEADLINE);
}

fn dropping(bench: &mut Bench<'_>) {
    for within_runtime in [false, true] {
        let children = bench.children();
        for kind in ["echo", "deaf"] {
            children.spawn(bench.child(kind, &"x"));
            bench.report();
        }
        // One that is not even asked for its end before it has started.
        children.spawn(bench.child("echo", &"x"));
        let entered = within_runtime.then(|| bench.runtime.enter());
        drop(children);
        drop(entered);
        bench.guard.assert_none_left(Duration::ZERO);
    }
}

/// Runs as a launcher of two children if the arguments say so: prints a line once they run, and
/// waits to be killed.
#[expect(clippy::print_stdout, reason = "the test reads it")]
pub(crate) fn run_as_launcher(runtime: &Runtime) -> Option<ExitCode> {
    if env::args().nth(1)? != "--launcher" {
        return None;
    }
    let (told, events) = std::sync::mpsc::channel();
    let children = Children::start(move |_, event| {
        if matches!(event, ChildEvent::Report(_)) {
            _ = told.send(());
        }
        Verdict::Keep
    });
    let children = children.unwrap();
    let this = hypermesh_alloc::bootstrap::BootstrapCommand::current().unwrap();
    // Behind a shell, the kernel's signal at the death of the parent reaches the shell only.
    let mut wrapped = this.clone();
    wrapped.program = "sh".into();
    wrapped.args = vec![
        "-c".into(),
        "\"$0\"; true".into(),
        this.program.clone().into(),
    ];
    for (command, kind) in [
        (&this, "echo"),
        (&this, "deaf"),
        (&this, "wedged"),
        (&wrapped, "wedged"),
    ] {
        children.spawn(spec(command.clone(), kind, &"x"));
    }
    for _ in 0..4 {
        events.recv_timeout(DEADLINE).unwrap();
    }
    println!("ready");
    runtime.block_on(std::future::pending())
}

fn killed_launcher(bench: &mut Bench<'_>) {
    let mut launcher = Command::new(env::current_exe().unwrap());
    launcher.arg("--launcher").stdout(Stdio::piped());
    let mut launcher = bench.guard.mark(&mut launcher).spawn().unwrap();
    let mut line = String::new();
    let mut stdout = BufReader::new(launcher.stdout.take().unwrap());
    stdout.read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    assert!(6 <= bench.guard.marked().len());

    // One that does not run cannot see the end of the launcher itself.
    let children = process::descendants(launcher.id());
    let first = children.first().unwrap().pid;
    kill(Pid::from_raw(first.try_into().unwrap()), Signal::SIGSTOP).unwrap();
    launcher.kill().unwrap();
    launcher.wait().unwrap();
    bench.guard.assert_none_left(Duration::from_secs(5));
}

fn killed_while_starting(bench: &mut Bench<'_>) {
    let seed = Seed::from_env();
    let mut rng = seed.rng();
    for _ in 0..12 {
        let mut launcher = Command::new(env::current_exe().unwrap());
        launcher.arg("--launcher").stdout(Stdio::null());
        let mut launcher = bench.guard.mark(&mut launcher).spawn().unwrap();
        let moment = Duration::from_micros(rng.below(80_000));
        process::wait_ended(launcher.id(), moment);
        launcher.kill().unwrap();
        launcher.wait().unwrap();
        bench.guard.assert_none_left(Duration::from_secs(5));
    }
}

fn asking_thread(bench: &mut Bench<'_>) {
    let children = bench.children();
    let child = bench.child("echo", &"x");
    std::thread::scope(|scope| _ = scope.spawn(|| children.spawn(child)).join().unwrap());
    let pid = bench.report().0.unwrap();
    let ended = process::wait_ended(pid, Duration::from_millis(300));
    assert!(!ended, "the child died with the thread that asked for it");
}

fn surroundings(bench: &mut Bench<'_>) {
    let children = bench.children();
    let script =
        "read line || echo no stdin >&2; ps -o pgid= -p $$ >&2 || true; echo $$ >&2; exit 3";
    children.spawn(spec(bench.shell(script), "echo", &()));
    let facts = bench.exit();
    let lines: Vec<&str> = facts.stderr_tail.lines().map(str::trim).collect();
    assert_eq!(lines.first(), Some(&"no stdin"));
    if let [_, group, pid] = lines[..] {
        assert_eq!(group, pid);
    }
}
