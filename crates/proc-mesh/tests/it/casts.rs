//! One message to many members.

use hypermesh_proc_mesh::alloc::actor::mailbox::reducers::Sum;
use hypermesh_proc_mesh::ndslice::{Selection, SelectionError, extent, sel, sel_from_shape, shape};
use hypermesh_proc_mesh::{CastError, Mesh, ProcMesh, RootActorMesh};

use crate::actors::{Add, Card, Counter, Report, Total, Weighed, WhoAmI, mesh, soon};

async fn counters(mesh: &ProcMesh) -> RootActorMesh<'_, Counter> {
    soon(mesh.spawn::<Counter>(mesh.client(), "counter", &0))
        .await
        .unwrap()
}

/// Casts one to `selection` of six members and returns who got how much.
async fn check(selection: Selection, expected: [u64; 6]) {
    let mesh = mesh(extent!(host = 2, gpu = 3)).await;
    let counters = counters(&mesh).await;
    counters.cast(mesh.client(), selection, Add(1)).unwrap();
    let totals = soon(counters.call(mesh.client(), sel!(*), Total))
        .await
        .unwrap();
    let totals: Vec<u64> = totals
        .values()
        .map(|total| *total.as_ref().unwrap())
        .collect();
    assert_eq!(totals, expected);
}

#[tokio::test]
async fn each_selected_rank_gets_the_message_once_and_no_other_does() {
    check(sel!(*), [1, 1, 1, 1, 1, 1]).await;
    check(sel!(1), [0, 0, 0, 1, 1, 1]).await;
    check(sel!(*, 0::2), [1, 0, 1, 1, 0, 1]).await;
    check(sel!((0, 1) | (1, 2) | (0, 1)), [0, 1, 0, 0, 0, 1]).await;
    check(sel!(*-1), [1, 1, 1, 0, 0, 0]).await;
    let shape = shape!(host = 2, gpu = 3);
    check(sel_from_shape!(&shape, gpu = 2), [0, 0, 1, 0, 0, 1]).await;
}

#[tokio::test]
async fn a_random_selection_reaches_one_member() {
    let mesh = mesh(extent!(gpu = 5)).await;
    let counters = counters(&mesh).await;
    counters.cast(mesh.client(), sel!(?), Add(1)).unwrap();
    let sum = soon(counters.reduce(mesh.client(), sel!(*), Total, Sum::new()))
        .await
        .unwrap();
    assert_eq!(sum.value, 1);
}

#[tokio::test]
async fn a_selection_that_does_not_fit_is_an_error_and_nothing_is_sent() {
    let mesh = mesh(extent!(gpu = 2)).await;
    let counters = counters(&mesh).await;
    let cast = |selection| counters.cast(mesh.client(), selection, Add(1)).unwrap_err();
    assert_eq!(cast(sel!(0 - 0)), CastError::NothingSelected);
    assert!(matches!(
        cast(sel!(2)),
        CastError::Selection(SelectionError::Shape(_))
    ));
    let other = shape!(host = 2);
    assert!(matches!(
        cast(sel_from_shape!(&other, gpu = 0)),
        CastError::Selection(_)
    ));
    let totals = soon(counters.call(mesh.client(), sel!(*), Total))
        .await
        .unwrap();
    assert!(totals.values().all(|total| *total == Ok(0)));
}

#[tokio::test]
async fn a_receiver_knows_its_point_in_the_view_and_the_sender() {
    let mesh = mesh(extent!(host = 2, gpu = 3)).await;
    let counters = counters(&mesh).await;
    let slice = counters.select("gpu", 1..).unwrap();
    let cards = soon(slice.call(mesh.client(), sel!(*), WhoAmI))
        .await
        .unwrap();
    assert_eq!(cards.region().extent().to_string(), "host=2,gpu=2");
    for (point, card) in cards.iter() {
        let Card {
            me,
            sender,
            point: seen,
        } = card.clone().unwrap();
        assert_eq!(Some(me), slice.get(point.rank()).map(|actor| actor.id()));
        assert_eq!(sender, Some(mesh.client().id()));
        assert_eq!(seen, Some(point.to_string()));
    }
}

#[tokio::test]
async fn a_port_with_a_reducer_in_a_message_gets_one_answer_over_all() {
    let mesh = mesh(extent!(gpu = 4)).await;
    let counters = counters(&mesh).await;
    counters.cast(mesh.client(), sel!(*), Add(2)).unwrap();
    let (port, mut sum) = mesh.client().mailbox().open_reduce_port(Sum::<u64>::new());
    counters
        .cast(mesh.client(), sel!(*), Report(port.bind()))
        .unwrap();
    let gathered = soon(sum.gather(4, crate::actors::LIMIT)).await.unwrap();
    assert_eq!((gathered.value, gathered.answers), (8, 4));
}

#[tokio::test]
async fn casts_and_direct_messages_of_one_sender_arrive_in_order() {
    let mesh = mesh(extent!(gpu = 2)).await;
    let counters = counters(&mesh).await;
    let one = counters.get(1).unwrap();
    for n in 0..100 {
        counters.cast(mesh.client(), sel!(*), Add(1)).unwrap();
        one.tell(mesh.client(), Add(1)).unwrap();
        assert_eq!(
            soon(one.ask(mesh.client(), Total)).await.unwrap(),
            2 * (n + 1)
        );
    }
}

#[tokio::test]
async fn a_message_that_stays_in_the_process_is_not_encoded() {
    let mesh = mesh(extent!(gpu = 2)).await;
    let counters = counters(&mesh).await;
    let message = Weighed::default();
    let replies = soon(counters.call(mesh.client(), sel!(*), message.clone()))
        .await
        .unwrap();
    assert!(replies.values().all(Result::is_ok), "{replies:?}");
    assert_eq!(message.times_encoded(), 0);
}
