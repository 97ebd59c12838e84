//! What meshes of processes do.

use std::collections::HashSet;
use std::time::Duration;

use hypermesh_proc_mesh::alloc::actor::mailbox::channel::ChannelTransport;
use hypermesh_proc_mesh::alloc::actor::mailbox::reducers::Sum;
use hypermesh_proc_mesh::alloc::actor::{ActorRef, AdoptFault, Exit, MonitorEvent, Orphan};
use hypermesh_proc_mesh::alloc::{
    AllocSpec, Allocator, AllocatorError, BootstrapCommand, ProcStopReason, ProcessAllocator,
};
use hypermesh_proc_mesh::ndslice::{Extent, extent, sel};
use hypermesh_proc_mesh::{
    MemberStatus, ProcEvent, ProcMesh, RankFailure, SpawnError, global_root_client,
};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid as RawPid;
use tokio::runtime::Runtime;
use tokio::time::timeout;

use crate::Case;
use crate::actors::{Adopt, Fail, Forward, Hang, Leave, Pid, Weigh, Worker};

/// No wait of a test takes longer, unless it fails.
const LIMIT: Duration = Duration::from_secs(20);

pub(crate) const CASES: &[Case] = &[
    (
        "casts_calls_and_reductions_reach_every_process",
        reach_every_process,
    ),
    ("large_messages_arrive_in_every_process", large_messages),
    (
        "a_handler_that_fails_crashes_its_rank_only",
        a_handler_fails,
    ),
    (
        "a_killed_process_ends_calls_and_is_told_once",
        a_killed_process,
    ),
    (
        "a_killed_process_leaves_no_child_of_its_actors_in_another_one",
        a_killed_parent,
    ),
    (
        "a_process_that_exits_is_told_with_its_status",
        a_process_exits,
    ),
    (
        "a_spawn_that_fails_on_one_process_leaves_no_actor",
        a_spawn_fails,
    ),
    ("a_command_that_is_no_child_makes_no_mesh", no_child),
    (
        "a_message_goes_over_every_ordered_pair_of_two_meshes",
        every_pair,
    ),
    ("a_mesh_of_a_ref_stops_the_processes", a_mesh_of_a_ref),
    ("dropping_a_mesh_ends_its_processes", dropping),
];

async fn soon<F: IntoFuture>(future: F) -> F::Output {
    tokio::time::timeout(LIMIT, future)
        .await
        .expect("this ends well within the limit")
}

async fn try_mesh(command: BootstrapCommand, extent: Extent) -> Result<ProcMesh, AllocatorError> {
    let spec = AllocSpec::new(extent, ChannelTransport::Unix);
    let alloc = soon(ProcessAllocator::new(command).allocate(spec)).await?;
    soon(ProcMesh::allocate(alloc)).await
}

async fn mesh(command: BootstrapCommand, extent: Extent) -> ProcMesh {
    try_mesh(command, extent).await.unwrap()
}

fn reach_every_process(runtime: &Runtime, command: BootstrapCommand) {
    runtime.block_on(async {
        let mut mesh = mesh(command, extent!(host = 2, gpu = 2)).await;
        let client = mesh.client();
        let workers = soon(mesh.spawn::<Worker>(client, "worker", &None))
            .await
            .unwrap();
        let pids = soon(workers.call(client, sel!(*), Pid)).await.unwrap();
        let pids: HashSet<u32> = pids.transpose().unwrap().values().copied().collect();
        assert_eq!(pids.len(), 4);
        assert!(!pids.contains(&std::process::id()));
        let message = Weigh(vec![0; 64]);
        let sum = soon(workers.reduce(client, sel!(*, 1), message, Sum::new()))
            .await
            .unwrap();
        assert_eq!((sum.value, sum.missing), (128, vec![]));
        // Somebody else on the same gateway is as good a sender.
        let pids = soon(workers.call(global_root_client(), sel!(1), Pid))
            .await
            .unwrap();
        assert!(pids.values().all(Result::is_ok));
        drop(workers);
        soon(mesh.stop(global_root_client())).await.unwrap();
    });
}

fn large_messages(runtime: &Runtime, command: BootstrapCommand) {
    runtime.block_on(async {
        let mut mesh = mesh(command, extent!(gpu = 3)).await;
        let workers = soon(mesh.spawn::<Worker>(mesh.client(), "worker", &None))
            .await
            .unwrap();
        for len in [0, 511, 70_000, 3 << 20] {
            let message = Weigh(vec![7; len]);
            let sizes = soon(workers.call(mesh.client(), sel!(*), message))
                .await
                .unwrap();
            assert!(
                sizes.values().all(|size| *size == Ok(len as u64)),
                "{sizes:?}"
            );
        }
        drop(workers);
        soon(mesh.stop(global_root_client())).await.unwrap();
    });
}

fn a_handler_fails(runtime: &Runtime, command: BootstrapCommand) {
    runtime.block_on(async {
        let mut mesh = mesh(command, extent!(gpu = 2)).await;
        let mut events = mesh.events().unwrap();
        let mut workers = soon(mesh.spawn::<Worker>(mesh.client(), "worker", &None))
            .await
            .unwrap();
        let mut actor_events = workers.events().unwrap();
        workers
            .cast(mesh.client(), sel!(1), Fail("out of paper".into()))
            .unwrap();
        let event = soon(events.next()).await.unwrap();
        assert!(matches!(&event, ProcEvent::Crashed(1, text) if text.contains("out of paper")));
        let event = soon(actor_events.next()).await.unwrap();
        assert_eq!(
            (event.name(), event.rank(), event.is_failed()),
            ("worker", 1, true)
        );
        assert!(
            soon(workers.get(0).unwrap().ask(mesh.client(), Pid))
                .await
                .is_ok()
        );
        drop(workers);
        soon(mesh.stop(global_root_client())).await.unwrap();
        for _ in 0..2 {
            let event = soon(events.next()).await.unwrap();
            assert!(
                matches!(event, ProcEvent::Stopped(_, ProcStopReason::Stopped)),
                "{event}"
            );
        }
        assert_eq!(soon(events.next()).await, None);
        let event = soon(actor_events.next()).await.unwrap();
        assert!(
            matches!(event.status(), MemberStatus::ProcStopped(_)),
            "{event}"
        );
        assert_eq!(soon(actor_events.next()).await, None);
    });
}

fn a_killed_process(runtime: &Runtime, command: BootstrapCommand) {
    runtime.block_on(async {
        let mut mesh = mesh(command, extent!(gpu = 3)).await;
        let mut events = mesh.events().unwrap();
        let mut workers = soon(mesh.spawn::<Worker>(mesh.client(), "worker", &None))
            .await
            .unwrap();
        let mut actor_events = workers.events().unwrap();
        let client = mesh.client();
        let victim = soon(workers.get(1).unwrap().ask(client, Pid))
            .await
            .unwrap();

        let hang = workers.call(client, sel!(1), Hang).timeout(10 * LIMIT);
        let mut hang = hang.into_future();
        // The first poll sends it.
        assert!(timeout(Duration::ZERO, &mut hang).await.is_err());
        let reduce = workers.reduce(client, sel!(*), Weigh(vec![1]), Sum::new());
        assert_eq!(soon(reduce).await.unwrap().value, 3);
        kill(RawPid::from_raw(victim as i32), Signal::SIGKILL).unwrap();
        let hung = soon(hang).await.unwrap();
        assert!(
            matches!(hung.get(0), Some(Err(RankFailure::ProcDied(_)))),
            "{hung:?}"
        );
        let event = soon(events.next()).await.unwrap();
        assert_eq!(
            event,
            ProcEvent::Stopped(1, ProcStopReason::Killed(9, false))
        );
        let event = soon(actor_events.next()).await.unwrap();
        assert_eq!((event.rank(), event.is_failed()), (1, true));

        // A rank that is known to be dead is known at once, the others go on.
        let pids = soon(workers.call(client, sel!(*), Pid)).await.unwrap();
        let failed: Vec<bool> = pids.values().map(Result::is_err).collect();
        assert_eq!(failed, [false, true, false]);
        let reduce = workers.reduce(client, sel!(*), Weigh(vec![1]), Sum::new());
        let reduced = soon(reduce).await.unwrap();
        assert_eq!(
            (reduced.value, reduced.missing.len(), reduced.missing[0].0),
            (2, 1, 1)
        );
        drop(workers);
        soon(mesh.stop(global_root_client())).await.unwrap();
    });
}

fn a_killed_parent(runtime: &Runtime, mut command: BootstrapCommand) {
    command.env.insert("HYPERMESH_LEASE".into(), "1s".into());
    runtime.block_on(async {
        let mut mesh = mesh(command, extent!(gpu = 3)).await;
        let client = mesh.client();
        let workers = soon(mesh.spawn::<Worker>(client, "worker", &None))
            .await
            .unwrap();
        let [parent, stops, stays] = [0, 1, 2].map(|rank| workers.get(rank).unwrap());
        for (child, stays) in [(&stops, false), (&stays, true)] {
            let child = child.clone();
            let adopted = soon(parent.ask(client, Adopt { child, stays })).await;
            assert_eq!(adopted, Ok(()));
        }
        let refused = soon(stays.adopt(client, Orphan::Stop)).await.unwrap();
        assert!(matches!(refused, Err(AdoptFault::HasParent { .. })));
        let mut monitor = stops.monitor(client);
        let victim = soon(parent.ask(client, Pid)).await.unwrap();
        kill(RawPid::from_raw(victim as i32), Signal::SIGKILL).unwrap();
        let ended = soon(monitor.ended()).await;
        assert_eq!(ended, MonitorEvent::Exited(Exit::Stopped));
        // The other child lives, and takes another parent as soon as the lease of the first one has ended.
        let adopted = async {
            loop {
                match stays.adopt(client, Orphan::Stop).await.unwrap() {
                    Err(AdoptFault::HasParent { .. }) => {}
                    adopted => break adopted,
                }
            }
        };
        assert_eq!(soon(adopted).await, Ok(()));
        assert!(soon(stays.ask(client, Pid)).await.is_ok());
        drop(workers);
        soon(mesh.stop(global_root_client())).await.unwrap();
    });
}

fn a_process_exits(runtime: &Runtime, command: BootstrapCommand) {
    runtime.block_on(async {
        let mut mesh = mesh(command, extent!(gpu = 2)).await;
        let mut events = mesh.events().unwrap();
        let workers = soon(mesh.spawn::<Worker>(mesh.client(), "worker", &None))
            .await
            .unwrap();
        workers.cast(mesh.client(), sel!(0), Leave(7)).unwrap();
        let event = soon(events.next()).await.unwrap();
        assert!(
            matches!(event, ProcEvent::Stopped(0, ProcStopReason::Exited(7, _))),
            "{event}"
        );
        drop(workers);
        soon(mesh.stop(global_root_client())).await.unwrap();
        let event = soon(events.next()).await;
        assert_eq!(event, Some(ProcEvent::Stopped(1, ProcStopReason::Stopped)));
        assert_eq!(soon(events.next()).await, None);
    });
}

fn a_spawn_fails(runtime: &Runtime, command: BootstrapCommand) {
    runtime.block_on(async {
        let mut mesh = mesh(command, extent!(gpu = 3)).await;
        let client = mesh.client();
        let error = soon(mesh.spawn::<Worker>(client, "worker", &Some(2)))
            .await
            .unwrap_err();
        assert!(matches!(&error, SpawnError::Ranks { failures, .. } if failures[0].0 == 2));
        assert!(error.to_string().contains("no room"), "{error}");
        let workers = soon(mesh.spawn::<Worker>(client, "worker", &None))
            .await
            .unwrap();
        assert!(
            soon(workers.call(client, sel!(*), Pid))
                .await
                .unwrap()
                .transpose()
                .is_ok()
        );
        drop(workers);
        soon(mesh.stop(global_root_client())).await.unwrap();
    });
}

fn no_child(runtime: &Runtime, command: BootstrapCommand) {
    runtime.block_on(async {
        let mut other = BootstrapCommand::from("false");
        other.env = command.env;
        let error = try_mesh(other, extent!(gpu = 2)).await.unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, AllocatorError::EarlyExit { .. }), "{text}");
        assert!(text.contains("exited with code 1"), "{text}");
    });
}

fn every_pair(runtime: &Runtime, command: BootstrapCommand) {
    runtime.block_on(async {
        let (one, two) = tokio::join!(
            mesh(command.clone(), extent!(gpu = 2)),
            mesh(command, extent!(host = 2, gpu = 1)),
        );
        let mut meshes = [one, two];
        let mut actors: Vec<ActorRef<Worker>> = Vec::new();
        for mesh in &meshes {
            let workers = soon(mesh.spawn::<Worker>(mesh.client(), "worker", &None))
                .await
                .unwrap();
            actors.extend(workers.iter_actor_refs());
        }
        let mut rest: Vec<ActorRef<Worker>> = Vec::new();
        for from in &actors {
            for to in &actors {
                rest.extend([from.clone(), to.clone()]);
            }
        }
        let n_visits = rest.len() as u64;
        let first = rest.pop().unwrap();
        let client = meshes[0].client();
        let (done, mut arrived) = client.mailbox().open_port();
        first
            .tell(
                client,
                Forward {
                    rest,
                    n_visits: 0,
                    done: done.bind(),
                },
            )
            .unwrap();
        assert_eq!(soon(arrived.recv()).await, Ok(n_visits));
        for mesh in &mut meshes {
            soon(mesh.stop(global_root_client())).await.unwrap();
        }
    });
}

fn a_mesh_of_a_ref(runtime: &Runtime, command: BootstrapCommand) {
    runtime.block_on(async {
        let mut owner = mesh(command, extent!(gpu = 2)).await;
        let mut guest = ProcMesh::from((*owner).clone());
        let workers = soon(guest.spawn::<Worker>(guest.client(), "guest", &None))
            .await
            .unwrap();
        assert!(
            soon(workers.call(guest.client(), sel!(*), Pid))
                .await
                .unwrap()
                .transpose()
                .is_ok()
        );
        drop(workers);
        soon(guest.stop(global_root_client())).await.unwrap();
        let mut events = owner.events().unwrap();
        for _ in 0..2 {
            assert!(matches!(
                soon(events.next()).await,
                Some(ProcEvent::Stopped(..))
            ));
        }
        assert_eq!(soon(events.next()).await, None);
    });
}

fn dropping(runtime: &Runtime, command: BootstrapCommand) {
    let mesh = runtime.block_on(mesh(command, extent!(gpu = 3)));
    // Without a runtime around it.
    drop(mesh);
}
