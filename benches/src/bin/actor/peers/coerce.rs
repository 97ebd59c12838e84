//! Actors of coerce.

use ::coerce::actor::context::ActorContext;
use ::coerce::actor::message::{Handler, Message};
use ::coerce::actor::system::ActorSystem;
use ::coerce::actor::{Actor, IntoActor, LocalActorRef};
use async_trait::async_trait;
use hypermesh_benches::Outcome;

use crate::library::{Adder, Library};
use crate::ours::{Add, Next};

/// The library, with its system.
pub(crate) struct Coerce(ActorSystem);

impl Coerce {
    pub(crate) fn start() -> Self {
        Self(ActorSystem::new())
    }
}

pub(crate) struct Adding(Adder);

impl Actor for Adding {}

impl Message for Add {
    type Result = ();
}

impl Message for Next {
    type Result = u64;
}

#[async_trait]
impl Handler<Add> for Adding {
    async fn handle(&mut self, Add(n): Add, _cx: &mut ActorContext) {
        self.0.add(n);
    }
}

#[async_trait]
impl Handler<Next> for Adding {
    async fn handle(&mut self, Next(n): Next, _cx: &mut ActorContext) -> u64 {
        n + 1
    }
}

impl Library for Coerce {
    const NAME: &'static str = "coerce 0.8";
    type Handle = LocalActorRef<Adding>;

    async fn start(&self, adder: Adder) -> Outcome<Self::Handle> {
        let started = Adding(adder).into_anon_actor(None::<String>, &self.0).await;
        Ok(started.map_err(|error| error.to_string())?)
    }

    async fn tell(handle: &Self::Handle, n: u64) -> Outcome<()> {
        Ok(handle.notify(Add(n)).map_err(|error| error.to_string())?)
    }

    async fn ask(handle: &Self::Handle, n: u64) -> Outcome<u64> {
        let answer = handle.send(Next(n)).await;
        Ok(answer.map_err(|error| error.to_string())?)
    }

    async fn stop(&self, handle: Self::Handle) -> Outcome<()> {
        Ok(handle.stop().await.map_err(|error| error.to_string())?)
    }
}
