//! Messages one way inside a process, over a link of the transport `local`, beside a bounded channel of tokio.
//!
//! The messages of the channel are moved and nothing else. Those of the link are encoded, framed, acknowledged and
//! decoded, as over any other transport. Both ends run where the system likes, on a runtime of their own.

use hypermesh::channel::{ChannelAddr, ChannelTransport, Endpoint, Rx, Tx};
use hypermesh::wire::Bytes;
use hypermesh_benches::{Figure, Limit, Outcome, Report, Unit};
use tokio::runtime::{Handle, Runtime};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::load::{Load, Small};
use crate::one_way::rate;
use crate::ours::{QUEUE_MESSAGES, REST, options};
use crate::peer::DEADLINE;
use crate::runtime;

/// Messages of a repetition: about a tenth of a second.
const N: u64 = 1_000_000;

/// Both ends of a link.
struct Link {
    endpoint: Endpoint,
    tx: Tx<Small>,
    /// Not while a batch runs.
    rx: Option<Rx<Small>>,
}

/// Measures the small message.
pub(crate) async fn measure(report: &mut Report) -> Outcome<()> {
    let name = "64 B one way, local : bounded channel";
    let figure = Figure::new(name, Unit::PerSecond, Limit::RatioAtLeast(0.5));
    if !report.wants(&figure.name) {
        return Ok(());
    }
    let runtime = runtime()?;
    let mut link = Link::new(&runtime)?;
    let handle = runtime.handle().clone();
    let compared = report.compare(
        figure,
        async || rate(N, link.send_batch(&handle)).await,
        async || rate(N, send_over_channel(&handle)).await,
    );
    compared.await?;
    link.endpoint.shutdown(REST).await;
    runtime.shutdown_background();
    Ok(())
}

impl Link {
    fn new(runtime: &Runtime) -> Outcome<Self> {
        let _entered = runtime.enter();
        let endpoint = Endpoint::new(options());
        let (addr, rx) = endpoint.serve(ChannelAddr::any(ChannelTransport::Local))?;
        let tx = endpoint.dial(&addr)?;
        let rx = Some(rx);
        Ok(Self { endpoint, tx, rx })
    }

    async fn send_batch(&mut self, runtime: &Handle) -> Outcome<()> {
        let tx = self.tx.clone();
        let mut rx = self.rx.take().ok_or("a batch did not end")?;
        let sending = async move {
            for seq in 0..N {
                tx.ready().await?;
                tx.post(Small::numbered(seq, &Bytes::new()))?;
            }
            Ok(())
        };
        let receiving = async move {
            for seq in 0..N {
                check(&rx.recv().await?, seq);
            }
            Ok(rx)
        };
        self.rx = both(runtime, sending, receiving).await?;
        Ok(())
    }
}

/// Sends a batch over a channel that holds as many messages as may wait on a link.
async fn send_over_channel(runtime: &Handle) -> Outcome<()> {
    let (tx, mut rx) = mpsc::channel(QUEUE_MESSAGES);
    let sending = async move {
        for seq in 0..N {
            tx.send(Small::numbered(seq, &Bytes::new())).await?;
        }
        Ok(())
    };
    let receiving = async move {
        for seq in 0..N {
            check(&rx.recv().await.ok_or("a message is missing")?, seq);
        }
        Ok(())
    };
    both(runtime, sending, receiving).await?;
    Ok(())
}

/// Runs both ends of a batch, each in a task, and returns what the receiving one has to give back.
async fn both<T: Send + 'static>(
    runtime: &Handle,
    sending: impl Future<Output = Outcome<()>> + Send + 'static,
    receiving: impl Future<Output = Outcome<T>> + Send + 'static,
) -> Outcome<Option<T>> {
    let mut tasks = JoinSet::new();
    tasks.spawn_on(async { sending.await.map(|()| None) }, runtime);
    tasks.spawn_on(async { receiving.await.map(Some) }, runtime);
    let ended = async {
        let mut given_back = None;
        while let Some(ended) = tasks.join_next().await {
            given_back = ended??.or(given_back);
        }
        Ok(given_back)
    };
    timeout(DEADLINE, ended).await?
}

fn check(message: &Small, seq: u64) {
    assert_eq!(message.seq(), seq, "what came is not what was sent");
}
