//! What an idle link has on the heap, at both ends.

use std::process::Stdio;

use bytes::Bytes;
use hypermesh::channel::ChannelAddr;
use hypermesh_benches::{AllocationCount, Figure, Limit, Outcome, Report, Unit};
use tokio::time;

use crate::load::{Kind, Load, Small};
use crate::ours::{Counting, REST, Reading, endpoint};
use crate::peer::{Batch, DEADLINE, Peer};
use crate::role::Role;
use crate::transport::Transport;

/// Links at the same time, all to one address.
const N_LINKS: usize = 1000;

/// Repetitions: what is counted hardly varies.
const N_ROUNDS: usize = 3;

/// Measures it over each transport.
pub(crate) async fn measure(report: &mut Report) -> Outcome<()> {
    for transport in Transport::ALL {
        let figure = |end: &str| {
            let name = format!("idle link, {transport}, {end}");
            Figure::new(name, Unit::Bytes, Limit::AtMost(32.0 * 1024.0))
        };
        let [mut dialling, mut serving] = [figure("dialling end"), figure("serving end")];
        if ![&dialling, &serving]
            .iter()
            .any(|figure| report.wants(&figure.name))
        {
            continue;
        }
        for _ in 0..N_ROUNDS {
            let (near, far) = idle_links(transport).await?;
            dialling.samples.push(near);
            serving.samples.push(far);
        }
        report.add(dialling);
        report.add(serving);
    }
    Ok(())
}

/// Returns the bytes of one link at the end that dials and at the end that serves, when each has
/// carried one message.
async fn idle_links(transport: Transport) -> Outcome<(f64, f64)> {
    let reading = Reading {
        transport,
        kind: Kind::Small,
        n: N_LINKS as u64,
        counting: Counting::AtRest,
    };
    let mut server = Peer::start(&Role::Read(reading), Stdio::piped())?;
    let addr: ChannelAddr = server.hear().await?;
    let endpoint = endpoint();
    let count = AllocationCount::start();
    let mut links = Vec::with_capacity(N_LINKS);
    for seq in 0..reading.n {
        let tx = endpoint.dial::<Small>(&addr)?;
        let message = Small::numbered(seq, &Bytes::new());
        time::timeout(DEADLINE, tx.send(message)).await??;
        links.push(tx);
    }
    let batch: Batch = server.hear().await?;
    time::sleep(REST).await;
    let live = [count.so_far().live, batch.allocations.live];
    drop(links);
    endpoint.shutdown(REST).await;
    let [near, far] = live.map(|bytes| bytes as f64 / N_LINKS as f64);
    Ok((near, far))
}
