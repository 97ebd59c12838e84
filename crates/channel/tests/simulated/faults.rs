//! What links promise when connections break and peers go.

use std::{num::NonZeroU64, panic::resume_unwind, sync::Arc};

use hypermesh_channel::{
    CloseReason, FailReason, Flow, LinkStatus, Outcome, Payload, Peer, Route, SimConditions,
    SimNetwork, Sink, UnknownReason,
};
use hypermesh_testkit::Rng;

use crate::rig::*;

#[tokio::test(start_paused = true)]
async fn ten_thousand_messages_and_fifteen_cuts_arrive_in_order() {
    for seed in 0..4 {
        let network = SimNetwork::new(seed);
        network.set_default_conditions(SimConditions::new(100 * MS..=200 * MS));
        let mut rng = Rng::new(seed);
        let far = endpoint(&network, "b");
        let (_, mut rx) = far.serve::<u64>(addr("s")).unwrap();
        let near = endpoint(&network, "a");
        let tx = near.dial::<u64>(&addr("s")).unwrap();
        let mut posted = 0..10_001;
        for _ in 0..15 {
            pass(MS * rng.below(2_000) as u32).await;
            posted.by_ref().take(600).for_each(|i| tx.post(i).unwrap());
            pass(MS * rng.below(600) as u32).await;
            network.cut("a", "b");
        }
        posted.for_each(|i| tx.post(i).unwrap());
        for i in 0..10_001 {
            assert_eq!(rx.recv().await.unwrap(), i, "seed {seed}");
        }
        assert_eq!(tx.flush(100 * SECOND).await, 0, "seed {seed}");
        let report = near.shutdown(SECOND).await;
        assert_eq!((report.failed, report.unknown), (0, 0), "seed {seed}");
        assert!(is_pending(rx.recv()).await, "seed {seed}");
        far.shutdown(SECOND).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_replaces_a_half_open_one_carries_on_at_once() {
    let network = network(10);
    // It takes longer than the other end to notice that nothing arrives.
    let far = endpoint_with(&network, "b", |limits| limits.ping_interval = 30 * SECOND);
    let keeper = Keeper::new(usize::MAX);
    let server = far.serve_sink(addr("s"), keeper.clone()).unwrap();
    let near = endpoint(&network, "a");
    let mut clerk = Clerk::new(&near, "s");
    clerk.post("one");
    assert_eq!(clerk.outcome("one").await, Outcome::Acked);
    network.half_open("a", "b");
    clerk.post("two");
    let mut watch = clerk.link().watch();
    assert!(matches!(
        watch.changed().await,
        LinkStatus::Connecting { .. }
    ));
    watch.active().await.unwrap();
    let active = tokio::time::Instant::now();
    assert_eq!(clerk.outcome("two").await, Outcome::Acked);
    assert!(active.elapsed() <= 25 * MS, "{:?}", active.elapsed());
    assert_eq!(keeper.kept(), "one two");
    // The old one hears nothing any more.
    assert_eq!((server.stats().accepted, server.stats().ended), (2, 0));
    pass(150 * SECOND).await;
    assert_eq!((server.stats().accepted, server.stats().ended), (2, 1));
    clerk.post("three");
    assert_eq!(clerk.outcome("three").await, Outcome::Acked);
    near.shutdown(SECOND).await;
    far.shutdown(SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn what_a_peer_may_have_got_before_its_restart_is_unknown_and_the_rest_reaches_the_next_one()
{
    let network = network(10);
    let far = endpoint(&network, "b");
    let first = Keeper::new(usize::MAX);
    let server = far.serve_sink(addr("s"), first.clone()).unwrap();
    let near = endpoint(&network, "a");
    let mut clerk = Clerk::new(&near, "s");
    clerk.post("one");
    assert_eq!(clerk.outcome("one").await, Outcome::Acked);
    clerk.post("two");
    pass(MS).await;
    network.restart("b");
    clerk.post("three");
    drop((server, far));
    let far = endpoint(&network, "b");
    let second = Keeper::new(usize::MAX);
    let _server = far.serve_sink(addr("s"), second.clone()).unwrap();
    // The third one was handed to the old connection, or not.
    let unknown = Outcome::Unknown(UnknownReason::PeerRestarted);
    assert_eq!(clerk.outcome("two").await, unknown);
    let three = clerk.outcome("three").await;
    assert!([Outcome::Acked, unknown].contains(&three), "{three:?}");
    clerk.post("four");
    assert_eq!(clerk.outcome("four").await, Outcome::Acked);
    assert_eq!(clerk.link().status(), LinkStatus::Active);
    assert!(second.kept().ends_with("four") && !second.kept().contains("two"));
    assert!(first.kept().starts_with("one"));
    near.shutdown(SECOND).await;
    far.shutdown(SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn a_link_for_one_life_of_its_peer_gives_the_rest_back_when_there_is_another() {
    let network = network(10);
    let far = endpoint(&network, "b");
    let server = far.serve_sink(addr("s"), Keeper::new(usize::MAX)).unwrap();
    let near = endpoint(&network, "a");
    let route = Route::direct(addr("s")).only(far.incarnation());
    assert_eq!(route.incarnation(), Some(far.incarnation()));
    let mut clerk = Clerk::over(&near, route.clone());
    clerk.post("one");
    assert_eq!(clerk.outcome("one").await, Outcome::Acked);
    clerk.post("two");
    pass(MS).await;
    network.restart("b");
    drop((server, far));
    let mut watch = clerk.link().watch();
    while !matches!(watch.changed().await, LinkStatus::Connecting { .. }) {}
    clerk.post("three");
    let far = endpoint(&network, "b");
    let second = Keeper::new(usize::MAX);
    let server = far.serve_sink(addr("s"), second.clone()).unwrap();
    let unknown = Outcome::Unknown(UnknownReason::PeerRestarted);
    assert_eq!(clerk.outcome("two").await, unknown);
    let failed = Outcome::Failed(FailReason::PeerRestarted);
    assert_eq!(clerk.outcome("three").await, failed);
    assert_eq!(watch.closed().await, CloseReason::PeerRestarted);
    clerk.post("four");
    assert_eq!(clerk.outcome("four").await, failed);
    // Nor does a new one go to another life; any goes without this.
    let mut late = Clerk::over(&near, route);
    late.post("five");
    assert_eq!(late.outcome("five").await, failed);
    let mut any = Clerk::new(&near, "s");
    any.post("six");
    assert_eq!(any.outcome("six").await, Outcome::Acked);
    assert_eq!(second.kept(), "six");
    drop(server);
    near.shutdown(SECOND).await;
    far.shutdown(SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_is_killed_for_good_leaves_what_was_written_unknown_and_the_rest_failed() {
    let network = network(10);
    let far = endpoint(&network, "b");
    let keeper = Keeper::new(usize::MAX);
    let server = far.serve_sink(addr("s"), keeper.clone()).unwrap();
    let near = endpoint(&network, "a");
    let mut clerk = Clerk::new(&near, "s");
    clerk.post("one");
    assert_eq!(clerk.outcome("one").await, Outcome::Acked);
    for body in ["two", "three"] {
        clerk.post(body);
    }
    pass(MS).await;
    network.restart("b");
    drop((server, far));
    let killed = tokio::time::Instant::now();
    let mut watch = clerk.link().watch();
    assert!(matches!(
        watch.changed().await,
        LinkStatus::Connecting { .. }
    ));
    clerk.post("four");
    for body in ["two", "three"] {
        let outcome = clerk.outcome(body).await;
        assert!(
            matches!(outcome, Outcome::Unknown(_)),
            "{body}: {outcome:?}"
        );
    }
    let reason = watch.closed().await;
    assert!(matches!(reason, CloseReason::Unreachable(_)), "{reason}");
    let failed = Outcome::Failed(reason.into());
    assert_eq!(clerk.outcome("four").await, failed);
    assert!(killed.elapsed() <= 61 * SECOND, "{:?}", killed.elapsed());
    clerk.post("five");
    assert_eq!(clerk.outcome("five").await, failed);
    near.shutdown(SECOND).await;
}

/// Loses the acknowledgement of a message and the connection for so many seconds, and returns what becomes of it.
async fn lose_for(seconds: u32) -> Outcome {
    let network = network(10);
    let far = endpoint(&network, "b");
    let keeper = Keeper::new(usize::MAX);
    let _server = far.serve_sink(addr("s"), keeper.clone()).unwrap();
    let near = endpoint_with(&network, "a", |limits| {
        limits.connect_timeout = 1_000 * SECOND;
    });
    let mut clerk = Clerk::new(&near, "s");
    clerk.post("one");
    assert_eq!(clerk.outcome("one").await, Outcome::Acked);
    network.partition_one_way("b", "a");
    clerk.post("two");
    pass(SECOND).await;
    network.partition_one_way("a", "b");
    network.cut("a", "b");
    clerk.post("three");
    pass(SECOND * seconds).await;
    network.heal("a", "b");
    let outcome = clerk.outcome("two").await;
    assert_eq!(clerk.outcome("three").await, Outcome::Acked);
    assert_eq!(keeper.kept(), "one two three");
    near.shutdown(SECOND).await;
    far.shutdown(SECOND).await;
    outcome
}

#[tokio::test(start_paused = true)]
async fn a_session_is_remembered_for_its_lifetime() {
    assert_eq!(lose_for(290).await, Outcome::Acked);
    let lost = Outcome::Unknown(UnknownReason::SessionLost);
    assert_eq!(lose_for(350).await, lost);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_begins_anew_does_so_again_if_the_answer_is_lost() {
    let network = network(10);
    let far = endpoint(&network, "b");
    let keeper = Keeper::new(0);
    let _server = far.serve_sink(addr("s"), keeper.clone()).unwrap();
    let near = endpoint_with(&network, "a", |limits| {
        limits.connect_timeout = 1_000 * SECOND;
    });
    let mut clerk = Clerk::new(&near, "s");
    clerk.post("one");
    pass(SECOND).await;
    network.cut("a", "b");
    network.partition("a", "b");
    // The session is forgotten, and what was sent of it.
    pass(350 * SECOND).await;
    network.heal("a", "b");
    while traced(&network, "opens on").len() < 2 {
        pass(MS).await;
    }
    // Hello, answer and open have arrived, and the answer to that is on its way.
    pass(35 * MS).await;
    network.cut("a", "b");
    keeper.allow(10);
    let lost = Outcome::Unknown(UnknownReason::SessionLost);
    assert_eq!(clerk.outcome("one").await, lost);
    clerk.post("two");
    assert_eq!(clerk.outcome("two").await, Outcome::Acked);
    assert_eq!(keeper.kept(), "two");
    near.shutdown(SECOND).await;
    far.shutdown(SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn a_session_is_remembered_while_its_messages_wait_to_be_received() {
    let network = network(10);
    let far = endpoint_with(&network, "b", |limits| limits.receiver_queue_messages = 2);
    let (_, mut rx) = far.serve::<u64>(addr("s")).unwrap();
    let near = endpoint_with(&network, "a", |limits| {
        limits.connect_timeout = 1_000 * SECOND;
    });
    let tx = near.dial::<u64>(&addr("s")).unwrap();
    for i in 0..2 {
        tx.send(i).await.unwrap();
    }
    tx.post(2).unwrap();
    network.cut("a", "b");
    network.partition("a", "b");
    pass(900 * SECOND).await;
    network.heal("a", "b");
    pass(60 * SECOND).await;
    assert_eq!(tx.flush(SECOND).await, 1, "the window is still used up");
    for i in 0..3 {
        assert_eq!(rx.recv().await.unwrap(), i);
    }
    assert_eq!(tx.flush(SECOND).await, 0);
    near.shutdown(SECOND).await;
    far.shutdown(SECOND).await;
}

/// A sink that panics at the message `panic`.
struct Fragile;

impl Sink for Fragile {
    fn deliver(&self, _: &Peer, batch: &mut Vec<Payload>) -> Flow {
        if batch.drain(..).any(|payload| payload.body == "panic") {
            // Nothing is printed of it.
            resume_unwind(Box::new("as it was asked to"));
        }
        Flow::Continue
    }
}

#[tokio::test(start_paused = true)]
async fn a_long_message_that_is_given_up_in_the_middle_harms_no_other() {
    let network = network(10);
    let slow = SimConditions::new(MS..=MS).with_bandwidth(NonZeroU64::new(1 << 20).unwrap());
    network.set_default_conditions(slow);
    let far = endpoint(&network, "b");
    let server = far.serve_sink(addr("s"), Arc::new(Fragile)).unwrap();
    let near = endpoint(&network, "a");
    let mut clerk = Clerk::new(&near, "s");
    clerk.link().watch().active().await.unwrap();
    let long = "long".repeat(1 << 20);
    clerk.post("panic");
    clerk.post(&long);
    let lost = Outcome::Unknown(UnknownReason::SessionLost);
    assert_eq!(clerk.outcome("panic").await, lost);
    assert_eq!(clerk.outcome(&long).await, lost);
    clerk.post(&long);
    assert_eq!(clerk.outcome(&long).await, Outcome::Acked);
    assert_eq!((server.stats().accepted, server.stats().broken), (1, 0));
    near.shutdown(SECOND).await;
    far.shutdown(SECOND).await;
}
