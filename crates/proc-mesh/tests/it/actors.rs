//! The actors and the meshes that the tests use.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hypermesh_proc_mesh::ProcMesh;
use hypermesh_proc_mesh::alloc::actor::mailbox::channel::ChannelTransport;
use hypermesh_proc_mesh::alloc::actor::mailbox::{ActorId, PortRef, ReduceError, Reducer};
use hypermesh_proc_mesh::alloc::actor::{
    ActorRef, Cx, Env, Error, Message, RemoteSpawn, ReplyTo, Result, actor,
};
use hypermesh_proc_mesh::alloc::{AllocSpec, Allocator, LocalAlloc, LocalAllocator};
use hypermesh_proc_mesh::ndslice::Extent;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// No test waits longer than this for anything.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// Fails the test instead of waiting for ever.
pub(crate) async fn soon<F: IntoFuture>(future: F) -> F::Output {
    tokio::time::timeout(LIMIT, future)
        .await
        .expect("this ends well within the limit")
}

/// Allocates procs in this process.
pub(crate) async fn alloc(extent: Extent) -> LocalAlloc {
    let spec = AllocSpec::new(extent, ChannelTransport::Unix);
    LocalAllocator::new().allocate(spec).await.unwrap()
}

/// Makes a mesh of procs in this process.
pub(crate) async fn mesh(extent: Extent) -> ProcMesh {
    soon(ProcMesh::allocate(alloc(extent).await)).await.unwrap()
}

/// Adds to the totals of everybody who gets it.
#[derive(Debug, Clone, Message, Serialize, Deserialize)]
#[message(serde)]
pub(crate) struct Add(pub(crate) u64);

/// Asks for the total.
#[derive(Debug, Clone, Message)]
pub(crate) struct Total;

/// Asks who and where the receiver is, and who asks.
#[derive(Debug, Clone, Message)]
pub(crate) struct WhoAmI;

/// What a receiver of a cast knows.
#[derive(Debug, Clone, PartialEq, Message, Serialize, Deserialize)]
#[message(serde)]
pub(crate) struct Card {
    pub(crate) me: ActorId,
    pub(crate) sender: Option<ActorId>,
    pub(crate) point: Option<String>,
}

/// Fails the receiver with this text.
#[derive(Debug, Clone, Message)]
pub(crate) struct Fail(pub(crate) String);

/// Makes the receiver panic with this text.
#[derive(Debug, Clone, Message)]
pub(crate) struct Panic(pub(crate) String);

/// Answers the caller with this error and lives on.
#[derive(Debug, Clone, Message)]
pub(crate) struct Refuse(pub(crate) String);

/// Never answered; the receiver keeps the caller waiting.
#[derive(Debug, Clone, Message)]
pub(crate) struct Hang;

/// Sends the total to a port.
#[derive(Debug, Clone, Message)]
pub(crate) struct Report(pub(crate) PortRef<u64>);

/// Hands on to the next of a list of actors, and tells when all have seen it.
#[derive(Debug, Clone, Message)]
pub(crate) struct Forward {
    pub(crate) rest: Vec<ActorRef<Counter>>,
    pub(crate) done: PortRef<u64>,
}

/// Counts how often it is encoded.
#[derive(Debug, Clone, Default, Message)]
#[message(serde)]
pub(crate) struct Weighed {
    encoded: Arc<AtomicUsize>,
}

impl Weighed {
    /// How often this message, or a clone of it, was encoded in this process.
    pub(crate) fn times_encoded(&self) -> usize {
        self.encoded.load(Ordering::SeqCst)
    }
}

impl Serialize for Weighed {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        self.encoded.fetch_add(1, Ordering::SeqCst);
        ().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Weighed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        <()>::deserialize(deserializer)?;
        Ok(Weighed::default())
    }
}

/// Counts.
pub(crate) struct Counter {
    total: u64,
    waiting: Vec<ReplyTo<()>>,
}

impl RemoteSpawn for Counter {
    type Params = u64;

    async fn create(total: u64, _env: &Env) -> Result<Self> {
        Ok(Counter {
            total,
            waiting: Vec::new(),
        })
    }
}

#[actor(spawn = "proc_mesh_tests::counter")]
impl Counter {
    #[handler]
    fn add(&mut self, _cx: &Cx<'_, Self>, Add(n): Add) -> Result<()> {
        self.total += n;
        Ok(())
    }

    #[handler]
    fn total(&mut self, _cx: &Cx<'_, Self>, _: Total) -> Result<u64> {
        Ok(self.total)
    }

    #[handler]
    fn weigh(&mut self, _cx: &Cx<'_, Self>, _: Weighed) -> Result<()> {
        Ok(())
    }

    #[handler]
    fn who(&mut self, cx: &Cx<'_, Self>, _: WhoAmI) -> Result<Card> {
        let point = cx.point().map(|point| point.to_string());
        Ok(Card {
            me: cx.id(),
            sender: cx.sender(),
            point,
        })
    }

    #[handler]
    fn fail(&mut self, _cx: &Cx<'_, Self>, Fail(text): Fail) -> Result<()> {
        Err(Error::msg(text))
    }

    #[handler]
    fn panic(&mut self, _cx: &Cx<'_, Self>, Panic(text): Panic) -> Result<()> {
        panic!("{text}")
    }

    #[handler(on_error = "reply")]
    fn refuse(&mut self, _cx: &Cx<'_, Self>, Refuse(text): Refuse) -> Result<()> {
        Err(Error::msg(text))
    }

    #[handler]
    fn hang(&mut self, _cx: &Cx<'_, Self>, _: Hang, reply: ReplyTo<()>) {
        self.waiting.push(reply);
    }

    #[handler]
    fn report(&mut self, cx: &Cx<'_, Self>, Report(port): Report) -> Result<()> {
        port.send(cx, self.total);
        Ok(())
    }

    #[handler]
    fn forward(&mut self, cx: &Cx<'_, Self>, message: Forward) -> Result<()> {
        let Forward { mut rest, done } = message;
        self.total += 1;
        match rest.pop() {
            Some(next) => next.tell(cx, Forward { rest, done })?,
            None => done.send(cx, self.total),
        }
        Ok(())
    }
}

/// Comes up on some ranks only.
pub(crate) struct Picky;

impl RemoteSpawn for Picky {
    /// What goes wrong, by rank.
    type Params = BTreeMap<u32, String>;

    async fn create(params: Self::Params, env: &Env) -> Result<Self> {
        match params.get(&env.proc().id().rank).map(String::as_str) {
            None => Ok(Picky),
            Some("panic") => panic!("picky panicked"),
            Some(text) => Err(Error::msg(text.to_owned())),
        }
    }
}

#[actor(spawn = "proc_mesh_tests::picky")]
impl Picky {
    #[handler]
    fn total(&mut self, _cx: &Cx<'_, Self>, _: Total) -> Result<u64> {
        Ok(0)
    }
}

/// Has no name to be spawned by.
pub(crate) struct Anonymous;

impl RemoteSpawn for Anonymous {
    type Params = ();

    async fn create(_: (), _env: &Env) -> Result<Self> {
        Ok(Anonymous)
    }
}

#[actor]
impl Anonymous {
    #[handler]
    fn total(&mut self, _cx: &Cx<'_, Self>, _: Total) -> Result<u64> {
        Ok(0)
    }
}

/// A sum that relays do not know.
#[derive(Debug, Clone, Message, Serialize, Deserialize)]
#[message(serde)]
pub(crate) struct PrivateSum;

impl Reducer for PrivateSum {
    type Input = u64;
    type Output = u64;

    fn unit(&self) -> u64 {
        0
    }

    fn fold(&self, acc: &mut u64, input: u64) -> Result<(), ReduceError> {
        *acc += input;
        Ok(())
    }

    fn merge(&self, acc: &mut u64, other: u64) -> Result<(), ReduceError> {
        self.fold(acc, other)
    }
}
