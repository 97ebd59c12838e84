//! What links cost on which nothing happens.

use std::{sync::Arc, time::Duration};

use hypermesh_channel::{
    ChannelTransport, Endpoint, EndpointOptions, Link, LocalHub, Outcome, Server,
};
use hypermesh_testkit::{AllocationWatch, Case};
use tokio::{
    runtime::{Builder, Handle},
    time,
};

use crate::{Void, rig::*};

pub(crate) const CASES: [Case<()>; 3] = [
    (
        "ten thousand idle links over one connection take little memory",
        |(), _| paused(memory(1, 10_000)),
    ),
    (
        "an idle link with a connection of its own takes little memory",
        |(), _| paused(memory(2000, 1)),
    ),
    (
        "ten thousand idle links have the pings of their connection and nothing else",
        |(), _| {
            let few = paused(idle(10));
            let many = paused(idle(10_000));
            assert_eq!(many.tasks, few.tasks);
            // Each end asks or answers every five seconds, and waits for input and for the time.
            let pings = (TIME.as_secs() / 5) as usize;
            assert!((pings..=5 * pings).contains(&many.parks), "{many:?}");
            assert!(many.parks <= few.parks + few.parks / 10, "{many:?} {few:?}");
            assert!(many.calls <= 2 * few.calls, "{many:?} {few:?}");
        },
    ),
];

/// The most that a link may take at both ends together, in bytes.
const MAX_BYTES: usize = 16 << 10;
/// For so long nothing happens.
const TIME: Duration = Duration::from_secs(600);

/// Runs a test on a clock that is paused.
fn paused<T>(test: impl Future<Output = T>) -> T {
    let mut builder = Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build().unwrap();
    runtime.block_on(test)
}

/// A server, and endpoints that dial it.
struct Net {
    here: Vec<Endpoint>,
    there: Endpoint,
    server: Server,
    links: Vec<Link<Numbered>>,
}

impl Net {
    fn new(n_endpoints: usize) -> Self {
        let hub = LocalHub::new();
        let endpoint = || {
            let mut options = EndpointOptions::new(Handle::current());
            options.hub = hub.clone();
            Endpoint::new(options)
        };
        let there = endpoint();
        let server = there.serve_sink(ChannelTransport::Local, Arc::new(Void));
        Self {
            here: (0..n_endpoints).map(|_| endpoint()).collect(),
            there,
            server: server.unwrap(),
            links: Vec::new(),
        }
    }

    /// Dials with each endpoint so many links, and sends a message on each.
    async fn dial(&mut self, n_links: usize) {
        let mut clerk = Clerk::new();
        for endpoint in &self.here {
            for _ in 0..n_links {
                let link = endpoint.dial_link(self.server.addr()).unwrap();
                clerk.post(&link, payload("one"));
                self.links.push(link);
            }
        }
        for _ in 0..self.links.len() {
            assert_eq!(clerk.next().await.1, Outcome::Acked);
        }
    }

    async fn shutdown(self) {
        drop(self.links);
        for endpoint in self.here {
            endpoint.shutdown(DEADLINE).await;
        }
        self.there.shutdown(DEADLINE).await;
    }
}

/// Lets time pass in which nothing happens.
async fn pass(duration: Duration) {
    // tidy: sleeps because the clock is paused, and the passing of time is what is tested
    time::sleep(duration).await;
}

async fn memory(n_endpoints: usize, n_links: usize) {
    let mut net = Net::new(n_endpoints);
    let watch = AllocationWatch::start();
    net.dial(n_links).await;
    // What is kept for a while after a message is given back.
    pass(Duration::from_secs(60)).await;
    let each = watch.so_far().live as usize / net.links.len();
    assert!(each <= MAX_BYTES, "{each} bytes for each link");
    net.shutdown().await;
}

/// What it took that nothing happened.
#[derive(Clone, Copy, Debug)]
struct Idle {
    tasks: usize,
    /// How often the runtime waited.
    parks: usize,
    /// How often memory was allocated.
    calls: usize,
}

async fn idle(n_links: usize) -> Idle {
    let mut net = Net::new(1);
    net.dial(n_links).await;
    pass(Duration::from_secs(60)).await;
    let metrics = Handle::current().metrics();
    let before = metrics.worker_park_count(0);
    let watch = AllocationWatch::start();
    pass(TIME).await;
    let idle = Idle {
        tasks: metrics.num_alive_tasks(),
        parks: (metrics.worker_park_count(0) - before) as usize,
        calls: watch.so_far().calls,
    };
    net.shutdown().await;
    idle
}
