//! Actors that run elsewhere than on the runtime of their proc.

use std::cell::RefCell;
use std::sync::mpsc;
use std::thread::ThreadId;
use std::time::Duration;

use hypermesh_actor::{ActorHandle, CallError, Cx, Executor, Exit, Message, Result, Status, actor};

use crate::fixture::{Trace, pass, proc, within};

#[derive(Message)]
struct Where;
#[derive(Message)]
struct Nap;
#[derive(Message)]
struct AskSelf;
struct Block(mpsc::Receiver<()>);
struct SpawnOn(Executor);

/// Says where it is, and blocks its thread when told to.
#[derive(Default)]
struct Worker(Trace);

#[actor]
impl Worker {
    #[hook]
    fn init(&mut self, _cx: &Cx<'_, Self>) -> Result<()> {
        self.0
            .push(format!("init on {:?}", std::thread::current().id()));
        Ok(())
    }

    #[hook]
    fn cleanup(&mut self, _cx: &Cx<'_, Self>, _: &Exit) -> Result<()> {
        self.0
            .push(format!("cleanup on {:?}", std::thread::current().id()));
        Ok(())
    }

    #[handler(local)]
    fn block(&mut self, _cx: &Cx<'_, Self>, Block(gate): Block) {
        self.0.push("blocks");
        // It ends when the test drops the other end.
        _ = gate.recv();
    }

    #[handler(local)]
    fn place(&mut self, _cx: &Cx<'_, Self>, _: Where) -> Result<(ThreadId, Option<String>)> {
        let thread = std::thread::current();
        Ok((thread.id(), thread.name().map(str::to_owned)))
    }

    #[handler]
    async fn nap(&mut self, _cx: &Cx<'_, Self>, _: Nap) {
        pass(Duration::from_millis(1)).await;
        tokio::task::yield_now().await;
    }

    #[handler]
    async fn ask_self(&mut self, cx: &Cx<'_, Self>, _: AskSelf) -> Result<bool> {
        let answer = cx.self_handle().ask(Nap).await;
        Ok(matches!(answer, Err(CallError::WouldDeadlock(_))))
    }

    #[handler(local)]
    fn spawn(
        &mut self,
        cx: &Cx<'_, Self>,
        SpawnOn(executor): SpawnOn,
    ) -> Result<ActorHandle<Self>> {
        Ok(cx.spawn_on(&executor, Self(self.0.clone())))
    }
}

/// Waits until the trace has a line, however long the machine takes.
async fn first_line(trace: &Trace, line: &str) {
    let seen = async {
        while !trace.take().iter().any(|seen| seen == line) {
            tokio::task::yield_now().await;
        }
    };
    within(seen).await;
}

#[tokio::test]
async fn an_actor_with_a_thread_of_its_own_stays_on_it() {
    let (proc, trace) = (proc(), Trace::default());
    let worker = proc.spawn_on(&Executor::Thread, Worker(trace.clone()));
    let (id, name) = within(worker.ask(Where)).await.unwrap();
    assert_ne!(id, std::thread::current().id());
    assert_eq!(name.as_deref(), Some("Worker"));
    within(worker.ask(Nap)).await.unwrap();
    assert_eq!(within(worker.ask(Where)).await.unwrap().0, id);
    assert_eq!(within(worker.ask(AskSelf)).await, Ok(true));
    worker.stop();
    assert_eq!(within(worker.wait()).await, Exit::Stopped);
    let expected = [format!("init on {id:?}"), format!("cleanup on {id:?}")];
    assert_eq!(trace.take(), expected);
}

#[tokio::test]
async fn a_thread_that_blocks_delays_no_other_actor() {
    let (proc, trace) = (proc(), Trace::default());
    let blocked = proc.spawn_on(&Executor::Thread, Worker(trace.clone()));
    // The one thread of the runtime, which the blocked actor must not hold.
    let other = proc.spawn(Worker::default());
    let (gate, wait) = mpsc::channel();
    blocked.tell(Block(wait)).unwrap();
    first_line(&trace, "blocks").await;
    for _ in 0..100 {
        within(other.ask(Nap)).await.unwrap();
    }
    assert_eq!(blocked.status(), Status::Running);
    blocked.drain();
    assert_eq!(blocked.status(), Status::Stopping);
    drop(gate);
    assert_eq!(within(blocked.wait()).await, Exit::Drained);
}

#[tokio::test]
async fn a_thread_obeys_drain_stop_and_kill() {
    let proc = proc();
    for exit in [Exit::Drained, Exit::Stopped, Exit::Killed] {
        let trace = Trace::default();
        let worker = proc.spawn_on(&Executor::Thread, Worker(trace.clone()));
        let (gate, wait) = mpsc::channel();
        worker.tell(Block(wait)).unwrap();
        let queued = worker.ask(Where);
        first_line(&trace, "blocks").await;
        match exit {
            Exit::Drained => worker.drain(),
            Exit::Stopped => worker.stop(),
            _ => worker.kill(),
        }
        drop(gate);
        assert_eq!(within(worker.wait()).await, exit);
        let answered = within(queued).await.is_ok();
        assert_eq!(answered, exit == Exit::Drained, "{exit}");
    }
}

thread_local! {
    static LEAVING: RefCell<Option<OnThreadEnd>> = const { RefCell::new(None) };
}

struct OnThreadEnd(Trace);

impl Drop for OnThreadEnd {
    fn drop(&mut self) {
        // So slow that whoever does not wait for the thread sees that it is not over.
        (0..100_000).for_each(|_| std::hint::spin_loop());
        self.0.push("thread over");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_thread_is_joined_before_the_actor_counts_as_exited() {
    struct Marked(Trace);
    #[actor]
    impl Marked {
        #[handler]
        fn nap(&mut self, _cx: &Cx<'_, Self>, _: Nap) {
            LEAVING.set(Some(OnThreadEnd(self.0.clone())));
        }
    }
    let proc = proc();
    for _ in 0..50 {
        let trace = Trace::default();
        let marked = proc.spawn_on(&Executor::Thread, Marked(trace.clone()));
        within(marked.ask(Nap)).await.unwrap();
        assert_eq!(trace.take(), [""; 0]);
        marked.stop();
        within(marked.wait()).await;
        assert_eq!(trace.take(), ["thread over"]);
    }
}

#[tokio::test]
async fn a_child_with_a_thread_ends_with_its_parent() {
    let proc = proc();
    let parent = proc.spawn(Worker::default());
    let child = within(parent.ask(SpawnOn(Executor::Thread))).await.unwrap();
    within(child.ask(Nap)).await.unwrap();
    parent.stop();
    assert_eq!(within(parent.wait()).await, Exit::Stopped);
    assert_eq!(child.exit(), Some(Exit::Stopped));
}

#[tokio::test]
async fn an_actor_may_run_on_another_runtime() {
    let other = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("other-runtime")
        .enable_all()
        .build()
        .unwrap();
    let proc = proc();
    let executor = Executor::Runtime(other.handle().clone());
    let worker = proc.spawn_on(&executor, Worker::default());
    let (_, name) = within(worker.ask(Where)).await.unwrap();
    assert_eq!(name.as_deref(), Some("other-runtime"));
    let second = proc.spawn_on(&executor, Worker::default());
    worker.stop();
    assert_eq!(within(worker.wait()).await, Exit::Stopped);
    other.shutdown_background();
    assert_eq!(within(second.wait()).await, Exit::Killed);
}

#[test]
fn a_runtime_that_goes_away_ends_the_threads_of_its_actors() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let trace = Trace::default();
    let (proc, worker) = runtime.block_on(async {
        let proc = proc();
        let worker = proc.spawn_on(&Executor::Thread, Worker(trace.clone()));
        worker.ask(Nap).await.unwrap();
        (proc, worker)
    });
    trace.take();
    drop(runtime);
    assert_eq!(worker.exit(), Some(Exit::Killed));
    assert_eq!(trace.take(), [""; 0], "no cleanup after a kill");
    drop(proc);
}
