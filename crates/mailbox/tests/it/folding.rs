//! Ports that fold what is sent to them.

use std::time::Duration;

use hypermesh_mailbox::channel::ChannelTransport;
use hypermesh_mailbox::reducers::{Append, Max, Sum};
use hypermesh_mailbox::{Cause, GatherError, PortRef, RecvError, ReduceError};

use crate::fixture::{DEADLINE, Node, Sender, soon};

#[tokio::test]
async fn an_accumulating_port_shows_the_running_state() {
    let node = Node::alone();
    let (handle, mut state) = node.mailbox("a").open_accum_port(Max::<i64>::new());
    assert_eq!(state.try_recv(), None);
    for n in -3..=3 {
        handle.send(n).unwrap();
    }
    assert_eq!(soon(state.recv()).await, Ok(Some(3)));
    handle.send(1).unwrap();
    assert_eq!(state.try_recv(), Some(Some(3)));
    for n in 5..=9 {
        handle.send(n).unwrap();
    }
    assert_eq!((state.try_recv(), state.try_recv()), (Some(Some(9)), None));
    drop(handle);
    assert_eq!(soon(state.recv()).await, Err(RecvError::Closed));
}

#[tokio::test]
async fn a_million_unread_updates_are_one_state() {
    let node = Node::alone();
    let (handle, mut state) = node.mailbox("a").open_accum_port(Sum::<u64>::new());
    for n in 0..1_000_000 {
        handle.send(n).unwrap();
    }
    assert_eq!(state.try_recv(), Some(499_999_500_000));
}

#[tokio::test]
async fn an_update_that_is_refused_bounces_and_the_state_stays() {
    let (mut near, far) = Node::pair(ChannelTransport::Unix);
    let sender = near.mailbox("a");
    let (handle, mut state) = far.mailbox("b").open_accum_port(Sum::<u32>::new());
    let port = handle.bind();
    for n in [u32::MAX, 1] {
        port.send(&Sender::of(&sender), n);
    }
    assert_eq!(soon(near.gateway.flush(DEADLINE)).await, 0);
    assert_eq!(soon(state.recv()).await, Ok(u32::MAX));
    assert_eq!(
        near.bounced().await.cause,
        Cause::Reduce(ReduceError::Overflow)
    );
    assert_eq!(
        port.reducer(),
        None,
        "a running state is not folded on the way"
    );
}

#[tokio::test]
async fn a_reducing_port_yields_one_value_and_its_reducer_travels() {
    let (near, far) = Node::pair(ChannelTransport::Unix);
    let (owner, sender) = (near.mailbox("a"), far.mailbox("b"));
    let (handle, mut receiver) = owner.open_reduce_port(Append::<u32>::new());
    let port = handle.bind();
    let payload = hypermesh_wire::encode(&port).unwrap();
    let travelled: PortRef<u32> = hypermesh_wire::decode(&payload).unwrap();
    assert_eq!(
        (travelled.reducer(), travelled.location()),
        (port.reducer(), port.location())
    );
    assert!(travelled.reducer().is_some());
    for member in [3, 0, 2, 1] {
        travelled.send(&Sender::member(&sender, member), member as u32 * 10);
    }
    let gathered = soon(receiver.gather(4, DEADLINE)).await.unwrap();
    assert_eq!((gathered.value, gathered.answers), (vec![0, 10, 20, 30], 4));
    assert!(gathered.missing.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_gathering_ends_at_its_deadline_with_what_there_is() {
    let node = Node::alone();
    let (handle, mut receiver) = node.mailbox("a").open_reduce_port(Sum::<u32>::new());
    handle.send(5).unwrap();
    let gathered = receiver.gather(3, Duration::from_secs(30)).await.unwrap();
    assert_eq!((gathered.value, gathered.answers), (5, 1));
    let empty = receiver.gather(1, Duration::from_secs(30)).await.unwrap();
    assert_eq!((empty.value, empty.answers), (0, 0));
    drop(handle);
    let closed = receiver.gather(1, Duration::from_secs(30)).await;
    assert_eq!(closed, Err(GatherError::Recv(RecvError::Closed)));
}

#[tokio::test]
async fn a_reducer_that_fails_makes_the_gathering_fail_with_its_error() {
    let node = Node::alone();
    let mailbox = node.mailbox("a");
    let (handle, mut receiver) = mailbox.open_reduce_port(Sum::<u8>::new());
    let port = handle.bind();
    for member in 0..2 {
        port.send(&Sender::member(&mailbox, member), 200);
    }
    let error = soon(receiver.gather(2, DEADLINE)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "update of member 1: the result overflows its type"
    );
}
