//! The contract of an allocation, checked on every allocator.

use std::{collections::BTreeSet, future::Future, time::Duration};

use hypermesh_alloc::{
    Alloc, AllocSpec, Allocator, BootstrapCommand, LocalAllocator, ProcState, ProcStopReason,
    ProcessAllocator,
    actor::{
        ActorRef, Instance, Ping, Proc, ProcAgent, ProcOptions,
        mailbox::{Gateway, GatewayOptions, ProcId, WorldId, channel::ChannelTransport},
    },
};
use hypermesh_ndslice::Extent;
use tokio::{runtime::Handle, time::timeout};

use crate::runner::{Bench, Case, DEADLINE};

pub(crate) const CASES: &[Case] = &[
    (
        "contract: each rank goes created, running, stopped, and then the end is for ever",
        life,
    ),
    (
        "contract: after an early stop every created proc is told to have stopped",
        early_stop,
    ),
    (
        "contract: stop_and_wait returns after a normal run and after a stop",
        stop_and_wait,
    ),
    ("contract: a dropped next loses no event", dropped_next),
    ("contract: a dropped alloc ends its procs", dropped_alloc),
    (
        "contract: what was asked for is answered before, during and after the run",
        questions,
    ),
    ("contract: an extent without dimensions is one proc", unity),
];

/// Runs `check` on every allocator.
fn check<F: Future<Output = ()>>(
    bench: &mut Bench<'_>,
    extent: Extent,
    check: impl Fn(Box<dyn Alloc>) -> F,
) {
    let command = bench.this_program();
    bench.runtime.block_on(async {
        for alloc in allocs(&extent, &command).await {
            let done = timeout(DEADLINE, check(alloc)).await;
            done.expect("the check ends in time");
        }
    });
}

async fn allocs(extent: &Extent, command: &BootstrapCommand) -> Vec<Box<dyn Alloc>> {
    let spec = |transport| AllocSpec::new(extent.clone(), transport);
    let local = LocalAllocator::new()
        .allocate(spec(ChannelTransport::Local))
        .await;
    let unix = ProcessAllocator::new(command.clone())
        .allocate(spec(ChannelTransport::Unix))
        .await;
    let tcp = ProcessAllocator::new(command.clone())
        .allocate(spec(ChannelTransport::Tcp))
        .await;
    vec![
        Box::new(local.unwrap()),
        Box::new(unix.unwrap()),
        Box::new(tcp.unwrap()),
    ]
}

fn extent(n: usize) -> Extent {
    Extent::new([("rank", n)]).unwrap()
}

/// Returns a client that reaches the procs of `alloc`.
pub(crate) fn client(alloc: &dyn Alloc) -> Instance<()> {
    let runtime = Handle::current();
    let options = GatewayOptions::new(runtime.clone(), alloc.transport());
    let gateway = alloc.gateway().unwrap_or_else(|| Gateway::new(options));
    let id = ProcId {
        world: WorldId::new("client").id(),
        rank: 0,
        generation: 0,
    };
    let proc = Proc::new(ProcOptions {
        id,
        name: "client".into(),
        gateway,
        runtime,
    });
    proc.unwrap().client("client")
}

/// Polls until every rank is running, and returns the agents by rank.
pub(crate) async fn running(alloc: &mut dyn Alloc) -> Vec<ActorRef<ProcAgent>> {
    let mut agents: Vec<Option<ActorRef<ProcAgent>>> = vec![None; alloc.extent().count()];
    while agents.iter().any(Option::is_none) {
        match alloc.next().await.expect("the alloc goes on") {
            ProcState::Created { .. } => {}
            ProcState::Running {
                proc_id,
                mesh_agent,
                ..
            } => {
                agents[proc_id.rank as usize] = Some(mesh_agent);
            }
            other => panic!("{other}"),
        }
    }
    agents.into_iter().flatten().collect()
}

fn life(bench: &mut Bench<'_>) {
    check(bench, extent(4), |mut alloc| async move {
        let (mut created, mut ranks) = (BTreeSet::new(), BTreeSet::new());
        let client = client(&*alloc);
        while ranks.len() < 4 {
            match alloc.next().await.unwrap() {
                ProcState::Created {
                    create_key, point, ..
                } => {
                    assert!(created.insert(create_key), "created twice");
                    assert_eq!(point.extent(), alloc.extent());
                }
                ProcState::Running {
                    create_key,
                    proc_id,
                    mesh_agent,
                    ..
                } => {
                    assert!(
                        created.contains(&create_key),
                        "running before it was created"
                    );
                    assert_eq!(proc_id.world, alloc.world_id().id());
                    assert!(ranks.insert(proc_id.rank), "running twice");
                    mesh_agent.ask(&client, Ping).await.unwrap();
                }
                other => panic!("{other}"),
            }
        }
        assert_eq!(ranks, BTreeSet::from([0, 1, 2, 3]));
        alloc.stop().await.unwrap();
        while let Some(state) = alloc.next().await {
            match state {
                ProcState::Stopped { create_key, reason } => {
                    assert!(created.remove(&create_key), "stopped twice");
                    assert_eq!(reason, ProcStopReason::Stopped);
                }
                other => panic!("{other}"),
            }
        }
        assert!(created.is_empty());
        for _ in 0..3 {
            assert!(alloc.next().await.is_none());
        }
    });
}

fn early_stop(bench: &mut Bench<'_>) {
    check(bench, extent(4), |mut alloc| async move {
        alloc.stop().await.unwrap();
        alloc.stop().await.unwrap();
        let (mut open, mut n_created) = (BTreeSet::new(), 0);
        while let Some(state) = alloc.next().await {
            match state {
                ProcState::Created { create_key, .. } => {
                    n_created += 1;
                    open.insert(create_key);
                }
                // Some were faster than the stop.
                ProcState::Running { create_key, .. } => assert!(open.contains(&create_key)),
                ProcState::Stopped { create_key, reason } => {
                    assert!(open.remove(&create_key));
                    assert_eq!(reason, ProcStopReason::Stopped);
                }
                other => panic!("{other}"),
            }
        }
        assert!(open.is_empty());
        assert_eq!(n_created, 4);
    });
}

fn stop_and_wait(bench: &mut Bench<'_>) {
    check(bench, extent(2), |mut alloc| async move {
        running(&mut *alloc).await;
        alloc.stop_and_wait().await.unwrap();
        alloc.stop_and_wait().await.unwrap();
        assert!(alloc.next().await.is_none());
    });
    check(bench, extent(2), |mut alloc| async move {
        alloc.stop().await.unwrap();
        alloc.stop_and_wait().await.unwrap();
    });
}

fn dropped_next(bench: &mut Bench<'_>) {
    check(bench, extent(3), |mut alloc| async move {
        let mut n_states = 0;
        let mut take = async |alloc: &mut dyn Alloc, until: usize| {
            while n_states < until {
                // Most of these futures are dropped before anything has come.
                if let Ok(state) = timeout(Duration::from_micros(200), alloc.next()).await {
                    assert!(state.is_some());
                    n_states += 1;
                }
            }
        };
        take(&mut *alloc, 6).await;
        alloc.stop().await.unwrap();
        take(&mut *alloc, 9).await;
        assert!(alloc.next().await.is_none());
    });
}

fn dropped_alloc(bench: &mut Bench<'_>) {
    check(bench, extent(2), |mut alloc| async move {
        let agents = running(&mut *alloc).await;
        let client = client(&*alloc);
        drop(alloc);
        for agent in agents {
            assert!(
                agent.ask(&client, Ping).await.is_err(),
                "the proc still answers"
            );
        }
    });
    bench.guard.assert_none_left(Duration::ZERO);
}

fn questions(bench: &mut Bench<'_>) {
    check(bench, extent(2), |mut alloc| async move {
        let other = LocalAllocator::new().allocate(alloc.spec().clone()).await;
        if let Ok(other) = other {
            assert_ne!(other.world_id(), alloc.world_id());
        }
        let ask = |alloc: &dyn Alloc| {
            assert_eq!(alloc.shape().extent(), *alloc.extent());
            (
                alloc.extent().clone(),
                alloc.world_id().clone(),
                alloc.transport(),
                alloc.is_local(),
                alloc.client_router_addr(),
            )
        };
        let before = ask(&*alloc);
        assert_eq!(before.0, extent(2));
        running(&mut *alloc).await;
        assert_eq!(ask(&*alloc), before);
        alloc.stop_and_wait().await.unwrap();
        assert_eq!(ask(&*alloc), before);
    });
}

fn unity(bench: &mut Bench<'_>) {
    check(bench, Extent::unity(), |mut alloc| async move {
        assert_eq!(running(&mut *alloc).await.len(), 1);
        alloc.stop_and_wait().await.unwrap();
    });
}
