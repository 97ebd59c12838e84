//! What every library of actors is asked to do: add up what it is told, and answer a question.

use std::time::Instant;

use hypermesh_benches::Outcome;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Messages of one repetition: fewer than the queue of an actor may hold, for a sender may be faster.
pub(crate) const N_TELLS: u64 = 400_000;

/// Questions of one repetition.
const N_ASKS: u64 = 30_000;

/// Actors of a fan-out.
const N_ACTORS: u64 = 1000;

/// Rounds of a fan-out in one repetition.
const N_ROUNDS: u64 = 40;

/// A way to have actors.
pub(crate) trait Library {
    /// What it is called, with its version.
    const NAME: &'static str;

    /// What a message is sent by.
    type Handle: Clone + Send + Sync + 'static;

    /// Starts an actor that does as `adder` does.
    async fn start(&self, adder: Adder) -> Outcome<Self::Handle>;

    /// Tells the actor a number to add.
    fn tell(handle: &Self::Handle, n: u64) -> impl Future<Output = Outcome<()>> + Send;

    /// Asks the actor for the number after `n`.
    fn ask(handle: &Self::Handle, n: u64) -> impl Future<Output = Outcome<u64>> + Send;

    /// Ends the actor.
    async fn stop(&self, handle: Self::Handle) -> Outcome<()>;
}

/// What an actor does: adds up, and says so after as many messages as it was told to expect.
#[derive(Debug)]
pub(crate) struct Adder {
    sum: u64,
    n_left: u64,
    n_expected: u64,
    done: mpsc::UnboundedSender<u64>,
}

impl Adder {
    /// Returns one that says the sum after each `n_expected` messages.
    pub(crate) fn new(n_expected: u64, done: mpsc::UnboundedSender<u64>) -> Self {
        Self {
            sum: 0,
            n_left: n_expected,
            n_expected,
            done,
        }
    }

    #[inline]
    pub(crate) fn add(&mut self, n: u64) {
        self.sum += n;
        self.n_left -= 1;
        if self.n_left == 0 {
            self.n_left = self.n_expected;
            // Whoever gave up waiting need not hear of it.
            _ = self.done.send(self.sum);
        }
    }
}

/// Returns the messages in a second that `n_senders` tasks tell one actor, until it has added them all.
pub(crate) async fn tell_rate<L: Library>(library: &L, n_senders: u64) -> Outcome<f64> {
    let (done, mut sums) = mpsc::unbounded_channel();
    let handle = library.start(Adder::new(N_TELLS, done)).await?;
    let mut senders: JoinSet<Outcome<()>> = JoinSet::new();
    let start = Instant::now();
    for _ in 0..n_senders {
        let handle = handle.clone();
        senders.spawn(async move {
            for n in 0..N_TELLS / n_senders {
                L::tell(&handle, n).await?;
            }
            Ok(())
        });
    }
    let sum = sums.recv().await.ok_or("an actor ended too early")?;
    let elapsed = start.elapsed();
    while let Some(sent) = senders.join_next().await {
        sent??;
    }
    library.stop(handle).await?;
    let each = N_TELLS / n_senders;
    assert_eq!(
        sum,
        n_senders * (each * (each - 1) / 2),
        "a message was lost"
    );
    Ok(N_TELLS as f64 / elapsed.as_secs_f64())
}

/// Returns the nanoseconds of a question and its answer, one after the other.
pub(crate) async fn ask_time<L: Library>(library: &L) -> Outcome<f64> {
    let (done, _sums) = mpsc::unbounded_channel();
    let handle = library.start(Adder::new(1, done)).await?;
    let asker = handle.clone();
    let mut tasks: JoinSet<Outcome<()>> = JoinSet::new();
    let start = Instant::now();
    tasks.spawn(async move {
        for n in 0..N_ASKS {
            assert_eq!(L::ask(&asker, n).await?, n + 1);
        }
        Ok(())
    });
    while let Some(asked) = tasks.join_next().await {
        asked??;
    }
    let elapsed = start.elapsed();
    library.stop(handle).await?;
    Ok(elapsed.as_secs_f64() * 1e9 / N_ASKS as f64)
}

/// Returns the rounds in a second, each a message to every actor and an acknowledgement of each.
pub(crate) async fn fan_out_rate<L: Library>(library: &L) -> Outcome<f64> {
    let (done, mut acks) = mpsc::unbounded_channel();
    let mut handles = Vec::new();
    for _ in 0..N_ACTORS {
        handles.push(library.start(Adder::new(1, done.clone())).await?);
    }
    let mut tasks = JoinSet::new();
    let start = Instant::now();
    tasks.spawn(async move {
        for n in 0..N_ROUNDS {
            for handle in &handles {
                L::tell(handle, n).await?;
            }
            for _ in 0..N_ACTORS {
                acks.recv().await.ok_or("an actor ended too early")?;
            }
        }
        Outcome::Ok(handles)
    });
    let handles = tasks.join_next().await.ok_or("no task was spawned")???;
    let elapsed = start.elapsed();
    for handle in handles {
        library.stop(handle).await?;
    }
    Ok(N_ROUNDS as f64 / elapsed.as_secs_f64())
}
