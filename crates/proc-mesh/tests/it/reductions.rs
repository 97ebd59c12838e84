//! Replies that are folded.

use hypermesh_proc_mesh::alloc::ProcStopReason;
use hypermesh_proc_mesh::alloc::actor::mailbox::reducers::{Append, Sum};
use hypermesh_proc_mesh::ndslice::{extent, sel};
use hypermesh_proc_mesh::{ProcMesh, RankFailure};

use crate::actors::{Add, Counter, PrivateSum, Total, alloc, mesh, soon};

#[tokio::test]
async fn a_sum_over_four_by_four_by_four_is_exact() {
    let mesh = mesh(extent!(zone = 4, host = 4, gpu = 4)).await;
    let counters = soon(mesh.spawn::<Counter>(mesh.client(), "counter", &1))
        .await
        .unwrap();
    let client = mesh.client();
    for round in 1..=2_u64 {
        let sum = soon(counters.reduce(client, sel!(*), Total, Sum::new()))
            .await
            .unwrap();
        assert_eq!((sum.value, sum.missing), (64 * round, vec![]));
        counters.cast(client, sel!(*), Add(1)).unwrap();
    }
    let some = soon(counters.reduce(client, sel!(0, 1:3, 0::2), Total, Sum::new()))
        .await
        .unwrap();
    assert_eq!(some.value, 4 * 3);
}

#[tokio::test]
async fn replies_are_appended_in_rank_order() {
    let mesh = mesh(extent!(gpu = 4)).await;
    let counters = soon(mesh.spawn::<Counter>(mesh.client(), "counter", &0))
        .await
        .unwrap();
    for rank in 0..4 {
        counters
            .get(rank)
            .unwrap()
            .tell(mesh.client(), Add(rank as u64))
            .unwrap();
    }
    let all = soon(counters.reduce(mesh.client(), sel!(*), Total, Append::new()))
        .await
        .unwrap();
    assert_eq!(all.value, [0, 1, 2, 3]);
}

#[tokio::test]
async fn a_reducer_that_relays_do_not_know_is_folded_by_the_caller() {
    let mesh = mesh(extent!(gpu = 4)).await;
    let counters = soon(mesh.spawn::<Counter>(mesh.client(), "counter", &2))
        .await
        .unwrap();
    let sum = soon(counters.reduce(mesh.client(), sel!(*), Total, PrivateSum))
        .await
        .unwrap();
    assert_eq!((sum.value, sum.missing), (8, vec![]));
}

#[tokio::test]
async fn ranks_that_give_nothing_are_named() {
    let alloc = alloc(extent!(gpu = 4)).await;
    let kill = alloc.chaos_monkey();
    let mut mesh = soon(ProcMesh::allocate(alloc)).await.unwrap();
    let mut events = mesh.events().unwrap();
    let counters = soon(mesh.spawn::<Counter>(mesh.client(), "counter", &1))
        .await
        .unwrap();
    kill(2, ProcStopReason::Killed(9, false));
    soon(events.next()).await.unwrap();
    let slice = counters.range("gpu", 1..).unwrap();
    let sum = soon(slice.reduce(mesh.client(), sel!(*), Total, Sum::new()))
        .await
        .unwrap();
    assert_eq!(sum.value, 2);
    assert!(
        matches!(
            &sum.missing[..],
            [(1, RankFailure::ProcDied(_) | RankFailure::Exited(_))]
        ),
        "{:?}",
        sum.missing
    );
}
