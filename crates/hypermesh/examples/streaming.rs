//! A worker in another process answers one question with a stream of values, as fast as they are read.
#![allow(clippy::print_stdout, reason = "an example is a program: it prints")]

use hypermesh::prelude::*;
use hypermesh::{ReplySink, ReplyTo, Streaming};

/// Asks for the primes below a number, one by one.
#[derive(Clone, Message)]
struct PrimesBelow(u64);

/// Asks how many primes were sent so far.
#[derive(Clone, Message)]
struct Sent;

#[derive(Default)]
struct Sieve {
    sent: std::sync::Arc<std::sync::atomic::AtomicU64>,
}

impl RemoteSpawn for Sieve {
    type Params = ();
    async fn create(_params: (), _env: &Env) -> Result<Self> {
        Ok(Self::default())
    }
}

#[actor(spawn = "sieve")]
impl Sieve {
    /// Leaves the work to a child, so that this actor answers others meanwhile.
    #[handler]
    fn primes(&mut self, cx: &Cx<'_, Self>, below: PrimesBelow, reply: ReplyTo<Streaming<u64>>) {
        let sink = reply.stream();
        let search = cx.spawn(Search {
            sent: self.sent.clone(),
        });
        // If the child is ending, the sink is dropped, and whoever reads learns it.
        _ = search.tell(Begin(below, sink));
        search.drain();
    }

    #[handler]
    fn sent(&mut self, _cx: &Cx<'_, Self>, _: Sent) -> Result<u64> {
        Ok(self.sent.load(std::sync::atomic::Ordering::Relaxed))
    }
}

/// Writes one stream and ends.
struct Search {
    sent: std::sync::Arc<std::sync::atomic::AtomicU64>,
}

struct Begin(PrimesBelow, ReplySink<u64>);

#[actor]
impl Search {
    #[handler(local)]
    async fn begin(&mut self, _cx: &Cx<'_, Self>, Begin(PrimesBelow(end), mut sink): Begin) {
        for n in 2..end {
            let is_prime = (2..).take_while(|d| d * d <= n).all(|d| n % d != 0);
            // Waits while the reader has no room; ends when nobody reads any more.
            if is_prime && sink.send(n).await.is_err() {
                return;
            }
            let sent = u64::from(is_prime);
            self.sent
                .fetch_add(sent, std::sync::atomic::Ordering::Relaxed);
        }
        sink.finish();
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let hosts = HostMesh::process(extent!(hosts = 1), BootstrapCommand::current()?).await?;
    let cx = global_root_client();
    let procs = hosts.spawn(cx, "procs", extent!(procs = 1)).await?;
    let sieves = procs.spawn::<Sieve>(cx, "sieve", &()).await?;
    let sieve = sieves.get(0).expect("there is one");

    let mut primes = sieve.stream(cx, PrimesBelow(10_000));
    let (mut count, mut last) = (0, 0);
    while let Some(prime) = primes.next().await {
        (count, last) = (count + 1, prime?);
    }
    println!("{count} primes below 10000, the last is {last}");
    assert_eq!((count, last), (1229, 9973));

    // A reader that stops reading stops the writer: it is never far ahead.
    let mut endless = sieve.stream(cx, PrimesBelow(u64::MAX));
    for _ in 0..10 {
        _ = endless.next().await.transpose()?;
    }
    let ahead = sieve.ask(cx, Sent).await? - count - 10;
    println!("10 values were read; {ahead} more were sent and wait to be read");
    drop(endless);

    hosts.shutdown(cx).await?;
    Ok(())
}
