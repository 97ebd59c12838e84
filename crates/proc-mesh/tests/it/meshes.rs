//! Procs in a shape, and refs to them.

use std::collections::HashSet;

use hypermesh_proc_mesh::alloc::actor::mailbox::channel::ChannelTransport;
use hypermesh_proc_mesh::ndslice::{extent, sel};
use hypermesh_proc_mesh::{
    ActorMeshRef, Mesh, ProcMesh, ProcMeshRef, default_transport, global_root_client, metrics,
};
use hypermesh_wire::{decode, encode};

use crate::actors::{Counter, Forward, Total, alloc, mesh, soon};

#[tokio::test]
async fn a_mesh_has_the_shape_of_its_alloc() {
    let alloc = alloc(extent!(replica = 4)).await;
    let name = alloc.name().to_owned();
    let mesh = soon(ProcMesh::allocate_boxed(Box::new(alloc)))
        .await
        .unwrap();
    assert_eq!(
        mesh.get(0).map(|proc| proc.world),
        Some(mesh.world_id().id())
    );
    assert_eq!(mesh.world_id().name(), name);
    let ranks: HashSet<u32> = (0..4).map(|rank| mesh.get(rank).unwrap().rank).collect();
    assert_eq!(ranks.len(), 4);
    assert_eq!(mesh.get(4), None);
    assert_eq!(mesh.shape().extent(), extent!(replica = 4));
    assert_eq!(mesh.to_string(), format!("{{ shape: {} }}", mesh.shape()));
    assert_eq!(mesh.client_proc().name(), format!("{name}_client"));
    assert_eq!(mesh.client_proc().id(), mesh.proc_id());
    assert_eq!(mesh.proc_id().rank, 0);
}

#[tokio::test]
async fn slices_compose_and_compare_by_view() {
    let mesh = mesh(extent!(host = 2, gpu = 3)).await;
    let slice = mesh.select("gpu", 1..).unwrap();
    assert_eq!(slice.shape().count(), 4);
    let corner = slice.select("host", 1).unwrap();
    let ranks: Vec<u32> = corner.procs().map(|proc| proc.rank).collect();
    assert_eq!(ranks, [4, 5]);
    assert_eq!(corner.get(2), None);
    assert!(mesh.select("gpu", 3).is_err());
    assert!(mesh.select("rack", 0).is_err());
    let by_range: ProcMeshRef = mesh.range("gpu", 1..).unwrap();
    assert_eq!(by_range, *slice);
    assert_ne!(by_range, *corner);
    assert_eq!(Mesh::id(&by_range), Mesh::id(&mesh));
}

#[tokio::test]
async fn refs_survive_the_wire_and_work_there() {
    let mesh = mesh(extent!(gpu = 3)).await;
    let counters = soon(mesh.spawn::<Counter>(mesh.client(), "counter", &8))
        .await
        .unwrap();
    let slice = counters.range("gpu", 1..).unwrap();
    let arrived: ActorMeshRef<Counter> = decode(&encode(&slice).unwrap()).unwrap();
    assert_eq!(arrived, slice);
    assert_eq!(arrived.id(), counters.id());
    let totals = soon(arrived.call(mesh.client(), sel!(*), Total))
        .await
        .unwrap();
    assert_eq!(totals.len(), 2);
    assert!(totals.values().all(|total| *total == Ok(8)));
    let procs: ProcMeshRef = decode(&encode(slice.procs()).unwrap()).unwrap();
    assert_eq!(procs, *slice.procs());
}

#[tokio::test]
async fn a_message_goes_over_every_ordered_pair_of_actors_of_two_meshes() {
    let meshes = [
        mesh(extent!(gpu = 3)).await,
        mesh(extent!(host = 2, gpu = 2)).await,
    ];
    let mut actors = Vec::new();
    for mesh in &meshes {
        let counters = soon(mesh.spawn::<Counter>(mesh.client(), "counter", &0))
            .await
            .unwrap();
        actors.extend(counters.iter_actor_refs());
    }
    let pairs = |of: &[_]| -> Vec<_> {
        let of: Vec<hypermesh_proc_mesh::alloc::actor::ActorRef<Counter>> = of.to_vec();
        let pair = |from: &hypermesh_proc_mesh::alloc::actor::ActorRef<Counter>| {
            let from = from.clone();
            of.iter()
                .map(move |to| [from.clone(), to.clone()])
                .collect::<Vec<_>>()
        };
        of.iter().flat_map(pair).flatten().collect()
    };
    let mut rest = pairs(&actors);
    let n_visits = rest.len();
    let first = rest.pop().unwrap();
    let (done, mut arrived) = meshes[0].client().mailbox().open_port();
    first
        .tell(
            meshes[0].client(),
            Forward {
                rest,
                done: done.bind(),
            },
        )
        .unwrap();
    soon(arrived.recv()).await.unwrap();
    let mut visits = 0;
    for actor in &actors {
        visits += soon(actor.ask(global_root_client(), Total)).await.unwrap();
    }
    assert_eq!(visits, n_visits as u64);
}

#[tokio::test]
async fn the_root_client_is_one_and_works_without_a_mesh() {
    let clients: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..16).map(|_| scope.spawn(global_root_client)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap().id())
            .collect()
    });
    assert!(clients.windows(2).all(|pair| pair[0] == pair[1]));
    let client = global_root_client();
    assert_eq!(
        (client.label(), client.proc().name()),
        ("client", "mesh_root_client_proc")
    );
}

#[test]
fn the_default_transport_is_unix() {
    assert_eq!(default_transport(), ChannelTransport::Unix);
}

#[tokio::test]
async fn procs_that_come_up_are_counted() {
    let before = allocated();
    let _mesh = mesh(extent!(gpu = 2)).await;
    assert!(before + 2 <= allocated());
}

fn allocated() -> u64 {
    let series = metrics::snapshot();
    let of_allocs = series
        .iter()
        .filter(|series| series.metric == metrics::Metric::ProcsAllocated);
    of_allocs.map(|series| series.count).sum()
}
