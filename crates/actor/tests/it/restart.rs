//! Children that are made anew.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use hypermesh_actor::mailbox::Cause;
use hypermesh_actor::settings::STOP_TIMEOUT;
use hypermesh_actor::{
    ActorHandle, Backoff, CallError, Directive, Exit, FailureCause, Proc, RestartPolicy, Status,
    Strategy,
};
use tokio::time::{Instant, advance};

use crate::boss::{Boss, Count, Fail, Hand, Hang, busy, fail, reborn, with};
use crate::fixture::{Trace, next_turn, proc, two_procs, within};

const SECOND: Duration = Duration::from_secs(1);

fn policy(max: u32, within: u64, pause: u64) -> RestartPolicy {
    RestartPolicy {
        max,
        within: Duration::from_secs(within),
        backoff: Backoff {
            first: Duration::from_secs(pause),
            longest: Duration::from_secs(8),
        },
    }
}

struct Rig {
    proc: Proc,
    boss: ActorHandle<Boss>,
    trace: Trace,
}

impl Rig {
    fn new(directive: Option<Directive>) -> Self {
        let (proc, trace) = (proc(), Trace::default());
        let boss = proc.spawn(Boss::new(&trace, directive));
        Self { proc, boss, trace }
    }

    async fn hand(&self, policy: RestartPolicy) -> ActorHandle<Hand> {
        let trace = self.trace.clone();
        with(&self.boss, move |cx| {
            cx.spawn_from(policy, move || Hand::new(&trace, "hand"))
        })
        .await
    }

    /// Makes a group of three named children.
    async fn hands(&self, strategy: Strategy, policy: RestartPolicy) -> Vec<ActorHandle<Hand>> {
        let trace = self.trace.clone();
        let hands = with(&self.boss, move |cx| {
            let group = cx.restart_group(strategy, policy);
            let spawn = |name: &'static str| {
                let trace = trace.clone();
                group.spawn_named(name, move || Hand::new(&trace, name))
            };
            ["a", "b", "c"].map(|name| spawn(name).unwrap())
        })
        .await;
        for hand in &hands {
            within(hand.reached(Status::Running)).await;
        }
        self.trace.take();
        hands.into()
    }
}

#[tokio::test(start_paused = true)]
async fn a_child_is_made_anew_after_the_pause_and_the_fourth_failure_is_one_too_many() {
    let rig = Rig::new(None);
    let hand = rig.hand(policy(3, 10, 1)).await;
    let sibling = rig.hand(policy(3, 10, 1)).await;
    within(sibling.reached(Status::Running)).await;
    assert_eq!(within(hand.ask(Count)).await, Ok(1));
    let mut now = hand.clone();
    for pause in [1, 2, 4] {
        let begin = Instant::now();
        fail(&hand, "no disk").await;
        let next = reborn(&now, &rig.trace).await;
        assert_eq!(begin.elapsed(), Duration::from_secs(pause));
        assert_eq!(within(next.ask(Count)).await, Ok(1), "it is a new value");
        now = next;
    }
    fail(&hand, "no disk").await;
    let exit = within(rig.boss.wait()).await;
    let failure = exit.failure().unwrap();
    assert_eq!(failure.cause, FailureCause::Child);
    assert_eq!(failure.root_cause().message, "no disk");
    let said = "child Hand cannot be restarted, it is end 4 within 10s, and 3 restarts are allowed";
    assert!(failure.message.starts_with(said), "{}", failure.message);
    assert!(hand.current().is_none());
    let hears = |line: &&String| line.starts_with("Hand ");
    assert_eq!(rig.trace.take().iter().filter(hears).count(), 4);
    assert_eq!(
        sibling.exit(),
        Some(Exit::Stopped),
        "its sibling noticed nothing but the end of their parent"
    );
}

#[tokio::test(start_paused = true)]
async fn failures_that_are_far_apart_are_never_too_many() {
    let rig = Rig::new(None);
    let hand = rig.hand(policy(3, 10, 0)).await;
    let mut now = hand.clone();
    for _ in 0..50 {
        fail(&hand, "no disk").await;
        now = reborn(&now, &rig.trace).await;
        advance(4 * SECOND).await;
    }
    assert_eq!(rig.boss.exit(), None);
    assert_eq!(now.id().generation, 50);
}

#[tokio::test]
async fn a_child_that_was_spawned_from_an_object_is_not_made_anew() {
    let rig = Rig::new(Some(Directive::Restart));
    let trace = rig.trace.clone();
    let hand = with(&rig.boss, move |cx| cx.spawn(Hand::new(&trace, "hand"))).await;
    fail(&hand, "no disk").await;
    let exit = within(rig.boss.wait()).await;
    let failure = exit.failure().unwrap();
    assert_eq!(
        failure.message,
        "child Hand cannot be restarted, it was not spawned from a factory; it ended: \
         Hand failed: no disk"
    );
    assert_eq!(failure.root_cause().actor, hand.id());
}

#[tokio::test]
async fn a_child_that_is_made_anew_keeps_its_name_and_its_refs_but_not_its_ports_and_its_queue() {
    let (home, away) = two_procs();
    let trace = Trace::default();
    let boss = home.spawn(Boss::new(&trace, None));
    let hands_trace = trace.clone();
    let hand = with(&boss, move |cx| {
        let group = cx.restart_group(Strategy::OneForOne, policy(3, 10, 0));
        group
            .spawn_named("hand", move || Hand::new(&hands_trace, "hand"))
            .unwrap()
    })
    .await;
    let client = away.client("client");
    let mut returned = client.undelivered();
    let hand_ref = hand.bind();
    assert_eq!(within(hand_ref.ask(&client, Count)).await, Ok(1));
    let port = with_port(&home);
    // Both wait in the queue behind the failure.
    hand_ref.tell(&client, Fail("no disk".to_owned())).unwrap();
    let queued = hand_ref.ask(&client, Count);
    let failed = within(queued).await.unwrap_err();
    let next = reborn(&hand, &trace).await;
    assert_eq!(failed, CallError::Exited(hand.exit().unwrap()));
    // The ref of old reaches the new one.
    assert_eq!(within(hand_ref.ask(&client, Count)).await, Ok(1));
    assert_eq!(within(next.ask(Count)).await, Ok(2));
    assert_eq!(next.label(), "hand");
    assert_eq!(home.resolve(&hand_ref).unwrap().id(), next.id());
    // A handle is that of one incarnation, and so is a port.
    assert!(hand.tell(Count).is_err());
    port.send(&client, 1);
    assert_eq!(
        within(returned.recv()).await.unwrap().cause,
        Cause::OwnerExited("stopped".into())
    );
    drop(away);
}

/// Returns a port of a client of `proc` that is gone.
fn with_port(proc: &Proc) -> hypermesh_actor::mailbox::PortRef<u32> {
    let client = proc.client("gone");
    client.mailbox().open_port::<u32>().0.bind()
}

#[tokio::test(start_paused = true)]
async fn messages_that_are_sent_during_the_pause_are_handled_after_it() {
    let rig = Rig::new(None);
    let hand = rig.hand(policy(3, 10, 5)).await;
    let client = rig.proc.client("client");
    let begin = Instant::now();
    fail(&hand, "no disk").await;
    let next = loop {
        match hand.current() {
            Some(next) if next.id() != hand.id() => break next,
            _ => next_turn().await,
        }
    };
    assert_eq!(next.status(), Status::Initializing);
    assert_eq!(within(hand.bind().ask(&client, Count)).await, Ok(1));
    assert_eq!(begin.elapsed(), 5 * SECOND);
}

async fn check_group(strategy: Strategy, ended: usize, expected: &[&str]) {
    let rig = Rig::new(None);
    let hands = rig.hands(strategy, policy(3, 10, 1)).await;
    fail(&hands[ended], "no disk").await;
    reborn(&hands[ended], &rig.trace).await;
    let trace = &rig.trace;
    let all_said = || (expected.len() <= trace.len()).then_some(());
    trace.until(all_said).await;
    let mut trace = rig.trace.take();
    // Those that are stopped end in any order; they begin in the order of the group.
    let mut ends = 0..0;
    for (idx, line) in trace.iter().enumerate() {
        match line.ends_with("stopped") {
            true if ends.is_empty() => ends = idx..idx + 1,
            true => ends.end = idx + 1,
            false => {}
        }
    }
    trace[ends].sort();
    let trace: Vec<_> = trace
        .iter()
        .map(|line| line.replace("no disk", "!"))
        .collect();
    assert_eq!(trace, expected, "{strategy:?}");
    // Each is its next incarnation, or the one it was.
    for (hand, name) in hands.iter().zip(["a", "b", "c"]) {
        let is_new = hand.current().unwrap().id() != hand.id();
        let plus = format!("+{name}");
        assert_eq!(is_new, expected.contains(&&*plus), "{name}");
    }
    assert_eq!(rig.boss.exit(), None);
}

#[tokio::test(start_paused = true)]
async fn the_strategy_says_which_members_of_a_group_are_made_anew() {
    within(check_group(
        Strategy::OneForOne,
        1,
        &["-b b failed: !", "b b failed: !", "+b"],
    ))
    .await;
    within(check_group(
        Strategy::RestForOne,
        1,
        &[
            "-b b failed: !",
            "b b failed: !",
            "-c stopped",
            "c stopped",
            "+b",
            "+c",
        ],
    ))
    .await;
    within(check_group(
        Strategy::OneForAll,
        2,
        &[
            "-c c failed: !",
            "c c failed: !",
            "-a stopped",
            "-b stopped",
            "a stopped",
            "b stopped",
            "+a",
            "+b",
            "+c",
        ],
    ))
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_member_that_does_not_stop_is_killed_and_made_anew_all_the_same() {
    let rig = Rig::new(None);
    let hands = rig.hands(Strategy::OneForAll, policy(3, 10, 0)).await;
    hands[0].tell(Hang).unwrap();
    next_turn().await;
    let begin = Instant::now();
    fail(&hands[2], "no disk").await;
    reborn(&hands[2], &rig.trace).await;
    assert_eq!(begin.elapsed(), STOP_TIMEOUT.get());
    assert_eq!(hands[0].exit(), Some(Exit::Killed));
    assert_eq!(hands[1].exit(), Some(Exit::Stopped));
    reborn(&hands[0], &rig.trace).await;
    assert_eq!(rig.boss.exit(), None);
}

#[tokio::test(start_paused = true)]
async fn a_parent_that_stops_does_not_wait_for_the_pauses_of_its_children() {
    let rig = Rig::new(None);
    let hand = rig.hand(policy(3, 10, 8)).await;
    within(hand.reached(Status::Running)).await;
    fail(&hand, "no disk").await;
    let begin = Instant::now();
    while hand.current().is_none_or(|next| next.id() == hand.id()) {
        next_turn().await;
    }
    rig.boss.stop();
    assert_eq!(within(rig.boss.wait()).await, Exit::Stopped);
    assert_eq!(begin.elapsed(), Duration::ZERO);
    let trace = rig.trace.take();
    let n_begun = trace.iter().filter(|line| *line == "+hand").count();
    assert_eq!(n_begun, 1, "the second was never made: {trace:?}");
    assert_eq!(rig.proc.actor_count(), 1, "only the agent is left");
}

#[tokio::test(start_paused = true)]
async fn a_parent_that_stops_does_not_wait_for_the_members_it_stops() {
    let rig = Rig::new(None);
    let hands = rig.hands(Strategy::OneForAll, policy(3, 10, 0)).await;
    hands[0].tell(Hang).unwrap();
    next_turn().await;
    fail(&hands[2], "no disk").await;
    while hands[1].exit().is_none() {
        next_turn().await;
    }
    rig.boss.kill();
    assert_eq!(within(rig.boss.wait()).await, Exit::Killed);
    assert_eq!(hands[0].exit(), Some(Exit::Killed));
}

#[tokio::test]
async fn a_name_that_somebody_took_meanwhile_ends_the_restarts() {
    let rig = Rig::new(None);
    let hands = rig.hands(Strategy::OneForOne, policy(3, 10, 0)).await;
    // While the parent is busy it does not hear of the end, and the name is free.
    let release = busy(&rig.boss).await;
    fail(&hands[0], "no disk").await;
    let taker = Hand::new(&rig.trace, "taker");
    let taker = rig.proc.spawn_named("a", taker).unwrap();
    drop(release);
    let exit = within(rig.boss.wait()).await;
    let said = format!(
        "child a cannot be restarted, its name is in use by a ({}); it ended: a failed: no disk",
        taker.id()
    );
    assert_eq!(exit.failure().unwrap().message, said);
    assert_eq!(taker.exit(), None);
    assert_eq!(hands[1].exit(), Some(Exit::Stopped));
}

#[tokio::test]
async fn a_name_that_somebody_had_meanwhile_is_not_mixed_up() {
    let rig = Rig::new(None);
    let hands = rig.hands(Strategy::OneForOne, policy(3, 10, 0)).await;
    let release = busy(&rig.boss).await;
    fail(&hands[0], "no disk").await;
    let taker = Hand::new(&rig.trace, "taker");
    let taker = rig.proc.spawn_named("a", taker).unwrap();
    taker.stop();
    within(taker.wait()).await;
    drop(release);
    let exit = within(rig.boss.wait()).await;
    let message = &exit.failure().unwrap().message;
    assert!(
        message.contains("its name is in use by another actor"),
        "{message}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_factory_that_panics_counts_as_a_failure_of_the_child() {
    let rig = Rig::new(None);
    let (trace, n_made) = (rig.trace.clone(), Arc::new(AtomicU32::new(0)));
    let made = n_made.clone();
    let hand = with(&rig.boss, move |cx| {
        cx.spawn_from(policy(2, 10, 0), move || {
            match made.fetch_add(1, Ordering::SeqCst) {
                0 => Hand::new(&trace, "hand"),
                _ => panic!("no more hands"),
            }
        })
    })
    .await;
    fail(&hand, "no disk").await;
    let exit = within(rig.boss.wait()).await;
    let root = exit.failure().unwrap().root_cause();
    assert_eq!(root.message, "no more hands");
    assert_eq!(n_made.load(Ordering::SeqCst), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_child_that_ends_on_one_thread_is_made_anew_on_another() {
    let rig = Rig::new(None);
    let hands = rig
        .hands(Strategy::OneForAll, policy(u32::MAX, 10, 0))
        .await;
    let mut now = hands.clone();
    for round in 0..200 {
        fail(&now[round % 3], "no disk").await;
        for (old, hand) in now.iter_mut().zip(&hands) {
            *old = reborn(old, &rig.trace).await;
            assert_eq!(hand.current().map(|hand| hand.id()), Some(old.id()));
        }
    }
    assert_eq!(rig.boss.exit(), None);
    let heard = |line: &&String| line.ends_with("failed: no disk") && !line.starts_with('-');
    assert_eq!(rig.trace.take().iter().filter(heard).count(), 200);
    assert_eq!(rig.proc.actor_count(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_pause_longer_than_time_itself_does_no_harm() {
    let rig = Rig::new(None);
    let forever = RestartPolicy {
        max: u32::MAX,
        within: Duration::MAX,
        backoff: Backoff {
            first: Duration::MAX,
            longest: Duration::MAX,
        },
    };
    let hand = rig.hand(forever).await;
    fail(&hand, "no disk").await;
    with(&rig.boss, |_| ()).await;
    assert_ne!(hand.current().unwrap().id(), hand.id());
    rig.boss.stop();
    assert_eq!(within(rig.boss.wait()).await, Exit::Stopped);
}
