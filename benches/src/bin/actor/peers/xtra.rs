//! Actors of xtra.

use ::xtra::{Actor, Address, Context, Handler, Mailbox};
use hypermesh_benches::Outcome;

use crate::library::{Adder, Library};
use crate::ours::{Add, Next};

/// The library.
pub(crate) struct Xtra;

pub(crate) struct Adding(Adder);

impl Actor for Adding {
    type Stop = ();

    async fn stopped(self) {}
}

impl Handler<Add> for Adding {
    type Return = ();

    async fn handle(&mut self, Add(n): Add, _cx: &mut Context<Self>) {
        self.0.add(n);
    }
}

impl Handler<Next> for Adding {
    type Return = u64;

    async fn handle(&mut self, Next(n): Next, _cx: &mut Context<Self>) -> u64 {
        n + 1
    }
}

impl Library for Xtra {
    const NAME: &'static str = "xtra 0.6";
    type Handle = Address<Adding>;

    async fn start(&self, adder: Adder) -> Outcome<Self::Handle> {
        Ok(::xtra::spawn_tokio(Adding(adder), Mailbox::unbounded()))
    }

    async fn tell(handle: &Self::Handle, n: u64) -> Outcome<()> {
        // Until it is in the mailbox, not until it is handled.
        _ = handle.send(Add(n)).detach().await?;
        Ok(())
    }

    async fn ask(handle: &Self::Handle, n: u64) -> Outcome<u64> {
        Ok(handle.send(Next(n)).await?)
    }

    async fn stop(&self, handle: Self::Handle) -> Outcome<()> {
        drop(handle);
        Ok(())
    }
}
