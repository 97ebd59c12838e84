//! One message over every ordered pair of actors of two meshes.

use std::collections::BTreeMap;
use std::time::Duration;

use hypermesh_host_mesh::proc_mesh::{Mesh, global_root_client};
use hypermesh_ndslice::extent;
use hypermesh_testkit::{Case, ProcessGuard};

use crate::actors::{Echo, Forward};
use crate::world::{World, hosts};

pub(crate) const CASES: &[Case<World>] = &[(
    "a message goes over every ordered pair of actors of two meshes on four hosts",
    every_pair,
)];

fn every_pair(world: &World, guard: &ProcessGuard) {
    world.run(async {
        let cx = global_root_client();
        let hosts = hosts(extent!(hosts = 4), guard).await;
        let first = hosts.range("hosts", 0..2).unwrap();
        let second = hosts.range("hosts", 2..4).unwrap();
        let first = first.spawn(cx, "first", extent!(procs = 2)).await.unwrap();
        let second = second
            .spawn(cx, "second", extent!(procs = 2))
            .await
            .unwrap();
        let first = first.spawn::<Echo>(cx, "echo", &()).await.unwrap();
        let second = second.spawn::<Echo>(cx, "echo", &()).await.unwrap();
        let actors: Vec<_> = first
            .iter_actor_refs()
            .chain(second.iter_actor_refs())
            .collect();
        assert_eq!(actors.len(), first.shape().count() + second.shape().count());

        let (port, mut seen) = cx.mailbox().open_port::<String>();
        let mut expected = BTreeMap::new();
        for (i, from) in actors.iter().enumerate() {
            for (j, to) in actors.iter().enumerate() {
                let text = format!("{i} to {j}");
                let (next, seen) = (Some(to.clone()), port.bind());
                from.tell(
                    cx,
                    Forward {
                        text: text.clone(),
                        next,
                        seen,
                    },
                )
                .unwrap();
                expected.insert(text, 1);
            }
        }
        let mut counted = BTreeMap::new();
        for _ in 0..expected.len() {
            let next = tokio::time::timeout(Duration::from_secs(20), seen.recv());
            *counted.entry(next.await.unwrap().unwrap()).or_insert(0) += 1;
        }
        assert_eq!(counted, expected, "each pair once");
        hosts.shutdown(cx).await.unwrap();
    });
}
