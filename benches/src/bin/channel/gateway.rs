//! Small messages one way through a gateway, a process of its own, beside a link without one.

use std::process::Stdio;

use hypermesh::channel::{ChannelAddr, Endpoint, Route};
use hypermesh_benches::{Figure, Limit, Outcome, Report, Unit};

use crate::case::SMALL;
use crate::load::Small;
use crate::one_way::rate;
use crate::ours::{self, Counting, options};
use crate::peer::{Peer, parent_gone, say};
use crate::role::Role;
use crate::transport::Transport;

/// Measures it over each transport: from here to the gateway and from there on it is the same.
pub(crate) async fn measure(report: &mut Report) -> Outcome<()> {
    for transport in Transport::ALL {
        let name = format!("64 B through a gateway, {transport}");
        let figure = Figure::new(name, Unit::PerSecond, Limit::RatioAtLeast(0.4));
        if !report.wants(&figure.name) {
            continue;
        }
        let mut gateway = Peer::start(&Role::Gateway(transport), Stdio::piped())?;
        let at: ChannelAddr = gateway.hear().await?;
        let reading = SMALL.reading(transport, Counting::Off);
        let mut direct = ours::Sender::<Small>::start(reading).await?;
        let mut through =
            ours::Sender::<Small>::start_over(reading, |addr| Route::via([at], addr)).await?;
        let compared = report.compare(
            figure,
            async || rate(reading.n, through.send_batch()).await,
            async || rate(reading.n, direct.send_batch()).await,
        );
        compared.await?;
        through.stop().await;
        direct.stop().await;
    }
    Ok(())
}

/// Is the gateway, until the parent has no more use for it. It receives nothing: what is dialled there is carried on.
pub(crate) async fn serve(transport: Transport) -> Outcome<()> {
    let mut options = options();
    options.gateway = true;
    let endpoint = Endpoint::new(options);
    let (addr, _rx) = endpoint.serve::<Small>(transport.any_addr())?;
    say(&addr)?;
    parent_gone().await
}
