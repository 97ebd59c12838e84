//! The life of an actor: hooks, panics, children and the order of the end.

use std::time::Duration;

use hypermesh_actor::{
    ActorHandle, CallError, ChildEvent, Cx, Directive, Error, Exit, Failure, FailureCause, Message,
    Mode, Phase, Result, Status, actor,
};

use crate::fixture::{Trace, proc, within};

#[derive(Message)]
struct Work;

/// What an actor of these tests does wrong, and where.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    Error(Phase),
    Panic(Phase),
    Hang(Phase),
}

/// Writes every step of its life into a trace.
struct Diary {
    trace: Trace,
    fault: Fault,
    children: usize,
}

impl Diary {
    fn new(trace: &Trace, fault: Fault) -> Self {
        Self {
            trace: trace.clone(),
            fault,
            children: 0,
        }
    }

    async fn step(&self, phase: Phase, text: &str) -> Result<()> {
        self.trace.push(text);
        match self.fault {
            Fault::Error(at) if at == phase => Err(Error::msg(format!("bad {phase}"))),
            Fault::Panic(at) if at == phase => panic!("panic in {phase}"),
            Fault::Hang(at) if at == phase => std::future::pending().await,
            _ => Ok(()),
        }
    }
}

impl Drop for Diary {
    fn drop(&mut self) {
        self.trace.push("drop");
    }
}

#[actor]
impl Diary {
    #[hook]
    async fn init(&mut self, cx: &Cx<'_, Self>) -> Result<()> {
        for _ in 0..self.children {
            cx.spawn(Diary::new(&self.trace, self.fault));
        }
        self.step(Phase::Init, "init").await
    }

    #[hook]
    async fn cleanup(&mut self, cx: &Cx<'_, Self>, exit: &Exit) -> Result<()> {
        assert!(
            cx.children().is_empty(),
            "the children are gone before cleanup"
        );
        let kind = match exit {
            Exit::Failed(failure) => format!("{:?}", failure.cause),
            other => other.to_string(),
        };
        self.step(Phase::Cleanup, &format!("cleanup after {kind}"))
            .await
    }

    #[hook]
    async fn on_child(&mut self, _cx: &Cx<'_, Self>, event: &ChildEvent) -> Result<Directive> {
        self.step(Phase::OnChild, "child").await?;
        Ok(if event.is_failure() {
            Directive::Escalate
        } else {
            Directive::Handled
        })
    }

    #[handler]
    async fn work(&mut self, _cx: &Cx<'_, Self>, _: Work) -> Result<()> {
        self.step(Phase::Handler, "work").await
    }

    #[handler(local)]
    fn adopt(&mut self, cx: &Cx<'_, Self>, child: Child) -> Result<ActorHandle<Diary>> {
        Ok(cx.spawn(child.0))
    }
}

struct Child(Diary);

/// Returns what is known of a failure, without ids.
fn facts(exit: &Exit) -> (FailureCause, String) {
    let failure: &Failure = exit.failure().unwrap_or_else(|| panic!("{exit}"));
    (failure.cause, failure.message.clone())
}

#[tokio::test]
async fn a_clean_life_has_its_steps_in_order() {
    for (mode, exit) in [(Mode::Stop, "stopped"), (Mode::Drain, "drained")] {
        let (proc, trace) = (proc(), Trace::default());
        let diary = proc.spawn(Diary::new(&trace, Fault::None));
        within(diary.ask(Work)).await.unwrap();
        assert_eq!(diary.status(), Status::Running);
        match mode {
            Mode::Stop => diary.stop(),
            _ => diary.drain(),
        }
        assert_eq!(within(diary.wait()).await.to_string(), exit);
        assert_eq!(diary.status(), Status::Exited);
        let expected = ["init", "work", &format!("cleanup after {exit}"), "drop"];
        assert_eq!(trace.take(), expected);
    }
}

#[tokio::test]
async fn a_watcher_sees_every_status_in_order() {
    let (proc, trace) = (proc(), Trace::default());
    let diary = proc.spawn(Diary::new(&trace, Fault::None));
    assert_eq!(diary.status(), Status::Created);
    assert_eq!(
        within(diary.reached(Status::Running)).await,
        Status::Running
    );
    diary.stop();
    assert_eq!(diary.status(), Status::Stopping);
    assert_eq!(within(diary.reached(Status::Exited)).await, Status::Exited);
}

#[tokio::test]
async fn an_error_in_any_phase_has_its_cause() {
    let cases = [
        (
            Phase::Init,
            FailureCause::Init,
            &["init", "cleanup after Init", "drop"][..],
        ),
        (
            Phase::Handler,
            FailureCause::Handler,
            &["init", "work", "cleanup after Handler", "drop"][..],
        ),
        (
            Phase::Cleanup,
            FailureCause::Cleanup,
            &["init", "work", "cleanup after drained", "drop"][..],
        ),
    ];
    for (phase, cause, steps) in cases {
        let (proc, trace) = (proc(), Trace::default());
        let diary = proc.spawn(Diary::new(&trace, Fault::Error(phase)));
        let asked = diary.ask(Work);
        diary.drain();
        let exit = within(diary.wait()).await;
        assert_eq!(facts(&exit), (cause, format!("bad {phase}")));
        assert_eq!(trace.take(), steps);
        let answer = within(asked).await;
        assert_eq!(answer.is_ok(), phase == Phase::Cleanup);
    }
}

#[tokio::test]
async fn a_panic_in_any_phase_ends_only_that_actor_and_skips_cleanup() {
    for (phase, steps) in [
        (Phase::Init, &["init", "drop"][..]),
        (Phase::Handler, &["init", "work", "drop"][..]),
        (
            Phase::Cleanup,
            &["init", "work", "cleanup after drained", "drop"][..],
        ),
    ] {
        let (proc, trace) = (proc(), Trace::default());
        let other = proc.spawn(Diary::new(&Trace::default(), Fault::None));
        let diary = proc.spawn(Diary::new(&trace, Fault::Panic(phase)));
        _ = diary.tell(Work);
        diary.drain();
        let exit = within(diary.wait()).await;
        assert_eq!(
            facts(&exit),
            (FailureCause::Panic { phase }, format!("panic in {phase}"))
        );
        assert_eq!(trace.take(), steps);
        assert_eq!(
            within(other.ask(Work)).await,
            Ok(()),
            "another actor goes on"
        );
    }
}

#[tokio::test]
async fn messages_queued_behind_a_failed_init_are_given_back() {
    let (proc, trace) = (proc(), Trace::default());
    let diary = proc.spawn(Diary::new(&trace, Fault::Error(Phase::Init)));
    let answers = [diary.ask(Work), diary.ask(Work)];
    for answer in answers {
        let error = within(answer).await.unwrap_err();
        assert!(
            matches!(error, CallError::Exited(Exit::Failed(_))),
            "{error}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn stop_during_init_acts_after_it_and_kill_at_once() {
    let (proc, trace) = (proc(), Trace::default());
    let diary = proc.spawn(Diary::new(&trace, Fault::None));
    diary.tell(Work).unwrap();
    diary.stop();
    assert_eq!(within(diary.wait()).await, Exit::Stopped);
    assert_eq!(trace.take(), ["init", "cleanup after stopped", "drop"]);

    let diary = proc.spawn(Diary::new(&trace, Fault::Hang(Phase::Init)));
    diary.tell(Work).unwrap();
    within(diary.reached(Status::Initializing)).await;
    diary.stop();
    let stuck = tokio::time::timeout(Duration::from_secs(5), diary.wait()).await;
    assert!(stuck.is_err(), "a stop waits for init");
    diary.kill();
    assert_eq!(within(diary.wait()).await, Exit::Killed);
    assert_eq!(trace.take(), ["init", "drop"]);
}

#[tokio::test(start_paused = true)]
async fn cleanup_has_a_limit() {
    let (proc, trace) = (proc(), Trace::default());
    let diary = proc.spawn(Diary::new(&trace, Fault::Hang(Phase::Cleanup)));
    diary.stop();
    let begin = tokio::time::Instant::now();
    let exit = within(diary.wait()).await;
    assert_eq!(
        facts(&exit),
        (
            FailureCause::Cleanup,
            "cleanup took longer than 3s".to_owned()
        )
    );
    assert_eq!(begin.elapsed(), Duration::from_secs(3));
}

#[tokio::test]
async fn a_kill_interrupts_cleanup() {
    let (proc, trace) = (proc(), Trace::default());
    let diary = proc.spawn(Diary::new(&trace, Fault::Hang(Phase::Cleanup)));
    diary.stop();
    while trace.take().is_empty() {
        tokio::task::yield_now().await;
    }
    diary.kill();
    assert_eq!(within(diary.wait()).await, Exit::Killed);
}

#[tokio::test]
async fn the_children_end_as_their_parent_does() {
    for (mode, expected) in [
        (Mode::Drain, Exit::Drained),
        (Mode::Stop, Exit::Stopped),
        (Mode::Kill, Exit::Killed),
    ] {
        let (proc, trace) = (proc(), Trace::default());
        let parent = proc.spawn(Diary::new(&trace, Fault::None));
        let child = parent.ask(Child(Diary::new(&trace, Fault::None)));
        let child = within(child).await.unwrap();
        let grandchild = child.ask(Child(Diary::new(&trace, Fault::None)));
        let grandchild = within(grandchild).await.unwrap();
        match mode {
            Mode::Drain => parent.drain(),
            Mode::Stop => parent.stop(),
            Mode::Kill => parent.kill(),
        }
        assert_eq!(within(parent.wait()).await, expected);
        assert_eq!(child.exit(), Some(expected.clone()), "before the parent");
        assert_eq!(grandchild.exit(), Some(expected), "before the parent");
    }
}

#[tokio::test]
async fn the_children_of_a_failing_parent_end_stopped() {
    let (proc, trace) = (proc(), Trace::default());
    let parent = proc.spawn(Diary::new(&trace, Fault::Error(Phase::Handler)));
    let child = parent.ask(Child(Diary::new(&trace, Fault::None)));
    let child = within(child).await.unwrap();
    parent.tell(Work).unwrap();
    parent.drain();
    assert!(within(parent.wait()).await.is_failure());
    assert_eq!(child.exit(), Some(Exit::Stopped));
}

#[tokio::test(start_paused = true)]
async fn ten_stubborn_children_cost_one_deadline() {
    let (proc, trace) = (proc(), Trace::default());
    let parent = proc.spawn(Diary::new(&trace, Fault::None));
    let mut children = Vec::new();
    for _ in 0..10 {
        let child = Diary::new(&trace, Fault::Hang(Phase::Handler));
        let child = within(parent.ask(Child(child))).await.unwrap();
        child.tell(Work).unwrap();
        children.push(child);
    }
    tokio::task::yield_now().await;
    let begin = tokio::time::Instant::now();
    parent.stop();
    assert_eq!(within(parent.wait()).await, Exit::Stopped);
    assert_eq!(begin.elapsed(), Duration::from_secs(10));
    for child in children {
        assert_eq!(child.exit(), Some(Exit::Killed));
    }
}

#[tokio::test]
async fn any_number_of_waiters_see_the_same_exit() {
    let (proc, trace) = (proc(), Trace::default());
    let diary = proc.spawn(Diary::new(&trace, Fault::None));
    let mut waiters = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let diary = diary.clone();
        waiters.spawn(async move { diary.wait().await });
    }
    tokio::task::yield_now().await;
    diary.stop();
    assert_eq!(within(waiters.join_all()).await, vec![Exit::Stopped; 10]);
    assert_eq!(within(diary.wait()).await, Exit::Stopped);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_that_holds_its_thread_is_a_zombie_until_it_lets_go() {
    struct Blocker(Option<std::sync::mpsc::Receiver<()>>, Trace);
    #[actor]
    impl Blocker {
        #[handler]
        fn block(&mut self, _cx: &Cx<'_, Self>, _: Work) {
            self.1.push("blocked");
            // The test ends it by dropping the sender.
            _ = self.0.take().map(|gate| gate.recv());
        }
    }
    let (gate, wait) = std::sync::mpsc::channel();
    let (proc, trace) = (proc(), Trace::default());
    let blocker = proc.spawn(Blocker(Some(wait), trace.clone()));
    blocker.tell(Work).unwrap();
    while trace.take().is_empty() {
        tokio::task::yield_now().await;
    }
    let report = within(proc.shutdown(Duration::ZERO)).await;
    assert_eq!(report.zombies, [blocker.id()]);
    assert_eq!(blocker.status(), Status::Stopping);
    drop(gate);
    assert_eq!(within(blocker.wait()).await, Exit::Killed);
}
