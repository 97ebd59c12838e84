//! How often a link dials.

use hypermesh_channel::{CloseReason, FailReason, Outcome, Route, SimNetwork, UnknownReason};
use tokio::{task::JoinSet, time::Instant};

use crate::{by_hand, rig::*};

/// How often a link may dial in ten seconds.
const MOST: usize = 22;

#[tokio::test(start_paused = true)]
async fn an_address_at_which_nobody_listens_is_dialled_ever_less() {
    let network = network(0);
    let near = endpoint(&network, "a");
    let clerk = Clerk::new(&near, "s");
    clerk.post("one");
    pass(10 * SECOND).await;
    let dials = traced(&network, "nobody on");
    assert!((10..=MOST).contains(&dials.len()), "{dials:#?}");
    let (first, second) = (time_of(&dials[0]), time_of(&dials[1]));
    // The clock counts milliseconds.
    assert!(second - first <= 0.003, "{dials:#?}");
    near.shutdown(SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn the_links_of_many_nodes_do_not_dial_all_at_once() {
    let network = network(0);
    let names: Vec<_> = (0..300).map(|i| format!("n{i}")).collect();
    let endpoints: Vec<_> = names.iter().map(|name| endpoint(&network, name)).collect();
    let clerks: Vec<_> = endpoints.iter().map(|near| Clerk::new(near, "s")).collect();
    clerks.iter().for_each(|clerk| clerk.post("one"));
    pass(10 * SECOND).await;
    let dials = traced(&network, "nobody on");
    let mut times: Vec<_> = dials.iter().map(|line| time_of(line)).collect();
    // From where all pauses are the longest one.
    times.retain(|time| *time > 5.0);
    let most = (0..times.len()).map(|first| {
        let end = times[first] + 0.01;
        times[first..]
            .iter()
            .take_while(|time| **time < end)
            .count()
    });
    let most = most.max().unwrap();
    assert!(most < 60, "{most} of 300 in 10 ms");
    for near in endpoints {
        near.shutdown(SECOND).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_accepts_and_closes_is_dialled_ever_less() {
    let network = network(0);
    let mut listener = network.node("b").listen("s").unwrap();
    let near = endpoint(&network, "a");
    let clerk = Clerk::new(&near, "s");
    clerk.post("one");
    let accepting = async {
        let mut n_accepted = 0;
        loop {
            drop(listener.accept().await.unwrap());
            n_accepted += 1;
            assert!(n_accepted <= MOST, "in ten seconds");
        }
    };
    let ended: Result<(), _> = tokio::time::timeout(10 * SECOND, accepting).await;
    ended.unwrap_err();
    near.shutdown(SECOND).await;
}

/// Checks that nobody dials for an hour.
async fn check_no_dials(network: &SimNetwork) {
    let before = network.trace();
    pass(3600 * SECOND).await;
    assert_eq!(network.trace(), before);
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_stops_is_not_dialled_again() {
    let network = network(10);
    let far = endpoint(&network, "b");
    let keeper = Keeper::new(usize::MAX);
    let server = far.serve_sink(addr("s"), keeper.clone()).unwrap();
    let near = endpoint(&network, "a");
    let mut clerk = Clerk::new(&near, "s");
    clerk.post("one");
    assert_eq!(clerk.outcome("one").await, Outcome::Acked);
    server.stop().await;
    let closed = clerk.link().watch().closed().await;
    assert_eq!(closed, CloseReason::PeerClosed);
    clerk.post("two");
    let closed = Outcome::Failed(FailReason::PeerClosed);
    assert_eq!(clerk.outcome("two").await, closed);
    // The connection ends.
    pass(5 * SECOND).await;
    check_no_dials(&network).await;
    near.shutdown(SECOND).await;
    far.shutdown(SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn a_refusal_for_good_is_not_asked_for_again() {
    let network = network(10);
    let far = endpoint(&network, "b");
    let (_, _rx) = far.serve::<String>(addr("s")).unwrap();
    let near = endpoint(&network, "a");
    let mut clerk = Clerk::new(&near, "s");
    clerk.post("one");
    let outcome = clerk.outcome("one").await;
    let is_refused = matches!(outcome, Outcome::Failed(FailReason::Refused(_)));
    assert!(is_refused, "{outcome:?}");
    pass(5 * SECOND).await;
    check_no_dials(&network).await;
    near.shutdown(SECOND).await;
    far.shutdown(SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn time_that_is_over_ends_a_link_whose_next_path_is_still_dialled() {
    let network = network(10);
    let near = endpoint_with(&network, "a", |limits| {
        limits.connect_timeout = 3 * SECOND;
    });
    let far = endpoint(&network, "b");
    let _server = far.serve_sink(addr("s"), Keeper::new(usize::MAX)).unwrap();
    network.partition("a", "b");
    // Nobody is at the first one, and the attempt at the second one takes five seconds.
    let mut clerk = Clerk::over(&near, Route::via([addr("g")], addr("s")).or_direct());
    let began = Instant::now();
    clerk.post("one");
    let outcome = clerk.outcome("one").await;
    let Outcome::Failed(FailReason::Unreachable(error)) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(error.addr, addr("g"));
    assert!(began.elapsed() < 4 * SECOND, "{:?}", began.elapsed());
    near.shutdown(SECOND).await;
    far.shutdown(SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_posted_to_nobody_fails_after_a_minute_with_what_was_tried() {
    let network = network(1);
    let near = endpoint(&network, "a");
    let mut clerk = Clerk::new(&near, "s");
    let began = Instant::now();
    clerk.post("one");
    pass(30 * SECOND).await;
    clerk.assert_nothing();
    let outcome = clerk.outcome("one").await;
    let Outcome::Failed(FailReason::Unreachable(error)) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(began.elapsed().as_secs(), 60);
    assert_eq!((error.addr.clone(), error.tried.len()), (addr("s"), 1));
    assert!(error.attempts > 50, "{error}");
    assert!(
        error.tried[0].error.to_string().contains("refused"),
        "{error}"
    );
    // What comes later fails at once.
    let closed = clerk.link().watch().closed().await;
    assert_eq!(closed, CloseReason::Unreachable(error.clone()));
    clerk.post("two");
    let failed = Outcome::Failed(FailReason::Unreachable(error));
    assert_eq!(clerk.outcome("two").await, failed);
    assert_eq!(began.elapsed().as_secs(), 60);
    near.shutdown(SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn a_new_link_works_whatever_ended_the_one_before() {
    let network = network(1);
    let (near, far) = (endpoint(&network, "a"), endpoint(&network, "b"));
    // Nobody is there.
    let unreachable = Clerk::new(&near, "s");
    unreachable.post("lost");
    let reason = unreachable.link().watch().closed().await;
    assert!(matches!(reason, CloseReason::Unreachable(_)), "{reason}");
    // Somebody else is there.
    let (_, rx) = far.serve::<String>(addr("s")).unwrap();
    let refused = Clerk::new(&near, "s");
    refused.post("lost");
    let reason = refused.link().watch().closed().await;
    assert!(matches!(reason, CloseReason::Refused(_)), "{reason}");
    // The receiver comes, and stops.
    let server = far.serve_sink(addr("s"), Keeper::new(1)).unwrap();
    let mut stopped = Clerk::new(&near, "s");
    stopped.post("one");
    assert_eq!(stopped.outcome("one").await, Outcome::Acked);
    server.stop().await;
    let reason = stopped.link().watch().closed().await;
    assert_eq!(reason, CloseReason::PeerClosed);
    // It comes again, and takes nothing until this end gives up.
    let keeper = Keeper::new(0);
    let _server = far.serve_sink(addr("s"), keeper.clone()).unwrap();
    let closed = Clerk::new(&near, "s");
    closed.post("two");
    let report = closed.link().close(SECOND).await;
    assert_eq!(report.unknown, 1);
    keeper.allow(10);
    let mut clerk = Clerk::new(&near, "s");
    clerk.post("three");
    assert_eq!(clerk.outcome("three").await, Outcome::Acked);
    assert!(keeper.kept().ends_with("three"), "{}", keeper.kept());
    rx.close().await;
    near.shutdown(SECOND).await;
    far.shutdown(SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn a_new_link_works_after_one_whose_peer_acknowledged_nothing() {
    let network = network(1);
    let mut peer = JoinSet::new();
    peer.spawn(by_hand::serve(network.node("b"), "s"));
    tokio::task::yield_now().await;
    let near = endpoint(&network, "a");
    let mut stalled = Clerk::new(&near, "s");
    stalled.post("one");
    let outcome = stalled.outcome("one").await;
    assert_eq!(outcome, Outcome::Unknown(UnknownReason::Stalled));
    let reason = stalled.link().watch().closed().await;
    assert_eq!(reason, CloseReason::Stalled);
    peer.join_next().await.unwrap().unwrap();
    // While nobody is there a new link tries, and with the next receiver it works.
    let mut clerk = Clerk::new(&near, "s");
    clerk.post("two");
    pass(10 * SECOND).await;
    clerk.assert_nothing();
    let far = endpoint(&network, "b");
    let keeper = Keeper::new(usize::MAX);
    let _server = far.serve_sink(addr("s"), keeper.clone()).unwrap();
    assert_eq!(clerk.outcome("two").await, Outcome::Acked);
    assert_eq!(keeper.kept(), "two");
    // The one that has ended stays so.
    stalled.post("three");
    let outcome = stalled.outcome("three").await;
    assert_eq!(outcome, Outcome::Failed(FailReason::Stalled));
    near.shutdown(SECOND).await;
    far.shutdown(SECOND).await;
}
