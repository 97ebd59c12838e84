//! What the tests have in common: networks, endpoints, parcels that report, and a sink that takes as much as it
//! is allowed to.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use hypermesh_channel::{
    ChannelAddr, Endpoint, EndpointOptions, Flow, Limits, Link, Outcome, Parcel, Payload, Peer,
    Route, SimConditions, SimName, SimNetwork, Sink,
};
use tokio::{
    runtime::Handle,
    sync::{mpsc, watch},
    time::{sleep, timeout},
};

pub(crate) const MS: Duration = Duration::from_millis(1);
pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// Returns a network whose latency is always so many milliseconds.
pub(crate) fn network(latency_ms: u32) -> SimNetwork {
    let network = SimNetwork::new(1);
    let latency = MS * latency_ms;
    network.set_default_conditions(SimConditions::new(latency..=latency));
    network
}

pub(crate) fn endpoint(network: &SimNetwork, node: &str) -> Endpoint {
    endpoint_with(network, node, |_| ())
}

pub(crate) fn endpoint_with(
    network: &SimNetwork,
    node: &str,
    change: impl FnOnce(&mut Limits),
) -> Endpoint {
    let mut options = EndpointOptions::new(Handle::current());
    options.sim = Some(network.node(node));
    change(&mut options.limits);
    Endpoint::new(options)
}

pub(crate) fn addr(name: &str) -> ChannelAddr {
    ChannelAddr::Sim(SimName::new(name).unwrap())
}

/// Lets the time of the network pass.
pub(crate) async fn pass(time: Duration) {
    // tidy: sleeps because the clock is paused, and the passing of time is what is tested
    sleep(time).await;
}

/// Polls once, and returns whether there is nothing yet.
pub(crate) async fn is_pending(future: impl Future) -> bool {
    let mut future = std::pin::pin!(future);
    std::future::poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_pending())).await
}

/// Returns the lines of the trace that have `what` in them.
pub(crate) fn traced(network: &SimNetwork, what: &str) -> Vec<String> {
    let trace = network.trace();
    let lines = trace.lines().filter(|line| line.contains(what));
    lines.map(str::to_owned).collect()
}

/// Returns the seconds at the start of a line of the trace.
pub(crate) fn time_of(line: &str) -> f64 {
    line.split(' ').next().unwrap().parse().unwrap()
}

pub(crate) fn text(body: &str) -> Payload {
    Payload {
        body: Bytes::copy_from_slice(body.as_bytes()),
        ..Payload::default()
    }
}

/// A parcel that reports its outcome with its text.
pub(crate) struct Reporting {
    payload: Payload,
    report: mpsc::UnboundedSender<(String, Outcome)>,
}

impl Parcel for Reporting {
    fn payload(&self) -> &Payload {
        &self.payload
    }

    fn complete(self, outcome: Outcome) {
        let body = String::from_utf8(self.payload.body.to_vec()).unwrap();
        // Whoever does not wait any more does not want to know.
        let _ = self.report.send((body, outcome));
    }
}

/// Posts texts, and learns what became of them.
pub(crate) struct Clerk {
    link: Link<Reporting>,
    report: mpsc::UnboundedSender<(String, Outcome)>,
    reports: mpsc::UnboundedReceiver<(String, Outcome)>,
}

impl Clerk {
    pub(crate) fn new(endpoint: &Endpoint, to: &str) -> Self {
        Self::over(endpoint, Route::direct(addr(to)))
    }

    pub(crate) fn over(endpoint: &Endpoint, route: Route) -> Self {
        // As many as there are parcels.
        let (report, reports) = mpsc::unbounded_channel();
        Self {
            link: endpoint.dial_link(route).unwrap(),
            report,
            reports,
        }
    }

    pub(crate) fn link(&self) -> &Link<Reporting> {
        &self.link
    }

    pub(crate) fn parcel(&self, body: &str) -> Reporting {
        self.parcel_of(text(body))
    }

    /// Returns a parcel whose body is a text.
    pub(crate) fn parcel_of(&self, payload: Payload) -> Reporting {
        Reporting {
            payload,
            report: self.report.clone(),
        }
    }

    pub(crate) fn post(&self, body: &str) {
        self.link.post(self.parcel(body));
    }

    /// Waits for the next outcome, which has to be that of `body`.
    #[track_caller]
    pub(crate) fn outcome(&mut self, body: &str) -> impl Future<Output = Outcome> {
        let at = std::panic::Location::caller();
        async move {
            let next = timeout(600 * SECOND, self.reports.recv()).await;
            let next = next.unwrap_or_else(|_| panic!("no outcome at {at}"));
            let (found, outcome) = next.unwrap();
            assert_eq!(found, body, "at {at}");
            outcome
        }
    }

    #[track_caller]
    pub(crate) fn assert_nothing(&mut self) {
        let next = self.reports.try_recv();
        assert!(next.is_err(), "{next:?}");
    }
}

/// A sink that keeps texts, and takes no more than it may.
pub(crate) struct Keeper {
    kept: Mutex<Vec<String>>,
    /// How many more it takes.
    allowed: watch::Sender<usize>,
}

impl Keeper {
    pub(crate) fn new(allowed: usize) -> Arc<Self> {
        Arc::new(Self {
            kept: Mutex::default(),
            allowed: watch::Sender::new(allowed),
        })
    }

    pub(crate) fn allow(&self, n: usize) {
        self.allowed.send_modify(|allowed| *allowed += n);
    }

    /// Returns the texts so far, separated by spaces.
    pub(crate) fn kept(&self) -> String {
        self.kept.lock().unwrap().join(" ")
    }
}

impl Sink for Keeper {
    fn deliver(&self, _: &Peer, batch: &mut Vec<Payload>) -> Flow {
        let n = batch.len().min(*self.allowed.borrow());
        self.allowed.send_modify(|allowed| *allowed -= n);
        let mut kept = self.kept.lock().unwrap();
        for payload in batch.drain(..n) {
            kept.push(String::from_utf8(payload.body.to_vec()).unwrap());
        }
        if batch.is_empty() {
            Flow::Continue
        } else {
            Flow::Pause
        }
    }

    fn ready(&self, _: &Peer) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async {
            let mut allowed = self.allowed.subscribe();
            allowed.wait_for(|allowed| *allowed > 0).await.unwrap();
        })
    }
}
