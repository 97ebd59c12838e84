//! Monitors and links, within a proc and between procs.

use std::time::Duration;

use hypermesh_actor::{
    ActorRef, Cx, Error, Exit, FailureCause, Instance, Message, Monitor, MonitorCounts,
    MonitorEvent, Proc, RestartPolicy, Result, Status, actor,
};
use tokio::time::Instant;

use crate::boss::{Boss, Hand, fail, reborn, with};
use crate::fixture::{Trace, local_procs, next_turn, proc, two_procs, within};

#[derive(Message)]
struct Fail(String);
#[derive(Message)]
struct Ping;
#[derive(Message)]
struct LinkWith(ActorRef<Peer>);
#[derive(Message)]
struct Unlink(ActorRef<Peer>);

struct Peer;

#[actor]
impl Peer {
    #[handler]
    fn fail(&mut self, _cx: &Cx<'_, Self>, Fail(text): Fail) -> Result<()> {
        Err(Error::msg(text))
    }

    #[handler]
    fn ping(&mut self, _cx: &Cx<'_, Self>, _: Ping) -> Result<()> {
        Ok(())
    }

    #[handler]
    fn link(&mut self, cx: &Cx<'_, Self>, LinkWith(other): LinkWith) -> Result<()> {
        other.link(cx);
        Ok(())
    }

    #[handler]
    fn unlink(&mut self, cx: &Cx<'_, Self>, Unlink(other): Unlink) -> Result<()> {
        other.unlink(cx);
        Ok(())
    }
}

/// The procs of an actor and of whoever watches it: one proc, or two.
fn places() -> [(Proc, Proc); 2] {
    let one = proc();
    [(one.clone(), one), two_procs()]
}

fn counts(proc: &Proc) -> (usize, usize) {
    let MonitorCounts {
        watches, watched, ..
    } = proc.monitor_counts();
    (watches, watched)
}

/// Waits until `proc` watches and is watched so much.
async fn count(proc: &Proc, expected: (usize, usize)) {
    let reached = async {
        while counts(proc) != expected {
            next_turn().await;
        }
    };
    within(reached).await;
}

#[tokio::test]
async fn a_monitor_hears_of_the_end_of_its_actor_here_and_elsewhere() {
    for (home, watching) in places() {
        let client = watching.client("client");
        for how in ["stop", "kill", "drain", "fail"] {
            let peer = home.spawn(Peer);
            let mut monitor = peer.bind().monitor(&client);
            within(peer.bind().ask(&client, Ping)).await.unwrap();
            match how {
                "stop" => peer.stop(),
                "kill" => peer.kill(),
                "drain" => peer.drain(),
                _ => peer.tell(Fail("no disk".to_owned())).unwrap(),
            }
            let exit = within(peer.wait()).await;
            let event = within(monitor.ended()).await;
            assert_eq!(event, MonitorEvent::Exited(exit));
            assert_eq!(event.is_failure(), how == "fail");
            assert_eq!(within(monitor.ended()).await, event, "it stays so");
        }
        assert_eq!(counts(&watching), (0, 0));
        assert_eq!(counts(&home), (0, 0));
    }
}

#[tokio::test]
async fn a_monitor_of_an_actor_that_is_gone_says_so_at_once() {
    for (home, watching) in places() {
        let client = watching.client("client");
        let peer = home.spawn(Peer);
        peer.tell(Fail("no disk".to_owned())).unwrap();
        let exit = within(peer.wait()).await;
        let mut monitor = peer.bind().monitor(&client);
        assert_eq!(
            within(monitor.ended()).await,
            MonitorEvent::Exited(exit.clone())
        );
        let nobody = home.id().named_actor("nobody");
        let nobody = ActorRef::<Peer>::attest(nobody, peer.bind().location().clone(), "nobody");
        let mut monitor = nobody.monitor(&client);
        assert_eq!(within(monitor.ended()).await, MonitorEvent::NotFound);
    }
}

#[tokio::test]
async fn many_monitors_are_one_subscription_that_ends_with_the_last() {
    let (home, watching) = two_procs();
    let client = watching.client("client");
    let peer = home.spawn(Peer);
    let watch = |client: &Instance| peer.bind().monitor(client);
    let mut monitors: Vec<Monitor> = (0..100).map(|_| watch(&client)).collect();
    count(&home, (0, 1)).await;
    assert_eq!(counts(&watching), (1, 0));
    let mut last = monitors.pop().unwrap();
    drop(monitors);
    within(peer.bind().ask(&client, Ping)).await.unwrap();
    assert_eq!(counts(&home), (0, 1));
    drop(last);
    assert_eq!(counts(&watching), (0, 0));
    count(&home, (0, 0)).await;
    // A later one begins anew.
    last = watch(&client);
    count(&home, (0, 1)).await;
    peer.stop();
    assert_eq!(
        within(last.ended()).await,
        MonitorEvent::Exited(Exit::Stopped)
    );
    assert_eq!(counts(&home), (0, 0));
}

#[tokio::test]
async fn a_guarded_future_ends_with_its_actor() {
    for (home, watching) in places() {
        let client = watching.client("client");
        let peer = home.spawn(Peer);
        let mut monitor = peer.bind().monitor(&client);
        assert_eq!(within(monitor.guard(async { 7 })).await, Ok(7));
        let pending = monitor.guard(std::future::pending::<()>());
        peer.tell(Fail("no disk".to_owned())).unwrap();
        let event = within(pending).await.unwrap_err();
        let MonitorEvent::Exited(exit) = &event else {
            panic!("{event}");
        };
        assert_eq!(exit.failure().unwrap().message, "no disk");
        // What is ready at once wins.
        assert_eq!(within(monitor.guard(async { 8 })).await, Ok(8));
        assert_eq!(
            within(monitor.guard(std::future::pending::<()>())).await,
            Err(event)
        );
    }
}

#[tokio::test]
async fn the_death_of_a_proc_is_told_with_its_reason() {
    let (home, watching) = two_procs();
    let client = watching.client("client");
    let peer = home.spawn(Peer);
    let mut monitor = peer.bind().monitor(&client);
    count(&home, (0, 1)).await;
    watching.gateway().proc_died(*home.id(), "exit status 9");
    let event = within(monitor.ended()).await;
    assert_eq!(event, MonitorEvent::ProcDied("exit status 9".to_owned()));
    assert_eq!(counts(&watching), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn silence_is_unreachable_and_not_an_exit() {
    let [home, watching] = local_procs();
    let client = watching.client("client");
    let peer = home.spawn(Peer);
    let mut monitor = peer.bind().monitor(&client);
    // It comes after the subscription.
    within(peer.bind().ask(&client, Ping)).await.unwrap();
    // Three leases in which both are there.
    let begin = Instant::now();
    let lease = hypermesh_actor::settings::LEASE.get();
    let early = tokio::time::timeout(3 * lease, monitor.ended()).await;
    assert!(early.is_err(), "{early:?} after {:?}", begin.elapsed());
    assert_eq!(counts(&home), (0, 1));
    home.gateway().shutdown(Duration::ZERO).await;
    let event = tokio::time::timeout(3 * lease, monitor.ended()).await;
    let event = event.unwrap();
    assert!(matches!(event, MonitorEvent::Unreachable(_)), "{event:?}");
    assert_eq!(peer.exit(), None, "the actor lives");
}

#[tokio::test]
async fn a_monitor_by_an_old_ref_watches_the_incarnation_that_lives() {
    let (proc, trace) = (proc(), Trace::default());
    let boss = proc.spawn(Boss::new(&trace, None));
    let hands = trace.clone();
    let hand = with(&boss, move |cx| {
        cx.spawn_from(RestartPolicy::default(), move || Hand::new(&hands, "hand"))
    })
    .await;
    let client = proc.client("client");
    let mut first = hand.bind().monitor(&client);
    let exit = fail(&hand, "no disk").await;
    assert_eq!(within(first.ended()).await, MonitorEvent::Exited(exit));
    let next = reborn(&hand, &trace).await;
    let mut second = hand.bind().monitor(&client);
    assert_eq!(second.actor(), next.id());
    next.stop();
    assert_eq!(
        within(second.ended()).await,
        MonitorEvent::Exited(Exit::Stopped)
    );
}

/// Links two actors, and waits until both halves are there.
async fn linked(
    home: &Proc,
    away: &Proc,
) -> (
    hypermesh_actor::ActorHandle<Peer>,
    hypermesh_actor::ActorHandle<Peer>,
) {
    let (left, right) = (home.spawn(Peer), away.spawn(Peer));
    for _ in 0..2 {
        // Twice is once.
        within(left.ask(LinkWith(right.bind()))).await.unwrap();
    }
    match home.id() == away.id() {
        true => count(home, (2, 0)).await,
        false => {
            count(home, (1, 1)).await;
            count(away, (1, 1)).await;
        }
    }
    (left, right)
}

#[tokio::test]
async fn linked_actors_fail_together_whichever_fails_first() {
    for (home, away) in places() {
        for first in [0, 1] {
            let (left, right) = linked(&home, &away).await;
            let pair = [left, right];
            pair[first].tell(Fail("no disk".to_owned())).unwrap();
            let exit = within(pair[1 - first].wait()).await;
            let failure = exit.failure().unwrap();
            assert_eq!(failure.cause, FailureCause::Link);
            assert_eq!(failure.root_cause().actor, pair[first].id());
            assert_eq!(failure.root_cause().message, "no disk");
            count(&home, (0, 0)).await;
            count(&away, (0, 0)).await;
        }
    }
}

#[tokio::test]
async fn a_clean_exit_does_not_fail_the_other() {
    for (home, away) in places() {
        for first in [0, 1] {
            let (left, right) = linked(&home, &away).await;
            let pair = [left, right];
            pair[first].stop();
            within(pair[first].wait()).await;
            count(&home, (0, 0)).await;
            count(&away, (0, 0)).await;
            assert_eq!(within(pair[1 - first].ask(Ping)).await, Ok(()));
        }
    }
}

#[tokio::test]
async fn unlinked_actors_fail_alone() {
    for (home, away) in places() {
        let (left, right) = linked(&home, &away).await;
        within(right.ask(Unlink(left.bind()))).await.unwrap();
        count(&home, (0, 0)).await;
        count(&away, (0, 0)).await;
        left.tell(Fail("no disk".to_owned())).unwrap();
        within(left.wait()).await;
        assert_eq!(within(right.ask(Ping)).await, Ok(()));
        assert_eq!(right.status(), Status::Running);
    }
}

#[tokio::test]
async fn a_link_with_an_actor_that_is_gone_fails_at_once() {
    for (home, away) in places() {
        let (left, right) = (home.spawn(Peer), away.spawn(Peer));
        right.tell(Fail("no disk".to_owned())).unwrap();
        within(right.wait()).await;
        left.tell(LinkWith(right.bind())).unwrap();
        let exit = within(left.wait()).await;
        let failure = exit.failure().unwrap();
        assert_eq!(failure.cause, FailureCause::Link);
        assert_eq!(failure.root_cause().message, "no disk");
        count(&home, (0, 0)).await;
    }
}
