//! Tests of what only the process allocator can meet: programs that are no workers.

use std::time::Duration;

use hypermesh_alloc::{
    Alloc, AllocSpec, Allocator, AllocatorError, BootstrapCommand, ProcState, ProcStopReason,
    ProcessAlloc, ProcessAllocator, actor::mailbox::channel::ChannelTransport,
    settings::PROC_START_TIMEOUT,
};
use hypermesh_ndslice::Extent;
use hypermesh_testkit::process;
use tokio::time::timeout;

use crate::{
    contract::running,
    runner::{Bench, Case, DEADLINE},
};

pub(crate) const CASES: &[Case] = &[
    (
        "process: a missing program fails every rank with path and errno",
        missing,
    ),
    (
        "process: a program that exits gives its code and stderr at once",
        exits,
    ),
    (
        "process: a program that never reports gives a watchdog stop",
        silent,
    ),
    (
        "process: a killed process gives the signal, the others go on",
        killed,
    ),
    (
        "process: the local transport is refused before anything starts",
        local_transport,
    ),
    ("process: sixteen workers start and stop", sixteen),
];

fn allocate(bench: &Bench<'_>, command: BootstrapCommand, n: usize) -> ProcessAlloc {
    let extent = Extent::new([("rank", n)]).unwrap();
    let spec = AllocSpec::new(extent, ChannelTransport::Unix);
    bench
        .runtime
        .block_on(ProcessAllocator::new(command).allocate(spec))
        .unwrap()
}

/// Returns all states until the end.
fn states(bench: &Bench<'_>, alloc: &mut ProcessAlloc) -> Vec<ProcState> {
    let mut states = Vec::new();
    let all = async {
        while let Some(state) = alloc.next().await {
            states.push(state);
        }
    };
    bench
        .runtime
        .block_on(async { timeout(DEADLINE, all).await })
        .expect("the end comes in time");
    states
}

fn reasons(states: &[ProcState]) -> Vec<ProcStopReason> {
    let reason = |state: &ProcState| match state {
        ProcState::Stopped { reason, .. } => Some(reason.clone()),
        _ => None,
    };
    states.iter().filter_map(reason).collect()
}

fn missing(bench: &mut Bench<'_>) {
    let mut alloc = allocate(bench, "/nope/nothing".into(), 2);
    let states = states(bench, &mut alloc);
    assert_eq!(states.len(), 2);
    for (rank, state) in states.iter().enumerate() {
        let ProcState::Failed { description, .. } = state else {
            panic!("{state}")
        };
        for part in [&format!("rank {rank}: "), "/nope/nothing", "os error 2"] {
            assert!(description.contains(part), "{description}");
        }
    }
}

fn exits(bench: &mut Bench<'_>) {
    let mut alloc = allocate(
        bench,
        bench.shell("echo boom-1 >&2; echo boom-2 >&2; exit 7"),
        1,
    );
    let states = states(bench, &mut alloc);
    let expected = [ProcStopReason::Exited(7, "boom-1\nboom-2".into())];
    assert_eq!(reasons(&states), expected);

    // Success is none, if it was never ready.
    let mut alloc = allocate(bench, bench.marked("true".into()), 1);
    assert_eq!(
        reasons(&self::states(bench, &mut alloc)),
        [ProcStopReason::Exited(0, String::new())]
    );
}

fn silent(bench: &mut Bench<'_>) {
    let guard = PROC_START_TIMEOUT.override_for_test(Duration::from_millis(300));
    let mut sleep = BootstrapCommand::from("sleep");
    sleep.args = vec!["60".into()];
    let mut alloc = allocate(bench, bench.marked(sleep), 1);
    drop(guard);
    assert_eq!(
        reasons(&states(bench, &mut alloc)),
        [ProcStopReason::Watchdog]
    );
    let error = AllocatorError::Timeout {
        within: Duration::from_millis(300),
        ranks: vec![0],
    };
    assert!(
        error
            .to_string()
            .contains("ranks [0] were not ready within 300ms"),
        "{error}"
    );
}

fn killed(bench: &mut Bench<'_>) {
    let mut alloc = allocate(bench, bench.this_program(), 3);
    let mut pids = Vec::new();
    bench.runtime.block_on(async {
        let mut n_running = 0;
        while n_running < 3 {
            match timeout(DEADLINE, alloc.next()).await.unwrap().unwrap() {
                ProcState::Created { point, pid, .. } => pids.push((point.rank(), pid)),
                ProcState::Running { .. } => n_running += 1,
                other => panic!("{other}"),
            }
        }
        let (_, pid) = pids.iter().find(|(rank, _)| *rank == 1).unwrap();
        process::kill(*pid);
        match timeout(DEADLINE, alloc.next()).await.unwrap().unwrap() {
            ProcState::Stopped { reason, .. } => {
                assert_eq!(reason, ProcStopReason::Killed(9, false));
            }
            other => panic!("{other}"),
        }
        alloc.stop().await.unwrap();
    });
    let rest = reasons(&states(bench, &mut alloc));
    assert_eq!(rest, [ProcStopReason::Stopped, ProcStopReason::Stopped]);
}

fn local_transport(bench: &mut Bench<'_>) {
    let spec = AllocSpec::new(Extent::unity(), ChannelTransport::Local);
    let mut allocator = ProcessAllocator::new(bench.this_program());
    let allocated = allocator.allocate(spec);
    match bench.runtime.block_on(allocated) {
        Err(error @ AllocatorError::Transport { .. }) => {
            assert!(error.to_string().contains("over local"), "{error}");
        }
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it was not refused"),
    }
}

fn sixteen(bench: &mut Bench<'_>) {
    let mut alloc = allocate(bench, bench.this_program(), 16);
    bench.runtime.block_on(async {
        let agents = timeout(DEADLINE, running(&mut alloc)).await;
        assert_eq!(agents.expect("all are running in time").len(), 16);
        timeout(DEADLINE, alloc.stop_and_wait())
            .await
            .unwrap()
            .unwrap();
    });
    bench.guard.assert_none_left(Duration::ZERO);
}
