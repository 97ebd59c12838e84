//! Tests of what only the local allocator has: a stopper and a chaos monkey.

use hypermesh_alloc::{
    Alloc, AllocSpec, Allocator, LocalAlloc, LocalAllocator, ProcState, ProcStopReason,
    actor::{
        Ping,
        mailbox::{Gateway, GatewayOptions, channel::ChannelTransport},
    },
};
use hypermesh_ndslice::Extent;
use tokio::{runtime::Handle, time::timeout};

use crate::{
    contract::{client, running},
    runner::{Bench, Case, DEADLINE},
};

pub(crate) const CASES: &[Case] = &[
    (
        "local: chaos gives exactly its reason, and the stopper stops the rest in order",
        chaos,
    ),
    ("local: messages to a stopped rank bounce", bounces),
    ("local: procs are put on a given gateway", given_gateway),
    ("local: a thousand procs start and stop", thousand),
];

async fn allocate(mut allocator: LocalAllocator, n: usize) -> LocalAlloc {
    let extent = Extent::new([("replica", n)]).unwrap();
    let spec = AllocSpec::new(extent, ChannelTransport::Local);
    allocator.allocate(spec).await.unwrap()
}

/// Returns the ranks and reasons of the procs that stop until the end, for an alloc whose procs have
/// all been created already.
async fn stops(
    alloc: &mut LocalAlloc,
    keys: &[hypermesh_alloc::CreateKey],
) -> Vec<(usize, ProcStopReason)> {
    let mut stops = Vec::new();
    while let Some(state) = timeout(DEADLINE, alloc.next()).await.unwrap() {
        match state {
            ProcState::Stopped { create_key, reason } => {
                let rank = keys.iter().position(|key| *key == create_key).unwrap();
                stops.push((rank, reason));
            }
            other => panic!("{other}"),
        }
    }
    stops
}

/// Takes the first states of `n` procs and returns their keys by rank.
async fn keys(alloc: &mut LocalAlloc) -> Vec<hypermesh_alloc::CreateKey> {
    let (n, mut keys, mut n_running) = (alloc.extent().count(), Vec::new(), 0);
    while n_running < n {
        match alloc.next().await.unwrap() {
            ProcState::Created {
                create_key,
                point,
                pid,
            } => {
                assert_eq!((point.rank(), pid), (keys.len(), std::process::id()));
                keys.push(create_key);
            }
            ProcState::Running { .. } => n_running += 1,
            other => panic!("{other}"),
        }
    }
    keys
}

fn chaos(bench: &mut Bench<'_>) {
    bench.runtime.block_on(async {
        let mut alloc = allocate(LocalAllocator::new(), 4).await;
        let (monkey, stopper) = (alloc.chaos_monkey(), alloc.stopper());
        let keys = keys(&mut alloc).await;
        monkey(1, ProcStopReason::Killed(1, false));
        monkey(1, ProcStopReason::Watchdog);
        monkey(99, ProcStopReason::Watchdog);
        stopper();
        stopper();
        let expected = [
            (1, ProcStopReason::Killed(1, false)),
            (0, ProcStopReason::Stopped),
            (2, ProcStopReason::Stopped),
            (3, ProcStopReason::Stopped),
        ];
        assert_eq!(stops(&mut alloc, &keys).await, expected);
        monkey(0, ProcStopReason::Watchdog);
        assert!(alloc.next().await.is_none());
    });
}

fn bounces(bench: &mut Bench<'_>) {
    bench.runtime.block_on(async {
        let mut alloc = allocate(LocalAllocator::new(), 2).await;
        let agents = running(&mut alloc).await;
        let client = client(&alloc);
        alloc.chaos_monkey()(0, ProcStopReason::Unknown);
        let lost = timeout(DEADLINE, async { agents[0].ask(&client, Ping).await }).await;
        assert!(lost.expect("it is answered at once").is_err());
        agents[1].ask(&client, Ping).await.unwrap();
    });
}

fn given_gateway(bench: &mut Bench<'_>) {
    bench.runtime.block_on(async {
        let options = GatewayOptions::new(Handle::current(), ChannelTransport::Local);
        let gateway = Gateway::new(options);
        let mut alloc = allocate(LocalAllocator::on(gateway.clone()), 2).await;
        assert_eq!(alloc.client_router_addr(), gateway.addr().unwrap());
        assert_eq!(alloc.name(), "local");
        running(&mut alloc).await;
        alloc.stop_and_wait().await.unwrap();
    });
}

fn thousand(bench: &mut Bench<'_>) {
    bench.runtime.block_on(async {
        let mut alloc = allocate(LocalAllocator::new(), 1000).await;
        let keys = keys(&mut alloc).await;
        alloc.stop().await.unwrap();
        let stops = stops(&mut alloc, &keys).await;
        assert!(stops.iter().map(|(rank, _)| *rank).eq(0..1000));
    });
}
