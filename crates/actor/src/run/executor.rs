//! Where the task of an actor runs.
//!
//! # Invariants
//!
//! - **INV-1**: the thread of an actor is over and joined before anybody can see that the actor exited. The
//!   one exception is a runtime that goes away while the actor holds its thread: then that is logged.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker, ready};
use std::thread::{self, JoinHandle, Thread};

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::{ActorTask, Ended, Source, conclude, live};
use crate::actor::Actor;
use crate::birth::Birth;
use crate::cell::{AnyCell, Cell};
use crate::exit::{Exit, Mode};
use crate::failure::{Failure, FailureCause};
use crate::settings::KILL_TIMEOUT;

/// The longest name of a thread that Linux keeps, in bytes.
const MAX_THREAD_NAME: usize = 15;

/// What runs the handlers and hooks of an actor.
///
/// # Examples
///
/// ```
/// use hypermesh_actor::{ActorHandle, Cx, Executor, Proc, actor};
///
/// struct Work;
/// struct Blocking;
///
/// #[actor]
/// impl Blocking {
///     #[handler(local)]
///     fn work(&mut self, _cx: &Cx<'_, Self>, _: Work) {
///         // Calls that block are fine here: no other actor is on this thread.
///     }
/// }
///
/// fn spawn(proc: &Proc) -> ActorHandle<Blocking> {
///     proc.spawn_on(&Executor::Thread, Blocking)
/// }
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Executor {
    /// The runtime of the proc, like all other actors.
    #[default]
    Shared,
    /// Another runtime, whose timers must be enabled, and which must outlive the proc: when it goes away
    /// its actors end as killed.
    Runtime(Handle),
    /// A thread of its own, for code that blocks or belongs to one thread.
    ///
    /// Handlers may block; async code of the proc's runtime works there too. The thread is joined before
    /// the actor counts as exited. While a handler blocks, a kill or a deadline has no effect. If the
    /// system gives no thread, the actor ends as failed with the cause `Create`.
    Thread,
}

/// Starts the task of the actor in `cell` on `executor`.
pub(crate) fn start_on<A: Actor>(
    executor: &Executor,
    cell: Arc<Cell<A>>,
    source: Source<A>,
    birth: Option<Birth>,
) {
    let runtime = match executor {
        Executor::Shared => cell.core().proc().runtime(),
        Executor::Runtime(runtime) => runtime,
        Executor::Thread => return start_thread(cell, source, birth),
    }
    .clone();
    let body = live(cell.clone(), source, birth);
    // The proc's table has the cell until the task ends it, and ends the task through it.
    runtime.spawn(ActorTask::new(cell, body, true));
}

fn start_thread<A: Actor>(cell: Arc<Cell<A>>, source: Source<A>, birth: Option<Birth>) {
    let runtime = cell.core().proc().runtime().clone();
    let (sender, ended) = oneshot::channel();
    let (over, is_over) = mpsc::channel();
    let (entered, of_thread) = (runtime.clone(), cell.clone());
    let run = move || {
        // Dropped last, when all else of the thread is gone.
        let _over: mpsc::Sender<()> = over;
        let _entered = entered.enter();
        let body = live(of_thread.clone(), source, birth);
        let ended = drive(ActorTask::new(of_thread, body, false));
        // It is told to nobody only if the runtime is gone, and then the actor was ended already.
        _ = ended.map(|ended| sender.send(ended));
    };
    let label = cell.core().label();
    let name = &label[..crate::failure::boundary(label, MAX_THREAD_NAME)];
    // A name with a null byte is none.
    let name = if name.contains('\0') { "actor" } else { name };
    let thread = thread::Builder::new().name(name.to_owned()).spawn(run);
    // Ends with the thread, or ends it.
    runtime.spawn(Watch {
        cell,
        ended,
        is_over,
        thread: Some(thread),
    });
}

/// Waits for the end of the thread of an actor, joins it, and then ends the actor.
struct Watch<A: Actor> {
    cell: Arc<Cell<A>>,
    ended: oneshot::Receiver<Ended>,
    is_over: mpsc::Receiver<()>,
    thread: Option<io::Result<JoinHandle<()>>>,
}

impl<A: Actor> Future for Watch<A> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let ended = ready!(Pin::new(&mut self.ended).poll(cx));
        let cell = &self.cell.clone();
        match (self.thread.take(), ended) {
            (Some(Ok(thread)), ended) => {
                // It has a few instructions to go.
                join(cell, thread);
                match ended {
                    Ok(ended) => conclude(cell, ended),
                    Err(_) => cell.abandon(Exit::Killed),
                }
            }
            (Some(Err(error)), _) => {
                let text = format!("no thread for it: {error}");
                let (id, label) = (cell.core().id(), cell.core().label());
                let failure = Failure::new(FailureCause::Create, id, label, text);
                cell.abandon(Exit::Failed(failure));
            }
            (None, _) => {}
        }
        Poll::Ready(())
    }
}

impl<A: Actor> Drop for Watch<A> {
    fn drop(&mut self) {
        // Only if the runtime goes away before the actor has ended.
        let Some(thread) = self.thread.take() else {
            return;
        };
        self.cell.request(Mode::Kill);
        if let Ok(thread) = thread {
            match self.is_over.recv_timeout(KILL_TIMEOUT.get()) {
                Err(mpsc::RecvTimeoutError::Timeout) => tracing::error!(
                    actor = self.cell.core().label(),
                    "the runtime is gone and the actor holds its thread"
                ),
                Ok(()) | Err(mpsc::RecvTimeoutError::Disconnected) => join(&self.cell, thread),
            }
        }
        self.cell.abandon(Exit::Killed);
    }
}

fn join<A: Actor>(cell: &Cell<A>, thread: JoinHandle<()>) {
    if thread.join().is_err() {
        tracing::error!(
            actor = cell.core().label(),
            "the thread of an actor panicked"
        );
    }
}

/// Runs `future` on this thread, which does nothing else.
fn drive<F: Future>(future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut cx = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        // Returns at once if the waker was called since the last time.
        thread::park();
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}
