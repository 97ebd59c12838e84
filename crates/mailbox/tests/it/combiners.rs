//! Splits of ports that keep a running state.

use std::time::Duration;

use hypermesh_mailbox::channel::{ChannelTransport, LocalHub};
use hypermesh_mailbox::reducers::Sum;
use hypermesh_mailbox::{AccumReceiver, Cause, CombineOptions, Combiner, Mailbox, PortRef};

use crate::fixture::{Node, Sender, soon};

fn options(updates: u64, first_ms: u64, longest_ms: u64) -> CombineOptions {
    let mut options = CombineOptions::default();
    options.updates = updates;
    options.first_pause = Duration::from_millis(first_ms);
    options.longest_pause = Duration::from_millis(longest_ms);
    options
}

/// A root with a running sum, and a relay in the same process or another one.
struct Tree {
    root: Node,
    relay: Node,
    sums: AccumReceiver<Sum<u64>>,
    parent: PortRef<u64>,
    at_relay: Mailbox,
}

impl Tree {
    fn new(transport: ChannelTransport) -> Self {
        let (root, relay) = Node::pair(transport);
        Self::of(root, relay)
    }

    /// Everything is delivered before a send returns.
    fn in_one_process() -> Self {
        let root = Node::new(0, ChannelTransport::Local, &LocalHub::new());
        let relay = Node::on(
            root.gateway.clone(),
            hypermesh_mailbox::ProcId::new(crate::fixture::WORLD, 1, 0),
        );
        Self::of(root, relay)
    }

    fn of(root: Node, relay: Node) -> Self {
        let (handle, sums) = root.mailbox("root").open_accum_port(Sum::new());
        let (parent, at_relay) = (handle.bind(), relay.mailbox("relay"));
        Self {
            root,
            relay,
            sums,
            parent,
            at_relay,
        }
    }

    fn combiner(&self, options: CombineOptions) -> Combiner<Sum<u64>> {
        self.at_relay
            .open_combiner(&self.parent, Sum::new(), options)
    }

    fn send(&self, port: &PortRef<u64>, value: u64) {
        port.send(&Sender::of(&self.at_relay), value);
    }
}

#[tokio::test(start_paused = true)]
async fn inv2_nine_updates_with_the_mark_at_three_arrive_as_three_sums() {
    let mut tree = Tree::in_one_process();
    let combiner = tree.combiner(options(3, 3_600_000, 3_600_000));
    let mut seen = Vec::new();
    for n in 1..=9 {
        tree.send(&combiner.port(), n);
        seen.extend(tree.sums.try_recv());
    }
    assert_eq!(seen, [6, 21, 45]);
}

#[tokio::test(start_paused = true)]
async fn inv1_and_inv3_what_is_fewer_goes_on_after_a_pause_that_grows_while_updates_come() {
    let mut tree = Tree::in_one_process();
    let combiner = tree.combiner(options(1000, 10, 30));
    let port = combiner.port();
    let start = tokio::time::Instant::now();
    let mut sum = 0;
    // Passed on after 10 ms, 20 ms more, and 30 ms more each from then on.
    for at_ms in [10, 30, 60, 90] {
        tree.send(&port, 1);
        sum += 1;
        assert_eq!(tree.sums.try_recv(), None);
        assert_eq!(tree.sums.recv().await, Ok(sum));
        // The clock of the runtime counts in whole milliseconds, and rounds up.
        let after = start.elapsed().as_millis();
        assert!(
            (at_ms..at_ms + 3).contains(&after),
            "{after} ms, not {at_ms}"
        );
    }
    // A pause without updates makes it short again.
    // tidy: sleeps because the clock is paused, and nothing tells of a timer that found nothing to do
    tokio::time::sleep(Duration::from_secs(1)).await;
    let start = tokio::time::Instant::now();
    tree.send(&port, 1);
    assert_eq!(tree.sums.recv().await, Ok(sum + 1));
    assert!(start.elapsed() < Duration::from_millis(13));
}

#[tokio::test]
async fn inv1_and_inv4_a_combiner_that_goes_leaves_nothing_behind() {
    let mut tree = Tree::in_one_process();
    for round in 1..=1000 {
        let combiner = tree.combiner(options(64, 3_600_000, 3_600_000));
        tree.send(&combiner.port(), 1);
        tree.send(&combiner.port(), 1);
        assert_eq!(tree.sums.try_recv(), None);
        let port = combiner.port();
        drop(combiner);
        assert_eq!(tree.sums.try_recv(), Some(2 * round));
        assert_eq!(tree.at_relay.n_ports(), 0);
        tree.send(&port, 1);
        assert_eq!(tree.relay.bounced().await.cause, Cause::PortGone);
    }
}

#[tokio::test]
async fn inv1_the_end_of_the_owner_passes_on_what_waits() {
    let mut tree = Tree::new(ChannelTransport::Unix);
    let combiner = tree.combiner(options(64, 3_600_000, 3_600_000));
    let inner = tree.at_relay.open_combiner(
        &combiner.port(),
        Sum::new(),
        options(2, 3_600_000, 3_600_000),
    );
    for n in 1..=4 {
        tree.send(&inner.port(), n);
    }
    tree.at_relay.close("stopped");
    assert_eq!(soon(tree.sums.recv()).await, Ok(10));
}

#[tokio::test]
async fn over_links_every_update_arrives_and_no_timer_is_waited_for_in_vain() {
    let mut tree = Tree::new(ChannelTransport::Unix);
    let combiner = tree.combiner(CombineOptions::default());
    for n in 1..=1000 {
        tree.send(&combiner.port(), n);
    }
    let mut sum = 0;
    while sum != 500_500 {
        sum = soon(tree.sums.recv()).await.unwrap();
    }
    tree.root.no_bounce();
}

#[tokio::test]
async fn an_update_that_is_refused_bounces_and_the_others_go_on() {
    let mut tree = Tree::in_one_process();
    let combiner = tree.combiner(options(3, 3_600_000, 3_600_000));
    let port = combiner.port();
    tree.send(&port, u64::MAX);
    tree.send(&port, 1);
    let wrong = PortRef::<u8>::new(port.id(), port.location().clone(), None);
    wrong.send(&Sender::of(&tree.at_relay), 1);
    assert_eq!(tree.relay.bounced().await.cause.kind(), "wrong_type");
    tree.send(&port, 0);
    assert_eq!(tree.relay.bounced().await.cause.kind(), "reduce");
    assert_eq!(tree.sums.try_recv(), Some(u64::MAX));
}

#[tokio::test]
async fn the_owner_of_a_combiner_hears_that_the_port_behind_it_is_gone() {
    let Tree {
        root: _root,
        mut relay,
        sums,
        parent,
        at_relay,
    } = Tree::in_one_process();
    let combiner = at_relay.open_combiner(&parent, Sum::new(), options(3, 3_600_000, 3_600_000));
    drop(sums);
    for n in 0..3 {
        combiner.port().send(&Sender::of(&at_relay), n);
    }
    assert_eq!(relay.bounced().await.cause, Cause::PortGone);
    relay.no_bounce();
}
