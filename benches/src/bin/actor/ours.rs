//! Our actor that adds up, as the others have it.

use hypermesh::actor::{Proc, ProcOptions};
use hypermesh::channel::ChannelTransport;
use hypermesh::mailbox::{Gateway, GatewayOptions, ProcId, WorldId};
use hypermesh::prelude::*;
use hypermesh_benches::Outcome;
use tokio::runtime::Handle;

use crate::library::{Adder, Library};

/// A number to add.
#[derive(Message)]
pub(crate) struct Add(pub(crate) u64);

/// A question: what is it, one more?
#[derive(Message)]
pub(crate) struct Next(pub(crate) u64);

/// Adds up.
pub(crate) struct OurAdder(pub(crate) Adder);

#[actor]
impl OurAdder {
    #[handler]
    async fn add(&mut self, _cx: &Cx<'_, Self>, Add(n): Add) {
        self.0.add(n);
    }

    #[handler]
    async fn next(&mut self, _cx: &Cx<'_, Self>, Next(n): Next) -> Result<u64> {
        Ok(n + 1)
    }
}

/// Our actors, on one proc.
pub(crate) struct Ours {
    pub(crate) proc: Proc,
}

impl Ours {
    /// Returns a proc for them that cannot be reached from elsewhere.
    pub(crate) fn new(name: &str) -> Outcome<Self> {
        let proc = proc_over(name, ChannelTransport::Local)?;
        Ok(Self { proc })
    }
}

/// Returns a proc of this runtime that others reach over `transport`.
pub(crate) fn proc_over(name: &str, transport: ChannelTransport) -> Outcome<Proc> {
    let runtime = Handle::current();
    let gateway = Gateway::new(GatewayOptions::new(runtime.clone(), transport));
    Ok(Proc::new(ProcOptions {
        id: ProcId::new(WorldId::new(name).id(), 0, 0),
        name: name.into(),
        gateway,
        runtime,
    })?)
}

impl Library for Ours {
    const NAME: &'static str = "hypermesh";
    type Handle = ActorHandle<OurAdder>;

    async fn start(&self, adder: Adder) -> Outcome<Self::Handle> {
        Ok(self.proc.spawn(OurAdder(adder)))
    }

    async fn tell(handle: &Self::Handle, n: u64) -> Outcome<()> {
        Ok(handle.tell(Add(n))?)
    }

    async fn ask(handle: &Self::Handle, n: u64) -> Outcome<u64> {
        Ok(handle.ask(Next(n)).await?)
    }

    async fn stop(&self, handle: Self::Handle) -> Outcome<()> {
        handle.stop();
        handle.wait().await;
        Ok(())
    }
}

/// Our actor with as much room as a bounded channel has.
pub(crate) struct NarrowAdder(Adder);

#[actor(capacity = crate::channels::CAPACITY)]
impl NarrowAdder {
    #[handler]
    async fn add(&mut self, _cx: &Cx<'_, Self>, Add(n): Add) {
        self.0.add(n);
    }

    #[handler]
    async fn next(&mut self, _cx: &Cx<'_, Self>, Next(n): Next) -> Result<u64> {
        Ok(n + 1)
    }
}

/// Our actors whose senders wait for room.
pub(crate) struct OursBounded<'a>(pub(crate) &'a Ours);

impl Library for OursBounded<'_> {
    const NAME: &'static str = "hypermesh bounded";
    type Handle = ActorHandle<NarrowAdder>;

    async fn start(&self, adder: Adder) -> Outcome<Self::Handle> {
        Ok(self.0.proc.spawn(NarrowAdder(adder)))
    }

    async fn tell(handle: &Self::Handle, n: u64) -> Outcome<()> {
        Ok(handle.tell_when_free(Add(n)).await?)
    }

    async fn ask(handle: &Self::Handle, n: u64) -> Outcome<u64> {
        Ok(handle.ask(Next(n)).await?)
    }

    async fn stop(&self, handle: Self::Handle) -> Outcome<()> {
        handle.stop();
        handle.wait().await;
        Ok(())
    }
}
