//! What happens to procs and actors is told.

use hypermesh_proc_mesh::alloc::actor::mailbox::PortRef;
use hypermesh_proc_mesh::alloc::{Alloc, ProcStopReason};
use hypermesh_proc_mesh::ndslice::{extent, sel, sel_from_shape};
use hypermesh_proc_mesh::{MemberStatus, ProcEvent, ProcMesh, global_root_client};

use crate::actors::{Add, Counter, Fail, Total, alloc, mesh, soon};

#[tokio::test]
async fn four_procs_one_killed_then_all_stopped() {
    let alloc = alloc(extent!(replica = 4)).await;
    let (monkey, stop) = (alloc.chaos_monkey(), alloc.stopper());
    let mut mesh = soon(ProcMesh::allocate(alloc)).await.unwrap();
    let mut events = mesh.events().unwrap();
    assert!(mesh.events().is_none());

    monkey(1, ProcStopReason::Killed(1, false));
    let event = soon(events.next()).await.unwrap();
    assert_eq!(
        event,
        ProcEvent::Stopped(1, ProcStopReason::Killed(1, false))
    );
    assert!(
        event
            .to_string()
            .starts_with("Proc at rank 1 stopped: killed by"),
        "{event}"
    );

    stop();
    for _ in 0..3 {
        let event = soon(events.next()).await;
        assert!(
            matches!(event, Some(ProcEvent::Stopped(_, ProcStopReason::Stopped))),
            "{event:?}"
        );
    }
    assert_eq!(soon(events.next()).await, None);
}

#[tokio::test]
async fn an_actor_fails_and_then_its_procs_are_stopped() {
    let alloc = alloc(extent!(replica = 2)).await;
    let stop = alloc.stopper();
    let mut mesh = soon(ProcMesh::allocate(alloc)).await.unwrap();
    let mut events = mesh.events().unwrap();
    let mut failing = soon(mesh.spawn::<Counter>(mesh.client(), "failing", &0))
        .await
        .unwrap();
    let mut actor_events = failing.events().unwrap();

    let selection = sel_from_shape!(mesh.shape(), replica = 0);
    failing
        .cast(mesh.client(), selection, Fail("failmonkey".into()))
        .unwrap();
    let event = soon(events.next()).await.unwrap();
    assert!(
        matches!(&event, ProcEvent::Crashed(0, reason) if reason.contains("failmonkey")),
        "{event}"
    );
    assert!(
        event.to_string().starts_with("Proc at rank 0 crashed: "),
        "{event}"
    );
    let event = soon(actor_events.next()).await.unwrap();
    assert!(
        event.is_failed() && event.to_string().contains("failmonkey"),
        "{event}"
    );
    assert_eq!((event.name(), event.rank()), ("failing", 0));

    stop();
    for rank in 0..2 {
        let event = soon(events.next()).await;
        assert!(
            matches!(event, Some(ProcEvent::Stopped(at, _)) if at == rank),
            "{event:?}"
        );
    }
    assert_eq!(soon(events.next()).await, None);
    let event = soon(actor_events.next()).await.unwrap();
    assert!(event.is_failed(), "{event}");
    assert_eq!((event.name(), event.rank()), ("failing", 1));
    assert!(
        matches!(event.status(), MemberStatus::ProcStopped(_)),
        "{event}"
    );
    assert_eq!(soon(actor_events.next()).await, None);
}

#[tokio::test]
async fn a_dead_proc_concerns_only_the_meshes_with_members_on_it() {
    let alloc = alloc(extent!(gpu = 2)).await;
    let monkey = alloc.chaos_monkey();
    let mesh = soon(ProcMesh::allocate(alloc)).await.unwrap();
    let [left, right] =
        [0, 1].map(|gpu| hypermesh_proc_mesh::Mesh::select(&mesh, "gpu", gpu).unwrap());
    let mut left = soon(left.spawn::<Counter>(mesh.client(), "left", &0))
        .await
        .unwrap();
    let mut right = soon(right.spawn::<Counter>(mesh.client(), "right", &0))
        .await
        .unwrap();
    let (mut left_events, mut right_events) = (left.events().unwrap(), right.events().unwrap());
    monkey(1, ProcStopReason::Killed(9, false));
    let event = soon(right_events.next()).await.unwrap();
    // A slice counts its own ranks.
    assert_eq!((event.name(), event.rank()), ("right", 0));
    assert_eq!(soon(right_events.next()).await, None);
    soon(left.stop(mesh.client())).await.unwrap();
    let event = soon(left_events.next()).await.unwrap();
    assert!(!event.is_failed(), "{event}");
    assert_eq!(soon(left_events.next()).await, None);
}

#[tokio::test]
async fn stop_ends_the_events_and_can_be_called_twice() {
    let mut mesh = mesh(extent!(gpu = 2)).await;
    let mut events = mesh.subscribe();
    soon(mesh.stop(global_root_client())).await.unwrap();
    soon(mesh.stop(global_root_client())).await.unwrap();
    for rank in 0..2 {
        assert_eq!(
            soon(events.next()).await,
            Some(ProcEvent::Stopped(rank, ProcStopReason::Stopped))
        );
    }
    assert_eq!(soon(events.next()).await, None);
    assert_eq!(soon(mesh.subscribe().next()).await, None);
}

#[tokio::test]
async fn the_alloc_can_be_had_back_and_the_mesh_goes_on() {
    let mut mesh = mesh(extent!(gpu = 2)).await;
    let events = mesh.events().unwrap();
    let mut alloc = soon(events.into_alloc()).await.unwrap();
    assert_eq!(alloc.world_id(), mesh.world_id());
    assert!(soon(mesh.subscribe().into_alloc()).await.is_none());
    let counters = soon(mesh.spawn::<Counter>(mesh.client(), "counter", &1))
        .await
        .unwrap();
    let totals = soon(counters.call(mesh.client(), sel!(*), Total))
        .await
        .unwrap();
    assert!(totals.values().all(|total| *total == Ok(1)));

    let mut events = mesh.subscribe();
    soon(alloc.stop_and_wait()).await.unwrap();
    for _ in 0..2 {
        assert!(matches!(
            soon(events.next()).await,
            Some(ProcEvent::Stopped(..))
        ));
    }
    assert_eq!(soon(events.next()).await, None);
    soon(mesh.stop(global_root_client())).await.unwrap();
}

#[tokio::test]
async fn a_mesh_of_a_ref_has_events_spawns_and_stops_like_any_other() {
    let mut owner = mesh(extent!(gpu = 2)).await;
    let mut owner_events = owner.events().unwrap();
    let mut guest = ProcMesh::from(owner.range("gpu", ..).unwrap());
    assert_eq!(guest.world_id(), owner.world_id());
    assert_eq!(guest.client_proc().name(), owner.client_proc().name());
    let mut events = guest.events().unwrap();
    let counters = soon(guest.spawn::<Counter>(guest.client(), "guest", &1))
        .await
        .unwrap();
    counters
        .cast(guest.client(), sel!(0), Fail("guest error".into()))
        .unwrap();
    for events in [&mut events, &mut owner_events] {
        let event = soon(events.next()).await.unwrap();
        assert!(event.to_string().contains("guest error"), "{event}");
    }
    drop(counters);
    soon(guest.stop(global_root_client())).await.unwrap();
    for _ in 0..2 {
        let event = soon(events.next()).await;
        assert!(matches!(event, Some(ProcEvent::Stopped(..))), "{event:?}");
    }
    assert_eq!(soon(events.next()).await, None);
}

#[tokio::test]
async fn what_a_client_sends_in_vain_is_an_event_of_the_mesh_it_was_for() {
    let [mut one, mut two] = [mesh(extent!(gpu = 1)).await, mesh(extent!(gpu = 1)).await];
    let (mut one_events, mut two_events) = (one.events().unwrap(), two.events().unwrap());
    for mesh in [&one, &two] {
        let nobody = mesh.get(0).unwrap().named_actor("nobody");
        let at = mesh.placement().addr(0).unwrap().clone();
        let port: PortRef<u64> = PortRef::new(
            nobody.port(hypermesh_proc_mesh::alloc::actor::mailbox::Port::Control(9)),
            at.into(),
            None,
        );
        port.send(global_root_client(), 1);
        // The second is known already.
        port.send(mesh.client(), 1);
    }
    for events in [&mut one_events, &mut two_events] {
        let event = soon(events.next()).await.unwrap();
        assert!(matches!(&event, ProcEvent::Crashed(0, text) if text.contains("not delivered")));
    }
    for (mesh, events) in [(&mut one, one_events), (&mut two, two_events)] {
        soon(mesh.stop(global_root_client())).await.unwrap();
        let mut events = events;
        assert!(matches!(
            soon(events.next()).await,
            Some(ProcEvent::Stopped(0, _))
        ));
        assert_eq!(soon(events.next()).await, None);
    }
}

#[tokio::test]
async fn a_cast_to_stopped_actors_bounces_and_harms_nobody() {
    let mesh = mesh(extent!(gpu = 2)).await;
    let mut counters = soon(mesh.spawn::<Counter>(mesh.client(), "counter", &0))
        .await
        .unwrap();
    let others = soon(mesh.spawn::<Counter>(mesh.client(), "others", &0))
        .await
        .unwrap();
    soon(counters.stop(mesh.client())).await.unwrap();
    counters.cast(mesh.client(), sel!(*), Add(1)).unwrap();
    others.cast(mesh.client(), sel!(*), Add(1)).unwrap();
    let totals = soon(others.call(mesh.client(), sel!(*), Total))
        .await
        .unwrap();
    assert!(totals.values().all(|total| *total == Ok(1)));
}
