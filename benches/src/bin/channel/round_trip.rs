//! A small message there and back: beside a ping-pong of tokio, and while bulk goes the same way, on another
//! session of the same connection.

use std::process::Stdio;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hypermesh::channel::{ChannelAddr, Endpoint, RecvError, Rx, Tx};
use hypermesh_benches::{Figure, Limit, Outcome, Report, Unit, median};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::in_task;
use crate::load::{Bulk, Kind, Load, Small, body};
use crate::ours::endpoint;
use crate::peer::{DEADLINE, Peer, say};
use crate::ping_pong::PingPong;
use crate::role::Role;
use crate::transport::Transport;

/// Bytes of a message of the transfer.
const TRANSFER: usize = 64 << 20;

/// Pairs of processes of a sample, of which the one in the middle counts: a pair may have the luck of its moment, or the
/// lack of it.
const N_PAIRS: usize = 9;

/// How long such a pair runs, once to get going and once for the figure.
const SHORT: Duration = Duration::from_millis(20);

/// How long round trips go on beside a transfer, and without: a transfer has the time to be in every state.
const LONG: Duration = Duration::from_millis(80);

/// Measures both, over each transport.
pub(crate) async fn measure(report: &mut Report) -> Outcome<()> {
    for transport in Transport::ALL {
        for shape in [Shape::TwoLinks, Shape::Duplex] {
            beside_ping_pong(report, transport, shape).await?;
            beside_transfer(report, transport, shape).await?;
        }
    }
    Ok(())
}

/// How the answer comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// Over a link of its own, on a connection of its own.
    TwoLinks,
    /// Over the link, and the connection, that the message went by.
    Duplex,
}

impl Shape {
    /// Returns what the name of a figure says of it.
    fn in_name(self) -> &'static str {
        match self {
            Self::TwoLinks => "",
            Self::Duplex => ", duplex",
        }
    }
}

async fn beside_ping_pong(report: &mut Report, transport: Transport, shape: Shape) -> Outcome<()> {
    let name = format!("64 B round trip, {transport}{}", shape.in_name());
    let figure = Figure::new(name, Unit::Nanoseconds, Limit::RatioAtMost(1.3));
    if !report.wants(&figure.name) {
        return Ok(());
    }
    let ours = async || {
        let mut trips = Vec::new();
        for _ in 0..N_PAIRS {
            let mut pair = Pair::start(transport, shape).await?;
            pair.run(Trips::lasting(SHORT)).await?;
            trips.push(median_of(&pair.run(Trips::lasting(SHORT)).await?));
        }
        Ok(median(&trips))
    };
    let raw = async || {
        let mut trips = Vec::new();
        for _ in 0..N_PAIRS {
            let mut raw = PingPong::start(transport)?;
            raw.run(Trips::lasting(SHORT)).await?;
            trips.push(median_of(&raw.run(Trips::lasting(SHORT)).await?));
        }
        Ok(median(&trips))
    };
    report.compare(figure, ours, raw).await
}

async fn beside_transfer(report: &mut Report, transport: Transport, shape: Shape) -> Outcome<()> {
    let name = format!("64 B round trip, busy, {transport}{}", shape.in_name());
    let mut figure = Figure::new(name, Unit::Nanoseconds, Limit::RatioAtMost(10.0));
    let name = format!("64 MiB beside round trips, {transport}{}", shape.in_name());
    let mut rate = Figure::new(name, Unit::BytesPerSecond, Limit::Any);
    if ![&figure, &rate]
        .iter()
        .any(|figure| report.wants(&figure.name))
    {
        return Ok(());
    }
    let mut pair = Pair::start(transport, shape).await?;
    let bytes = body(Kind::Bulk(TRANSFER));
    // The first round connects and does not count.
    for idx in 0..=report.repeat() {
        let idle = pair.run(Trips::lasting(LONG)).await?;
        let transfer = Transfer::start(pair.bulk.clone(), bytes.clone()).await?;
        let busy = pair.run(Trips::lasting(LONG)).await?;
        let bytes_per_second = transfer.stop().await?;
        if 0 < idx {
            figure.baseline.push(median_by_time(idle));
            figure.samples.push(median_by_time(busy));
            rate.samples.push(bytes_per_second);
        }
    }
    report.add(figure);
    report.add(rate);
    Ok(())
}

/// How long each round trip took, and whether there is another.
#[derive(Debug)]
pub(crate) struct Trips {
    start: Instant,
    enough: Duration,
    times: Vec<Duration>,
}

impl Trips {
    /// The least number of round trips of a sample, however long they take.
    const MIN: usize = 20;

    /// Starts a sample that takes `enough`.
    pub(crate) fn lasting(enough: Duration) -> Self {
        Self {
            start: Instant::now(),
            enough,
            times: Vec::new(),
        }
    }

    /// Tells whether there is another trip to make.
    pub(crate) fn another(&self) -> bool {
        self.times.len() < Self::MIN || self.start.elapsed() < self.enough
    }

    /// Records what a trip took.
    pub(crate) fn add(&mut self, time: Duration) {
        self.times.push(time);
    }

    /// Returns what each trip took.
    pub(crate) fn into_times(self) -> Vec<Duration> {
        self.times
    }
}

fn median_of(times: &[Duration]) -> f64 {
    let times: Vec<_> = times.iter().map(|time| time.as_secs_f64() * 1e9).collect();
    median(&times)
}

/// Returns the nanoseconds of the round trip that is under way at the median moment. The median of the
/// trips would be that of the time between two transfers, in which there are many more.
fn median_by_time(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    let half = times.iter().sum::<Duration>() / 2;
    let mut passed = Duration::ZERO;
    let median = times.into_iter().find(|time| {
        passed += *time;
        half <= passed
    });
    median.map_or(f64::NAN, |time| time.as_secs_f64() * 1e9)
}

/// This end, with the child that answers.
#[derive(Debug)]
struct Pair {
    tx: Tx<Small>,
    /// `None` while a task has it.
    rx: Option<Rx<Small>>,
    bulk: Tx<Bulk>,
    _child: Peer,
    _endpoint: Endpoint,
}

impl Pair {
    async fn start(transport: Transport, shape: Shape) -> Outcome<Self> {
        let endpoint = endpoint();
        let answers = match shape {
            Shape::TwoLinks => Some(endpoint.serve::<Small>(transport.any_addr())?),
            Shape::Duplex => None,
        };
        let role = Role::Echo {
            transport,
            answer_at: answers.as_ref().map(|(addr, _)| addr.clone()),
        };
        let mut child = Peer::start(&role, Stdio::piped())?;
        let addr: ChannelAddr = child.hear().await?;
        let (tx, rx) = match answers {
            Some((_, rx)) => (endpoint.dial(&addr)?, rx),
            None => endpoint.dial_duplex(&addr)?,
        };
        Ok(Self {
            tx,
            rx: Some(rx),
            bulk: endpoint.dial(&addr)?,
            _child: child,
            _endpoint: endpoint,
        })
    }

    /// Sends a message and waits for its echo, as often as `trips` says, and returns how long each took.
    async fn run(&mut self, mut trips: Trips) -> Outcome<Vec<Duration>> {
        let tx = self.tx.clone();
        let mut rx = self.rx.take().ok_or("a round trip has failed before")?;
        let work = in_task(async move {
            let mut seq = 0;
            while trips.another() {
                let start = Instant::now();
                tx.post(Small::numbered(seq, &Bytes::new()))?;
                let echo = rx.recv().await?;
                trips.add(start.elapsed());
                assert_eq!(echo.seq(), seq, "the echo is not what was sent");
                seq += 1;
            }
            Ok((rx, trips.into_times()))
        });
        let (rx, times) = timeout(DEADLINE, work).await??;
        self.rx = Some(rx);
        Ok(times)
    }
}

/// Bulk that is sent, one message after the other, until it is stopped.
struct Transfer {
    task: JoinSet<Outcome<f64>>,
    stop: oneshot::Sender<()>,
}

impl Transfer {
    /// Starts to send `bytes` again and again; returns when they have arrived once.
    async fn start(tx: Tx<Bulk>, bytes: Bytes) -> Outcome<Self> {
        let (stop, mut stopped) = oneshot::channel::<()>();
        timeout(DEADLINE, tx.send(Bulk::numbered(0, &bytes))).await??;
        let mut task = JoinSet::new();
        task.spawn(async move {
            let start = Instant::now();
            let mut n = 0;
            while stopped.try_recv().is_err() {
                n += 1;
                tx.send(Bulk::numbered(n, &bytes)).await?;
            }
            Ok(n as f64 * TRANSFER as f64 / start.elapsed().as_secs_f64())
        });
        Ok(Self { task, stop })
    }

    /// Lets the message end that is on its way, and returns the bytes per second.
    async fn stop(mut self) -> Outcome<f64> {
        // If the task has failed it does not hear this; its error comes below.
        let _ = self.stop.send(());
        let end = timeout(DEADLINE, self.task.join_next()).await?;
        end.ok_or("no transfer was started")??
    }
}

/// Is the child that answers each small message at `answer_at`, or over the link that it came by, and takes bulk.
pub(crate) async fn echo(transport: Transport, answer_at: Option<ChannelAddr>) -> Outcome<()> {
    let endpoint = endpoint();
    let Some(answer_at) = answer_at else {
        let (addr, server) = endpoint.serve_duplex::<Small, Small>(transport.any_addr())?;
        let _taking = take_bulk(&endpoint, &addr)?;
        let (tx, rx) = server.accept().await?;
        return send_back(tx, rx).await;
    };
    let (addr, rx) = endpoint.serve::<Small>(transport.any_addr())?;
    let _taking = take_bulk(&endpoint, &addr)?;
    send_back(endpoint.dial(&answer_at)?, rx).await
}

/// Takes bulk as long as the result lives, and says where all is taken.
fn take_bulk(endpoint: &Endpoint, addr: &ChannelAddr) -> Outcome<JoinSet<Outcome<()>>> {
    let (_, mut bulk_rx) = endpoint.serve::<Bulk>(addr.clone())?;
    say(addr)?;
    let mut taking = JoinSet::new();
    taking.spawn(async move {
        loop {
            bulk_rx.recv().await?.seq();
        }
    });
    Ok(taking)
}

async fn send_back(tx: Tx<Small>, mut rx: Rx<Small>) -> Outcome<()> {
    loop {
        match rx.recv().await {
            Ok(message) => tx.post(message)?,
            // Whoever asked has gone.
            Err(RecvError::Closed) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_by_time_is_that_of_the_longer_phase_however_few_its_trips() {
        let slow = [Duration::from_micros(900); 2];
        let fast = [Duration::from_micros(10); 100];
        assert_eq!(median_by_time([&slow[..], &fast[..]].concat()), 900e3);
        assert_eq!(median_by_time(fast.to_vec()), 10e3);
        assert!(median_by_time(Vec::new()).is_nan());
    }
}
