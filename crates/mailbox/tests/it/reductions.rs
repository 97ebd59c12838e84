//! Reducers of users, in splits and at ports: what they cost, and what their failures do.

use std::borrow::Cow;
use std::sync::atomic::{AtomicUsize, Ordering};

use hypermesh_mailbox::channel::ChannelTransport;
use hypermesh_mailbox::{
    Cause, GatherError, Mailbox, Ordinals, PortRef, ReduceError, ReduceReceiver, Reducer,
};
use hypermesh_wire::{Named, TypeKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::fixture::{DEADLINE, Node, Sender, soon};

macro_rules! named {
    ($($type:ident),*) => { $(
        impl Named for $type {
            const KEY: TypeKey = TypeKey::of(concat!("tests::", stringify!($type)));

            fn name() -> Cow<'static, str> {
                concat!("tests::", stringify!($type)).into()
            }
        }
    )* };
}

named!(Counted, CountedSum, Touchy, TouchySum);

static ENCODED: AtomicUsize = AtomicUsize::new(0);
static DECODED: AtomicUsize = AtomicUsize::new(0);
static CLONED: AtomicUsize = AtomicUsize::new(0);

/// A number that counts how often one is encoded, decoded and cloned. Only one test uses it.
#[derive(Debug, PartialEq)]
struct Counted(u64);

impl Clone for Counted {
    fn clone(&self) -> Self {
        CLONED.fetch_add(1, Ordering::Relaxed);
        Self(self.0)
    }
}

impl Serialize for Counted {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        ENCODED.fetch_add(1, Ordering::Relaxed);
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Counted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        DECODED.fetch_add(1, Ordering::Relaxed);
        u64::deserialize(deserializer).map(Self)
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct CountedSum;

impl Reducer for CountedSum {
    type Input = Counted;
    type Output = Counted;

    fn unit(&self) -> Counted {
        Counted(0)
    }

    fn fold(&self, acc: &mut Counted, input: Counted) -> Result<(), ReduceError> {
        acc.0 += input.0;
        Ok(())
    }

    fn merge(&self, acc: &mut Counted, other: Counted) -> Result<(), ReduceError> {
        self.fold(acc, other)
    }
}

/// A number that has no encoding if it is 13.
#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Touchy(u64);

impl Serialize for Touchy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            13 => Err(serde::ser::Error::custom("bad luck")),
            n => n.serialize(serializer),
        }
    }
}

/// Adds up beyond `offset`; panics at 99 and refuses 98.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct TouchySum {
    offset: u64,
}

impl Reducer for TouchySum {
    type Input = u64;
    type Output = Touchy;

    fn unit(&self) -> Touchy {
        Touchy(self.offset)
    }

    fn fold(&self, acc: &mut Touchy, input: u64) -> Result<(), ReduceError> {
        match input {
            99 => panic!("on purpose"),
            98 => Err(ReduceError::Refused("98".into())),
            n => {
                acc.0 += n;
                Ok(())
            }
        }
    }

    fn merge(&self, acc: &mut Touchy, other: Touchy) -> Result<(), ReduceError> {
        acc.0 += other.0;
        Ok(())
    }
}

hypermesh_mailbox::register_reducer!(CountedSum, TouchySum);

/// Opens a reducing port of `root` and a split of it at `relay`, over the members `0..n`.
fn split<R: Reducer>(
    root: &Mailbox,
    relay: &Mailbox,
    reducer: R,
    n: u64,
) -> (ReduceReceiver<R>, PortRef<R::Input>) {
    let (handle, receiver) = root.open_reduce_port(reducer);
    let parent = handle.bind().as_raw().clone();
    let opened = relay.open_split(parent, (0..n).into(), DEADLINE).unwrap();
    (receiver, PortRef::from_raw(opened.0))
}

#[tokio::test]
async fn one_node_decodes_each_update_once_and_encodes_once() {
    let (root, relay) = Node::pair(ChannelTransport::Unix);
    let member = Node::new(2, ChannelTransport::Unix, &Default::default());
    let (at_root, at_relay) = (root.mailbox("root"), relay.mailbox("relay"));
    let at_member = member.mailbox("member");
    let (mut sums, port) = split(&at_root, &at_relay, CountedSum, 100);
    for ordinal in 0..100 {
        port.send(&Sender::member(&at_member, ordinal), Counted(ordinal));
    }
    let gathered = soon(sums.gather(100, DEADLINE)).await.unwrap();
    assert_eq!((gathered.value, gathered.answers), (Counted(4950), 100));
    let counts = [&ENCODED, &DECODED, &CLONED].map(|count| count.load(Ordering::Relaxed));
    // By the members and the relay; by the relay and the root.
    assert_eq!(counts, [100 + 1, 100 + 1, 0]);
    // A running state is cloned for who looks, not for each update.
    let (handle, mut state) = at_root.open_accum_port(CountedSum);
    for n in 0..1000 {
        handle.send(Counted(n)).unwrap();
    }
    assert_eq!(CLONED.load(Ordering::Relaxed), 0);
    assert_eq!(state.try_recv(), Some(Counted(499_500)));
    assert_eq!(CLONED.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_reducer_that_fails_or_panics_names_the_member_and_the_others_count() {
    for (bad, error) in [
        (98, ReduceError::Refused("98".into())),
        (99, ReduceError::Panicked("on purpose".into())),
    ] {
        let mut node = Node::alone();
        let (at_root, at_relay) = (node.mailbox("root"), node.mailbox("relay"));
        let (mut sums, port) = split(&at_root, &at_relay, TouchySum { offset: 0 }, 3);
        for (member, value) in [(0, 1), (2, bad), (1, 2)] {
            port.send(&Sender::member(&at_relay, member), value);
        }
        assert_eq!(node.bounced().await.cause, Cause::Reduce(error.clone()));
        let failed = soon(sums.gather(3, DEADLINE)).await.unwrap_err();
        let GatherError::Reduce(fault) = failed else {
            panic!("{failed}");
        };
        assert_eq!((fault.ordinal, fault.error), (Some(2), error));
        assert_eq!((at_relay.n_ports(), at_root.n_ports()), (0, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_at_the_deadline_of_a_split_completes_the_port_with_that_error() {
    let node = Node::alone();
    let (at_root, at_relay) = (node.mailbox("root"), node.mailbox("relay"));
    let (mut sums, port) = split(&at_root, &at_relay, TouchySum { offset: 3 }, 3);
    // The sum has no encoding, which is found when the time of the split is over.
    port.send(&Sender::member(&at_relay, 1), 10);
    let failed = sums.gather(3, 2 * DEADLINE).await.unwrap_err();
    let GatherError::Reduce(fault) = failed else {
        panic!("{failed}");
    };
    assert!(matches!(fault.error, ReduceError::Encode(_)), "{fault}");
    assert_eq!(fault.ordinal, Some(1));
    assert_eq!(at_relay.n_ports(), 0);
}

#[tokio::test]
async fn parameters_of_a_reducer_travel_with_its_port() {
    let (root, relay) = Node::pair(ChannelTransport::Unix);
    let (at_root, at_relay) = (root.mailbox("root"), relay.mailbox("relay"));
    let (mut sums, port) = split(&at_root, &at_relay, TouchySum { offset: 100 }, 1);
    port.send(&Sender::member(&at_relay, 0), 1);
    let gathered = soon(sums.gather(1, DEADLINE)).await.unwrap();
    assert_eq!(
        (gathered.value, gathered.missing),
        (Touchy(101), Ordinals::new())
    );
}

#[tokio::test]
async fn a_tree_of_splits_sends_each_node_one_message_for_each_child() {
    let node = Node::alone();
    let at_root = node.mailbox("root");
    let relays: Vec<_> = (0..4)
        .map(|n| node.mailbox(&format!("relay {n}")))
        .collect();
    let (handle, mut sums) = at_root.open_reduce_port(TouchySum { offset: 0 });
    let parent = handle.bind().as_raw().clone();
    for (idx, relay) in (0..).zip(&relays) {
        let members = Ordinals::from(idx * 16..idx * 16 + 16);
        let opened = relay.open_split(parent.clone(), members, DEADLINE).unwrap();
        let port = PortRef::<u64>::from_raw(opened.0);
        for member in idx * 16..idx * 16 + 16 {
            assert_eq!(relay.n_ports(), 1);
            port.send(&Sender::member(relay, member), 1);
        }
        assert_eq!(relay.n_ports(), 0);
    }
    let gathered = soon(sums.gather(64, DEADLINE)).await.unwrap();
    assert_eq!((gathered.value, gathered.answers), (Touchy(64), 64));
}
