//! What a message one way asks the allocators of both ends for, over unix sockets.
//!
//! A part that is not copied costs the sender nothing for each of its bytes. The receiver has to put it somewhere: one
//! byte for each if it keeps all messages from the first on, and two if it copies them, as it does with short parts. If it lets go of each before the
//! next one, the memory may be used again and it may be less. A copy into memory that is there already is not seen.

use hypermesh_benches::{AllocationCount, Allocations, Figure, Limit, Outcome, Report, Unit};

use crate::case::{BULK, Case, SMALL};
use crate::load::{Bulk, Kind, Load, Small};
use crate::ours::{Counting, Sender};
use crate::transport::Transport;

/// What a sender may ask for, for each byte of parts: what is around them.
const AROUND: Limit = Limit::AtMost(0.1);

/// What a receiver may ask for, for each byte of parts that it keeps.
const ONCE: Limit = Limit::AtMost(1.1);

/// That is for parts of so many bytes: shorter ones are copied out of what is read at once.
const LONG_PART: usize = 64 << 10;

/// Counts it for each size.
pub(crate) async fn measure(report: &mut Report) -> Outcome<()> {
    for case in &BULK {
        measure_case::<Bulk>(report, case).await?;
    }
    measure_case::<Small>(report, &SMALL).await
}

async fn measure_case<M: Load>(report: &mut Report, case: &Case) -> Outcome<()> {
    let figure = |what: &str, unit, limit| {
        let name = format!("{} unix, {what}", case.name);
        Figure::new(name, unit, limit)
    };
    let mut figures = match case.kind {
        Kind::Small | Kind::Integers => vec![
            figure("allocated: sender", Unit::Bytes, Limit::Any),
            figure("allocated: receiver", Unit::Bytes, Limit::Any),
        ],
        Kind::Bulk(size) => vec![
            figure("allocated a byte: sender", Unit::Count, AROUND),
            figure("allocated a byte: receiver", Unit::Count, Limit::Any),
            figure(
                "allocated a byte: keeper",
                Unit::Count,
                if LONG_PART <= size { ONCE } else { Limit::Any },
            ),
        ],
    };
    figures.push(figure("allocations: sender", Unit::Count, Limit::Any));
    figures.push(figure("allocations: receiver", Unit::Count, Limit::Any));
    if !figures.iter().any(|figure| report.wants(&figure.name)) {
        return Ok(());
    }
    let n_messages = case.n_counted as f64;
    let (sender, receiver) = passing::<M>(case).await?;
    let bytes = [sender.bytes, receiver.bytes].map(|bytes| bytes as f64 / n_messages);
    let mut samples = match case.kind {
        Kind::Small | Kind::Integers => bytes.to_vec(),
        Kind::Bulk(size) => {
            let [sender, receiver] = bytes.map(|bytes| bytes / size as f64);
            let keeper = keeping::<M>(case).await?.bytes as f64 / n_messages / size as f64;
            vec![sender, receiver, keeper]
        }
    };
    samples.extend([sender.calls, receiver.calls].map(|calls| calls as f64 / n_messages));
    for (mut figure, sample) in figures.into_iter().zip(samples) {
        figure.samples.push(sample);
        report.add(figure);
    }
    Ok(())
}

/// Returns what the sender and a receiver asked for that lets go of each message before the next one.
async fn passing<M: Load>(case: &Case) -> Outcome<(Allocations, Allocations)> {
    let mut ours = Sender::<M>::start(case.reading(Transport::Unix, Counting::Busy)).await?;
    // The first batch connects and fills the queues.
    ours.send_batch().await?;
    let count = AllocationCount::start();
    let receiver = ours.send_batch().await?.allocations;
    let sender = count.so_far();
    drop(count);
    ours.stop().await;
    Ok((sender, receiver))
}

/// Returns what a receiver asked for that keeps all messages. The first batch counts: later ones may lie where it lay.
async fn keeping<M: Load>(case: &Case) -> Outcome<Allocations> {
    let mut ours = Sender::<M>::start(case.reading(Transport::Unix, Counting::Keeping)).await?;
    let receiver = ours.send_batch().await?.allocations;
    ours.stop().await;
    Ok(receiver)
}
