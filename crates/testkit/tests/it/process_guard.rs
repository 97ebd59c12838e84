//! What the process guard finds, lets pass and kills.

use std::{
    process::{Child, Command, Stdio, id},
    time::Duration,
};

use hypermesh_testkit::{
    MARKER_VARIABLE, ProcessGuard,
    process::{self, Process, State},
    wait_until,
};

use crate::panic_text;

const DEADLINE: Duration = Duration::from_secs(10);
const MOMENT: Duration = Duration::from_millis(50);

/// Starts a marked process that would run for a minute.
fn idle(guard: &ProcessGuard) -> Child {
    guard.mark(Command::new("sleep").arg("60")).spawn().unwrap()
}

fn end(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn nothing_started_is_nothing_left() {
    ProcessGuard::new().assert_none_left(DEADLINE);
}

#[test]
fn a_process_that_was_waited_for_is_not_left() {
    let guard = ProcessGuard::new();
    end(idle(&guard));
    guard.assert_none_left(DEADLINE);
}

#[test]
fn inv1_a_running_child_is_listed_with_its_command_line() {
    let guard = ProcessGuard::new();
    let child = idle(&guard);
    let pid = child.id();

    let text = panic_text(|| guard.assert_none_left(MOMENT));
    assert!(
        text.contains(&format!("pid {pid} (parent {}, ", id())),
        "{text}"
    );
    assert!(text.ends_with("): sleep 60"), "{text}");
    end(child);
}

#[test]
fn inv1_a_child_is_found_from_the_moment_it_is_started() {
    for _ in 0..100 {
        let guard = ProcessGuard::new();
        let child = idle(&guard);
        assert_eq!(guard.marked().len(), 1);
        end(child);
    }
}

#[test]
fn inv1_an_orphan_in_another_session_is_found() {
    let guard = ProcessGuard::new();
    let script = "setsid sleep 60 >/dev/null 2>&1 & echo $!";
    let mut command = Command::new("sh");
    let output = guard
        .mark(command.args(["-c", script]))
        .stderr(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success());
    assert!(wait_until(DEADLINE, || guard
        .marked()
        .iter()
        .any(|p| p.command == "sleep 60")));

    let orphan = guard.marked().remove(0).pid;
    let text = panic_text(|| guard.assert_none_left(MOMENT));
    assert!(text.contains(&format!("pid {orphan} ")), "{text}");
}

#[test]
fn inv2_a_child_that_nobody_waited_for_is_a_fault() {
    let guard = ProcessGuard::new();
    let mut child = guard.mark(&mut Command::new("true")).spawn().unwrap();
    let pid = child.id();
    assert!(wait_until(DEADLINE, || process::state(pid) == Some(State::Zombie)));
    assert!(!process::alive(pid));

    let text = panic_text(|| guard.assert_none_left(MOMENT));
    assert!(
        text.contains(&format!("pid {pid} ")) && text.contains("zombie"),
        "{text}"
    );
    child.wait().unwrap();
    assert_eq!(process::state(pid), None);
}

#[test]
fn inv2_a_zombie_from_before_the_guard_is_not_its_fault() {
    let mut child = Command::new("true").spawn().unwrap();
    assert!(wait_until(DEADLINE, || process::state(child.id())
        == Some(State::Zombie)));
    let guard = ProcessGuard::new();
    guard.assert_none_left(DEADLINE);
    child.wait().unwrap();
}

#[test]
fn inv3_a_failed_check_kills_what_it_found() {
    let guard = ProcessGuard::new();
    let mut child = idle(&guard);
    panic_text(|| guard.assert_none_left(MOMENT));
    assert!(process::wait_ended(child.id(), DEADLINE));
    child.wait().unwrap();
}

#[test]
fn inv3_a_panicking_test_takes_its_processes_along() {
    let mut child = None;
    let text = panic_text(|| {
        let guard = ProcessGuard::new();
        child = Some(idle(&guard));
        panic!("the test fails for its own reason");
    });
    assert_eq!(text, "the test fails for its own reason");
    let mut child = child.unwrap();
    assert!(process::wait_ended(child.id(), DEADLINE));
    child.wait().unwrap();
}

#[test]
fn a_dropped_guard_checks_too() {
    let guard = ProcessGuard::new();
    let mut child = idle(&guard);
    let text = panic_text(move || drop(guard));
    assert!(text.contains("sleep 60"), "{text}");
    child.wait().unwrap();
}

#[test]
fn guards_do_not_see_the_processes_of_each_other() {
    let one = ProcessGuard::new();
    let two = ProcessGuard::new();
    assert_ne!(one.env(), two.env());
    let child = idle(&one);
    assert!(two.marked().is_empty());
    assert_eq!(process::marked(MARKER_VARIABLE, one.env().1).len(), 1);
    end(child);
}

#[test]
fn descendants_are_seen_without_a_mark() {
    let guard = ProcessGuard::new();
    let mut command = Command::new("sh");
    command.args(["-c", "sleep 60; true"]).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let below = |pid: u32| -> Option<Process> {
        process::descendants(pid)
            .into_iter()
            .find(|process| process.command == "sleep 60")
    };
    assert!(wait_until(DEADLINE, || below(child.id()).is_some()));
    assert!(
        ProcessGuard::descendants()
            .iter()
            .any(|process| process.pid == child.id())
    );

    let grandchild = below(child.id()).unwrap();
    assert_eq!(grandchild.parent, child.id());
    process::kill(grandchild.pid);
    child.wait().unwrap();
    guard.assert_none_left(DEADLINE);
}

#[test]
fn killing_nobody_is_no_error() {
    let mut child = Command::new("true").spawn().unwrap();
    child.wait().unwrap();
    process::kill(child.id());
}
