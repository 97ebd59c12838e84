//! Children that live in another proc than their parent.

use std::time::Duration;

use hypermesh_actor::mailbox::ProcId;
use hypermesh_actor::settings::{KILL_TIMEOUT, LEASE, STOP_TIMEOUT};
use hypermesh_actor::{
    ActorHandle, ActorRef, AdoptFault, Cx, Directive, Env, Error, Exit, FailureCause, Message,
    Orphan, Proc, RemoteSpawn, RemoteSpawning, Result, SpawnFault, Status, actor,
};
use tokio::time::Instant;

use crate::boss::{Boss, with};
use crate::fixture::{Trace, coordinate, local_procs, two_procs, within};

#[derive(Message)]
struct Fail(String);
#[derive(Message)]
struct Count;
#[derive(Message)]
struct Hang;

/// A child that is spawned from afar.
struct Far {
    n_messages: u32,
}

#[actor(spawn = "test::far")]
impl Far {
    #[handler]
    fn fail(&mut self, _cx: &Cx<'_, Self>, Fail(text): Fail) -> Result<()> {
        Err(Error::msg(text))
    }

    #[handler]
    fn count(&mut self, _cx: &Cx<'_, Self>, _: Count) -> Result<u32> {
        self.n_messages += 1;
        Ok(self.n_messages)
    }

    #[handler]
    async fn hang(&mut self, _cx: &Cx<'_, Self>, _: Hang) -> Result<()> {
        std::future::pending().await
    }
}

impl RemoteSpawn for Far {
    type Params = bool;

    async fn create(good: bool, _env: &Env) -> Result<Self> {
        match good {
            true => Ok(Self { n_messages: 0 }),
            false => Err(Error::msg("cannot be made")),
        }
    }
}

/// A parent on `here` and a child of it on `there`.
struct Family {
    boss: ActorHandle<Boss>,
    child: ActorHandle<Far>,
    child_ref: ActorRef<Far>,
    trace: Trace,
}

async fn spawn(
    boss: &ActorHandle<Boss>,
    there: &Proc,
    name: &'static str,
    good: bool,
    orphan: Orphan,
) -> RemoteSpawning<Far> {
    let agent = there.agent();
    let spawn = move |cx: &Cx<'_, Boss>| agent.spawn_child::<Far>(cx, name, &good, orphan);
    with(boss, spawn).await.unwrap()
}

impl Family {
    async fn new(here: &Proc, there: &Proc, directive: Directive, orphan: Orphan) -> Self {
        Self::named("far", here, there, directive, orphan).await
    }

    async fn named(
        name: &'static str,
        here: &Proc,
        there: &Proc,
        directive: Directive,
        orphan: Orphan,
    ) -> Self {
        let trace = Trace::default();
        let boss = here.spawn(Boss::new(&trace, directive));
        let spawning = spawn(&boss, there, name, true, orphan).await;
        within(spawning.ready).await.unwrap().unwrap();
        let child = there.resolve(&spawning.actor).unwrap();
        Self {
            boss,
            child,
            child_ref: spawning.actor,
            trace,
        }
    }
}

#[tokio::test]
async fn the_failure_of_a_remote_child_is_told_to_its_parent_and_nobody_else() {
    let (here, there) = two_procs();
    let mut others = coordinate(&there);
    let family = Family::new(&here, &there, Directive::Handled, Orphan::Stop).await;
    let children = with(&family.boss, |cx| cx.children()).await;
    assert_eq!(children.len(), 1);
    assert_eq!(
        (children[0].actor, children[0].label.as_str()),
        (family.child.id(), "far")
    );
    family.child.tell(Fail("no disk".to_owned())).unwrap();
    let exit = within(family.child.wait()).await;
    family
        .trace
        .until(|| (0 < family.trace.len()).then_some(()))
        .await;
    assert_eq!(family.trace.take(), [format!("far {exit}")]);
    assert!(with(&family.boss, |cx| cx.children()).await.is_empty());
    assert!(others.try_recv().is_err(), "the parent has heard of it");

    let family = Family::named("far2", &here, &there, Directive::Escalate, Orphan::Stop).await;
    family.child.tell(Fail("no disk".to_owned())).unwrap();
    let exit = within(family.boss.wait()).await;
    let failure = exit.failure().unwrap();
    assert_eq!(failure.cause, FailureCause::Child);
    assert_eq!(failure.root_cause().actor, family.child.id());
    assert_eq!(failure.root_cause().message, "no disk");
}

#[tokio::test]
async fn the_death_of_the_proc_of_a_remote_child_is_told_with_its_reason() {
    let (here, there) = two_procs();
    let family = Family::new(&here, &there, Directive::Escalate, Orphan::Stop).await;
    here.gateway().proc_died(*there.id(), "exit status 9");
    let exit = within(family.boss.wait()).await;
    let root = exit.failure().unwrap().root_cause();
    assert_eq!(root.cause, FailureCause::ProcDied);
    assert_eq!(
        (root.actor, root.message.as_str()),
        (family.child.id(), "exit status 9")
    );
}

#[tokio::test]
async fn what_goes_wrong_with_the_spawn_is_told_to_the_parent_too() {
    let (here, there) = two_procs();
    let family = Family::new(&here, &there, Directive::Handled, Orphan::Stop).await;
    let bad = spawn(&family.boss, &there, "bad", false, Orphan::Stop).await;
    let fault = within(bad.ready).await.unwrap().unwrap_err();
    assert!(matches!(fault, SpawnFault::Create { .. }), "{fault}");
    let twice = spawn(&family.boss, &there, "far", true, Orphan::Stop).await;
    let fault = within(twice.ready).await.unwrap().unwrap_err();
    assert!(matches!(fault, SpawnFault::NameInUse { .. }), "{fault}");
    let trace = &family.trace;
    trace.until(|| (2 <= trace.len()).then_some(())).await;
    let said = trace.take();
    assert_eq!(said[0], "bad bad could not be created: cannot be made");
    assert!(
        said[1].starts_with("far far could not be created: the name \"far\" is in use"),
        "{said:?}"
    );
}

#[tokio::test]
async fn a_remote_child_ends_with_its_parent_and_before_it() {
    for (rank, how) in ["drain", "stop", "kill"].into_iter().enumerate() {
        let (here, there) = two_procs();
        let family = Family::new(&here, &there, Directive::Handled, Orphan::Stop).await;
        let client = there.client("client");
        let answers: Vec<_> = (0..100)
            .map(|_| family.child_ref.ask(&client, Count))
            .collect();
        let expected = match how {
            "drain" => {
                family.boss.drain();
                Exit::Drained
            }
            "stop" => {
                family.boss.stop();
                Exit::Stopped
            }
            _ => {
                family.boss.kill();
                Exit::Killed
            }
        };
        assert_eq!(within(family.boss.wait()).await, expected);
        assert_eq!(family.child.exit(), Some(expected), "case {rank}");
        if how == "drain" {
            for (n, answer) in answers.into_iter().enumerate() {
                assert_eq!(within(answer).await, Ok(n as u32 + 1));
            }
        }
        assert_eq!(here.monitor_counts().watches, 0);
        assert_eq!(there.monitor_counts().watched, 0);
    }
}

#[tokio::test]
async fn a_stop_that_is_sent_before_the_child_is_there_wins() {
    let (here, there) = two_procs();
    let trace = Trace::default();
    let boss = here.spawn(Boss::new(&trace, Directive::Handled));
    let agent = there.agent();
    let spawning = with(&boss, move |cx| {
        let spawning = agent.spawn_child::<Far>(cx, "far", &true, Orphan::Stop);
        cx.stop();
        spawning.unwrap()
    })
    .await;
    assert_eq!(within(boss.wait()).await, Exit::Stopped);
    assert_eq!(there.exit_of(spawning.actor.id()), Some(Exit::Stopped));
}

#[tokio::test(start_paused = true)]
async fn a_child_that_cannot_be_reached_holds_its_parent_up_no_longer_than_a_stubborn_one() {
    let [here, there] = local_procs();
    let family = Family::new(&here, &there, Directive::Handled, Orphan::Stop).await;
    there.gateway().shutdown(Duration::ZERO).await;
    // Its links are gone, but nobody has noticed yet.
    let begin = Instant::now();
    family.boss.stop();
    assert_eq!(within(family.boss.wait()).await, Exit::Stopped);
    assert!(begin.elapsed() <= STOP_TIMEOUT.get() + 2 * KILL_TIMEOUT.get());
    assert_eq!(family.child.exit(), None);
}

#[tokio::test(start_paused = true)]
async fn a_child_whose_parent_is_not_heard_of_stops_when_the_lease_ends() {
    let [here, there] = local_procs();
    let family = Family::new(&here, &there, Directive::Handled, Orphan::Stop).await;
    // It lives while the two hear of each other.
    let soon = 3 * LEASE.get() + Duration::from_secs(5);
    let early = tokio::time::timeout(soon, family.child.wait()).await;
    assert!(early.is_err());
    here.gateway().shutdown(Duration::ZERO).await;
    let begin = Instant::now();
    let exit = tokio::time::timeout(2 * LEASE.get(), family.child.wait()).await;
    assert_eq!(exit, Ok(Exit::Stopped));
    assert!(begin.elapsed() <= LEASE.get(), "{:?}", begin.elapsed());
    assert!(LEASE.get() / 2 <= begin.elapsed(), "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_detached_child_outlives_its_parent_and_can_be_adopted_then() {
    let [here, there, other] = local_procs();
    let family = Family::new(&here, &there, Directive::Handled, Orphan::Detach).await;
    let trace = Trace::default();
    let second = other.spawn(Boss::new(&trace, Directive::Handled));
    let adopt = || {
        let child = family.child_ref.clone();
        with(&second, move |cx| child.adopt(cx, Orphan::Stop))
    };
    let refused = within(adopt().await).await.unwrap();
    let (actor, parent) = (family.child.id(), family.boss.id());
    assert_eq!(refused, Err(AdoptFault::HasParent { actor, parent }));
    assert!(with(&second, |cx| cx.children()).await.is_empty());
    assert_eq!(trace.len(), 0, "it never was a child");

    here.gateway().shutdown(Duration::ZERO).await;
    let end = tokio::time::timeout(3 * LEASE.get(), family.child.wait()).await;
    assert!(end.is_err(), "it lives on: {end:?}");
    assert_eq!(within(adopt().await).await.unwrap(), Ok(()));
    family.child.tell(Fail("no disk".to_owned())).unwrap();
    trace.until(|| (0 < trace.len()).then_some(())).await;
    assert_eq!(trace.take(), ["far far failed: no disk"]);
}

#[tokio::test]
async fn an_actor_without_a_parent_is_adopted_and_one_with_a_parent_is_not() {
    let (here, there) = two_procs();
    let trace = Trace::default();
    let boss = here.spawn(Boss::new(&trace, Directive::Handled));
    let far = there.spawn(Far { n_messages: 0 });
    let far_ref = far.bind();
    let answer = with(&boss, move |cx| far_ref.adopt(cx, Orphan::Stop)).await;
    assert_eq!(within(answer).await.unwrap(), Ok(()));
    within(far.reached(Status::Running)).await;
    boss.stop();
    assert_eq!(within(boss.wait()).await, Exit::Stopped);
    assert_eq!(far.exit(), Some(Exit::Stopped));

    let boss = here.spawn(Boss::new(&trace, Directive::Handled));
    let owner = there.client("owner");
    let child = owner.spawn(Far { n_messages: 0 });
    let (actor, parent) = (child.id(), owner.id());
    let child_ref = child.bind();
    let answer = with(&boss, move |cx| child_ref.adopt(cx, Orphan::Stop)).await;
    let refused = within(answer).await.unwrap();
    assert_eq!(refused, Err(AdoptFault::HasParent { actor, parent }));
    let actor = ProcId::named_actor(*there.id(), "nobody");
    let nobody = ActorRef::<Far>::attest(actor, child.bind().location().clone(), "nobody");
    let answer = with(&boss, move |cx| nobody.adopt(cx, Orphan::Stop)).await;
    assert_eq!(
        within(answer).await.unwrap(),
        Err(AdoptFault::NotFound { actor })
    );
    child.tell(Hang).unwrap();
    boss.stop();
    assert_eq!(within(boss.wait()).await, Exit::Stopped);
    assert_eq!(child.exit(), None, "it was never that one's child");
}
