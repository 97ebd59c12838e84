//! Meshes of procs on hosts that come up, work and end.

use std::collections::BTreeSet;
use std::process::id;
use std::sync::Arc;

use hypermesh_host_mesh::proc_mesh::alloc::actor::mailbox::channel::ChannelTransport;
use hypermesh_host_mesh::proc_mesh::alloc::{
    AllocSpec, Allocator, LocalAllocator, ProcessAllocator,
};
use hypermesh_host_mesh::proc_mesh::{ActorMeshRef, SharedSpawnable, global_root_client};
use hypermesh_host_mesh::{HostMesh, HostMeshError, HostMeshRef};
use hypermesh_ndslice::{Selection, extent};
use hypermesh_testkit::{Case, ProcessGuard};

use crate::actors::{Echo, Fail, WhoAreYou};
use crate::world::{World, hosts, this_program};

pub(crate) const CASES: &[Case<World>] = &[
    ("a local host spawns workers that answer", local_host),
    (
        "two host processes with two workers each answer in rank order",
        two_hosts,
    ),
    ("four hosts with three times two workers each", four_hosts),
    ("a slice of the hosts spawns on these alone", slice_of_hosts),
    (
        "a label of the hosts cannot be one of the workers",
        label_in_both,
    ),
    (
        "a name that is in use on the mesh is refused and the mesh lives on",
        one_name_twice,
    ),
    (
        "hosts come up on the procs of a local alloc",
        on_local_alloc,
    ),
    (
        "hosts come up on the procs of a process alloc",
        on_process_alloc,
    ),
    ("a ref is used by its text alone", by_text),
];

/// Asks every member of `mesh` and returns their processes, after checking their points.
async fn check_members(mesh: &ActorMeshRef<Echo>) -> BTreeSet<u32> {
    let answers = mesh
        .call(global_root_client(), Selection::all(), WhoAreYou)
        .await
        .unwrap();
    let mut pids = BTreeSet::new();
    let mut n_answers = 0;
    for (point, answer) in answers.iter() {
        let (pid, seen) = answer.as_ref().unwrap();
        assert_eq!(*seen, point.to_string());
        pids.insert(*pid);
        n_answers += 1;
    }
    assert_eq!(n_answers, mesh.shape().count());
    pids
}

fn local_host(world: &World, guard: &ProcessGuard) {
    world.run(async {
        let cx = global_root_client();
        let hosts = HostMesh::local_with_bootstrap(this_program(guard))
            .await
            .unwrap();
        assert_eq!(hosts.extent(), extent!(hosts = 1));
        let procs = hosts
            .spawn(cx, "workers", extent!(procs = 2))
            .await
            .unwrap();
        let echoes = procs.spawn::<Echo>(cx, "echo", &()).await.unwrap();
        let pids = check_members(&echoes).await;
        assert_eq!(pids.len(), 2);
        assert!(!pids.contains(&id()), "workers are processes of their own");
        hosts.shutdown(cx).await.unwrap();
    });
}

fn two_hosts(world: &World, guard: &ProcessGuard) {
    world.run(async {
        let cx = global_root_client();
        let hosts = hosts(extent!(hosts = 2), guard).await;
        let procs = hosts
            .spawn(cx, "workers", extent!(procs = 2))
            .await
            .unwrap();
        assert_eq!(procs.shape().extent(), extent!(hosts = 2, procs = 2));
        let echoes = procs.spawn::<Echo>(cx, "echo", &()).await.unwrap();
        assert_eq!(check_members(&echoes).await.len(), 4);

        hosts.shutdown(cx).await.unwrap();
        let report = hosts.shutdown_report().unwrap();
        let ended: u32 = report
            .hosts
            .iter()
            .map(|host| match &host.outcome {
                hypermesh_host_mesh::HostOutcome::Confirmed(report) => report.drained,
                other => panic!("{other}"),
            })
            .sum();
        assert_eq!(ended, 4, "{report}");
        assert!(matches!(
            hosts.spawn(cx, "late", extent!(procs = 1)).await,
            Err(HostMeshError::Closed)
        ));
    });
}

fn four_hosts(world: &World, guard: &ProcessGuard) {
    world.run(async {
        let cx = global_root_client();
        let hosts = hosts(extent!(replica = 2, host = 2), guard).await;
        let procs = hosts
            .spawn(cx, "workers", extent!(row = 3, col = 2))
            .await
            .unwrap();
        assert_eq!(
            procs.shape().extent(),
            extent!(replica = 2, host = 2, row = 3, col = 2)
        );
        let echoes = procs.spawn::<Echo>(cx, "echo", &()).await.unwrap();
        assert_eq!(check_members(&echoes).await.len(), 24);
        let column = echoes.range("col", 1).unwrap().at("replica", 0).unwrap();
        assert_eq!(check_members(&column).await.len(), 6);
        hosts.shutdown(cx).await.unwrap();
    });
}

fn slice_of_hosts(world: &World, guard: &ProcessGuard) {
    world.run(async {
        let cx = global_root_client();
        let hosts = hosts(extent!(hosts = 2), guard).await;
        let second = hosts.range("hosts", 1).unwrap();
        let procs = second.spawn(cx, "workers", extent!()).await.unwrap();
        assert_eq!(procs.shape().count(), 1);
        let echoes = procs.spawn::<Echo>(cx, "echo", &()).await.unwrap();
        assert_eq!(check_members(&echoes).await.len(), 1);
        hosts.shutdown(cx).await.unwrap();
        let report = hosts.shutdown_report().unwrap().to_string();
        assert!(
            report.contains(": 0 drained") && report.contains(": 1 drained"),
            "{report}"
        );
    });
}

fn label_in_both(world: &World, guard: &ProcessGuard) {
    world.run(async {
        let cx = global_root_client();
        let hosts = hosts(extent!(hosts = 1), guard).await;
        let error = hosts
            .spawn(cx, "workers", extent!(hosts = 2))
            .await
            .unwrap_err();
        assert!(
            matches!(error, HostMeshError::Configuration { .. }),
            "{error:?}"
        );
        hosts.shutdown(cx).await.unwrap();
    });
}

fn one_name_twice(world: &World, guard: &ProcessGuard) {
    world.run(async {
        let cx = global_root_client();
        let hosts = hosts(extent!(hosts = 2), guard).await;
        let procs = Arc::new(
            hosts
                .spawn(cx, "workers", extent!(procs = 2))
                .await
                .unwrap(),
        );
        let first = (*procs).spawn::<Echo>(cx, "echo", &()).await.unwrap();
        assert!((*procs).spawn::<Echo>(cx, "echo", &()).await.is_err());
        assert!(
            Arc::clone(&procs)
                .spawn::<Echo>(cx, "echo", &())
                .await
                .is_err()
        );
        assert_eq!(check_members(&first).await.len(), 4);
        let second = Arc::clone(&procs)
            .spawn::<Echo>(cx, "other", &())
            .await
            .unwrap();
        assert_eq!(check_members(&second).await.len(), 4);

        // A failed member is one rank's failure and nobody else's.
        let rank = Selection::from_region(&procs.shape().range("procs", 1).unwrap(), procs.shape());
        let failed = second
            .call(cx, rank.unwrap(), Fail("on purpose".into()))
            .await
            .unwrap();
        for (_, answer) in failed.iter() {
            assert!(
                answer
                    .as_ref()
                    .unwrap_err()
                    .to_string()
                    .contains("on purpose")
            );
        }
        assert_eq!(check_members(&first).await.len(), 4);

        // A mesh of procs has a name on its hosts as well.
        assert!(
            hosts
                .spawn(cx, "workers", extent!(procs = 1))
                .await
                .is_err()
        );
        hosts.shutdown(cx).await.unwrap();
    });
}

fn on_local_alloc(world: &World, guard: &ProcessGuard) {
    world.run(async {
        let cx = global_root_client();
        let spec = AllocSpec::new(extent!(replica = 2), ChannelTransport::Local);
        let alloc = LocalAllocator::new().allocate(spec).await.unwrap();
        let command = Some(this_program(guard));
        let hosts = HostMesh::allocate(cx, Box::new(alloc), "hosts", command)
            .await
            .unwrap();
        assert_eq!(hosts.extent(), extent!(replica = 2));
        let procs = hosts
            .spawn(cx, "workers", extent!(procs = 2))
            .await
            .unwrap();
        let echoes = procs.spawn::<Echo>(cx, "echo", &()).await.unwrap();
        assert_eq!(check_members(&echoes).await.len(), 4);
        hosts.shutdown(cx).await.unwrap();
        hosts.shutdown(cx).await.unwrap();
    });
}

fn on_process_alloc(world: &World, guard: &ProcessGuard) {
    world.run(async {
        let cx = global_root_client();
        let spec = AllocSpec::new(extent!(replica = 2), ChannelTransport::Unix);
        let alloc = ProcessAllocator::new(this_program(guard))
            .allocate(spec)
            .await
            .unwrap();
        let hosts = HostMesh::allocate(cx, Box::new(alloc), "hosts", None)
            .await
            .unwrap();
        let procs = hosts
            .spawn(cx, "workers", extent!(procs = 2))
            .await
            .unwrap();
        let echoes = procs.spawn::<Echo>(cx, "echo", &()).await.unwrap();
        assert_eq!(check_members(&echoes).await.len(), 4);
        hosts.shutdown(cx).await.unwrap();
    });
}

fn by_text(world: &World, guard: &ProcessGuard) {
    world.run(async {
        let cx = global_root_client();
        let hosts = hosts(extent!(hosts = 2), guard).await;
        let text = hosts.to_string();
        let parsed: HostMeshRef = text.parse().unwrap();
        assert_eq!(parsed.to_string(), text);
        let procs = parsed
            .spawn(cx, "workers", extent!(procs = 1))
            .await
            .unwrap();
        let echoes = procs.spawn::<Echo>(cx, "echo", &()).await.unwrap();
        assert_eq!(check_members(&echoes).await.len(), 2);
        hosts.shutdown(cx).await.unwrap();
    });
}
