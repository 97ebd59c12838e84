//! Actor meshes come up whole or not at all.

use std::collections::BTreeMap;
use std::sync::Arc;

use hypermesh_proc_mesh::alloc::actor::{ListActors, Status, StopOutcome};
use hypermesh_proc_mesh::ndslice::{extent, sel};
use hypermesh_proc_mesh::{Mesh, ProcMesh, SharedSpawnable, SpawnError, StopActorError};

use tokio::task::JoinSet;

use crate::actors::{Anonymous, Counter, Picky, Total, mesh, soon};

/// The names of the actors on the proc at `rank`, but the agent's.
async fn names(mesh: &ProcMesh, rank: usize) -> Vec<String> {
    let proc = mesh.get(rank).unwrap();
    let addr = mesh.placement().addr(rank).unwrap().clone();
    let agent = hypermesh_proc_mesh::alloc::actor::ActorRef::<
        hypermesh_proc_mesh::alloc::actor::ProcAgent,
    >::attest(proc.named_actor("proc_agent"), addr.into(), "proc_agent");
    let actors = soon(agent.ask(mesh.client(), ListActors)).await.unwrap();
    assert!(
        actors
            .iter()
            .any(|a| a.label == "proc_agent" && a.status == Status::Running)
    );
    let named = actors.into_iter().filter(|actor| actor.actor.is_named());
    named
        .map(|actor| actor.label)
        .filter(|label| label != "proc_agent")
        .collect()
}

#[tokio::test]
async fn one_name_twice_is_an_error_and_the_first_mesh_still_answers() {
    let mesh = mesh(extent!(gpu = 2)).await;
    let client = mesh.client();
    let first = soon(mesh.spawn::<Counter>(client, "counter", &1))
        .await
        .unwrap();
    let second = soon(mesh.spawn::<Counter>(client, "counter", &2)).await;
    assert!(matches!(second, Err(SpawnError::NameInUse { name }) if name == "counter"));
    let fresh = soon(mesh.spawn::<Counter>(client, "fresh", &3))
        .await
        .unwrap();
    for (counters, total) in [(&first, 1), (&fresh, 3)] {
        let totals = soon(counters.call(client, sel!(*), Total)).await.unwrap();
        assert!(totals.values().all(|found| *found == Ok(total)));
    }
    assert_eq!(names(&mesh, 1).await.len(), 2);
}

#[tokio::test]
async fn a_name_that_somebody_else_took_is_an_error_that_names_the_ranks() {
    let mesh = mesh(extent!(gpu = 2)).await;
    let client = mesh.client();
    let slice = mesh.at("gpu", 1).unwrap();
    let theirs = soon(slice.spawn::<Counter>(client, "counter", &7))
        .await
        .unwrap();
    let ours = soon(mesh.spawn::<Counter>(client, "counter", &1))
        .await
        .unwrap_err();
    let SpawnError::Ranks {
        failures, ranks: 2, ..
    } = &ours
    else {
        panic!("{ours}")
    };
    assert_eq!(
        failures.iter().map(|(rank, _)| *rank).collect::<Vec<_>>(),
        [1]
    );
    assert!(
        ours.to_string()
            .contains("rank 1: the name \"counter\" is in use"),
        "{ours}"
    );
    // What was made is gone, and theirs is not.
    assert_eq!(names(&mesh, 0).await, Vec::<String>::new());
    assert_eq!(
        soon(theirs.get(0).unwrap().ask(client, Total))
            .await
            .unwrap(),
        7
    );
}

#[tokio::test]
async fn a_failure_of_one_rank_rolls_back_and_names_rank_and_cause() {
    let mesh = mesh(extent!(gpu = 3)).await;
    for (cause, text) in [("no disk", "no disk"), ("panic", "picky panicked")] {
        let params = BTreeMap::from([(2, cause.to_owned())]);
        let error = soon(mesh.spawn::<Picky>(mesh.client(), "picky", &params))
            .await
            .unwrap_err();
        assert!(
            error.to_string().contains("1 of 3 ranks: rank 2"),
            "{error}"
        );
        assert!(error.to_string().contains(text), "{error}");
        for rank in 0..3 {
            assert_eq!(names(&mesh, rank).await, Vec::<String>::new());
        }
    }
    soon(mesh.spawn::<Picky>(mesh.client(), "picky", &BTreeMap::new()))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_type_that_is_not_registered_is_an_error_at_once() {
    let mesh = mesh(extent!(gpu = 1)).await;
    let error = soon(mesh.spawn::<Anonymous>(mesh.client(), "nobody", &()))
        .await
        .unwrap_err();
    assert!(matches!(error, SpawnError::NotRegistered { .. }), "{error}");
}

#[tokio::test]
async fn a_shared_mesh_spawns_like_a_borrowed_one() {
    let mesh = Arc::new(mesh(extent!(gpu = 2)).await);
    let client = hypermesh_proc_mesh::global_root_client();
    let shared = SharedSpawnable::spawn::<Counter>(mesh.clone(), client, "counter", &4);
    let shared = soon(shared).await.unwrap();
    let again = SharedSpawnable::spawn::<Counter>(mesh.clone(), client, "counter", &4);
    assert!(matches!(
        soon(again).await,
        Err(SpawnError::NameInUse { .. })
    ));
    // The actor mesh keeps the procs.
    drop(mesh);
    let mut elsewhere = JoinSet::new();
    elsewhere.spawn(async move { shared.call(client, sel!(*), Total).await });
    let totals = soon(elsewhere.join_next()).await.unwrap().unwrap().unwrap();
    assert!(totals.values().all(|total| *total == Ok(4)));
}

#[tokio::test]
async fn a_spawn_on_a_slice_touches_its_members_only() {
    let mesh = mesh(extent!(host = 2, gpu = 2)).await;
    let client = mesh.client();
    let left = mesh.select("gpu", 0).unwrap();
    let on_left = soon(left.spawn::<Counter>(client, "left", &0))
        .await
        .unwrap();
    let top = mesh.select("host", 0).unwrap();
    let on_top = soon(top.spawn::<Counter>(client, "top", &0)).await.unwrap();
    let expected: [&[&str]; 4] = [&["left", "top"], &["top"], &["left"], &[]];
    for (rank, expected) in expected.into_iter().enumerate() {
        let mut found = names(&mesh, rank).await;
        found.sort_unstable();
        assert_eq!(found, expected);
    }
    assert_eq!(on_left.get(1).map(|actor| actor.id().proc.rank), Some(2));
    assert_eq!(on_top.get(1).map(|actor| actor.id().proc.rank), Some(1));
}

#[tokio::test]
async fn stopping_a_mesh_frees_its_name_and_spares_the_others() {
    let mesh = mesh(extent!(gpu = 2)).await;
    let client = mesh.client();
    let mut first = soon(mesh.spawn::<Counter>(client, "first", &1))
        .await
        .unwrap();
    let second = soon(mesh.spawn::<Counter>(client, "second", &2))
        .await
        .unwrap();
    let mut events = first.events().unwrap();

    let outcomes = soon(first.stop(client)).await.unwrap();
    assert!(
        outcomes
            .values()
            .all(|outcome| *outcome == Ok(StopOutcome::Stopped))
    );
    for _ in 0..2 {
        let event = soon(events.next()).await.unwrap();
        assert!(
            !event.is_failed() && event.status().is_terminal(),
            "{event}"
        );
    }
    assert_eq!(soon(events.next()).await, None);

    let again = soon(mesh.spawn::<Counter>(client, "first", &3))
        .await
        .unwrap();
    let totals = soon(again.call(client, sel!(*), Total)).await.unwrap();
    assert!(totals.values().all(|total| *total == Ok(3)));
    let old = soon(first.call(client, sel!(*), Total)).await.unwrap();
    assert!(old.values().all(Result::is_err), "{old:?}");
    let totals = soon(second.call(client, sel!(*), Total)).await.unwrap();
    assert!(totals.values().all(|total| *total == Ok(2)));
}

#[tokio::test]
async fn stop_by_name_tells_apart_what_was_there_and_what_was_not() {
    let mesh = mesh(extent!(gpu = 2)).await;
    let client = mesh.client();
    soon(mesh.spawn::<Counter>(client, "counter", &1))
        .await
        .unwrap();
    soon(mesh.stop_actor_by_name_strict(client, "counter"))
        .await
        .unwrap();
    soon(mesh.stop_actor_by_name(client, "nobody"))
        .await
        .unwrap();
    let outcomes = soon(mesh.stop_actor_outcomes(client, "nobody"))
        .await
        .unwrap();
    assert!(
        outcomes
            .values()
            .all(|outcome| *outcome == Ok(StopOutcome::NotFound))
    );
    let strict = soon(mesh.stop_actor_by_name_strict(client, "nobody")).await;
    assert!(matches!(
        strict,
        Err(StopActorError::NotStopped { rank: 0, .. })
    ));
}
