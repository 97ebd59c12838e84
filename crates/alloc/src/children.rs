//! The one owner of child processes: a thread that alone starts, watches, stops and reaps them.
//!
//! # Invariants
//!
//! - **INV-1**: only that thread forks. The kernel kills a child when the thread that forked it
//!   ends, so it lives as long as its children.
//! - **INV-2**: of each key comes exactly one of `Exited` and `StartFailed`, as its last event.
//! - **INV-3**: a number is signalled only while the child, or its zombie, holds it.
//! - **INV-4**: `Exited` is told after the child was reaped and its process group was killed.
//! - **INV-5**: nothing that a child does or omits makes the thread wait.

mod child;
mod control;
mod exit;
mod forward;
mod ladder;
mod live;
mod spawn;
mod tail;
mod watch;

use std::{
    io::{self, Write},
    os::unix::net::UnixStream,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
    time::Duration,
};

pub use child::{ChildEvent, ChildKey, ChildSpec, StartError, Verdict};
pub(crate) use exit::SignalName;
pub use exit::{ExitFacts, ExitStatus};
use forward::Forward;
pub use ladder::Ladder;
use live::Live;
use watch::{Request, Watch};

use crate::settings::FORWARD_CHILD_STDERR;

/// How long a drop waits for killed children to vanish.
const DROP_WAIT: Duration = Duration::from_secs(5);

/// The child processes of one owner.
///
/// What happens to them is told to the function given to [`start`](Self::start), on the thread that
/// watches them; it must not block. Dropping the value kills and reaps every child that is left,
/// with or without a runtime.
#[derive(Debug)]
pub struct Children {
    // One request per call of the owner: bounded by what he asks for.
    requests: mpsc::Sender<Request>,
    wake: UnixStream,
    live: Arc<Live>,
    next_key: AtomicU64,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Children {
    /// Starts the thread that will own the children.
    ///
    /// # Errors
    ///
    /// If the system has no thread or no descriptors left.
    pub fn start(
        on_event: impl Fn(ChildKey, ChildEvent) -> Verdict + Send + 'static,
    ) -> io::Result<Self> {
        let (wake, woken) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        woken.set_nonblocking(true)?;
        let (requests, received) = mpsc::channel();
        let live = Arc::new(Live::new());
        let forward = Forward::new(FORWARD_CHILD_STDERR.get());
        let watch = Watch::new(received, woken, on_event, Arc::clone(&live), forward);
        let thread = thread::Builder::new()
            .name("hypermesh-children".into())
            .spawn(move || watch.run())?;
        let thread = Mutex::new(Some(thread));
        Ok(Self {
            requests,
            wake,
            live,
            next_key: AtomicU64::new(0),
            thread,
        })
    }

    /// Starts a child and returns its key; an event tells whether it runs.
    pub fn spawn(&self, spec: ChildSpec) -> ChildKey {
        let key = ChildKey(self.next_key.fetch_add(1, Ordering::Relaxed));
        self.live.add();
        self.request(Request::Spawn(key, Box::new(spec)));
        key
    }

    /// Lets the child end by `ladder`; a further call can only make the end come earlier.
    pub fn stop(&self, key: ChildKey, ladder: Ladder) {
        self.request(Request::Stop(key, ladder));
    }

    /// Lets every child end by `ladder`, each by its own times: together they take no longer than
    /// one.
    pub fn stop_all(&self, ladder: Ladder) {
        self.request(Request::StopAll(ladder));
    }

    /// Kills the child and its process group.
    pub fn kill(&self, key: ChildKey) {
        self.request(Request::Kill(key));
    }

    /// Returns the number of children that have been asked for and are not reaped yet.
    pub fn count(&self) -> usize {
        self.live.count()
    }

    /// Waits until no child is left, at most `within`, and returns how many are.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if the future is dropped.
    pub async fn wait_empty(&self, within: Duration) -> usize {
        self.live.wait_empty(within).await
    }

    /// Like [`wait_empty`](Self::wait_empty), but blocks the calling thread.
    pub fn wait_empty_blocking(&self, within: Duration) -> usize {
        self.live.wait_empty_blocking(within)
    }

    fn request(&self, request: Request) {
        self.requests
            .send(request)
            .expect("the thread ends after `Close`, and drop sends that last");
        // A full socket has woken the thread already.
        _ = (&self.wake).write(&[0]);
    }
}

impl Drop for Children {
    fn drop(&mut self) {
        self.request(Request::Close);
        let thread = self
            .thread
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        let Some(thread) = thread.take() else {
            return;
        };
        // The function for the events may own the last of us: a thread cannot wait for itself.
        if thread.thread().id() == thread::current().id() {
            return;
        }
        match self.live.wait_empty_blocking(DROP_WAIT) {
            0 => _ = thread.join(),
            // In the kernel's hands (a dead file server, say): the thread stays until they are reaped.
            left => tracing::warn!(left, "killed child processes do not end"),
        }
    }
}
