//! Messages one way over TLS, beside those over plain tcp.

use std::process::Stdio;

use hypermesh::channel::{ChannelAddr, ChannelTransport, Endpoint, Route};
use hypermesh_benches::{Figure, Limit, Outcome, Report};
use serde::{Deserialize, Serialize};

use crate::case::{Case, LARGE, SMALL};
use crate::certificates::Certified;
use crate::load::{Bulk, Kind, Load, Small};
use crate::one_way::rate;
use crate::ours::{self, Counting, options};
use crate::peer::{Peer, say};
use crate::role::Role;
use crate::transport::Transport;

/// What a reader does, and whom it trusts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Reading {
    batch: ours::Reading,
    authority: String,
}

/// Where a reader serves, and whom its peers have to trust.
#[derive(Debug, Serialize, Deserialize)]
struct Served {
    addr: ChannelAddr,
    authority: String,
}

/// Measures small messages and large ones.
pub(crate) async fn measure(report: &mut Report) -> Outcome<()> {
    beside_tcp::<Small>(report, &SMALL).await?;
    beside_tcp::<Bulk>(report, &LARGE).await
}

async fn beside_tcp<M: Load>(report: &mut Report, case: &Case) -> Outcome<()> {
    let (unit, scale) = case.unit();
    let name = format!("{} one way, tls : tcp", case.name);
    let figure = Figure::new(name, unit, Limit::Any);
    if !report.wants(&figure.name) {
        return Ok(());
    }
    let reading = case.reading(Transport::Tcp, Counting::Off);
    let mut plain = ours::Sender::<M>::start(reading).await?;
    let mut sealed = start::<M>(reading).await?;
    let compared = report.compare(
        figure,
        async || Outcome::Ok(scale * rate(reading.n, sealed.send_batch()).await?),
        async || Outcome::Ok(scale * rate(reading.n, plain.send_batch()).await?),
    );
    compared.await?;
    sealed.stop().await;
    plain.stop().await;
    Ok(())
}

/// Starts a reader that serves over TLS, and dials it.
async fn start<M: Load>(batch: ours::Reading) -> Outcome<ours::Sender<M>> {
    let own = Certified::new()?;
    let reading = Reading {
        batch,
        authority: own.authority().to_owned(),
    };
    let mut reader = Peer::start(&Role::ReadTls(reading), Stdio::piped())?;
    let served: Served = reader.hear().await?;
    let endpoint = endpoint(&own, &served.authority);
    ours::Sender::dial(endpoint, Route::direct(served.addr), reader, batch)
}

/// Is the reader.
pub(crate) async fn read(reading: Reading) -> Outcome<()> {
    match reading.batch.kind {
        Kind::Bulk(_) => serve::<Bulk>(reading).await,
        Kind::Small | Kind::Integers => serve::<Small>(reading).await,
    }
}

async fn serve<M: Load>(reading: Reading) -> Outcome<()> {
    let own = Certified::new()?;
    let endpoint = endpoint(&own, &reading.authority);
    let (addr, rx) = endpoint.serve::<M>(ChannelAddr::any(ChannelTransport::Tls))?;
    let authority = own.authority().to_owned();
    say(&Served { addr, authority })?;
    ours::take(rx, reading.batch).await
}

fn endpoint(own: &Certified, peer: &str) -> Endpoint {
    let mut options = options();
    options.tls = Some(own.options(peer));
    Endpoint::new(options)
}
