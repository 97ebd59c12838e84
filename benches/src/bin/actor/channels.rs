//! Actors made by hand: a task that takes messages out of a channel.

use hypermesh_benches::Outcome;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use crate::library::{Adder, Library};

/// Messages that a bounded channel holds.
pub(crate) const CAPACITY: usize = 1024;

/// A message of such an actor.
#[derive(Debug)]
pub(crate) enum Item {
    Add(u64),
    Next(u64, oneshot::Sender<u64>),
}

impl Item {
    /// Does what it says.
    #[inline]
    pub(crate) fn handle(self, adder: &mut Adder) {
        match self {
            Self::Add(n) => adder.add(n),
            // Whoever gave up waiting need not hear of it.
            Self::Next(n, reply) => _ = reply.send(n + 1),
        }
    }
}

/// Tokio's channel without a bound.
#[derive(Debug)]
pub(crate) struct Unbounded;

impl Library for Unbounded {
    const NAME: &'static str = "tokio unbounded";
    type Handle = mpsc::UnboundedSender<Item>;

    async fn start(&self, mut adder: Adder) -> Outcome<Self::Handle> {
        let (sender, mut receiver) = mpsc::unbounded_channel::<Item>();
        // It ends with the last sender.
        Handle::current().spawn(async move {
            while let Some(item) = receiver.recv().await {
                item.handle(&mut adder);
            }
        });
        Ok(sender)
    }

    async fn tell(handle: &Self::Handle, n: u64) -> Outcome<()> {
        Ok(handle.send(Item::Add(n))?)
    }

    async fn ask(handle: &Self::Handle, n: u64) -> Outcome<u64> {
        let (reply, answer) = oneshot::channel();
        handle.send(Item::Next(n, reply))?;
        Ok(answer.await?)
    }

    async fn stop(&self, handle: Self::Handle) -> Outcome<()> {
        drop(handle);
        Ok(())
    }
}

/// Tokio's channel with a bound.
#[derive(Debug)]
pub(crate) struct Bounded;

impl Library for Bounded {
    const NAME: &'static str = "tokio bounded";
    type Handle = mpsc::Sender<Item>;

    async fn start(&self, mut adder: Adder) -> Outcome<Self::Handle> {
        let (sender, mut receiver) = mpsc::channel::<Item>(CAPACITY);
        // It ends with the last sender.
        Handle::current().spawn(async move {
            while let Some(item) = receiver.recv().await {
                item.handle(&mut adder);
            }
        });
        Ok(sender)
    }

    async fn tell(handle: &Self::Handle, n: u64) -> Outcome<()> {
        Ok(handle.send(Item::Add(n)).await?)
    }

    async fn ask(handle: &Self::Handle, n: u64) -> Outcome<u64> {
        let (reply, answer) = oneshot::channel();
        handle.send(Item::Next(n, reply)).await?;
        Ok(answer.await?)
    }

    async fn stop(&self, handle: Self::Handle) -> Outcome<()> {
        drop(handle);
        Ok(())
    }
}
