//! Actors of kameo.

use std::convert::Infallible;

use ::kameo::Actor;
use ::kameo::actor::{ActorRef, Spawn};
use ::kameo::mailbox;
use ::kameo::message::{Context, Message};
use hypermesh_benches::Outcome;

use crate::library::{Adder, Library};
use crate::ours::{Add, Next};

/// The library.
pub(crate) struct Kameo;

pub(crate) struct Adding(Adder);

impl Actor for Adding {
    type Args = Self;
    type Error = Infallible;

    async fn on_start(this: Self, _actor_ref: ActorRef<Self>) -> Result<Self, Infallible> {
        Ok(this)
    }
}

impl Message<Add> for Adding {
    type Reply = ();

    async fn handle(&mut self, Add(n): Add, _cx: &mut Context<Self, ()>) {
        self.0.add(n);
    }
}

impl Message<Next> for Adding {
    type Reply = u64;

    async fn handle(&mut self, Next(n): Next, _cx: &mut Context<Self, u64>) -> u64 {
        n + 1
    }
}

impl Library for Kameo {
    const NAME: &'static str = "kameo 0.22";
    type Handle = ActorRef<Adding>;

    async fn start(&self, adder: Adder) -> Outcome<Self::Handle> {
        Ok(Adding::spawn_with_mailbox(
            Adding(adder),
            mailbox::unbounded(),
        ))
    }

    async fn tell(handle: &Self::Handle, n: u64) -> Outcome<()> {
        let told = handle.tell(Add(n)).try_send();
        Ok(told.map_err(|error| error.to_string())?)
    }

    async fn ask(handle: &Self::Handle, n: u64) -> Outcome<u64> {
        let answer = handle.ask(Next(n)).await;
        Ok(answer.map_err(|error| error.to_string())?)
    }

    async fn stop(&self, handle: Self::Handle) -> Outcome<()> {
        handle.kill();
        handle.wait_for_shutdown().await;
        Ok(())
    }
}
