//! Messages and questions between two tasks of one process, beside bare channels.

use std::time::Instant;

use hypermesh::actor::Proc;
use hypermesh::prelude::*;
use hypermesh_benches::{Figure, Limit, Outcome, Report, Unit};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use crate::bench_proc;

/// Messages of one repetition: fewer than the queue of an actor may hold, for the sender is faster.
const N_TELLS: u64 = 500_000;

/// Questions of one repetition.
const N_ASKS: u64 = 50_000;

/// A small message.
#[derive(Message)]
struct Add(u64);

/// A question: what is it, one more?
#[derive(Message)]
struct Next(u64);

/// Adds up a known number of messages.
struct Adder {
    sum: u64,
    n_left: u64,
    done: Option<oneshot::Sender<u64>>,
}

impl Adder {
    fn new(done: oneshot::Sender<u64>) -> Self {
        Self {
            sum: 0,
            n_left: N_TELLS,
            done: Some(done),
        }
    }

    fn take(&mut self, Add(n): Add) {
        self.sum += n;
        self.n_left -= 1;
        if self.n_left == 0
            && let Some(done) = self.done.take()
        {
            // Whoever gave up waiting need not hear of it.
            _ = done.send(self.sum);
        }
    }
}

#[actor]
impl Adder {
    #[handler]
    async fn add(&mut self, _cx: &Cx<'_, Self>, add: Add) {
        self.take(add);
    }
}

struct Successor;

#[actor]
impl Successor {
    #[handler]
    async fn next(&mut self, _cx: &Cx<'_, Self>, Next(n): Next) -> Result<u64> {
        Ok(n + 1)
    }
}

/// Measures both.
pub(crate) async fn measure(report: &mut Report) -> Outcome<()> {
    let proc = bench_proc("local")?;
    let tell = Figure::new("tell 1->1", Unit::PerSecond, Limit::RatioAtLeast(0.6));
    report
        .compare(tell, async || tell_actor(&proc).await, tell_channel)
        .await?;
    let ask = Figure::new("ask", Unit::Nanoseconds, Limit::RatioAtMost(2.5));
    report
        .compare(ask, async || ask_actor(&proc).await, ask_channel)
        .await
}

async fn tell_actor(proc: &Proc) -> Outcome<f64> {
    let (done, sum) = oneshot::channel();
    let actor = proc.spawn(Adder::new(done));
    let sender = actor.clone();
    let rate = rate_until(sum, async move {
        for n in 0..N_TELLS {
            sender.tell(Add(n))?;
        }
        Ok(())
    })
    .await?;
    actor.stop();
    actor.wait().await;
    Ok(rate)
}

async fn tell_channel() -> Outcome<f64> {
    let (done, sum) = oneshot::channel();
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let task = Handle::current().spawn(async move {
        let mut adder = Adder::new(done);
        while let Some(add) = receiver.recv().await {
            adder.take(add);
        }
    });
    let rate = rate_until(sum, async move {
        for n in 0..N_TELLS {
            sender.send(Add(n))?;
        }
        Ok(())
    })
    .await?;
    task.await?;
    Ok(rate)
}

/// Runs `send` in a task of its own and returns the messages in a second until all were counted.
async fn rate_until(
    sum: oneshot::Receiver<u64>,
    send: impl Future<Output = Outcome<()>> + Send + 'static,
) -> Outcome<f64> {
    let start = Instant::now();
    let task = Handle::current().spawn(send);
    let sum = sum.await?;
    let elapsed = start.elapsed();
    task.await??;
    assert_eq!(sum, N_TELLS * (N_TELLS - 1) / 2, "a message was lost");
    Ok(N_TELLS as f64 / elapsed.as_secs_f64())
}

async fn ask_actor(proc: &Proc) -> Outcome<f64> {
    let actor = proc.spawn(Successor);
    let asker = actor.clone();
    let time = time_of(async move {
        for n in 0..N_ASKS {
            assert_eq!(asker.ask(Next(n)).await?, n + 1);
        }
        Ok(())
    })
    .await?;
    actor.stop();
    actor.wait().await;
    Ok(time)
}

async fn ask_channel() -> Outcome<f64> {
    let (sender, mut receiver) = mpsc::unbounded_channel::<(Next, oneshot::Sender<u64>)>();
    let task = Handle::current().spawn(async move {
        while let Some((Next(n), reply)) = receiver.recv().await {
            // Whoever gave up waiting need not hear of it.
            _ = reply.send(n + 1);
        }
    });
    let time = time_of(async move {
        for n in 0..N_ASKS {
            let (reply, answer) = oneshot::channel();
            sender.send((Next(n), reply))?;
            assert_eq!(answer.await?, n + 1);
        }
        Ok(())
    })
    .await?;
    task.await?;
    Ok(time)
}

/// Runs `ask` in a task of its own and returns the nanoseconds of each question.
async fn time_of(ask: impl Future<Output = Outcome<()>> + Send + 'static) -> Outcome<f64> {
    let start = Instant::now();
    Handle::current().spawn(ask).await??;
    Ok(start.elapsed().as_secs_f64() * 1e9 / N_ASKS as f64)
}
