//! One reply from each of many members.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use hypermesh_proc_mesh::alloc::ProcStopReason;
use hypermesh_proc_mesh::ndslice::{extent, sel};
use hypermesh_proc_mesh::{ProcEvent, ProcMesh, RankFailure};

use tokio::time::timeout;

use crate::actors::{Add, Counter, Fail, Hang, LIMIT, Panic, Refuse, Total, alloc, mesh, soon};

#[tokio::test]
async fn a_call_has_one_entry_per_selected_rank_in_rank_order() {
    let mesh = mesh(extent!(host = 2, gpu = 3)).await;
    let counters = soon(mesh.spawn::<Counter>(mesh.client(), "counter", &5))
        .await
        .unwrap();
    let one = counters.range("gpu", 0..1).unwrap();
    one.cast(mesh.client(), sel!(1), Add(1)).unwrap();
    let totals = soon(counters.call(mesh.client(), sel!(*, 0:2), Total))
        .await
        .unwrap();
    assert_eq!(totals.region().extent().to_string(), "host=2,gpu=2");
    assert_eq!(totals.transpose().unwrap().to_string(), "5: 0..2,3; 6: 2");
}

#[tokio::test]
async fn ranks_that_are_no_region_are_a_list() {
    let mesh = mesh(extent!(host = 2, gpu = 3)).await;
    let counters = soon(mesh.spawn::<Counter>(mesh.client(), "counter", &5))
        .await
        .unwrap();
    let call = counters.call(mesh.client(), sel!((0, 1) | (1, 2)), Total);
    let totals = soon(call).await.unwrap();
    assert_eq!(totals.region().extent().to_string(), "selected=2");
}

#[tokio::test]
async fn a_handler_that_fails_panics_or_refuses_is_a_failure_of_its_rank() {
    let mesh = mesh(extent!(gpu = 3)).await;
    let counters = soon(mesh.spawn::<Counter>(mesh.client(), "counter", &0))
        .await
        .unwrap();
    let client = mesh.client();

    let refused = soon(counters.call(client, sel!(*), Refuse("not now".into())))
        .await
        .unwrap();
    for failure in refused.values() {
        assert!(
            matches!(failure, Err(RankFailure::Handler(_))),
            "{failure:?}"
        );
    }
    let failed = soon(counters.call(client, sel!(0), Fail("broken".into())))
        .await
        .unwrap();
    let text = failed.get(0).unwrap().as_ref().unwrap_err().to_string();
    assert!(text.contains("broken"), "{text}");
    let panicked = soon(counters.call(client, sel!(1), Panic("oops".into())))
        .await
        .unwrap();
    let text = panicked.get(0).unwrap().as_ref().unwrap_err().to_string();
    assert!(text.contains("panicked") && text.contains("oops"), "{text}");

    // The others live on, and the dead are told apart from them.
    let totals = soon(counters.call(client, sel!(*), Total)).await.unwrap();
    let failed: Vec<bool> = totals.values().map(Result::is_err).collect();
    assert_eq!(failed, [true, true, false]);
    assert!(
        matches!(totals.get(0), Some(Err(RankFailure::Exited(_)))),
        "{totals:?}"
    );
}

#[tokio::test]
async fn a_rank_that_is_dead_or_dies_meanwhile_ends_its_entry_at_once() {
    let alloc = alloc(extent!(gpu = 3)).await;
    let kill = alloc.chaos_monkey();
    let mut mesh = soon(ProcMesh::allocate(alloc)).await.unwrap();
    let mut events = mesh.events().unwrap();
    let counters = soon(mesh.spawn::<Counter>(mesh.client(), "counter", &0))
        .await
        .unwrap();

    kill(0, ProcStopReason::Killed(9, false));
    let stopped = soon(events.next()).await;
    assert_eq!(
        stopped,
        Some(ProcEvent::Stopped(0, ProcStopReason::Killed(9, false)))
    );
    let totals = soon(counters.call(mesh.client(), sel!(*), Total))
        .await
        .unwrap();
    let failed: Vec<bool> = totals.values().map(Result::is_err).collect();
    assert_eq!(failed, [true, false, false]);

    let call = counters
        .call(mesh.client(), sel!(*), Hang)
        .timeout(10 * LIMIT);
    let mut call = call.into_future();
    // The first poll sends it.
    assert!(timeout(Duration::ZERO, &mut call).await.is_err());
    kill(1, ProcStopReason::Killed(9, false));
    kill(2, ProcStopReason::Killed(9, false));
    let hung = soon(call).await.unwrap();
    assert!(hung.values().all(Result::is_err), "{hung:?}");
    let late = |reply: &Result<(), _>| matches!(reply, Err(RankFailure::Deadline(_)));
    assert!(!hung.values().any(late), "{hung:?}");
}

#[tokio::test(start_paused = true)]
async fn a_member_that_does_not_reply_is_missing_at_the_deadline() {
    let mesh = mesh(extent!(gpu = 2)).await;
    let counters = soon(mesh.spawn::<Counter>(mesh.client(), "counter", &0))
        .await
        .unwrap();
    let within = Duration::from_millis(200);
    let call = counters.call(mesh.client(), sel!(*), Hang).timeout(within);
    let hung = soon(call).await.unwrap();
    assert!(
        hung.values()
            .all(|reply| *reply == Err(RankFailure::Deadline(within)))
    );
    let texts = hung.map(|reply| reply.as_ref().unwrap_err().to_string());
    assert_eq!(texts.to_string(), "no reply within 200ms: 0..2");
}

#[tokio::test]
async fn progress_counts_up_to_the_number_of_ranks() {
    let mesh = mesh(extent!(gpu = 4)).await;
    let counters = soon(mesh.spawn::<Counter>(mesh.client(), "counter", &0))
        .await
        .unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    let call = counters.call(mesh.client(), sel!(*), Total);
    let call = call.progress(move |done, all| log.lock().unwrap().push((done, all)));
    soon(call).await.unwrap();
    assert_eq!(*seen.lock().unwrap(), [(1, 4), (2, 4), (3, 4), (4, 4)]);
}

#[tokio::test]
async fn a_call_that_is_dropped_leaves_no_port_behind() {
    let mesh = mesh(extent!(gpu = 2)).await;
    let counters = soon(mesh.spawn::<Counter>(mesh.client(), "counter", &0))
        .await
        .unwrap();
    let before = mesh.client().mailbox().n_ports();
    for _ in 0..100 {
        let call = counters.call(mesh.client(), sel!(*), Hang).into_future();
        let gave_up = timeout(Duration::ZERO, call).await;
        assert!(gave_up.is_err());
    }
    assert_eq!(mesh.client().mailbox().n_ports(), before);
}
