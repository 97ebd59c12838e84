//! Messages and questions to an actor of another process, beside what the channel layer itself does.

use std::process::Stdio;
use std::time::{Duration, Instant};

use hypermesh::actor::Proc;
use hypermesh::channel::{ChannelAddr, ChannelTransport, Endpoint, EndpointOptions, Rx, Tx};
use hypermesh::prelude::*;
use hypermesh_benches::peer::{DEADLINE, Peer, say};
use hypermesh_benches::{Figure, Limit, Outcome, Report, Unit, median};
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::in_task;
use crate::ours::proc_over;
use crate::role::Role;

/// Messages of one batch: fewer than a link takes when nobody reads.
const N: u64 = 200_000;

/// Pairs of processes of a sample of round trips, of which the best counts: whether the system puts both on
/// one processor or on two makes a factor, and either side may have the luck.
const N_PAIRS: usize = 5;

/// How long such a pair runs, once to get going and once for the figure.
const SHORT: Duration = Duration::from_millis(20);

/// Added to the number of a message, so that it takes eight bytes.
const BASE: u64 = 1 << 50;

/// A number and measurements: 64 bytes.
#[derive(Clone, Debug, Message)]
pub(crate) struct Small {
    number: u64,
    measured: [f64; 7],
}

impl Small {
    fn numbered(seq: u64) -> Self {
        Self {
            number: BASE + seq,
            measured: [seq as f64; 7],
        }
    }

    /// Looks at all of the message and returns its number.
    fn seq(&self) -> u64 {
        let seq = self.number - BASE;
        let measured = self.measured.iter().all(|value| *value == seq as f64);
        assert!(measured, "{self:?} is not what was sent");
        seq
    }
}

/// A question: the same again.
#[derive(Clone, Debug, Message)]
pub(crate) struct Again(Small);

/// Counts messages and says so after each batch.
struct Counter {
    sum: u64,
    n_left: u64,
}

#[actor]
impl Counter {
    #[handler]
    async fn count(&mut self, _cx: &Cx<'_, Self>, small: Small) -> Result<()> {
        self.sum += small.seq();
        self.n_left -= 1;
        if self.n_left == 0 {
            say_batch(self.sum).map_err(|error| Error::msg(error.to_string()))?;
            *self = Self::new();
        }
        Ok(())
    }

    #[handler]
    async fn again(&mut self, _cx: &Cx<'_, Self>, Again(small): Again) -> Result<Small> {
        Ok(small)
    }
}

impl Counter {
    fn new() -> Self {
        Self { sum: 0, n_left: N }
    }
}

/// Measures both ways of each.
pub(crate) async fn measure(report: &mut Report) -> Outcome<()> {
    let limit = Limit::RatioAtLeast(0.5);
    let tell = Figure::new("64 B tell to another process", Unit::PerSecond, limit);
    if report.wants(&tell.name) {
        let mut actor = RemoteActor::start("teller").await?;
        let mut link = Link::start().await?;
        let ours = async || actor.tell_rate().await;
        report
            .compare(tell, ours, async || link.rate().await)
            .await?;
    }
    let limit = Limit::RatioAtMost(1.5);
    let trip = Figure::new("64 B ask of another process", Unit::Nanoseconds, limit);
    if !report.wants(&trip.name) {
        return Ok(());
    }
    let mut n_procs = 0;
    let ours = async || {
        let mut best = f64::INFINITY;
        for _ in 0..N_PAIRS {
            n_procs += 1;
            let actor = RemoteActor::start(&format!("asker-{n_procs}")).await?;
            actor.round_trip().await?;
            best = best.min(actor.round_trip().await?);
        }
        Ok(best)
    };
    let channel = async || {
        let mut best = f64::INFINITY;
        for _ in 0..N_PAIRS {
            let mut pair = Pair::start().await?;
            pair.round_trip().await?;
            best = best.min(pair.round_trip().await?);
        }
        Ok(best)
    };
    report.compare(trip, ours, channel).await
}

/// An actor in a child process, and a client here.
struct RemoteActor {
    actor: ActorRef<Counter>,
    proc: Proc,
    child: Peer,
}

impl RemoteActor {
    async fn start(name: &str) -> Outcome<Self> {
        let mut child = Peer::start(&Role::Actor, Stdio::piped())?;
        Ok(Self {
            actor: child.hear().await?,
            proc: proc_over(name, ChannelTransport::Unix)?,
            child,
        })
    }

    async fn tell_rate(&mut self) -> Outcome<f64> {
        let (actor, client) = (self.actor.clone(), self.proc.client("teller"));
        let start = Instant::now();
        in_task(async move {
            for seq in 0..N {
                actor.tell(&client, Small::numbered(seq))?;
            }
            Ok(())
        })
        .await?;
        self.child.hear::<u64>().await?;
        Ok(N as f64 / start.elapsed().as_secs_f64())
    }

    async fn round_trip(&self) -> Outcome<f64> {
        let (actor, client) = (self.actor.clone(), self.proc.client("asker"));
        let work = in_task(async move {
            let (mut times, begin) = (Vec::new(), Instant::now());
            while begin.elapsed() < SHORT || times.len() < 20 {
                let (start, seq) = (Instant::now(), times.len() as u64);
                let answer = actor.ask(&client, Again(Small::numbered(seq))).await?;
                times.push(start.elapsed().as_secs_f64() * 1e9);
                assert_eq!(answer.seq(), seq, "the answer is not what was sent");
            }
            Ok(median(&times))
        });
        timeout(DEADLINE, work).await?
    }
}

/// Is the child with the actor.
pub(crate) async fn serve_actor() -> Outcome<()> {
    let proc = proc_over("actor", ChannelTransport::Unix)?;
    let actor = proc.spawn(Counter::new());
    say(&actor.bind())?;
    Err(format!("the actor has ended: {}", actor.wait().await).into())
}

/// A link to a child process that counts.
struct Link {
    tx: Tx<Small>,
    reader: Peer,
    _endpoint: Endpoint,
}

impl Link {
    async fn start() -> Outcome<Self> {
        let mut reader = Peer::start(&Role::Read, Stdio::piped())?;
        let addr: ChannelAddr = reader.hear().await?;
        let endpoint = endpoint();
        Ok(Self {
            tx: endpoint.dial(&addr)?,
            reader,
            _endpoint: endpoint,
        })
    }

    async fn rate(&mut self) -> Outcome<f64> {
        let tx = self.tx.clone();
        let start = Instant::now();
        in_task(async move {
            for seq in 0..N {
                tx.post(Small::numbered(seq))?;
            }
            Ok(())
        })
        .await?;
        self.reader.hear::<u64>().await?;
        Ok(N as f64 / start.elapsed().as_secs_f64())
    }
}

/// Is the child that reads a link.
pub(crate) async fn read() -> Outcome<()> {
    let endpoint = endpoint();
    let here = ChannelAddr::any(ChannelTransport::Unix);
    let (addr, mut rx) = endpoint.serve::<Small>(here)?;
    say(&addr)?;
    loop {
        let mut sum = 0;
        for _ in 0..N {
            sum += rx.recv().await?.seq();
        }
        say_batch(sum)?;
    }
}

/// A link there and one back.
struct Pair {
    tx: Tx<Small>,
    /// `None` while a task has it.
    rx: Option<Rx<Small>>,
    _child: Peer,
    _endpoint: Endpoint,
}

impl Pair {
    async fn start() -> Outcome<Self> {
        let endpoint = endpoint();
        let here = ChannelAddr::any(ChannelTransport::Unix);
        let (answer_at, rx) = endpoint.serve::<Small>(here)?;
        let mut child = Peer::start(&Role::Echo { answer_at }, Stdio::piped())?;
        let addr: ChannelAddr = child.hear().await?;
        Ok(Self {
            tx: endpoint.dial(&addr)?,
            rx: Some(rx),
            _child: child,
            _endpoint: endpoint,
        })
    }

    async fn round_trip(&mut self) -> Outcome<f64> {
        let tx = self.tx.clone();
        let mut rx = self.rx.take().ok_or("a round trip has failed before")?;
        let work = in_task(async move {
            let (mut times, begin) = (Vec::new(), Instant::now());
            while begin.elapsed() < SHORT || times.len() < 20 {
                let (start, seq) = (Instant::now(), times.len() as u64);
                tx.post(Small::numbered(seq))?;
                let echo = rx.recv().await?;
                times.push(start.elapsed().as_secs_f64() * 1e9);
                assert_eq!(echo.seq(), seq, "the echo is not what was sent");
            }
            Ok((rx, median(&times)))
        });
        let (rx, time) = timeout(DEADLINE, work).await??;
        self.rx = Some(rx);
        Ok(time)
    }
}

/// Is the child that sends back what it gets.
pub(crate) async fn echo(answer_at: ChannelAddr) -> Outcome<()> {
    let endpoint = endpoint();
    let here = ChannelAddr::any(ChannelTransport::Unix);
    let (addr, mut rx) = endpoint.serve::<Small>(here)?;
    let tx = endpoint.dial::<Small>(&answer_at)?;
    say(&addr)?;
    loop {
        tx.post(rx.recv().await?)?;
    }
}

fn say_batch(sum: u64) -> Outcome<()> {
    assert_eq!(sum, N * (N - 1) / 2, "what was read is not what was sent");
    say(&sum)
}

fn endpoint() -> Endpoint {
    Endpoint::new(EndpointOptions::new(Handle::current()))
}
