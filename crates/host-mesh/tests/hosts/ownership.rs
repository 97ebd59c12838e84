//! Who owns hosts, and what the end of an owner ends.

use hypermesh_host_mesh::proc_mesh::global_root_client;
use hypermesh_host_mesh::{HostMesh, HostMeshError, HostRefusal};
use hypermesh_ndslice::extent;
use hypermesh_testkit::{Case, ProcessGuard};

use crate::actors::Echo;
use crate::world::{World, hosts};

pub(crate) const CASES: &[Case<World>] = &[
    ("a second owner is refused and ends nothing", second_owner),
    (
        "shutdown twice and at the same time is one shutdown",
        shutdown_twice,
    ),
    ("dropping a mesh without shutdown leaves nothing", dropped),
    (
        "a mesh of procs that is dropped ends its procs alone",
        dropped_procs,
    ),
    (
        "a mesh that is dropped outside a runtime leaves nothing",
        dropped_outside,
    ),
];

fn second_owner(world: &World, guard: &ProcessGuard) {
    world.run(async {
        let cx = global_root_client();
        let hosts = hosts(extent!(hosts = 2), guard).await;
        let error = HostMesh::try_take(cx, (*hosts).clone()).await.unwrap_err();
        let refused = |error: &HostMeshError| {
            matches!(
                error,
                HostMeshError::Claim {
                    source: HostRefusal::AlreadyOwned,
                    ..
                }
            )
        };
        assert!(refused(&error), "{error:?}");

        let thief = HostMesh::take((*hosts).clone());
        let error = thief
            .spawn(cx, "stolen", extent!(procs = 1))
            .await
            .unwrap_err();
        assert!(refused(&error), "{error:?}");
        assert!(matches!(
            thief.shutdown(cx).await,
            Err(HostMeshError::Shutdown(_))
        ));
        drop(thief);

        let procs = hosts
            .spawn(cx, "workers", extent!(procs = 1))
            .await
            .unwrap();
        procs.spawn::<Echo>(cx, "echo", &()).await.unwrap();
        hosts.shutdown(cx).await.unwrap();
    });
}

fn shutdown_twice(world: &World, guard: &ProcessGuard) {
    world.run(async {
        let cx = global_root_client();
        let hosts = hosts(extent!(hosts = 2), guard).await;
        let _procs = hosts
            .spawn(cx, "workers", extent!(procs = 2))
            .await
            .unwrap();
        let (first, second) = tokio::join!(hosts.shutdown(cx), hosts.shutdown(cx));
        first.unwrap();
        second.unwrap();
        hosts.shutdown(cx).await.unwrap();
        assert!(
            guard.marked().is_empty(),
            "an answer comes after the reaping"
        );
    });
}

fn dropped(world: &World, guard: &ProcessGuard) {
    world.run(async {
        let cx = global_root_client();
        let hosts = hosts(extent!(hosts = 2), guard).await;
        let _procs = hosts
            .spawn(cx, "workers", extent!(procs = 2))
            .await
            .unwrap();
        assert_eq!(guard.marked().len(), 6);
    });
    // The case ends with the guard's check.
}

fn dropped_procs(world: &World, guard: &ProcessGuard) {
    world.run(async {
        let cx = global_root_client();
        let hosts = hosts(extent!(hosts = 2), guard).await;
        let procs = hosts
            .spawn(cx, "workers", extent!(procs = 2))
            .await
            .unwrap();
        drop(procs);
        let left = tokio::task::block_in_place(|| {
            hypermesh_testkit::wait_until(std::time::Duration::from_secs(5), || {
                guard.marked().len() == 2
            })
        });
        assert!(left, "only the hosts are left");
        hosts.shutdown(cx).await.unwrap();
    });
}

fn dropped_outside(world: &World, guard: &ProcessGuard) {
    let hosts = world.run(async {
        let cx = global_root_client();
        let hosts = hosts(extent!(hosts = 1), guard).await;
        let procs = hosts
            .spawn(cx, "workers", extent!(procs = 2))
            .await
            .unwrap();
        (hosts, procs)
    });
    drop(hosts);
}
