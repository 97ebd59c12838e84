//! Casts over many stops, each with a gateway of its own, as far as they are from each other.

use std::collections::VecDeque;
use std::time::Duration;

use async_trait::async_trait;
use hypermesh_proc_mesh::alloc::actor::mailbox::channel::settings::CONNECT_TIMEOUT;
use hypermesh_proc_mesh::alloc::actor::mailbox::channel::{ChannelAddr, ChannelTransport};
use hypermesh_proc_mesh::alloc::actor::mailbox::reducers::{Append, Sum};
use hypermesh_proc_mesh::alloc::actor::mailbox::{
    Gateway, GatewayOptions, ProcId, WorldId, register_reducer,
};
use hypermesh_proc_mesh::alloc::actor::{Proc, ProcOptions};
use hypermesh_proc_mesh::alloc::{Alloc, AllocSpec, AllocatorError, CreateKey, ProcState};
use hypermesh_proc_mesh::ndslice::{extent, sel};
use hypermesh_proc_mesh::settings::CAST_FAN_OUT;
use hypermesh_proc_mesh::{ActorMeshRef, ProcMesh, RankFailure};
use tokio::runtime::Handle;

use crate::actors::{Add, Counter, LIMIT, Report, Total, Weighed, WhoAmI, soon};

const HOSTS: usize = 7;
const PROCS: usize = 2;

register_reducer!(Append<u64>);

/// Hosts of this process that reach each other by sockets only.
struct Hosts {
    spec: AllocSpec,
    world: WorldId,
    gateways: Vec<Gateway>,
    procs: Vec<Proc>,
    states: VecDeque<ProcState>,
}

impl Hosts {
    fn new() -> Self {
        let spec = AllocSpec::new(extent!(host = HOSTS, gpu = PROCS), ChannelTransport::Unix);
        let world = WorldId::new("hosts");
        let runtime = Handle::current();
        let options = GatewayOptions::new(runtime.clone(), ChannelTransport::Unix);
        let gateways: Vec<Gateway> = (0..HOSTS).map(|_| Gateway::new(options.clone())).collect();
        let (mut procs, mut states) = (Vec::new(), VecDeque::new());
        for point in spec.extent.points() {
            let gateway = gateways[point.coord(0).unwrap()].clone();
            let addr = gateway.addr().unwrap();
            let id = ProcId::new(world.id(), point.rank() as u32, 0);
            let name = point.to_string();
            let options = ProcOptions {
                id,
                name,
                gateway,
                runtime: runtime.clone(),
            };
            let proc = Proc::new(options).unwrap();
            let create_key = CreateKey::unique();
            let mesh_agent = proc.agent();
            states.push_back(ProcState::Created {
                create_key,
                point,
                pid: std::process::id(),
            });
            states.push_back(ProcState::Running {
                create_key,
                proc_id: id,
                mesh_agent,
                addr,
            });
            procs.push(proc);
        }
        Hosts {
            spec,
            world,
            gateways,
            procs,
            states,
        }
    }
}

#[async_trait]
impl Alloc for Hosts {
    async fn next(&mut self) -> Option<ProcState> {
        match self.states.pop_front() {
            Some(state) => Some(state),
            None if self.procs.is_empty() => None,
            // Nothing happens by itself.
            None => std::future::pending().await,
        }
    }

    fn spec(&self) -> &AllocSpec {
        &self.spec
    }

    fn world_id(&self) -> &WorldId {
        &self.world
    }

    async fn stop(&mut self) -> Result<(), AllocatorError> {
        self.procs.clear();
        Ok(())
    }

    fn is_local(&self) -> bool {
        true
    }

    fn client_router_addr(&self) -> ChannelAddr {
        ChannelAddr::any(ChannelTransport::Unix)
    }
}

/// A mesh over the hosts with one counter per proc, whose total is its rank.
async fn counters() -> (ProcMesh, ActorMeshRef<Counter>, Vec<Gateway>) {
    let hosts = Hosts::new();
    let gateways = hosts.gateways.clone();
    let mesh = soon(ProcMesh::allocate(hosts)).await.unwrap();
    let counters = soon(mesh.spawn::<Counter>(mesh.client(), "counter", &0))
        .await
        .unwrap();
    let counters = ActorMeshRef::clone(&counters);
    for (rank, counter) in counters.iter_actor_refs().enumerate() {
        counter.tell(mesh.client(), Add(rank as u64)).unwrap();
    }
    (mesh, counters, gateways)
}

#[tokio::test]
async fn a_deep_tree_serves_every_rank_once_and_folds_on_the_way() {
    let _narrow = CAST_FAN_OUT.override_for_thread(2);
    let (mesh, counters, _gateways) = counters().await;
    let client = mesh.client();
    let cards = soon(counters.call(client, sel!(*, 1), WhoAmI))
        .await
        .unwrap();
    for (point, card) in cards.iter() {
        let card = card.as_ref().unwrap();
        assert_eq!(card.me.proc.rank as usize, 2 * point.rank() + 1);
        assert_eq!(card.point, Some(format!("host={}/7,gpu=1/2", point.rank())));
        assert_eq!(card.sender, Some(client.id()));
    }
    let sum = soon(counters.reduce(client, sel!(*), Total, Sum::new()))
        .await
        .unwrap();
    assert_eq!((sum.value, sum.missing), ((0..14).sum(), vec![]));
    let all = soon(counters.reduce(client, sel!(1::2, *), Total, Append::new()))
        .await
        .unwrap();
    assert_eq!(all.value, [2, 3, 6, 7, 10, 11]);

    let (port, mut gathered) = client.mailbox().open_reduce_port(Sum::<u64>::new());
    counters.cast(client, sel!(*), Report(port.bind())).unwrap();
    let gathered = soon(gathered.gather(14, LIMIT)).await.unwrap();
    assert_eq!((gathered.value, gathered.answers), ((0..14).sum(), 14));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_is_encoded_once_however_many_get_it() {
    let (mesh, counters, _gateways) = counters().await;
    let message = Weighed::default();
    let replies = soon(counters.call(mesh.client(), sel!(*), message.clone()))
        .await
        .unwrap();
    assert!(replies.values().all(Result::is_ok), "{replies:?}");
    assert_eq!(message.times_encoded(), 1);
}

#[tokio::test]
async fn a_stop_that_is_gone_loses_those_behind_it_and_no_others() {
    let _narrow = CAST_FAN_OUT.override_for_thread(2);
    // Hosts give up soon on one that does not listen.
    let _short = CONNECT_TIMEOUT.override_for_thread(Duration::from_secs(2));
    let (mesh, counters, gateways) = counters().await;
    let client = mesh.client();
    // The sender has two branches: hosts 0 to 3 and 4 to 6. Host 5 is the first below host 4.
    soon(gateways[5].shutdown(Duration::ZERO)).await;
    let lost = [10, 11];

    let totals = soon(counters.call(client, sel!(*), Total).timeout(LIMIT))
        .await
        .unwrap();
    for (point, total) in totals.iter() {
        match lost.contains(&point.rank()) {
            false => assert_eq!(*total, Ok(point.rank() as u64)),
            true => assert!(
                matches!(total, Err(RankFailure::Undeliverable(_))),
                "{total:?}"
            ),
        }
    }
    let sum = soon(
        counters
            .reduce(client, sel!(*), Total, Sum::new())
            .timeout(LIMIT),
    )
    .await;
    let sum = sum.unwrap();
    assert_eq!(sum.value, (0..10).sum::<u64>() + 12 + 13);
    let missing: Vec<usize> = sum.missing.iter().map(|(rank, _)| *rank).collect();
    assert_eq!(missing, lost);
    for (_, failure) in &sum.missing {
        assert!(
            matches!(failure, RankFailure::Undeliverable(_)),
            "{failure:?}"
        );
    }
}
