//! Messages one way, beside frames over a bare socket and beside ZeroMQ.

use std::time::Instant;

use hypermesh_benches::{Figure, Limit, Outcome, Report};

use crate::case::{BULK, Case, INTEGERS, SMALL};
use crate::load::{Bulk, Integers, Kind, Load, Small};
use crate::ours::{self, Counting};
use crate::raw;
use crate::transport::Transport;
#[cfg(feature = "zmq")]
use crate::zeromq;

/// Measures every size over each transport.
pub(crate) async fn measure(report: &mut Report) -> Outcome<()> {
    for transport in Transport::ALL {
        rates::<Small>(report, transport, &SMALL).await?;
        rates::<Integers>(report, transport, &INTEGERS).await?;
        for case in &BULK {
            rates::<Bulk>(report, transport, case).await?;
        }
    }
    Ok(())
}

/// Measures the rates of one case, all of them in turns.
async fn rates<M: Load>(report: &mut Report, transport: Transport, case: &Case) -> Outcome<()> {
    let name = format!("{} one way, {transport}", case.name);
    let name_beside_zeromq = format!("{name} : ZeroMQ");
    // One asks for both.
    if !report.wants(&name_beside_zeromq) {
        return Ok(());
    }
    let (unit, scale) = case.unit();
    let mut beside_raw = Figure::new(name, unit, case.limit);
    let mut raw = raw::Sender::start(
        transport,
        raw::Reading {
            kind: case.kind,
            n: case.n_raw,
        },
    )?;
    let mut ours = ours::Sender::<M>::start(case.reading(transport, Counting::Off)).await?;
    #[cfg(feature = "zmq")]
    let (mut beside_zeromq, mut zeromq) = (
        Figure::new(name_beside_zeromq, unit, zeromq_limit(case.kind)),
        zeromq::Sender::start(zeromq::Reading {
            transport,
            kind: case.kind,
            n: case.n,
        })
        .await?,
    );
    // The first round connects and does not count.
    for idx in 0..=report.repeat() {
        let raw_rate = scale * rate(case.n_raw, raw.send_batch()).await?;
        let rate_of_ours = scale * rate(case.n, ours.send_batch()).await?;
        if 0 < idx {
            beside_raw.baseline.push(raw_rate);
            beside_raw.samples.push(rate_of_ours);
        }
        #[cfg(feature = "zmq")]
        {
            let zeromq_rate = scale * rate(case.n, zeromq.send_batch()).await?;
            if 0 < idx {
                beside_zeromq.baseline.push(zeromq_rate);
                beside_zeromq.samples.push(rate_of_ours);
            }
        }
    }
    report.add(beside_raw);
    #[cfg(feature = "zmq")]
    report.add(beside_zeromq);
    ours.stop().await;
    Ok(())
}

#[cfg(feature = "zmq")]
fn zeromq_limit(kind: Kind) -> Limit {
    match kind {
        Kind::Small => Limit::RatioAtLeast(2.0),
        Kind::Integers | Kind::Bulk(_) => Limit::Any,
    }
}

/// Returns the messages per second of a batch of `n`.
pub(crate) async fn rate<T>(n: u64, batch: impl Future<Output = Outcome<T>>) -> Outcome<f64> {
    let start = Instant::now();
    batch.await?;
    Ok(n as f64 / start.elapsed().as_secs_f64())
}
