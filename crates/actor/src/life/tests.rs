//! Scripts of steps, and the life that comes of them.

use hypermesh_mailbox::{ActorId, ProcId};

use super::*;
use crate::failure::Phase;

fn failure(cause: FailureCause) -> Failure {
    let proc = ProcId {
        world: 1,
        rank: 0,
        generation: 0,
    };
    Failure::new(
        cause,
        ActorId {
            proc,
            actor: 7,
            generation: 0,
        },
        "a",
        format!("{cause:?}"),
    )
}

/// Runs a script and returns the statuses seen, the exit, and whether cleanup ran.
///
/// `b`egin, `m`ade, `i`nitialized, `d`rain, `s`top, `k`ill, `f`ailed handler, `p`anic, `c`leanup,
/// `e` cleanup failed, `x` exited.
#[track_caller]
fn check(script: &str, statuses: &str, exit: &str, cleanups: usize) {
    let mut life = Life::new();
    let mut seen = String::from("C");
    let mut cleaned = 0;
    for step in script.chars() {
        match step {
            'b' => life.begin(),
            'm' => life.made(),
            'i' => life.initialized(),
            'd' => life.requested(Mode::Drain),
            's' => life.requested(Mode::Stop),
            'k' => life.requested(Mode::Kill),
            'f' => life.failed(failure(FailureCause::Handler)),
            'p' => life.failed(failure(FailureCause::Panic {
                phase: Phase::Handler,
            })),
            'c' => cleaned += usize::from(life.take_cleanup()),
            'e' => life.cleanup_failed(failure(FailureCause::Cleanup)),
            'x' => _ = life.exited(),
            other => panic!("unknown step {other}"),
        }
        let letter = match life.status() {
            Status::Created => 'C',
            Status::Initializing => 'I',
            Status::Running => 'R',
            Status::Stopping => 'S',
            Status::Exited => 'X',
        };
        if !seen.ends_with(letter) {
            seen.push(letter);
        }
    }
    assert_eq!(seen, statuses, "statuses of {script:?}");
    assert_eq!(cleaned, cleanups, "cleanups of {script:?}");
    let text = match life.exit() {
        Exit::Failed(failure) => failure.message.clone(),
        other => other.to_string(),
    };
    assert_eq!(text, exit, "exit of {script:?}");
}

#[test]
fn inv1_the_status_only_moves_forward() {
    check("bmiscx", "CIRSX", "stopped", 1);
    check("bmidcx", "CIRSX", "drained", 1);
    check("bmikcx", "CIRSX", "killed", 0);
    check("bmscx", "CISX", "stopped", 1);
    check("bmix", "CIRX", "stopped", 0);
    check("bmisibmcx", "CIRSX", "stopped", 1);
    check("x", "CX", "stopped", 0);
}

#[test]
fn inv1_every_pair_of_steps_keeps_the_order() {
    for first in "bmidskfpcex".chars() {
        for second in "bmidskfpcex".chars() {
            let mut life = Life::new();
            let mut last = life.status();
            for step in [first, second] {
                match step {
                    'b' => life.begin(),
                    'm' => life.made(),
                    'i' => life.initialized(),
                    'd' => life.requested(Mode::Drain),
                    's' => life.requested(Mode::Stop),
                    'k' => life.requested(Mode::Kill),
                    'f' | 'p' | 'e' => life.failed(failure(FailureCause::Handler)),
                    'c' => _ = life.take_cleanup(),
                    _ => _ = life.exited(),
                }
                assert!(
                    last <= life.status(),
                    "{first}{second} went back from {last}"
                );
                last = life.status();
            }
        }
    }
}

#[test]
fn inv2_the_first_failure_stays() {
    check("bmifpx", "CIRSX", "Handler", 0);
    check("bmifskcx", "CIRSX", "Handler", 0);
    check("bmisfcx", "CIRSX", "Handler", 1);
}

#[test]
fn inv3_a_request_only_gets_harsher() {
    check("bmidscx", "CIRSX", "stopped", 1);
    check("bmisdcx", "CIRSX", "stopped", 1);
    check("bmiksdcx", "CIRSX", "killed", 0);
}

#[test]
fn inv4_cleanup_runs_once_and_not_after_a_panic_or_a_kill() {
    check("bmisccx", "CIRSX", "stopped", 1);
    check("bmipcx", "CIRSX", "Panic { phase: Handler }", 0);
    check("bmiskcx", "CIRSX", "killed", 0);
    check("bfcx", "CISX", "Handler", 0);
}

#[test]
fn inv5_a_failed_cleanup_turns_only_a_clean_exit_into_a_failure() {
    check("bmiscex", "CIRSX", "Cleanup", 1);
    check("bmifcex", "CIRSX", "Handler", 1);
}

#[test]
fn inv5_a_failed_cleanup_is_a_note_of_the_first_failure() {
    let mut life = Life::new();
    life.begin();
    life.made();
    life.failed(failure(FailureCause::Handler));
    life.cleanup_failed(failure(FailureCause::Cleanup));
    let Exit::Failed(first) = life.exited() else {
        panic!("it failed");
    };
    assert_eq!(first.cause, FailureCause::Handler);
    assert_eq!(first.notes, ["a failed in cleanup: Cleanup"]);
}

#[test]
fn children_end_as_their_parent_and_stopped_if_it_failed() {
    let mode = |steps: &[fn(&mut Life)]| {
        let mut life = Life::new();
        steps.iter().for_each(|step| step(&mut life));
        life.mode_of_children()
    };
    assert_eq!(mode(&[|l| l.requested(Mode::Drain)]), Mode::Drain);
    assert_eq!(mode(&[|l| l.requested(Mode::Stop)]), Mode::Stop);
    assert_eq!(mode(&[|l| l.requested(Mode::Kill)]), Mode::Kill);
    let fail: fn(&mut Life) = |l| l.failed(failure(FailureCause::Handler));
    assert_eq!(mode(&[fail]), Mode::Stop);
    assert_eq!(mode(&[|l| l.requested(Mode::Drain), fail]), Mode::Stop);
    assert_eq!(mode(&[fail, |l| l.requested(Mode::Kill)]), Mode::Kill);
}
