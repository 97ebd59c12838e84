//! Links that come and go leave nothing behind.

use std::sync::Arc;

use hypermesh_channel::{ChannelTransport, Endpoint, EndpointOptions, LocalHub};
use hypermesh_testkit::{AllocationWatch, Case, FdGuard};
use tokio::runtime::Handle;

use crate::{Void, rig::*};

pub(crate) const CASES: [Case<()>; 1] = [(
    "ten thousand short links leave no session task or descriptor",
    |(), _| {
        // What the first runtime of a process keeps for ever is no link's.
        crate::run(async {});
        let rounds = [
            (ChannelTransport::Local, 2000),
            (ChannelTransport::Unix, 10_000),
        ];
        for (transport, n_rounds) in rounds {
            let guard = FdGuard::new();
            crate::run(short_links(transport, n_rounds));
            guard.assert_same(DEADLINE);
        }
    },
)];

/// After so many, whatever grows to a usual size has it.
const WARM: usize = 1000;
/// The bytes that may be in use more at the end: less than one for each round.
const MAX_LEFT: isize = 8 << 10;

async fn short_links(transport: ChannelTransport, n_rounds: usize) {
    let hub = LocalHub::new();
    let endpoint = || {
        let mut options = EndpointOptions::new(Handle::current());
        options.hub = hub.clone();
        // Sessions that are left would keep out the next ones.
        options.limits.sessions = 8;
        Endpoint::new(options)
    };
    let (here, there) = (endpoint(), endpoint());
    let server = there.serve_sink(transport, Arc::new(Void)).unwrap();
    let mut clerk = Clerk::new();
    let tasks = || Handle::current().metrics().num_alive_tasks();
    let (mut watch, mut most_tasks) = (AllocationWatch::start(), 0);
    for round in 1..=n_rounds {
        let link = here.dial_link(server.addr()).unwrap();
        clerk.post(&link, payload("one"));
        let report = soon(link.close(DEADLINE)).await;
        assert_eq!((report.failed, report.unknown), (0, 0), "{transport}");
        clerk.assert_acked(1).await;
        if round <= WARM {
            watch = AllocationWatch::start();
            most_tasks = most_tasks.max(tasks());
        }
    }
    // The last link may still be about to end.
    assert!(tasks() <= most_tasks, "{transport}: {} tasks", tasks());
    let left = watch.so_far().live;
    assert!(left <= MAX_LEFT, "{transport}: {left} bytes");
    here.shutdown(DEADLINE).await;
    there.shutdown(DEADLINE).await;
    assert_eq!(tasks(), 0, "{transport}");
}
