//! Splits: relays that fold the answers of their part of a cast.

use std::time::Duration;

use hypermesh_mailbox::channel::ChannelTransport;
use hypermesh_mailbox::reducers::{Append, Sum};
use hypermesh_mailbox::{
    Cause, Mailbox, Ordinals, PortRef, RawPort, ReduceReceiver, Reducer, SplitError, SplitHandle,
    ports_of, replace_ports,
};
use hypermesh_wire::{Named, TypeKey};
use serde::{Deserialize, Serialize};

use crate::fixture::{DEADLINE, Node, Sender, soon};

/// A root with a reducing port, and a relay with a split of it.
struct Tree {
    root: Node,
    relay: Node,
    sums: ReduceReceiver<Sum<u64>>,
    parent: RawPort,
    at_relay: Mailbox,
}

impl Tree {
    fn new(transport: ChannelTransport) -> Self {
        let (root, relay) = Node::pair(transport);
        let (handle, sums) = root.mailbox("root").open_reduce_port(Sum::new());
        let parent = handle.bind().as_raw().clone();
        let at_relay = relay.mailbox("relay");
        Self {
            root,
            relay,
            sums,
            parent,
            at_relay,
        }
    }

    fn split(&self, members: std::ops::Range<u64>) -> (PortRef<u64>, SplitHandle) {
        let opened = self
            .at_relay
            .open_split(self.parent.clone(), members.into(), DEADLINE);
        let (raw, handle) = opened.unwrap();
        (PortRef::from_raw(raw), handle)
    }

    fn answer(&self, port: &PortRef<u64>, member: u64, value: u64) {
        port.send(&Sender::member(&self.at_relay, member), value);
    }

    /// Checks what the root gets of `n` members.
    async fn check(&mut self, n: u64, value: u64, answers: u64, missing: &str) {
        let gathered = soon(self.sums.gather(n, DEADLINE)).await.unwrap();
        let found = (
            gathered.value,
            gathered.answers,
            gathered.missing.to_string(),
        );
        assert_eq!(found, (value, answers, missing.to_owned()));
        assert_eq!(
            self.at_relay.n_ports(),
            0,
            "a split that is done frees its port"
        );
    }
}

#[tokio::test]
async fn a_split_passes_on_one_value_with_the_last_answer() {
    let mut tree = Tree::new(ChannelTransport::Unix);
    let (port, handle) = tree.split(4..8);
    for member in 4..8 {
        assert!(!handle.is_done());
        tree.answer(&port, member, member);
    }
    assert!(handle.is_done());
    tree.check(4, 22, 4, "").await;
    tree.answer(&port, 5, 1);
    assert_eq!(tree.relay.bounced().await.cause, Cause::PortGone);
    tree.root.no_bounce();
}

#[tokio::test]
async fn a_split_counts_the_dead_as_missing_and_does_not_wait_for_them() {
    let mut tree = Tree::new(ChannelTransport::Local);
    let (port, handle) = tree.split(0..4);
    tree.answer(&port, 1, 10);
    handle.missing(Ordinals::from(2..4));
    tree.answer(&port, 0, 1);
    tree.check(4, 11, 2, "2..4").await;
}

#[tokio::test(start_paused = true)]
async fn a_split_ends_at_its_deadline_with_what_it_has() {
    let mut tree = Tree::new(ChannelTransport::Local);
    let (port, handle) = tree.split(0..4);
    tree.answer(&port, 3, 7);
    tokio::time::advance(DEADLINE / 2).await;
    assert!(!handle.is_done());
    let gathered = tree.sums.gather(4, 2 * DEADLINE).await.unwrap();
    assert_eq!(
        (gathered.value, gathered.missing.to_string()),
        (7, "0..3".to_owned())
    );
    assert!(handle.is_done());
    assert_eq!(tree.at_relay.n_ports(), 0);
}

#[tokio::test]
async fn a_split_whose_owner_ends_passes_on_what_it_has() {
    let mut tree = Tree::new(ChannelTransport::Unix);
    let (port, _handle) = tree.split(0..2);
    tree.answer(&port, 1, 5);
    tree.at_relay.close("stopped");
    tree.check(2, 5, 1, "0").await;
}

#[tokio::test]
async fn expecting_nobody_completes_at_once() {
    let mut tree = Tree::new(ChannelTransport::Local);
    assert!(tree.split(3..3).1.is_done());
    assert_eq!(tree.at_relay.n_ports(), 0);
    tree.check(0, 0, 0, "").await;
}

#[tokio::test]
async fn a_split_refuses_strangers() {
    let mut tree = Tree::new(ChannelTransport::Local);
    let (port, handle) = tree.split(0..2);
    tree.answer(&port, 2, 5);
    assert_eq!(tree.relay.bounced().await.cause, Cause::NotAllowed);
    assert!(!handle.is_done());
}

#[tokio::test]
async fn a_split_of_a_split_gives_what_one_split_gives() {
    let mut tree = Tree::new(ChannelTransport::Unix);
    let (outer, _) = tree.split(0..8);
    let opened = tree
        .at_relay
        .open_split(outer.as_raw().clone(), (3..8).into(), DEADLINE);
    let inner = PortRef::<u64>::from_raw(opened.unwrap().0);
    for member in 0..8 {
        tree.answer(if member < 3 { &outer } else { &inner }, member, member);
    }
    tree.check(8, 28, 8, "").await;
}

#[tokio::test]
async fn many_splits_leave_nothing_behind() {
    let tree = Tree::new(ChannelTransport::Local);
    for _ in 0..10_000 {
        let (port, handle) = tree.split(0..1);
        tree.answer(&port, 0, 1);
        assert!(handle.is_done());
    }
    assert_eq!(tree.at_relay.n_ports(), 0);
}

/// A reducer that no program registers.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Private;

impl Named for Private {
    const KEY: TypeKey = TypeKey::of("tests::Private");

    fn name() -> std::borrow::Cow<'static, str> {
        "tests::Private".into()
    }
}

impl Reducer for Private {
    type Input = u64;
    type Output = u64;

    fn unit(&self) -> u64 {
        0
    }

    fn fold(&self, acc: &mut u64, input: u64) -> Result<(), hypermesh_mailbox::ReduceError> {
        *acc ^= input;
        Ok(())
    }

    fn merge(&self, acc: &mut u64, other: u64) -> Result<(), hypermesh_mailbox::ReduceError> {
        self.fold(acc, other)
    }
}

#[tokio::test]
async fn what_cannot_be_split_is_said_so() {
    let node = Node::alone();
    let mailbox = node.mailbox("a");
    let (plain, _receiver) = mailbox.open_port::<u64>();
    let plain = plain.bind().as_raw().clone();
    let refused = mailbox
        .open_split(plain.clone(), (0..1).into(), DEADLINE)
        .unwrap_err();
    assert_eq!(refused, SplitError::NoReducer(plain.id));
    let (private, _receiver) = mailbox.open_reduce_port(Private);
    let private = private.bind().as_raw().clone();
    let refused = mailbox
        .open_split(private, (0..1).into(), DEADLINE)
        .unwrap_err();
    let key = Private::KEY;
    assert_eq!(
        refused.to_string(),
        format!("reducer {key} is not registered in this program")
    );
}

/// A message as a cast carries it: three ports, two of them with reducers.
type Ports = (PortRef<u64>, Vec<PortRef<u64>>, String);

#[tokio::test]
async fn a_relay_replaces_the_ports_of_a_message_without_decoding_it() {
    let node = Node::alone();
    let mailbox = node.mailbox("a");
    let (plain, _a) = mailbox.open_port::<u64>();
    let (sum, mut sums) = mailbox.open_reduce_port(Sum::<u64>::new());
    let (list, mut lists) = mailbox.open_reduce_port(Append::<u64>::new());
    let message: Ports = (
        plain.bind(),
        vec![sum.bind(), list.bind()],
        "x".repeat(2000),
    );
    let (mut payload, marks) = hypermesh_wire::encode_marked(&message).unwrap();
    let found: Vec<_> = ports_of(&payload, &marks)
        .unwrap()
        .iter()
        .map(|port| port.id)
        .collect();
    assert_eq!(found, [sum.id(), list.id()]);
    replace_ports(&mut payload, &marks, |parent| {
        mailbox
            .open_split(parent, (0..2).into(), Duration::from_secs(9))
            .unwrap()
            .0
    })
    .unwrap();
    let replaced: Ports = hypermesh_wire::decode(&payload).unwrap();
    assert_eq!((&replaced.0, &replaced.2), (&message.0, &message.2));
    assert!(
        replaced
            .1
            .iter()
            .zip(&message.1)
            .all(|(new, old)| new != old)
    );
    for member in [1, 0] {
        for port in &replaced.1 {
            port.send(&Sender::member(&mailbox, member), member + 5);
        }
    }
    assert_eq!(soon(sums.gather(2, DEADLINE)).await.unwrap().value, 11);
    assert_eq!(soon(lists.gather(2, DEADLINE)).await.unwrap().value, [5, 6]);
    let foreign = hypermesh_wire::encode(&7_u64).unwrap();
    assert!(
        ports_of(&foreign, &marks)
            .unwrap_err()
            .to_string()
            .contains("has 0 parts")
    );
}
