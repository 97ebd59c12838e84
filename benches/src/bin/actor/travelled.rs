//! A message to an actor of the same process by a ref that has been on its way, beside one by a handle.

use std::time::Instant;

use hypermesh::prelude::*;
use hypermesh::wire;
use hypermesh_benches::{Figure, Limit, Outcome, Report, Unit};
use tokio::sync::mpsc;

use crate::in_task;
use crate::library::{Adder, Library};
use crate::ours::{Add, OurAdder, Ours};

/// Messages of one repetition.
const N: u64 = 200_000;

/// By what a message is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Handle,
    ActorRef,
    PortRef,
}

/// Measures both kinds of ref.
pub(crate) async fn measure(report: &mut Report) -> Outcome<()> {
    let ours = Ours::new("travelled")?;
    for (name, by) in [
        ("send by a travelled ActorRef", By::ActorRef),
        ("send by a travelled PortRef", By::PortRef),
    ] {
        let figure = Figure::new(name, Unit::Nanoseconds, Limit::RatioAtMost(2.0));
        let sample = async || time(&ours, by).await;
        let baseline = async || time(&ours, By::Handle).await;
        report.compare(figure, sample, baseline).await?;
    }
    Ok(())
}

/// Returns the nanoseconds of each message, until all are handled.
async fn time(ours: &Ours, by: By) -> Outcome<f64> {
    let (done, mut sums) = mpsc::unbounded_channel();
    let handle = ours.start(Adder::new(N, done)).await?;
    let actor_ref: ActorRef<OurAdder> = travelled(&handle.bind())?;
    let port: PortRef<Add> = travelled(&actor_ref.port::<Add>())?;
    let client = ours.proc.client("sender");
    let sender = handle.clone();
    let elapsed = in_task(async move {
        let start = Instant::now();
        for n in 0..N {
            match by {
                By::Handle => sender.tell(Add(n))?,
                By::ActorRef => actor_ref.tell(&client, Add(n))?,
                By::PortRef => port.send(&client, Add(n)),
            }
        }
        let sum = sums.recv().await.ok_or("the actor ended too early")?;
        assert_eq!(sum, N * (N - 1) / 2, "a message was lost");
        Ok(start.elapsed())
    })
    .await?;
    ours.stop(handle).await?;
    Ok(elapsed.as_secs_f64() * 1e9 / N as f64)
}

/// Returns `value` as whoever gets it in a message has it.
fn travelled<T: Message>(value: &T) -> Outcome<T> {
    let bytes = wire::encode(value)?;
    Ok(wire::decode(&bytes)?)
}
