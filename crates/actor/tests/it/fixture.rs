//! Procs for tests, and a deadline for every wait.

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hypermesh_actor::mailbox::channel::{ChannelTransport, LocalHub};
use hypermesh_actor::mailbox::{Gateway, GatewayOptions, ProcId};
use hypermesh_actor::{Proc, ProcOptions, SupervisionEvent};
use tokio::runtime::Handle;
use tokio::sync::Notify;

/// How long a test waits for something that must happen.
const DEADLINE: Duration = Duration::from_secs(30);

/// Awaits `future`, and fails if it takes too long.
#[track_caller]
pub(crate) fn within<F: Future>(future: F) -> impl Future<Output = F::Output> {
    let caller = std::panic::Location::caller();
    async move {
        match tokio::time::timeout(DEADLINE, future).await {
            Ok(output) => output,
            Err(_) => panic!("nothing came of what is awaited at {caller}"),
        }
    }
}

/// Returns a gateway that can be reached by `transport`.
pub(crate) fn gateway(transport: ChannelTransport) -> Gateway {
    Gateway::new(GatewayOptions::new(Handle::current(), transport))
}

/// Returns a proc on a gateway of its own.
pub(crate) fn proc() -> Proc {
    proc_on(&gateway(ChannelTransport::Local), 0)
}

/// Returns the proc with this rank on `gateway`.
pub(crate) fn proc_on(gateway: &Gateway, rank: u32) -> Proc {
    Proc::new(ProcOptions {
        id: ProcId::new(7, rank, 0),
        name: "test".to_owned(),
        gateway: gateway.clone(),
        runtime: Handle::current(),
    })
    .unwrap()
}

/// Returns two procs in one process that reach each other over a unix socket.
pub(crate) fn two_procs() -> (Proc, Proc) {
    let (here, there) = (
        gateway(ChannelTransport::Unix),
        gateway(ChannelTransport::Unix),
    );
    (proc_on(&here, 0), proc_on(&there, 1))
}

/// Returns procs with gateways of their own in one process, that reach each other without sockets, so
/// that their clock can be paused.
pub(crate) fn local_procs<const N: usize>() -> [Proc; N] {
    let mut options = GatewayOptions::new(Handle::current(), ChannelTransport::Local);
    options.hub = LocalHub::new();
    std::array::from_fn(|idx| proc_on(&Gateway::new(options.clone()), idx as u32))
}

/// A list that actors write into and tests read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trace(Arc<Mutex<Vec<String>>>, Arc<Notify>);

impl Trace {
    pub(crate) fn push(&self, text: impl Into<String>) {
        self.0.lock().unwrap().push(text.into());
        self.1.notify_waiters();
    }

    /// Waits until `found` returns something, which is asked again after each line.
    pub(crate) async fn until<T>(&self, mut found: impl FnMut() -> Option<T>) -> T {
        loop {
            let mut changed = std::pin::pin!(self.1.notified());
            changed.as_mut().enable();
            if let Some(found) = found() {
                return found;
            }
            within(changed).await;
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

/// Makes `proc` send the failures that nobody handled to the returned receiver.
pub(crate) fn coordinate(proc: &Proc) -> tokio::sync::mpsc::UnboundedReceiver<SupervisionEvent> {
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
    proc.set_coordinator(Arc::new(move |event| _ = sender.send(event)));
    receiver
}

/// Lets this much time pass; under a paused clock that takes none.
pub(crate) async fn pass(time: Duration) {
    let nothing = tokio::time::timeout(time, std::future::pending::<()>()).await;
    assert!(nothing.is_err(), "nothing comes before the time is over");
}

/// Goes to the end of the runtime's queue of ready tasks.
pub(crate) async fn next_turn() {
    let mut waited = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut waited, true) {
            return std::task::Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}
