//! A process that has no descriptor left goes on with the connections that it has, and accepts again later.

use std::{
    fs::File,
    os::fd::AsRawFd,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use hypermesh_channel::ChannelTransport;
use hypermesh_testkit::Case;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::{
    sync::Notify,
    time::{Instant as Clock, timeout_at},
};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

use crate::rig::*;

pub(crate) const CASES: [Case<()>; 1] = [(
    "a server without descriptors pauses and accepts again when there are some",
    |(), _| {
        for transport in [ChannelTransport::Unix, ChannelTransport::Tcp] {
            crate::run(without_descriptors(transport));
        }
    },
)];

/// So many attempts to accept are watched. Their pauses are 10, 20, 40, 80, 160 ms.
const ATTEMPTS: usize = 6;

async fn without_descriptors(transport: ChannelTransport) {
    let log = Log::default();
    let _guard = hypermesh_testkit::subscribe(log.clone());
    let (here, there) = (endpoint(), endpoint());
    let keeper = Keeper::new();
    let server = there.serve_sink(transport, keeper.clone()).unwrap();
    let mut clerk = Clerk::new();
    let good = here.dial_link(server.addr()).unwrap();
    clerk.post(&good, payload("before"));
    clerk.assert_acked(1).await;

    // One is left, which the dialling end of the next connection takes.
    let mut hoard = Hoard::new();
    hoard.files.pop();
    let other = endpoint();
    let late = other.dial_link(server.addr()).unwrap();
    let mut late_clerk = Clerk::new();
    late_clerk.post(&late, payload("late"));
    let started = Instant::now();
    log.until_failed(ATTEMPTS).await;
    let took = started.elapsed();
    // Less if it span: all but the last pause have passed.
    assert!(Duration::from_millis(300) <= took, "{transport}: {took:?}");
    assert_eq!(server.stats().accepted, 1);

    // Whoever is connected does not notice.
    for _ in 0..100 {
        clerk.post(&good, payload("meanwhile"));
        clerk.assert_acked(1).await;
    }
    late_clerk.assert_no_more();
    drop(hoard);
    late_clerk.assert_acked(1).await;
    assert_eq!(server.stats().accepted, 2, "{transport}");
    assert_eq!(keeper.len(), 102);
    assert_eq!(log.count(&log.again), 1);
    here.shutdown(DEADLINE).await;
    other.shutdown(DEADLINE).await;
    there.shutdown(DEADLINE).await;
}

/// All descriptors that this process may have, until this is dropped.
struct Hoard {
    files: Vec<File>,
    limits: (u64, u64),
}

impl Hoard {
    fn new() -> Self {
        let limits = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        let first = File::open("/dev/null").unwrap();
        // Only so many more, so that it is quick.
        let soft = first.as_raw_fd() as u64 + 20;
        setrlimit(Resource::RLIMIT_NOFILE, soft.min(limits.1), limits.1).unwrap();
        let mut files = vec![first];
        while let Ok(file) = File::open("/dev/null") {
            files.push(file);
        }
        Self { files, limits }
    }
}

impl Drop for Hoard {
    fn drop(&mut self) {
        let (soft, hard) = self.limits;
        setrlimit(Resource::RLIMIT_NOFILE, soft, hard).unwrap();
    }
}

/// Counts what a server says about accepting.
#[derive(Clone, Default)]
struct Log {
    failed: Arc<AtomicUsize>,
    again: Arc<AtomicUsize>,
    changed: Arc<Notify>,
}

impl Log {
    fn count(&self, counter: &AtomicUsize) -> usize {
        counter.load(Ordering::SeqCst)
    }

    /// Waits until accepting has failed so often.
    async fn until_failed(&self, count: usize) {
        let deadline = Clock::now() + DEADLINE;
        while self.count(&self.failed) < count {
            let changed = timeout_at(deadline, self.changed.notified());
            changed.await.unwrap();
        }
    }
}

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = Text::default();
        event.record(&mut text);
        if text.0.contains("cannot accept connections") {
            self.failed.fetch_add(1, Ordering::SeqCst);
            self.changed.notify_one();
        } else if text.0.contains("accepts connections again") {
            self.again.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

#[derive(Default)]
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}
