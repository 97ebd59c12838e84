//! Actors of ractor.

use ::ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
use hypermesh_benches::Outcome;

use crate::library::{Adder, Library};

/// The library.
pub(crate) struct Ractor;

struct Adding;

pub(crate) enum Item {
    Add(u64),
    Next(u64, RpcReplyPort<u64>),
}

impl Actor for Adding {
    type Msg = Item;
    type State = Adder;
    type Arguments = Adder;

    async fn pre_start(
        &self,
        _myself: ActorRef<Item>,
        adder: Adder,
    ) -> Result<Adder, ActorProcessingErr> {
        Ok(adder)
    }

    async fn handle(
        &self,
        _myself: ActorRef<Item>,
        item: Item,
        adder: &mut Adder,
    ) -> Result<(), ActorProcessingErr> {
        match item {
            Item::Add(n) => adder.add(n),
            Item::Next(n, reply) => reply.send(n + 1)?,
        }
        Ok(())
    }
}

impl Library for Ractor {
    const NAME: &'static str = "ractor 0.16";
    type Handle = ActorRef<Item>;

    async fn start(&self, adder: Adder) -> Outcome<Self::Handle> {
        let (actor, _task) = Actor::spawn(None, Adding, adder).await?;
        Ok(actor)
    }

    async fn tell(handle: &Self::Handle, n: u64) -> Outcome<()> {
        handle
            .cast(Item::Add(n))
            .map_err(|error| error.to_string())?;
        Ok(())
    }

    async fn ask(handle: &Self::Handle, n: u64) -> Outcome<u64> {
        let called = handle.call(|reply| Item::Next(n, reply), None).await;
        let result = called.map_err(|error| error.to_string())?;
        Ok(result.success_or("there is no answer")?)
    }

    async fn stop(&self, handle: Self::Handle) -> Outcome<()> {
        Ok(handle.stop_and_wait(None, None).await?)
    }
}
