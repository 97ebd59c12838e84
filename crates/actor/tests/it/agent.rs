//! The agent of a proc.

use std::time::Duration;

use hypermesh_actor::{
    ActorStatus, Cx, Error, Exit, ListActors, Message, Mode, Ping, Result, ShutdownProc, Status,
    StopActor, StopOutcome, Subscribe, SupervisionEvent, WaitOutcome, WaitStatus, actor,
};

use crate::fixture::{proc, two_procs, within};

#[derive(Message)]
struct Fail;
#[derive(Message)]
struct Hang;

struct Worker;

#[actor]
impl Worker {
    #[handler]
    fn fail(&mut self, _cx: &Cx<'_, Self>, _: Fail) -> Result<()> {
        Err(Error::msg("no disk"))
    }

    #[handler]
    async fn hang(&mut self, _cx: &Cx<'_, Self>, _: Hang) -> Result<()> {
        std::future::pending().await
    }
}

fn stop(name: &str) -> StopActor {
    let timeout = Duration::from_millis(100);
    StopActor {
        name: name.to_owned(),
        mode: Mode::Stop,
        timeout,
    }
}

#[tokio::test]
async fn stopping_by_name_answers_when_the_actor_is_gone() {
    let (home, away) = two_procs();
    let client = away.client("client");
    let agent = home.agent();
    let good = home.spawn_named("good", Worker).unwrap();
    let hanging = home.spawn_named("hanging", Worker).unwrap();
    let failed = home.spawn_named("failed", Worker).unwrap();
    hanging.tell(Hang).unwrap();
    failed.tell(Fail).unwrap();
    let exit = within(failed.wait()).await;
    within(hanging.reached(Status::Running)).await;

    assert_eq!(
        within(agent.ask(&client, stop("good"))).await,
        Ok(StopOutcome::Stopped)
    );
    assert_eq!(good.exit(), Some(Exit::Stopped));
    assert_eq!(
        within(agent.ask(&client, stop("good"))).await,
        Ok(StopOutcome::Stopped)
    );
    assert_eq!(
        within(agent.ask(&client, stop("nobody"))).await,
        Ok(StopOutcome::NotFound)
    );
    assert_eq!(
        within(agent.ask(&client, stop("failed"))).await,
        Ok(StopOutcome::Failed(exit))
    );
    assert_eq!(
        within(agent.ask(&client, stop("proc_agent"))).await,
        Ok(StopOutcome::NotFound)
    );
    let (slow, ping) = (
        agent.ask(&client, stop("hanging")),
        agent.ask(&client, Ping),
    );
    within(ping).await.unwrap();
    assert_eq!(within(slow).await, Ok(StopOutcome::Timeout));
    assert_eq!(within(hanging.wait()).await, Exit::Killed);
}

#[tokio::test]
async fn the_agent_reports_on_living_and_exited_actors() {
    let (home, away) = two_procs();
    let client = away.client("client");
    let agent = home.agent();
    let worker = home.spawn_named("worker", Worker).unwrap();
    within(worker.reached(Status::Running)).await;
    let status = |name: &str| {
        agent.ask(
            &client,
            ActorStatus {
                name: name.to_owned(),
            },
        )
    };
    let report = within(status("worker")).await.unwrap().unwrap();
    assert_eq!(
        (report.actor, report.status, report.exit),
        (worker.id(), Status::Running, None)
    );
    let list = within(agent.ask(&client, ListActors)).await.unwrap();
    assert!(list.iter().any(|report| report.actor == worker.id()));
    assert!(list.iter().any(|report| report.label == "proc_agent"));
    worker.stop();
    within(worker.wait()).await;
    let report = within(status("worker")).await.unwrap().unwrap();
    assert_eq!(report.exit, Some(Exit::Stopped));
    assert_eq!(within(status("nobody")).await, Ok(None));
}

#[tokio::test]
async fn subscribers_hear_of_every_end_of_the_actors_they_care_for() {
    let (home, away) = two_procs();
    let client = away.client("client");
    let (all, mut all_events) = client.mailbox().open_port::<SupervisionEvent>();
    let (one, mut one_event) = client.mailbox().open_port::<SupervisionEvent>();
    let (first, second) = (
        home.spawn_named("first", Worker).unwrap(),
        home.spawn_named("second", Worker).unwrap(),
    );
    let subscribe = |events, actor| home.agent().ask(&client, Subscribe { events, actor });
    within(subscribe(all.bind(), None)).await.unwrap();
    within(subscribe(one.bind(), Some(second.id().actor)))
        .await
        .unwrap();
    first.stop();
    within(first.wait()).await;
    second.tell(Fail).unwrap();
    let event = within(all_events.recv()).await.unwrap();
    assert_eq!((event.actor, event.exit), (first.id(), Exit::Stopped));
    let event = within(all_events.recv()).await.unwrap();
    assert_eq!((event.actor, event.exit.is_failure()), (second.id(), true));
    let event = within(one_event.recv()).await.unwrap();
    assert_eq!((event.actor, event.label.as_str()), (second.id(), "second"));
    assert!(one_event.try_recv().unwrap().is_none());
}

#[tokio::test]
async fn a_failure_that_no_subscriber_hears_of_is_counted_once_and_harms_nobody() {
    let (home, away) = two_procs();
    let client = away.client("client");
    let (port, receiver) = client.mailbox().open_port::<SupervisionEvent>();
    let subscribe = Subscribe {
        events: port.bind(),
        actor: None,
    };
    within(home.agent().ask(&client, subscribe)).await.unwrap();
    drop((port, receiver));
    let bounced = || away.gateway().stats().bounced;
    // Until the subscriber is forgotten each failure comes back once, and then none does.
    loop {
        let before = bounced();
        let worker = home.spawn(Worker);
        worker.tell(Fail).unwrap();
        assert!(within(worker.wait()).await.is_failure());
        // This answer comes behind the event.
        within(home.agent().ask(&client, Ping)).await.unwrap();
        match bounced() - before {
            0 => break,
            1 => {}
            more => panic!("one failure came back {more} times"),
        }
    }
    assert!(0 < bounced());
}

#[tokio::test]
async fn a_failed_actor_does_not_poison_its_proc() {
    let proc = proc();
    for _ in 0..3 {
        let worker = proc.spawn_named("worker", Worker).unwrap();
        worker.tell(Fail).unwrap();
        assert!(within(worker.wait()).await.is_failure());
    }
    let client = proc.client("client");
    within(proc.agent().ask(&client, Ping)).await.unwrap();
}

#[tokio::test]
async fn a_proc_that_is_shut_down_from_afar_answers_before_its_agent_ends() {
    for _ in 0..20 {
        let (home, away) = two_procs();
        let client = away.client("client");
        let worker = home.spawn(Worker);
        let hanging = home.spawn(Worker);
        hanging.tell(Hang).unwrap();
        let deadline = Duration::from_millis(20);
        let report = within(home.agent().ask(&client, ShutdownProc { deadline }))
            .await
            .unwrap();
        assert_eq!((report.drained, report.killed), (1, 1));
        assert_eq!(worker.exit(), Some(Exit::Drained));
        assert_eq!(within(home.shutdown(Duration::ZERO)).await, report);
        assert_eq!(home.actor_count(), 0);
    }
}

#[tokio::test]
async fn the_agent_survives_whatever_is_sent_to_it() {
    let (home, away) = two_procs();
    let client = away.client("client");
    let agent = home.agent();
    let seed = hypermesh_testkit::Seed::from_env();
    let mut rng = seed.rng();
    for _ in 0..2000 {
        use hypermesh_actor::mailbox::{Envelope, Port, PortId};
        use hypermesh_actor::{Named, SpawnActor};
        let keys = [
            <SpawnActor as Named>::KEY,
            <StopActor as Named>::KEY,
            <Subscribe as Named>::KEY,
            <ListActors as Named>::KEY,
            <u64 as Named>::KEY,
        ];
        let key = keys[rng.below(keys.len() as u64) as usize];
        let len = rng.below(40) as usize;
        let bytes: Vec<u8> = (0..len).map(|_| rng.next_u64() as u8).collect();
        let payload = hypermesh_wire::Payload {
            body: bytes.into(),
            parts: Default::default(),
        };
        let dst = PortId {
            actor: agent.id(),
            port: Port::Handler(key),
        };
        let body = hypermesh_wire::Any::wire(key, payload);
        let to = agent.location().clone();
        away.gateway()
            .post(Envelope::of_any(dst, to, client.id(), body));
    }
    within(agent.ask(&client, Ping)).await.unwrap();
}

/// The control port of a service that sends everything back.
const REFUSING: u8 = 200;

struct Refusing(hypermesh_actor::Proc);

impl hypermesh_actor::mailbox::MailboxSender for Refusing {
    fn post(&self, envelope: hypermesh_actor::mailbox::Envelope) {
        self.0
            .gateway()
            .bounce(envelope, hypermesh_actor::mailbox::Cause::NotAllowed);
    }
}

hypermesh_actor::macro_support::inventory::submit! {
    hypermesh_actor::ProcService {
        control: REFUSING,
        make: |proc| std::sync::Arc::new(Refusing(proc.clone())),
    }
}

#[tokio::test]
async fn a_service_takes_what_is_sent_to_its_control_port() {
    use hypermesh_actor::mailbox::{Cause, Envelope, Port, PortId};
    let (home, away) = two_procs();
    let client = away.client("client");
    let mut returned = client.undelivered();
    let agent = home.agent();
    for (control, cause) in [
        (REFUSING, Cause::NotAllowed),
        (201, Cause::PortNeverExisted),
    ] {
        let dst = PortId {
            actor: agent.id(),
            port: Port::Control(control),
        };
        let envelope = Envelope::new(dst, agent.location().clone(), client.id(), 1_u32);
        away.gateway().post(envelope);
        assert_eq!(within(returned.recv()).await.unwrap().cause, cause);
    }
}

fn wait_for(name: &str, at_least: Status, seconds: u64) -> WaitStatus {
    WaitStatus {
        name: name.to_owned(),
        at_least,
        timeout: Duration::from_secs(seconds),
    }
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_status_answers_when_the_actor_gets_there() {
    let proc = proc();
    let client = proc.client("client");
    let agent = proc.agent();
    // Asked before the actor exists.
    let early = agent.ask(&client, wait_for("worker", Status::Running, 20));
    within(agent.ask(&client, Ping)).await.unwrap();
    let worker = proc.spawn_named("worker", Worker).unwrap();
    let Ok(WaitOutcome::Reached(report)) = early.await else {
        panic!("it runs");
    };
    assert_eq!(
        (report.actor, report.status),
        (worker.id(), Status::Running)
    );

    // It does not end within the time, and then it does.
    let begin = tokio::time::Instant::now();
    let late = agent.ask(&client, wait_for("worker", Status::Exited, 20));
    let Ok(WaitOutcome::Timeout(report)) = late.await else {
        panic!("nobody ends it");
    };
    assert_eq!(report.status, Status::Running);
    assert_eq!(begin.elapsed(), Duration::from_secs(20));
    let end = agent.ask(&client, wait_for("worker", Status::Exited, 20));
    worker.stop();
    let Ok(WaitOutcome::Reached(report)) = end.await else {
        panic!("it ended");
    };
    assert_eq!(report.exit, Some(Exit::Stopped));
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_status_ends_with_the_failure_the_deadline_or_the_proc() {
    let proc = proc();
    let client = proc.client("client");
    let agent = proc.agent();
    let failing = agent.ask(&client, wait_for("failing", Status::Running, 20));
    within(agent.ask(&client, Ping)).await.unwrap();
    let spawning = agent
        .spawn::<crate::remote::Counter>(&client, "failing", &crate::remote::Start::Fail)
        .unwrap();
    let Ok(WaitOutcome::Failed(Exit::Failed(failure))) = failing.await else {
        panic!("create failed");
    };
    assert_eq!(failure.message, "cannot count");
    assert!(spawning.ready.await.unwrap().is_err());

    let begin = tokio::time::Instant::now();
    let nobody = agent.ask(&client, wait_for("nobody", Status::Running, 20));
    assert_eq!(nobody.await, Ok(WaitOutcome::NotFound));
    assert_eq!(begin.elapsed(), Duration::from_secs(20));

    let begin = tokio::time::Instant::now();
    let nobody = agent.ask(&client, wait_for("nobody", Status::Running, 20));
    within(agent.ask(&client, Ping)).await.unwrap();
    let (outcome, _) = tokio::join!(nobody, proc.shutdown(Duration::from_secs(1)));
    assert_eq!(outcome, Ok(WaitOutcome::NotFound));
    assert_eq!(begin.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn other_requests_are_answered_while_an_actor_is_being_stopped() {
    let proc = proc();
    let client = proc.client("client");
    let hanging = proc.spawn_named("hanging", Worker).unwrap();
    hanging.tell(Hang).unwrap();
    within(hanging.reached(Status::Running)).await;
    let begin = tokio::time::Instant::now();
    let stopping = proc.agent().ask(&client, stop("hanging"));
    within(proc.agent().ask(&client, Ping)).await.unwrap();
    assert_eq!(begin.elapsed(), Duration::ZERO);
    assert_eq!(stopping.await, Ok(StopOutcome::Timeout));
    assert_eq!(begin.elapsed(), Duration::from_millis(100));
    assert_eq!(hanging.wait().await, Exit::Killed);
}

#[tokio::test]
async fn every_bad_request_gets_an_error_and_the_agent_goes_on() {
    use hypermesh_actor::mailbox::{Envelope, Port, PortId};
    use hypermesh_actor::{CallError, Named, ReplyHeader, SpawnActor};
    let (home, away) = two_procs();
    let client = away.client("client");
    let agent = home.agent();
    let mut rng = hypermesh_testkit::Seed::from_env().rng();
    let keys = [
        <SpawnActor as Named>::KEY,
        <StopActor as Named>::KEY,
        <WaitStatus as Named>::KEY,
        <Subscribe as Named>::KEY,
        // Nothing that the agent handles.
        <u64 as Named>::KEY,
    ];
    for round in 0..500 {
        let key = keys[round % keys.len()];
        // Too short for any of these requests, or with a length that is not there.
        let len = rng.below(4) as usize;
        let bytes: Vec<u8> = (0..len).map(|_| 0xf0 | rng.next_u64() as u8).collect();
        let payload = hypermesh_wire::Payload {
            body: bytes.into(),
            parts: Default::default(),
        };
        let dst = PortId {
            actor: agent.id(),
            port: Port::Handler(key),
        };
        let body = hypermesh_wire::Any::wire(key, payload);
        let to = agent.location().clone();
        let mut envelope = Envelope::of_any(dst, to, client.id(), body);
        let (handle, answer) = client.mailbox().open_once_port::<Result<u64, CallError>>();
        let port = handle.bind();
        let header = ReplyHeader {
            port: port.id(),
            location: port.location().clone(),
            key: <Result<u64, CallError> as Named>::KEY,
            ordinal: None,
        };
        envelope.headers.set_as(&header).unwrap();
        away.gateway().post(envelope);
        let answer = within(answer).await.unwrap();
        assert!(
            matches!(answer, Err(CallError::Undeliverable(_))),
            "{answer:?} in round {round}"
        );
    }
    within(agent.ask(&client, Ping)).await.unwrap();
}

#[tokio::test]
async fn a_status_is_told_among_thousands_of_spawns_and_stops() {
    let proc = proc();
    let client = proc.client("client");
    let agent = proc.agent();
    let spawn = |n: usize| {
        let start = crate::remote::Start::At(1);
        let name = format!("counter {n}");
        agent
            .spawn::<crate::remote::Counter>(&client, &name, &start)
            .unwrap()
    };
    let stops = |n: usize| agent.ask(&client, stop(&format!("counter {n}")));
    let before: Vec<_> = (0..5000).map(|n| (spawn(n).ready, stops(n))).collect();
    let status = agent.ask(&client, ListActors);
    let after: Vec<_> = (5000..10_000).map(|n| (spawn(n).ready, stops(n))).collect();
    let mut last = Box::pin(stops(9999));
    assert!(!within(status).await.unwrap().is_empty());
    // What was asked later than the status is not all done yet.
    let mut looking = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(last.as_mut().poll(&mut looking).is_pending());
    for (ready, stopped) in before.into_iter().chain(after) {
        assert!(ready.timeout(Duration::from_secs(60)).await.is_ok());
        assert!(stopped.timeout(Duration::from_secs(60)).await.is_ok());
    }
    assert_eq!(proc.actor_count(), 2, "the agent and the client");
}
