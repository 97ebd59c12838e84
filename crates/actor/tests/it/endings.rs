//! How actors end: put off, within a time, in order, and late.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use hypermesh_actor::mailbox::PortHandle;
use hypermesh_actor::{
    ActorHandle, CallError, ChildEvent, Cx, Departure, Directive, Error, Executor, Exit,
    FailureCause, Message, Mode, Proc, Result, SendError, SpawnError, Status, actor,
};
use tokio::time::{Instant, timeout};

use crate::fixture::{Trace, coordinate, pass, proc, within};

const SECOND: Duration = Duration::from_secs(1);

#[derive(Message, Debug, Clone, PartialEq)]
struct Note(u64);
#[derive(Message)]
struct Leave;
#[derive(Message)]
struct Hang;
struct Adopt(Stayer);
struct Block(mpsc::Receiver<()>);

/// What a stayer does when it is asked to end.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Wish {
    Now,
    Later,
    Fail,
    Panic,
}

/// An actor that decides about its end.
struct Stayer {
    wish: Wish,
    trace: Trace,
}

impl Stayer {
    fn new(wish: Wish, trace: &Trace) -> Self {
        let trace = trace.clone();
        Self { wish, trace }
    }
}

#[actor]
impl Stayer {
    #[hook]
    async fn on_stop(&mut self, _cx: &Cx<'_, Self>, mode: Mode) -> Result<Departure> {
        self.trace.push(format!("{mode:?}"));
        match self.wish {
            Wish::Now => Ok(Departure::Now),
            Wish::Later => Ok(Departure::Later),
            Wish::Fail => Err(Error::msg("cannot stop")),
            Wish::Panic => panic!("panic in on_stop"),
        }
    }

    #[hook]
    fn on_child(&mut self, cx: &Cx<'_, Self>, event: &ChildEvent) -> Result<Directive> {
        self.trace.push(format!("child {}", event.exit));
        cx.exit();
        Ok(Directive::Handled)
    }

    #[handler]
    fn note(&mut self, _cx: &Cx<'_, Self>, Note(n): Note) {
        self.trace.push(n.to_string());
    }

    #[handler]
    fn leave(&mut self, cx: &Cx<'_, Self>, _: Leave) {
        cx.exit();
        self.trace.push("leaves");
    }

    #[handler]
    async fn hang(&mut self, _cx: &Cx<'_, Self>, _: Hang) {
        std::future::pending::<()>().await;
    }

    #[handler(local)]
    fn adopt(&mut self, cx: &Cx<'_, Self>, Adopt(child): Adopt) -> Result<ActorHandle<Self>> {
        Ok(cx.spawn(child))
    }
}

/// Lets the actors of a paused clock do what they can.
async fn settle() {
    pass(Duration::from_millis(1)).await;
}

#[tokio::test(start_paused = true)]
async fn an_actor_that_stays_handles_messages_until_it_leaves() {
    let (proc, trace) = (proc(), Trace::default());
    let stayer = proc.spawn(Stayer::new(Wish::Later, &trace));
    stayer.tell(Note(1)).unwrap();
    settle().await;
    stayer.stop();
    assert_eq!(stayer.status(), Status::Stopping);
    stayer.tell(Note(2)).unwrap();
    settle().await;
    stayer.stop();
    stayer.tell(Note(3)).unwrap();
    settle().await;
    assert_eq!(stayer.status(), Status::Stopping);
    stayer.tell(Leave).unwrap();
    stayer.tell(Note(4)).unwrap();
    assert_eq!(within(stayer.wait()).await, Exit::Stopped);
    assert_eq!(trace.take(), ["1", "Stop", "2", "3", "leaves"]);
    assert!(matches!(
        stayer.tell(Note(5)),
        Err(SendError::Closed { .. })
    ));
}

#[tokio::test(start_paused = true)]
async fn staying_has_a_deadline() {
    let (proc, trace) = (proc(), Trace::default());
    for mode in [Mode::Stop, Mode::Drain] {
        let stayer = proc.spawn(Stayer::new(Wish::Later, &trace));
        settle().await;
        let begin = Instant::now();
        match mode {
            Mode::Drain => stayer.drain(),
            _ => stayer.stop(),
        }
        let exit = within(stayer.wait()).await;
        assert_eq!(
            exit.to_string(),
            if mode == Mode::Stop {
                "stopped"
            } else {
                "drained"
            }
        );
        assert_eq!(begin.elapsed(), 10 * SECOND);
    }
}

#[tokio::test(start_paused = true)]
async fn a_drain_that_is_put_off_waits_for_the_children() {
    let (proc, trace) = (proc(), Trace::default());
    let parent = proc.spawn(Stayer::new(Wish::Later, &trace));
    let child = Adopt(Stayer::new(Wish::Now, &trace));
    let child = within(parent.ask(child)).await.unwrap();
    parent.tell(Note(1)).unwrap();
    parent.drain();
    assert!(parent.tell(Note(2)).is_err(), "a drain is a position");
    settle().await;
    assert_eq!(child.status(), Status::Running);
    child.drain();
    assert_eq!(within(parent.wait()).await, Exit::Drained);
    assert_eq!(trace.take(), ["Drain", "1", "Drain", "child drained"]);
}

#[tokio::test(start_paused = true)]
async fn a_harsher_request_ends_a_stay() {
    for (first, second, exit) in [
        (Mode::Drain, Mode::Stop, Exit::Stopped),
        (Mode::Drain, Mode::Kill, Exit::Killed),
        (Mode::Stop, Mode::Kill, Exit::Killed),
    ] {
        let (proc, trace) = (proc(), Trace::default());
        let stayer = proc.spawn(Stayer::new(Wish::Later, &trace));
        for mode in [first, second] {
            settle().await;
            match mode {
                Mode::Drain => stayer.drain(),
                Mode::Stop => stayer.stop(),
                Mode::Kill => stayer.kill(),
            }
        }
        assert_eq!(within(stayer.wait()).await, exit);
        assert_eq!(trace.take(), [format!("{first:?}")], "it is asked once");
    }
}

#[tokio::test(start_paused = true)]
async fn an_on_stop_that_fails_is_the_cause() {
    let (proc, trace) = (proc(), Trace::default());
    let stayer = proc.spawn(Stayer::new(Wish::Fail, &trace));
    stayer.stop();
    let exit = within(stayer.wait()).await;
    let failure = exit.failure().unwrap();
    assert_eq!(
        (failure.cause, failure.message.as_str()),
        (FailureCause::OnStop, "cannot stop")
    );
    assert_eq!(exit.to_string(), "Stayer failed in on_stop: cannot stop");
}

#[tokio::test(start_paused = true)]
async fn an_actor_that_agrees_ends_as_it_was_asked_to() {
    let (proc, trace) = (proc(), Trace::default());
    let stayer = proc.spawn(Stayer::new(Wish::Now, &trace));
    stayer.tell(Note(1)).unwrap();
    stayer.drain();
    assert_eq!(within(stayer.wait()).await, Exit::Drained);
    assert_eq!(trace.take(), ["Drain", "1"]);
    let stayer = proc.spawn(Stayer::new(Wish::Now, &trace));
    let queued = stayer.ask(Note(1));
    stayer.stop();
    assert_eq!(within(stayer.wait()).await, Exit::Stopped);
    assert_eq!(within(queued).await, Err(CallError::Exited(Exit::Stopped)));
    let stayer = proc.spawn(Stayer::new(Wish::Panic, &trace));
    stayer.tell(Leave).unwrap();
    assert_eq!(
        within(stayer.wait()).await,
        Exit::Stopped,
        "it left without being asked"
    );
}

#[tokio::test(start_paused = true)]
async fn a_limit_kills_what_takes_longer_and_its_children_with_it() {
    for drains in [true, false] {
        let (proc, trace) = (proc(), Trace::default());
        let parent = proc.spawn(Stayer::new(Wish::Now, &trace));
        let child = Adopt(Stayer::new(Wish::Now, &trace));
        let child = within(parent.ask(child)).await.unwrap();
        let grandchild = Adopt(Stayer::new(Wish::Later, &trace));
        let grandchild = within(child.ask(grandchild)).await.unwrap();
        settle().await;
        let begin = Instant::now();
        match drains {
            true => parent.drain_within(3 * SECOND),
            false => parent.stop_within(3 * SECOND),
        }
        assert_eq!(within(parent.wait()).await, Exit::Killed);
        assert_eq!(
            begin.elapsed(),
            3 * SECOND,
            "the one limit of the whole tree"
        );
        assert_eq!(child.exit(), Some(Exit::Killed));
        assert_eq!(grandchild.exit(), Some(Exit::Killed));
    }
}

#[tokio::test(start_paused = true)]
async fn a_limit_interrupts_a_handler_and_the_earliest_counts() {
    let (proc, trace) = (proc(), Trace::default());
    let stayer = proc.spawn(Stayer::new(Wish::Now, &trace));
    stayer.tell(Hang).unwrap();
    settle().await;
    let begin = Instant::now();
    stayer.stop_within(5 * SECOND);
    stayer.stop_within(2 * SECOND);
    stayer.drain_within(9 * SECOND);
    assert_eq!(within(stayer.wait()).await, Exit::Killed);
    assert_eq!(begin.elapsed(), 2 * SECOND);
    let quick = proc.spawn(Stayer::new(Wish::Now, &trace));
    quick.stop_within(SECOND);
    assert_eq!(within(quick.wait()).await, Exit::Stopped);
    quick.stop_within(SECOND);
    assert_eq!(
        within(quick.wait()).await,
        Exit::Stopped,
        "the exit never changes"
    );
}

#[tokio::test(start_paused = true)]
async fn a_tree_ends_under_one_deadline_however_deep_it_is() {
    let (proc, trace) = (proc(), Trace::default());
    let root = proc.spawn(Stayer::new(Wish::Now, &trace));
    let mut all = vec![root.clone()];
    for _ in 0..8 {
        let child = Adopt(Stayer::new(Wish::Now, &trace));
        let parent = all.last().unwrap();
        all.push(within(parent.ask(child)).await.unwrap());
    }
    all.last().unwrap().tell(Hang).unwrap();
    settle().await;
    let begin = Instant::now();
    root.stop();
    within(root.wait()).await;
    assert_eq!(begin.elapsed(), 10 * SECOND);
    for actor in &all[1..] {
        assert_eq!(actor.exit(), Some(Exit::Killed));
    }
}

/// What the parts of one ending are seen to be.
struct Last {
    trace: Trace,
    child: bool,
    port: Option<PortHandle<u8>>,
    received: Option<hypermesh_actor::mailbox::PortReceiver<u8>>,
}

impl Drop for Last {
    fn drop(&mut self) {
        self.trace.push("value dropped");
    }
}

#[actor]
impl Last {
    #[hook]
    fn init(&mut self, cx: &Cx<'_, Self>) -> Result<()> {
        let (port, received) = cx.mailbox().open_port();
        (self.port, self.received) = (Some(port), Some(received));
        if self.child {
            let child = Last {
                trace: Trace::default(),
                child: false,
                port: None,
                received: None,
            };
            let child = cx.spawn(child);
            child.tell(Note(1))?;
        }
        Ok(())
    }

    #[handler]
    fn note(&mut self, _cx: &Cx<'_, Self>, _: Note) {}

    #[hook]
    async fn cleanup(&mut self, cx: &Cx<'_, Self>, exit: &Exit) -> Result<()> {
        assert!(
            cx.self_handle().tell(Note(1)).is_err(),
            "the queue is closed"
        );
        assert!(cx.children().is_empty(), "the children are gone");
        assert_eq!(cx.self_handle().status(), Status::Stopping);
        let port = self.port.as_ref().unwrap();
        port.send(7).unwrap();
        let received = self.received.as_mut().unwrap().recv().await?;
        self.trace
            .push(format!("cleanup after {exit}, port gives {received}"));
        Ok(())
    }
}

#[tokio::test]
async fn an_ending_has_its_steps_in_order() {
    let (proc, trace) = (proc(), Trace::default());
    let last = Last {
        trace: trace.clone(),
        child: true,
        port: None,
        received: None,
    };
    let last = proc.spawn_named("last", last).unwrap();
    within(last.reached(Status::Running)).await;
    // A coordinator is called in the middle of the last steps.
    let (in_trace, of_proc) = (trace.clone(), proc.clone());
    let failing = proc.spawn(Stayer::new(Wish::Fail, &Trace::default()));
    let watched = failing.clone();
    proc.set_coordinator(Arc::new(move |event| {
        let name = of_proc.spawn_named("last", Stayer::new(Wish::Now, &Trace::default()));
        let taken = matches!(name, Err(SpawnError::NameInUse { .. }));
        in_trace.push(format!(
            "event of {}, exit known: {}, its place taken: {}, the other's name taken: {taken}",
            event.label,
            watched.exit().is_some(),
            of_proc.resolve(&watched.bind()).is_some(),
        ));
    }));
    failing.stop();
    within(failing.wait()).await;
    let expected =
        "event of Stayer, exit known: false, its place taken: true, the other's name taken: true";
    assert_eq!(trace.take(), [expected]);
    last.stop();
    assert_eq!(within(last.wait()).await, Exit::Stopped);
    let expected = ["cleanup after stopped, port gives 7", "value dropped"];
    assert_eq!(trace.take(), expected);
    assert!(
        proc.spawn_named("last", Stayer::new(Wish::Now, &trace))
            .is_ok(),
        "who waited finds the name free"
    );
}

/// Blocks its thread until the test lets go.
struct Blocker(Trace);

#[actor]
impl Blocker {
    #[handler(local)]
    fn block(&mut self, _cx: &Cx<'_, Self>, Block(gate): Block) {
        self.0.push("blocks");
        _ = gate.recv();
    }
}

/// Has blockers as children, on threads of their own, so that a test may have a paused clock.
struct Owner {
    trace: Trace,
    depth: usize,
}

struct NewBlocker;

#[actor]
impl Owner {
    #[hook]
    fn on_child(&mut self, _cx: &Cx<'_, Self>, event: &ChildEvent) -> Result<Directive> {
        self.trace.push(format!("child {}", event.exit));
        Ok(Directive::Handled)
    }

    #[handler(local)]
    async fn new_blocker(
        &mut self,
        cx: &Cx<'_, Self>,
        _: NewBlocker,
    ) -> Result<ActorHandle<Blocker>> {
        if self.depth == 0 {
            return Ok(cx.spawn_on(&Executor::Thread, Blocker(self.trace.clone())));
        }
        let (trace, depth) = (self.trace.clone(), self.depth - 1);
        Ok(cx.spawn(Owner { trace, depth }).ask(NewBlocker).await?)
    }
}

/// Waits for something that a thread does, which a paused clock knows nothing of.
async fn really(what: &str, mut done: impl FnMut() -> bool) {
    let begin = std::time::Instant::now();
    while !done() {
        assert!(begin.elapsed() < 30 * SECOND, "nothing came of: {what}");
        tokio::task::yield_now().await;
    }
}

async fn blocked(
    proc: &Proc,
    depth: usize,
    trace: &Trace,
) -> (ActorHandle<Owner>, ActorHandle<Blocker>, mpsc::Sender<()>) {
    let owner = proc.spawn(Owner {
        trace: trace.clone(),
        depth,
    });
    let blocker = within(owner.ask(NewBlocker)).await.unwrap();
    let (gate, wait) = mpsc::channel();
    blocker.tell(Block(wait)).unwrap();
    really("the thread is blocked", || !trace.take().is_empty()).await;
    (owner, blocker, gate)
}

#[tokio::test(start_paused = true)]
async fn a_child_that_holds_its_thread_is_handed_over_and_ends_when_it_lets_go() {
    for depth in [0, 1, 5] {
        let (proc, trace) = (proc(), Trace::default());
        let client = proc.client("client");
        let (events, mut received) = client.mailbox().open_port();
        proc.subscribe(events.bind(), None).unwrap();
        let (owner, blocker, gate) = blocked(&proc, depth, &trace).await;
        let begin = Instant::now();
        owner.stop();
        assert_eq!(within(owner.wait()).await, Exit::Stopped);
        assert_eq!(begin.elapsed(), 11 * SECOND, "at depth {depth}");
        assert_eq!(blocker.status(), Status::Stopping);
        let zombies = proc.zombies();
        let ids: Vec<_> = zombies.iter().map(|zombie| zombie.actor).collect();
        assert_eq!(
            ids,
            [blocker.id()],
            "the owners between are gone, at depth {depth}"
        );
        assert_eq!(zombies[0].label, "Blocker");
        let event = within(received.recv()).await.unwrap();
        assert_eq!((event.actor, event.exit), (owner.id(), Exit::Stopped));
        assert!(
            received.try_recv().unwrap().is_none(),
            "the zombie has not ended"
        );
        drop(gate);
        really("the zombie ends", || blocker.exit().is_some()).await;
        assert_eq!(within(blocker.wait()).await, Exit::Killed);
        assert_eq!(proc.zombies(), []);
        let event = within(received.recv()).await.unwrap();
        assert_eq!((event.actor, event.exit), (blocker.id(), Exit::Killed));
        assert!(received.try_recv().unwrap().is_none(), "exactly one event");
    }
}

#[tokio::test(start_paused = true)]
async fn a_zombie_is_named_in_the_report_of_its_proc() {
    for depth in [0, 3] {
        let (proc, trace) = (proc(), Trace::default());
        let mut coordinator = coordinate(&proc);
        let (owner, blocker, gate) = blocked(&proc, depth, &trace).await;
        let report = within(proc.shutdown(Duration::ZERO)).await;
        assert_eq!(report.zombies, [blocker.id()]);
        assert_eq!((report.killed, report.drained), (depth as u64 + 1, 0));
        assert_eq!(owner.exit(), Some(Exit::Killed));
        assert_eq!(proc.zombies().len(), 1);
        let ended = timeout(SECOND, blocker.wait()).await;
        assert!(ended.is_err(), "it holds its thread");
        drop(gate);
        really("the zombie ends", || blocker.exit().is_some()).await;
        assert_eq!(within(blocker.wait()).await, Exit::Killed);
        assert_eq!(proc.zombies(), []);
        assert!(coordinator.try_recv().is_err(), "a kill is no failure");
    }
}
