//! A task that takes messages out of a channel of kanal.

use ::kanal::AsyncSender;
use hypermesh_benches::Outcome;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::channels::Item;
use crate::library::{Adder, Library};

/// The channel without a bound.
pub(crate) struct Kanal;

impl Library for Kanal {
    const NAME: &'static str = "kanal 0.1";
    type Handle = AsyncSender<Item>;

    async fn start(&self, mut adder: Adder) -> Outcome<Self::Handle> {
        let (sender, receiver) = ::kanal::unbounded_async::<Item>();
        // It ends with the last sender.
        Handle::current().spawn(async move {
            while let Ok(item) = receiver.recv().await {
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
