//! Procs and clients: refs, ends, and what is heard of them.

use std::time::Duration;

use hypermesh_actor::mailbox::{ActorId, Cause, ProcId};
use hypermesh_actor::{
    ActorRef, CallError, Cx, Error, Executor, Exit, Failure, FailureCause, Message, Phase, Result,
    Status, actor,
};

use crate::fixture::{Trace, coordinate, pass, proc, two_procs, within};

#[derive(Message)]
struct Get;
#[derive(Message, Clone)]
struct Add(u64);
#[derive(Message)]
struct AskFor(ActorRef<Sum>);

/// Adds up, and may fail at its end.
#[derive(Default)]
struct Sum {
    total: u64,
    fails_in_cleanup: bool,
}

#[actor]
impl Sum {
    #[handler]
    fn add(&mut self, _cx: &Cx<'_, Self>, Add(n): Add) {
        self.total += n;
    }

    #[handler]
    fn get(&mut self, _cx: &Cx<'_, Self>, _: Get) -> Result<u64> {
        Ok(self.total)
    }

    #[handler]
    async fn ask_for(&mut self, cx: &Cx<'_, Self>, AskFor(other): AskFor) -> Result<u64> {
        Ok(other.ask(cx, Get).await?)
    }

    #[hook]
    fn cleanup(&mut self, _cx: &Cx<'_, Self>, _: &Exit) -> Result<()> {
        match self.fails_in_cleanup {
            true => Err(Error::msg("cannot flush")),
            false => Ok(()),
        }
    }
}

#[tokio::test]
async fn dropping_all_handles_does_not_stop_an_actor() {
    let proc = proc();
    let client = proc.client("client");
    let by_ref = proc.spawn(Sum::default()).bind();
    by_ref.tell(&client, Add(2)).unwrap();
    assert_eq!(within(by_ref.ask(&client, Get)).await, Ok(2));
}

#[tokio::test]
async fn a_ref_that_arrives_in_another_proc_can_be_used_at_once() {
    let (home, away) = two_procs();
    let client = home.client("client");
    let here = home.spawn(Sum {
        total: 7,
        ..Sum::default()
    });
    let there = away.spawn(Sum::default());
    let answer = there.bind().ask(&client, AskFor(here.bind()));
    assert_eq!(within(answer).await, Ok(7));
}

#[tokio::test]
async fn a_client_does_what_an_actor_does_until_it_is_dropped() {
    let (home, away) = two_procs();
    let (client, other) = (home.client("client"), away.client("other"));
    let sum = away.spawn(Sum::default());
    let (port, mut received) = client.mailbox().open_port::<u64>();
    port.bind().send(&other, 5);
    assert_eq!(within(received.recv()).await, Ok(5));
    let mut events = client.child_events();
    let child = client.spawn(Sum::default());
    child.stop();
    assert_eq!(within(events.recv()).await.unwrap().actor, child.id());

    let second = client.spawn(Sum::default());
    for _ in 0..100 {
        sum.bind().tell(&client, Add(1)).unwrap();
    }
    let (gone_port, client_id) = (port.bind(), client.id());
    drop(client);
    assert_eq!(within(second.wait()).await, Exit::Stopped);
    let all = async {
        while sum.ask(Get).await != Ok(100) {
            tokio::task::yield_now().await;
        }
    };
    within(all).await;
    let mut returned = other.undelivered();
    gone_port.send(&other, 6);
    let lost = within(returned.recv()).await.unwrap();
    assert_eq!(lost.header.dst.actor, client_id);
    assert_eq!(lost.cause, Cause::OwnerExited("stopped".into()));
}

#[tokio::test]
async fn a_message_from_afar_to_an_exited_actor_comes_back_with_the_exit() {
    let (home, away) = two_procs();
    let client = away.client("client");
    let mut returned = client.undelivered();
    let sum = home.spawn(Sum {
        fails_in_cleanup: true,
        ..Sum::default()
    });
    let by_ref = sum.bind();
    assert_eq!(within(by_ref.ask(&client, Get)).await, Ok(0));
    sum.stop();
    let exit = within(sum.wait()).await;
    by_ref.tell(&client, Add(1)).unwrap();
    let cause = within(returned.recv()).await.unwrap().cause;
    assert_eq!(cause, Cause::OwnerExited(exit.to_string().into()));
    let answer = within(by_ref.ask(&client, Get)).await;
    assert_eq!(answer, Err(CallError::Exited(exit)));
}

#[tokio::test]
async fn a_failure_during_the_shutdown_still_reaches_the_coordinator() {
    let proc = proc();
    let mut coordinator = coordinate(&proc);
    let sum = proc.spawn(Sum {
        fails_in_cleanup: true,
        ..Sum::default()
    });
    let report = within(proc.shutdown(Duration::from_secs(20))).await;
    assert_eq!((report.drained, report.failed, report.killed), (0, 1, 0));
    let event = within(coordinator.recv()).await.unwrap();
    assert_eq!(event.actor, sum.id());
    assert_eq!(event.exit.failure().unwrap().cause, FailureCause::Cleanup);
    assert_eq!(proc.actor_count(), 0, "the agent is gone too");
}

#[test]
fn dropping_the_last_proc_ends_its_actors_on_any_runtime() {
    let mut runtimes = [
        tokio::runtime::Builder::new_current_thread(),
        tokio::runtime::Builder::new_multi_thread(),
    ];
    for builder in &mut runtimes {
        let runtime = builder.worker_threads(1).enable_all().build().unwrap();
        let (proc, sum) = runtime.block_on(async {
            let proc = proc();
            let sum = proc.spawn(Sum::default());
            assert_eq!(within(sum.ask(Get)).await, Ok(0));
            (proc, sum)
        });
        // Outside of the runtime, on a thread that knows nothing of it.
        drop(proc);
        let exit = runtime.block_on(within(sum.wait()));
        assert_eq!(exit, Exit::Killed);
    }
}

/// Takes its time in every phase.
struct Slow;

#[actor]
impl Slow {
    #[hook]
    async fn init(&mut self, _cx: &Cx<'_, Self>) -> Result<()> {
        pass(Duration::from_millis(10)).await;
        Ok(())
    }

    #[handler]
    async fn get(&mut self, cx: &Cx<'_, Self>, _: Get) {
        pass(Duration::from_millis(10)).await;
        cx.stop();
    }

    #[hook]
    async fn cleanup(&mut self, _cx: &Cx<'_, Self>, _: &Exit) -> Result<()> {
        pass(Duration::from_millis(10)).await;
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_watcher_that_keeps_up_sees_all_of_a_life() {
    let proc = proc();
    let slow = proc.spawn(Slow);
    slow.tell(Get).unwrap();
    let mut seen = vec![slow.status()];
    for status in [
        Status::Initializing,
        Status::Running,
        Status::Stopping,
        Status::Exited,
    ] {
        seen.push(within(slow.reached(status)).await);
    }
    assert_eq!(
        seen,
        [
            Status::Created,
            Status::Initializing,
            Status::Running,
            Status::Stopping,
            Status::Exited
        ]
    );
    slow.kill();
    assert_eq!(slow.status(), Status::Exited);
    assert_eq!(within(slow.reached(Status::Created)).await, Status::Exited);
    assert_eq!(slow.exit(), Some(Exit::Stopped));
}

#[test]
fn every_kind_of_exit_can_be_told_after_a_round_trip() {
    let actor = ActorId {
        proc: ProcId::new(1, 2, 3),
        actor: 4,
        generation: 5,
    };
    let phases = [
        Phase::Create,
        Phase::Init,
        Phase::Handler,
        Phase::OnChild,
        Phase::OnUndeliverable,
        Phase::Cleanup,
        Phase::OnStop,
    ];
    let mut causes: Vec<FailureCause> = phases
        .into_iter()
        .map(|phase| FailureCause::Panic { phase })
        .collect();
    causes.extend([
        FailureCause::Handler,
        FailureCause::Create,
        FailureCause::Init,
        FailureCause::Cleanup,
        FailureCause::Undeliverable,
        FailureCause::Child,
        FailureCause::OnStop,
    ]);
    let mut exits = vec![Exit::Stopped, Exit::Drained, Exit::Killed];
    exits.extend(causes.iter().map(|&cause| {
        let earlier = Failure::new(FailureCause::Handler, actor, "leaf", "no disk");
        let failure = Failure::new(cause, actor, "node", "text").caused_by(earlier);
        Exit::Failed(failure.with_note("cleanup failed too"))
    }));
    for exit in exits {
        let bytes = hypermesh_wire::encode(&exit).unwrap();
        let decoded: Exit = hypermesh_wire::decode(&bytes).unwrap();
        assert_eq!(decoded, exit);
    }
}

#[tokio::test]
async fn the_last_hundred_exits_are_known_and_failures_longest() {
    let (proc, trace) = (proc(), Trace::default());
    let failed = proc.spawn(Sum {
        fails_in_cleanup: true,
        ..Sum::default()
    });
    failed.stop();
    let failure = within(failed.wait()).await;
    let mut ids = Vec::new();
    for _ in 0..150 {
        let sum = proc.spawn(Sum::default());
        sum.stop();
        within(sum.wait()).await;
        ids.push(sum.id());
        trace.push("ended");
    }
    assert_eq!(proc.exit_of(failed.id()), Some(failure));
    let known = ids.iter().filter(|id| proc.exit_of(**id).is_some()).count();
    assert_eq!((known, trace.take().len()), (99, 150));
    assert_eq!(proc.exit_of(ids[149]), Some(Exit::Stopped));
    assert_eq!(proc.exit_of(ids[0]), None);
}

/// Fails, and then fails again.
struct Twice;

#[actor]
impl Twice {
    #[handler]
    fn get(&mut self, _cx: &Cx<'_, Self>, _: Get) -> Result<()> {
        Err(Error::msg("no disk"))
    }

    #[hook]
    fn cleanup(&mut self, _cx: &Cx<'_, Self>, _: &Exit) -> Result<()> {
        Err(Error::msg("cannot flush"))
    }
}

#[tokio::test]
async fn an_error_of_cleanup_is_a_note_of_the_failure_before_it() {
    let proc = proc();
    let twice = proc.spawn(Twice);
    twice.tell(Get).unwrap();
    let exit = within(twice.wait()).await;
    let failure = exit.failure().unwrap();
    assert_eq!(
        (failure.cause, failure.message.as_str()),
        (FailureCause::Handler, "no disk")
    );
    assert_eq!(failure.notes, ["Twice failed in cleanup: cannot flush"]);
}

#[tokio::test]
async fn nothing_runs_any_more_after_the_end_of_procs_and_gateways() {
    let n_tasks = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    let before = n_tasks();
    let (home, away) = two_procs();
    let client = home.client("client");
    let actors: Vec<_> = (0..100).map(|_| home.spawn(Sum::default())).collect();
    let on_thread = home.spawn_on(&Executor::Thread, Sum::default());
    assert_eq!(within(on_thread.ask(Get)).await, Ok(0));
    let there = away.spawn(Sum::default());
    assert_eq!(within(there.bind().ask(&client, Get)).await, Ok(0));
    let gone = there.bind();
    within(away.shutdown(Duration::from_secs(5))).await;
    within(away.gateway().shutdown(Duration::from_secs(5))).await;
    // Nobody takes it: the last flush has a limit.
    gone.tell(&client, Add(1)).unwrap();
    let report = within(home.shutdown(Duration::from_secs(5))).await;
    assert_eq!(
        (report.drained, report.zombies.len()),
        (actors.len() as u64 + 1, 0)
    );
    drop(client);
    within(
        home.gateway()
            .shutdown(hypermesh_actor::mailbox::FLUSH_TIMEOUT.get()),
    )
    .await;
    drop((home, away));
    let all_gone = async {
        // What was told to end may need its turn to do so.
        while before < n_tasks() {
            tokio::task::yield_now().await;
        }
    };
    within(all_gone).await;
}
