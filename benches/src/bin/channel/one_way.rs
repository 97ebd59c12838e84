//! Messages one way, beside frames over a bare socket and beside ZeroMQ.

use std::time::Instant;

use hypermesh_benches::{AllocationCount, Figure, Limit, Outcome, Report, Unit};

use crate::load::{Bulk, Kind, Load, Small};
use crate::ours::{self, Counting};
use crate::raw;
use crate::transport::Transport;
#[cfg(feature = "zmq")]
use crate::zeromq;

/// One size of message.
struct Case {
    name: &'static str,
    kind: Kind,
    /// Messages of a repetition, ours and those of ZeroMQ: about a tenth of a second.
    n: u64,
    /// Frames of a repetition of the baseline, which is faster.
    n_raw: u64,
    /// Messages of the count of allocations.
    n_counted: u64,
    /// Our rate over that of the baseline, at least.
    least: f64,
}

const SMALL: Case = Case {
    name: "64 B",
    kind: Kind::Small,
    n: 400_000,
    n_raw: 4_000_000,
    n_counted: 100_000,
    least: 0.25,
};

const BULK: [Case; 3] = [
    Case {
        name: "4 KiB",
        kind: Kind::Bulk(4 << 10),
        n: 40_000,
        n_raw: 40_000,
        n_counted: 20_000,
        least: 0.7,
    },
    Case {
        name: "1 MiB",
        kind: Kind::Bulk(1 << 20),
        n: 256,
        n_raw: 256,
        n_counted: 100,
        least: 0.85,
    },
    Case {
        name: "64 MiB",
        kind: Kind::Bulk(64 << 20),
        n: 4,
        n_raw: 4,
        n_counted: 3,
        least: 0.85,
    },
];

/// Measures every size over each transport.
pub(crate) async fn measure(report: &mut Report) -> Outcome<()> {
    for transport in Transport::ALL {
        rates::<Small>(report, transport, &SMALL).await?;
        for case in &BULK {
            rates::<Bulk>(report, transport, case).await?;
        }
    }
    for case in &BULK {
        allocations::<Bulk>(report, case).await?;
    }
    allocations::<Small>(report, &SMALL).await
}

/// Measures the rates of one case, all of them in turns.
async fn rates<M: Load>(report: &mut Report, transport: Transport, case: &Case) -> Outcome<()> {
    let name = format!("{} one way, {transport}", case.name);
    let name_beside_zeromq = format!("{name} : ZeroMQ");
    // One asks for both.
    if !report.wants(&name_beside_zeromq) {
        return Ok(());
    }
    // Small messages are counted, large ones by their bytes.
    let (unit, scale) = match case.kind {
        Kind::Small => (Unit::PerSecond, 1.0),
        Kind::Bulk(size) => (Unit::BytesPerSecond, size as f64),
    };
    let mut beside_raw = Figure::new(name, unit, Limit::RatioAtLeast(case.least));
    let mut raw = raw::Sender::start(
        transport,
        raw::Reading {
            kind: case.kind,
            n: case.n_raw,
        },
    )?;
    let mut ours = ours::Sender::<M>::start(reading(transport, case, Counting::Off)).await?;
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
        Kind::Bulk(_) => Limit::Any,
    }
}

/// Returns the messages per second of a batch of `n`.
async fn rate<T>(n: u64, batch: impl Future<Output = Outcome<T>>) -> Outcome<f64> {
    let start = Instant::now();
    batch.await?;
    Ok(n as f64 / start.elapsed().as_secs_f64())
}

fn reading(transport: Transport, case: &Case, counting: Counting) -> ours::Reading {
    let n = match counting {
        Counting::Off => case.n,
        Counting::Busy | Counting::AtRest => case.n_counted,
    };
    ours::Reading {
        transport,
        kind: case.kind,
        n,
        counting,
    }
}

/// Counts what a message asks the allocators of both ends for, over unix sockets: a part that is not
/// copied is its own size at the receiver and nothing at the sender.
async fn allocations<M: Load>(report: &mut Report, case: &Case) -> Outcome<()> {
    let figure = |what: &str, unit| {
        let name = format!("{} unix, {what}", case.name);
        Figure::new(name, unit, Limit::Any)
    };
    let mut figures = [
        figure("bytes allocated: sender", Unit::Bytes),
        figure("bytes allocated: receiver", Unit::Bytes),
        figure("allocations: sender", Unit::Count),
        figure("allocations: receiver", Unit::Count),
    ];
    if !figures.iter().any(|figure| report.wants(&figure.name)) {
        return Ok(());
    }
    let reading = reading(Transport::Unix, case, Counting::Busy);
    let mut sender = ours::Sender::<M>::start(reading).await?;
    // The first batch connects and fills the queues.
    sender.send_batch().await?;
    let count = AllocationCount::start();
    let there = sender.send_batch().await?.allocations;
    let here = count.so_far();
    sender.stop().await;
    let totals = [here.bytes, there.bytes, here.calls, there.calls];
    for (figure, total) in figures.iter_mut().zip(totals) {
        figure.samples.push(total as f64 / reading.n as f64);
    }
    for figure in figures {
        report.add(figure);
    }
    Ok(())
}
