//! How long a link waits, and for what.

use std::num::NonZeroU64;

use bytes::Bytes;
use hypermesh_channel::{FailReason, LinkStatus, Outcome, SendCause, SimConditions, UnknownReason};
use tokio::{task::JoinSet, time::Instant};

use crate::{by_hand, rig::*};

/// Checks that `since` is from so many to so many seconds ago.
#[track_caller]
fn check_elapsed(since: Instant, from: u64, to: u64) {
    let elapsed = since.elapsed();
    assert!((from..=to).contains(&elapsed.as_secs()), "{elapsed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_answers_and_acknowledges_nothing_is_given_up_after_the_stall_timeout() {
    let network = network(1);
    let mut peer = JoinSet::new();
    peer.spawn(by_hand::serve(network.node("b"), "s"));
    tokio::task::yield_now().await;
    let near = endpoint(&network, "a");
    let mut clerk = Clerk::new(&near, "s");
    clerk.link().watch().active().await.unwrap();
    pass(100 * SECOND).await;
    assert_eq!(clerk.link().status(), LinkStatus::Active);
    let posted = Instant::now();
    clerk.post("one");
    let outcome = clerk.outcome("one").await;
    assert_eq!(outcome, Outcome::Unknown(UnknownReason::Stalled));
    // The pings are the clock of this.
    check_elapsed(posted, 30, 35);
    near.shutdown(SECOND).await;
    peer.join_next().await.unwrap().unwrap();
}

/// Freezes a peer that takes so many messages, so many seconds after a message that it took, and checks when its
/// connection is cut, and what becomes of the next message.
async fn check_frozen(seconds: u32, allowed: usize, posted: &[&str]) {
    let network = network(1);
    let far = endpoint_with(&network, "b", |limits| limits.receiver_queue_messages = 1);
    let keeper = Keeper::new(allowed);
    let _server = far.serve_sink(addr("s"), keeper.clone()).unwrap();
    let near = endpoint(&network, "a");
    let mut clerk = Clerk::new(&near, "s");
    clerk.post("one");
    assert_eq!(clerk.outcome("one").await, Outcome::Acked);
    posted.iter().for_each(|body| clerk.post(body));
    pass(SECOND * seconds).await;
    network.freeze("b");
    let frozen = Instant::now();
    clerk.post("last");
    let mut watch = clerk.link().watch();
    let status = watch.changed().await;
    assert!(
        matches!(status, LinkStatus::Connecting { .. }),
        "{status:?}"
    );
    check_elapsed(frozen, 15, 20);
    for body in posted {
        let outcome = clerk.outcome(body).await;
        assert!(!matches!(outcome, Outcome::Acked), "{outcome:?}");
    }
    let outcome = clerk.outcome("last").await;
    // Without credit for it, it was not sent.
    let has_credit = posted.is_empty();
    let is_unknown = matches!(outcome, Outcome::Unknown(_));
    let is_failed = matches!(outcome, Outcome::Failed(FailReason::Unreachable(_)));
    assert!(
        if has_credit { is_unknown } else { is_failed },
        "{outcome:?}"
    );
    check_elapsed(frozen, 75, 80);
    near.shutdown(SECOND).await;
    network.thaw("b");
    far.shutdown(SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn a_frozen_peer_is_cut_after_15_seconds_and_given_up_within_80() {
    for seconds in 0..6 {
        check_frozen(seconds, usize::MAX, &[]).await;
        check_frozen(seconds, 1, &["two", "three"]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_40_seconds_fails_nothing() {
    let network = network(1);
    let far = endpoint(&network, "b");
    let keeper = Keeper::new(usize::MAX);
    let _server = far.serve_sink(addr("s"), keeper.clone()).unwrap();
    let near = endpoint(&network, "a");
    let mut clerk = Clerk::new(&near, "s");
    clerk.link().watch().active().await.unwrap();
    clerk.post("one");
    network.partition("a", "b");
    for body in ["two", "three"] {
        clerk.post(body);
        pass(20 * SECOND).await;
    }
    network.heal("a", "b");
    for body in ["one", "two", "three"] {
        assert_eq!(clerk.outcome(body).await, Outcome::Acked, "{body}");
    }
    assert_eq!(keeper.kept(), "one two three");
    near.shutdown(SECOND).await;
    far.shutdown(SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_reads_nothing_for_ten_minutes_holds_its_sender_up_and_nothing_fails() {
    let network = network(1);
    let far = endpoint_with(&network, "b", |limits| limits.receiver_queue_messages = 10);
    let (_, mut rx) = far.serve::<u64>(addr("s")).unwrap();
    let near = endpoint_with(&network, "a", |limits| limits.sender_queue_messages = 5);
    let tx = near.dial::<u64>(&addr("s")).unwrap();
    for i in 0..10 {
        tx.send(i).await.unwrap();
    }
    (10..15).for_each(|i| tx.post(i).unwrap());
    let error = tx.post(99).unwrap_err();
    assert_eq!(error.message, 99);
    let is_full = matches!(
        error.cause,
        SendCause::Failed(FailReason::QueueFull { messages: 5, .. })
    );
    assert!(is_full, "{error:?}");
    pass(600 * SECOND).await;
    assert_eq!(tx.status(), LinkStatus::Active);
    assert!(is_pending(tx.ready()).await);
    assert_eq!(tx.flush(SECOND).await, 5);
    for i in 0..15 {
        assert_eq!(rx.recv().await.unwrap(), i);
    }
    tx.ready().await.unwrap();
    assert_eq!(tx.flush(SECOND).await, 0);
    assert_eq!(
        traced(&network, "opens on").len(),
        1,
        "one connection for all"
    );
    near.shutdown(SECOND).await;
    far.shutdown(SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_pauses_for_ten_minutes_holds_its_sender_up_and_nothing_fails() {
    let network = network(1);
    let far = endpoint_with(&network, "b", |limits| limits.receiver_queue_messages = 2);
    let keeper = Keeper::new(1);
    let _server = far.serve_sink(addr("s"), keeper.clone()).unwrap();
    let near = endpoint_with(&network, "a", |limits| limits.sender_queue_messages = 4);
    let mut clerk = Clerk::new(&near, "s");
    clerk.post("0");
    assert_eq!(clerk.outcome("0").await, Outcome::Acked);
    for body in ["1", "2", "3", "4"] {
        clerk.post(body);
    }
    clerk.post("full");
    let full = clerk.outcome("full").await;
    assert!(
        matches!(full, Outcome::Failed(FailReason::QueueFull { .. })),
        "{full:?}"
    );
    pass(600 * SECOND).await;
    clerk.assert_nothing();
    assert_eq!(clerk.link().status(), LinkStatus::Active);
    assert!(is_pending(clerk.link().ready()).await);
    let error = clerk.link().try_post(clerk.parcel("back")).unwrap_err();
    assert!(
        matches!(error.reason, FailReason::QueueFull { .. }),
        "{error:?}"
    );
    keeper.allow(10);
    for body in ["1", "2", "3", "4"] {
        assert_eq!(clerk.outcome(body).await, Outcome::Acked, "{body}");
    }
    assert_eq!(keeper.kept(), "0 1 2 3 4");
    near.shutdown(SECOND).await;
    far.shutdown(SECOND).await;
}

/// Sends messages of these lengths through a window of so many messages and bytes.
async fn check_window(messages: usize, bytes: u64, lens: &[usize]) {
    let network = network(1);
    let far = endpoint_with(&network, "b", |limits| {
        limits.receiver_queue_messages = messages;
        limits.receiver_queue_bytes = bytes;
    });
    let (_, mut rx) = far.serve::<Bytes>(addr("s")).unwrap();
    let near = endpoint(&network, "a");
    let tx = near.dial::<Bytes>(&addr("s")).unwrap();
    for len in lens {
        tx.post(Bytes::from(vec![1; *len])).unwrap();
    }
    for len in lens {
        assert_eq!(rx.recv().await.unwrap().len(), *len);
    }
    assert_eq!(tx.flush(SECOND).await, 0);
    let report = near.shutdown(SECOND).await;
    assert_eq!(
        (report.failed, report.unknown, report.stuck_tasks),
        (0, 0, 0)
    );
    far.shutdown(SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn a_message_larger_than_the_window_passes_when_the_window_is_empty() {
    check_window(100, 100, &[10, 10_000, 0, 3_000_000, 10, 5_000_000, 1]).await;
    check_window(1, 1, &[100; 20]).await;
    check_window(1, 1, &[0; 20]).await;
    check_window(2, 1, &[0, 1, 2, 0, 0, 70_000, 0]).await;
}

#[tokio::test(start_paused = true)]
async fn an_empty_message_where_the_credit_ends_waits_for_more() {
    let network = network(1);
    let far = endpoint_with(&network, "b", |limits| limits.receiver_queue_bytes = 8);
    let keeper = Keeper::new(usize::MAX);
    let server = far.serve_sink(addr("s"), keeper.clone()).unwrap();
    let near = endpoint(&network, "a");
    let mut clerk = Clerk::new(&near, "s");
    for body in ["12345678", ""] {
        clerk.post(body);
    }
    for body in ["12345678", ""] {
        assert_eq!(clerk.outcome(body).await, Outcome::Acked);
    }
    assert_eq!(keeper.kept(), "12345678 ");
    assert_eq!(server.stats().broken, 0);
    near.shutdown(SECOND).await;
    far.shutdown(SECOND).await;
}

/// Posts messages on a link with this bandwidth, which takes so many seconds, and checks that all arrive.
async fn check_slow(bandwidth: u64, n_messages: usize, len: usize, seconds: u64) {
    let network = network(1);
    let slow = SimConditions::new(MS..=MS).with_bandwidth(NonZeroU64::new(bandwidth).unwrap());
    network.set_default_conditions(slow);
    let far = endpoint(&network, "b");
    let (_, mut rx) = far.serve::<Bytes>(addr("s")).unwrap();
    let near = endpoint(&network, "a");
    let tx = near.dial::<Bytes>(&addr("s")).unwrap();
    let began = Instant::now();
    for _ in 0..n_messages {
        tx.post(Bytes::from(vec![1; len])).unwrap();
    }
    assert_eq!(tx.flush(10_000 * SECOND).await, 0);
    assert_eq!(tx.status(), LinkStatus::Active);
    check_elapsed(began, seconds, seconds + seconds / 10 + 1);
    for _ in 0..n_messages {
        assert_eq!(rx.recv().await.unwrap().len(), len);
    }
    near.shutdown(SECOND).await;
    far.shutdown(SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn a_backlog_of_ten_minutes_on_a_slow_link_fails_nothing() {
    check_slow(10_000, 6_000, 1_000, 600).await;
}

#[tokio::test(start_paused = true)]
async fn a_message_that_takes_longer_than_the_stall_timeout_arrives() {
    check_slow(50_000, 1, 6_000_000, 120).await;
}

#[tokio::test(start_paused = true)]
async fn a_message_in_one_frame_arrives_however_long_that_takes() {
    for bandwidth in [30_000, 10_000, 2_000] {
        for len in [60_000, 900_000] {
            check_slow(bandwidth, 1, len, len as u64 / bandwidth).await;
            check_slow(bandwidth, 3, len, 3 * len as u64 / bandwidth).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_reads_slowly_and_acknowledges_nothing_is_given_up_when_the_first_is_written() {
    let network = network(1);
    let slow = SimConditions::new(MS..=MS).with_bandwidth(NonZeroU64::new(10_000).unwrap());
    network.set_default_conditions(slow);
    let mut peer = JoinSet::new();
    peer.spawn(by_hand::serve(network.node("b"), "s"));
    tokio::task::yield_now().await;
    let near = endpoint(&network, "a");
    let mut clerk = Clerk::new(&near, "s");
    clerk.link().watch().active().await.unwrap();
    let posted = Instant::now();
    let long = "x".repeat(500_000);
    // More than it reads in a quarter of an hour, and has credit for.
    for _ in 0..20 {
        clerk.post(&long);
    }
    let outcome = clerk.outcome(&long).await;
    assert_eq!(outcome, Outcome::Unknown(UnknownReason::Stalled));
    // The first one takes 50 s, some of which the network holds when it is written.
    check_elapsed(posted, 50, 100);
    near.shutdown(SECOND).await;
    peer.join_next().await.unwrap().unwrap();
}
