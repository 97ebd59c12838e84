//! How long nothing arrives after a connection is cut, and how often a link tries to connect.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Stdio;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hypermesh::channel::{ChannelAddr, Tx};
use hypermesh_benches::{Figure, Limit, Outcome, Report, Unit};
use tokio::time::{sleep, timeout};

use crate::load::{Kind, Load, Small};
use crate::ours::{Counting, REST, Reading, endpoint};
use crate::peer::{DEADLINE, Peer};
use crate::proxy::Proxy;
use crate::role::Role;
use crate::transport::Transport;

/// How long the peer is away.
const AWAY: Duration = Duration::from_millis(300);

/// Measures it over tcp.
pub(crate) async fn measure(report: &mut Report) -> Outcome<()> {
    let mut resumed = Figure::new(
        "reconnect after a cut, tcp",
        Unit::Nanoseconds,
        Limit::AtMost(50e6),
    );
    let mut attempts = Figure::new(
        "reconnect attempts after a cut",
        Unit::Count,
        Limit::AtMost(2.0),
    );
    let mut away = Figure::new(
        "reconnect attempts in 300 ms away",
        Unit::Count,
        Limit::AtMost(12.0),
    );
    if ![&resumed, &attempts, &away]
        .iter()
        .any(|figure| report.wants(&figure.name))
    {
        return Ok(());
    }
    let reading = Reading {
        transport: Transport::Tcp,
        kind: Kind::Small,
        // It never says anything: this end knows from acknowledgements what has arrived.
        n: u64::MAX,
        counting: Counting::Off,
    };
    let mut server = Peer::start(&Role::Read(reading), Stdio::piped())?;
    let addr: ChannelAddr = server.hear().await?;
    let ChannelAddr::Tcp { port, .. } = addr else {
        return Err(format!("{addr} is no tcp address").into());
    };
    let target = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let proxy = Proxy::start(target)?;
    // The first round does not count.
    for idx in 0..=report.repeat() {
        let cut = after_cut(&proxy, Duration::ZERO).await?;
        let back = after_cut(&proxy, AWAY).await?;
        if 0 < idx {
            resumed.samples.push(cut.time.as_secs_f64() * 1e9);
            attempts.samples.push(cut.n_attempts as f64);
            away.samples.push(back.n_attempts as f64);
        }
    }
    [resumed, attempts, away]
        .into_iter()
        .for_each(|figure| report.add(figure));
    Ok(())
}

/// What follows on a cut.
struct Resumed {
    /// From the cut to the first acknowledgement.
    time: Duration,
    n_attempts: usize,
}

/// Cuts the connection of a new link, refuses new ones for the time `away`, and waits until it works again.
async fn after_cut(proxy: &Proxy, away: Duration) -> Outcome<Resumed> {
    // An endpoint of its own, so that earlier cuts do not make it wait longer.
    let endpoint = endpoint();
    let addr: ChannelAddr = format!("tcp:{}", proxy.addr()).parse()?;
    let tx = endpoint.dial::<Small>(&addr)?;
    send(&tx, 0).await?;
    let before = proxy.n_accepted();
    proxy.refuse(!away.is_zero()).await?;
    proxy.cut().await?;
    let start = Instant::now();
    if !away.is_zero() {
        sleep(away).await;
        proxy.refuse(false).await?;
    }
    send(&tx, 1).await?;
    let time = start.elapsed();
    let n_attempts = proxy.n_accepted() - before;
    endpoint.shutdown(REST).await;
    Ok(Resumed { time, n_attempts })
}

/// Sends one message, again as long as it is not known to have arrived.
async fn send(tx: &Tx<Small>, seq: u64) -> Outcome<()> {
    let mut message = Small::numbered(seq, &Bytes::new());
    let sent = async {
        while let Err(error) = tx.send(message).await {
            message = error.message;
        }
    };
    Ok(timeout(DEADLINE, sent).await?)
}
