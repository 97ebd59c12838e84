//! Refs that reach any actor of a protocol.

use hypermesh_actor::mailbox::Cause;
use hypermesh_actor::{
    ActorRef, CallError, Cx, Error, Message, Named, ReplyTo, Result, actor, protocol,
};

use crate::fixture::{proc, two_procs, within};

#[derive(Message, Debug, PartialEq)]
struct Put(u64);
#[derive(Message)]
struct Get;
#[derive(Message)]
struct Clear;

protocol! {
    /// Anything that keeps a number.
    pub(crate) protocol Store {
        Put,
        /// The number, if there is one.
        Get -> Option<u64>,
    }

    protocol Reader {
        Get -> Option<u64>,
    }
}

/// Keeps the last number.
#[derive(Default)]
struct Slot {
    number: Option<u64>,
}

#[actor]
impl Slot {
    #[handler]
    fn put(&mut self, _cx: &Cx<'_, Self>, Put(number): Put) -> Result<()> {
        match number {
            13 => Err(Error::msg("not this one")),
            _ => {
                self.number = Some(number);
                Ok(())
            }
        }
    }

    #[handler]
    fn get(&mut self, _cx: &Cx<'_, Self>, _: Get) -> Result<Option<u64>> {
        Ok(self.number)
    }

    #[handler]
    fn clear(&mut self, _cx: &Cx<'_, Self>, _: Clear) {
        self.number = None;
    }
}

/// Keeps the sum; another type, with handlers of other forms.
#[derive(Default)]
struct Sum {
    total: u64,
}

#[actor]
impl Sum {
    #[handler]
    async fn put(&mut self, _cx: &Cx<'_, Self>, Put(number): Put) {
        self.total += number;
    }

    #[handler]
    fn total(&mut self, _cx: &Cx<'_, Self>, _: Get, reply: ReplyTo<Option<u64>>) {
        reply.send(Some(self.total));
    }
}

/// Says where it is written that an actor implements a protocol.
const _: fn(&ActorRef<Slot>) -> ActorRef<Store> = ActorRef::as_protocol;

#[tokio::test]
async fn one_ref_reaches_actors_of_any_type_here_and_elsewhere() {
    let (home, away) = two_procs();
    let slot = home.spawn(Slot::default()).bind();
    let sum = home.spawn(Sum::default()).bind();
    let stores: [ActorRef<Store>; 2] = [slot.as_protocol(), sum.as_protocol()];
    for (proc, expected) in [(&home, [2, 3]), (&away, [2, 6])] {
        let client = proc.client("client");
        for (store, expected) in stores.iter().zip(expected) {
            store.tell(&client, Put(1)).unwrap();
            assert_eq!(within(store.ask(&client, Put(2))).await, Ok(()));
            assert_eq!(within(store.ask(&client, Get)).await, Ok(Some(expected)));
        }
    }
    assert_eq!((stores[0].id(), stores[0].label()), (slot.id(), "Slot"));
}

#[tokio::test]
async fn a_protocol_may_be_a_part_of_an_actor_and_of_another_protocol() {
    let proc = proc();
    let slot = proc.spawn(Slot::default());
    slot.tell(Put(5)).unwrap();
    let client = proc.client("client");
    let store: ActorRef<Store> = slot.bind().as_protocol();
    let reader: ActorRef<Reader> = store.as_protocol();
    assert_eq!(within(reader.ask(&client, Get)).await, Ok(Some(5)));
    assert_eq!(slot.bind().as_protocol::<Reader>(), reader);
}

#[tokio::test]
async fn a_failure_comes_through_a_protocol_as_it_is() {
    let proc = proc();
    let slot = proc.spawn(Slot::default());
    let client = proc.client("client");
    let store: ActorRef<Store> = slot.bind().as_protocol();
    let error = within(store.ask(&client, Put(13))).await.unwrap_err();
    let failure = error.failure().unwrap();
    assert_eq!(failure.message, "not this one");
    within(slot.wait()).await;
    assert!(store.tell(&client, Put(1)).is_err());
}

/// A message that carries a ref of a protocol.
#[derive(Message)]
struct Fill {
    store: ActorRef<Store>,
}

struct Filler;

#[actor]
impl Filler {
    #[handler]
    async fn fill(&mut self, cx: &Cx<'_, Self>, Fill { store }: Fill) -> Result<()> {
        Ok(store.ask(cx, Put(9)).await?)
    }
}

#[tokio::test]
async fn a_ref_of_a_protocol_travels_in_messages() {
    let (home, away) = two_procs();
    let slot = home.spawn(Slot::default());
    let filler = away.spawn(Filler).bind();
    let client = home.client("client");
    let store = slot.bind().as_protocol();
    assert_eq!(within(filler.ask(&client, Fill { store })).await, Ok(()));
    assert_eq!(within(slot.ask(Get)).await, Ok(Some(9)));
    assert!(<ActorRef<Store>>::name().ends_with("protocol::Store>"));
    assert_ne!(<ActorRef<Store>>::KEY, <ActorRef<Reader>>::KEY);
}

#[tokio::test]
async fn a_message_to_what_is_no_such_actor_comes_back() {
    let (home, away) = two_procs();
    let filler = home.spawn(Filler).bind();
    // On the caller's word, which is wrong.
    let store = ActorRef::<Store>::attest(filler.id(), filler.location().clone(), "store");
    let client = away.client("client");
    let mut returned = client.undelivered();
    store.tell(&client, Put(1)).unwrap();
    let undelivered = within(returned.recv()).await.unwrap();
    assert_eq!(undelivered.cause, Cause::NoHandler);
    assert_eq!(undelivered.key, Put::KEY);
    let error = within(store.ask(&client, Get)).await.unwrap_err();
    assert!(matches!(error, CallError::Undeliverable(_)), "{error}");
    let store = home.spawn(Slot::default()).bind().as_protocol();
    let fill = filler.ask(&client, Fill { store });
    assert_eq!(within(fill).await, Ok(()), "the receiver goes on");
}
