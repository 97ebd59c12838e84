//! Tests of how the events of children become the states of ranks.

use hypermesh_ndslice::Extent;
use tokio::runtime::Handle;

use super::*;
use crate::actor::mailbox::GatewayOptions;
use crate::actor::{Proc, ProcOptions};

fn facts(status: ExitStatus, requested: bool, escalated: bool) -> ExitFacts {
    ExitFacts {
        status,
        stderr_tail: "tail".into(),
        requested,
        escalated,
    }
}

#[test]
fn a_reason_follows_from_the_exit_and_from_what_was_asked() {
    use ProcStopReason::{Exited, Killed, Stopped, Unknown, Watchdog};
    #[track_caller]
    fn check(status: ExitStatus, requested: bool, was_ready: bool, reason: ProcStopReason) {
        assert_eq!(
            stop_reason(facts(status, requested, false), false, was_ready),
            reason
        );
    }
    let signal = |signal| ExitStatus::Signal {
        signal,
        core: false,
    };
    check(ExitStatus::Code(0), true, true, Stopped);
    check(ExitStatus::Code(0), false, true, Stopped);
    check(ExitStatus::Code(0), true, false, Stopped);
    check(ExitStatus::Code(0), false, false, Exited(0, "tail".into()));
    check(ExitStatus::Code(7), false, true, Exited(7, "tail".into()));
    check(ExitStatus::Code(7), true, true, Exited(7, "tail".into()));
    check(signal(15), true, true, Stopped);
    check(signal(15), false, true, Killed(15, false));
    check(signal(9), true, true, Killed(9, false));
    check(
        ExitStatus::Signal {
            signal: 11,
            core: true,
        },
        false,
        true,
        Killed(11, true),
    );
    check(ExitStatus::Unknown, false, true, Unknown);

    assert_eq!(
        stop_reason(facts(signal(9), true, true), false, true),
        Watchdog
    );
    assert_eq!(
        stop_reason(facts(signal(9), false, false), true, false),
        Watchdog
    );
}

/// A world of one rank, whose child has the key that is returned.
fn one_rank() -> (Ranks, ChildKey) {
    let gateway = Gateway::new(GatewayOptions::new(
        Handle::current(),
        ChannelTransport::Local,
    ));
    let world = WorldId::new("w");
    let ranks = Ranks::new(world.clone(), gateway, 1);
    let key = ChildKey::for_test(7);
    let point = Extent::unity().points().next().unwrap();
    ranks
        .lock()
        .insert(key, Rank::new(point.clone(), proc_id(&world, &point)));
    assert_eq!(
        ranks.on_event(key, ChildEvent::Started { pid: 1 }),
        Verdict::Keep
    );
    (ranks, key)
}

/// What a worker sends when its proc answers.
fn ready_report(ranks: &Ranks) -> ChildEvent {
    let id = ProcId {
        world: 1,
        rank: 0,
        generation: 0,
    };
    let (gateway, runtime) = (ranks.gateway.clone(), Handle::current());
    let addr = gateway.addr().unwrap();
    let proc = Proc::new(ProcOptions {
        id,
        name: "w.0".into(),
        gateway,
        runtime,
    })
    .unwrap();
    let ready = WorkerReady {
        addr,
        agent: proc.agent(),
    };
    ChildEvent::Report(postcard::to_stdvec(&ready).unwrap().into())
}

/// Lets the child end by SIGKILL, and returns all states from the beginning, as letters, with the
/// text of each failure.
async fn end(ranks: &Ranks, key: ChildKey) -> (String, Vec<String>) {
    let killed = facts(
        ExitStatus::Signal {
            signal: 9,
            core: false,
        },
        false,
        false,
    );
    assert_eq!(
        ranks.on_event(key, ChildEvent::Exited(killed)),
        Verdict::Keep
    );
    let (mut letters, mut failures) = (String::new(), Vec::new());
    while let Some(state) = ranks.feed.next().await {
        letters.push(match state {
            ProcState::Created { .. } => 'c',
            ProcState::Running { .. } => 'r',
            ProcState::Stopped { reason, .. } => {
                assert_eq!(reason, ProcStopReason::Killed(9, false));
                's'
            }
            ProcState::Failed { description, .. } => {
                failures.push(description);
                'f'
            }
        });
    }
    (letters, failures)
}

#[tokio::test]
async fn a_report_that_makes_no_sense_fails_its_rank_and_kills_its_child() {
    let (ranks, key) = one_rank();
    let report = ChildEvent::Report(Bytes::from_static(b"\xff nonsense"));
    assert_eq!(ranks.on_event(key, report), Verdict::Kill);
    let (states, failures) = end(&ranks, key).await;
    assert_eq!(states, "cfs");
    assert!(failures[0].starts_with("rank 0: "), "{failures:?}");
    // A key that is unknown, or gone, is of no use to anybody.
    assert_eq!(ranks.on_event(key, ChildEvent::Overdue), Verdict::Kill);
}

#[tokio::test]
async fn a_second_report_fails_its_rank_and_kills_its_child() {
    let (ranks, key) = one_rank();
    let report = || ready_report(&ranks);
    assert_eq!(ranks.on_event(key, report()), Verdict::Keep);
    assert_eq!(ranks.on_event(key, report()), Verdict::Kill);
    let (states, failures) = end(&ranks, key).await;
    assert_eq!(states, "crfs");
    assert!(failures[0].contains("a second time"), "{failures:?}");
}

#[tokio::test]
async fn after_a_stop_no_proc_becomes_running() {
    let (ranks, key) = one_rank();
    ranks.is_stopping.store(true, Ordering::Relaxed);
    assert_eq!(ranks.on_event(key, ready_report(&ranks)), Verdict::Keep);
    assert_eq!(end(&ranks, key).await.0, "cs");
}
