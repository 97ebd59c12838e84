//! Gateways under random faults, over a simulated network: two senders, and receivers on a front and behind it.
//!
//! # Invariants
//!
//! - **INV-1**: what a port gets of one sender comes in the order of sending, and nothing twice.
//! - **INV-2**: every message is delivered, or its sender hears of it. What it hears to be lost was not delivered,
//!   unless the cause says that nobody knows.
//! - **INV-3**: once all faults are over, all of that is known soon.

use std::collections::HashMap;
use std::time::Duration;

use hypermesh_mailbox::channel::{
    ChannelAddr, ChannelTransport, SimConditions, SimName, SimNetwork,
};
use hypermesh_mailbox::{Gateway, GatewayOptions, Mailbox, PortReceiver, PortRef, ProcId};
use hypermesh_testkit::{Rng, Seed};
use tokio::runtime::{Builder, Handle};
use tokio::time::{Instant, sleep};

use crate::fixture::{Node, Sender, WORLD};

const SEEDS: u64 = 100;

/// How long it may take after the last fault until all is known: a link is given up after 60 s, a silent
/// connection is noticed after 20 s, and the message and its bounce take two links each.
const PATIENCE: Duration = Duration::from_secs(4 * 80);

/// Who sent it, to which port, and the how-manieth it was.
type Note = (usize, usize, u32);

const SENDERS: [&str; 2] = ["a", "b"];

#[test]
fn over_lost_connections_every_message_arrives_once_in_order_or_its_sender_hears_of_it() {
    for value in 0..SEEDS {
        let seed = Seed::new(value);
        let mut builder = Builder::new_current_thread();
        let runtime = builder.enable_time().start_paused(true).build().unwrap();
        runtime.block_on(run(value, seed.rng()));
    }
}

fn node(network: &SimNetwork, name: &str, rank: u32) -> Node {
    let mut options = GatewayOptions::new(Handle::current(), ChannelTransport::Sim);
    options.sim = Some(network.node(name));
    let gateway = Gateway::new(options);
    gateway.serve(addr(name)).unwrap();
    Node::on(gateway, ProcId::new(WORLD, rank, 0))
}

fn addr(name: &str) -> ChannelAddr {
    ChannelAddr::Sim(SimName::new(name).unwrap())
}

/// What came of the messages of one program.
#[derive(Default)]
struct Ledger {
    sent: HashMap<Note, Fate>,
    /// The last one that each port got of each sender.
    last: HashMap<(usize, usize), u32>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    Open,
    Delivered,
    Lost,
    /// It may have been delivered.
    Unknown,
}

impl Ledger {
    fn on_delivered(&mut self, note: Note) {
        let (sender, port, number) = note;
        if let Some(last) = self.last.insert((sender, port), number) {
            assert!(last < number, "INV-1: {note:?} after {last}");
        }
        let fate = self.sent.get_mut(&note).expect("INV-1: nobody sent it");
        assert!(
            matches!(fate, Fate::Open | Fate::Unknown),
            "INV-2: {note:?} was {fate:?}"
        );
        *fate = Fate::Delivered;
    }

    fn on_heard(&mut self, note: Note, is_unknown: bool) {
        let fate = self.sent.get_mut(&note).expect("INV-2: nobody sent it");
        match (*fate, is_unknown) {
            (Fate::Open, true) => *fate = Fate::Unknown,
            (Fate::Open, false) => *fate = Fate::Lost,
            (Fate::Delivered, true) => {}
            (fate, _) => panic!("INV-2: {note:?} was {fate:?} and is lost"),
        }
    }

    fn n_open(&self) -> usize {
        let open = self.sent.values().filter(|fate| **fate == Fate::Open);
        open.count()
    }
}

struct Program {
    network: SimNetwork,
    rng: Rng,
    ledger: Ledger,
    senders: Vec<(Node, Mailbox)>,
    ports: Vec<PortRef<Note>>,
    receivers: Vec<PortReceiver<Note>>,
    numbers: u32,
}

async fn run(seed: u64, mut rng: Rng) {
    let network = SimNetwork::new(seed);
    let latency = Duration::from_micros(rng.below(20_000));
    network.set_default_conditions(SimConditions::new(latency..=3 * latency));
    let senders: Vec<_> = (0..)
        .zip(SENDERS)
        .map(|(rank, name)| {
            let node = node(&network, name, rank);
            let mailbox = node.mailbox("sender");
            (node, mailbox)
        })
        .collect();
    let (front, behind) = (node(&network, "front", 7), node(&network, "behind", 8));
    front.gateway.route_proc(behind.id, addr("behind"));
    behind.gateway.set_location(addr("front"));
    let (mut ports, mut receivers) = (Vec::new(), Vec::new());
    for mailbox in [front.mailbox("receiver"), behind.mailbox("receiver")] {
        // Some of what is sent finds them full.
        for limit in [20, 100_000] {
            let (handle, receiver) = mailbox.open_bounded_port::<Note>(limit);
            ports.push(handle.bind());
            receivers.push(receiver);
        }
    }
    let mut program = Program {
        network,
        rng,
        ledger: Ledger::default(),
        senders,
        ports,
        receivers,
        numbers: 0,
    };
    for _ in 0..10 + program.rng.below(60) {
        program.step().await;
    }
    program.network.heal_all();
    let deadline = Instant::now() + PATIENCE;
    loop {
        program.look();
        if program.ledger.n_open() == 0 {
            break;
        }
        assert!(
            Instant::now() < deadline,
            "INV-3: {} open",
            program.ledger.n_open()
        );
        // tidy: sleeps because the clock is paused, and nothing tells when the last one is known
        sleep(Duration::from_millis(100)).await;
    }
    for (node, _) in &program.senders {
        assert_eq!(node.gateway.flush(PATIENCE).await, 0, "INV-3");
    }
    program.look();
    for gateway in [&front.gateway, &behind.gateway] {
        assert_eq!(gateway.stats().queued_bytes, 0);
    }
}

impl Program {
    async fn step(&mut self) {
        match self.rng.below(8) {
            0 => self.strike(),
            1 => self.look(),
            2 => {
                let pause = match self.rng.below(10) {
                    0 => Duration::from_secs(self.rng.below(5)),
                    _ => Duration::from_millis(self.rng.below(200)),
                };
                // tidy: sleeps because the clock is paused, and traffic comes at random times
                sleep(pause).await;
            }
            _ => self.send(),
        }
    }

    /// Sends some messages of one sender, to all ports in turn.
    fn send(&mut self) {
        let sender = self.rng.below(SENDERS.len() as u64) as usize;
        for _ in 0..self.rng.below(30) {
            let port = self.rng.below(self.ports.len() as u64) as usize;
            self.numbers += 1;
            let note = (sender, port, self.numbers);
            self.ledger.sent.insert(note, Fate::Open);
            self.ports[port].send(&Sender::of(&self.senders[sender].1), note);
        }
    }

    fn strike(&mut self) {
        let near = SENDERS[self.rng.below(2) as usize];
        let (one, other) = match self.rng.below(3) {
            0 => ("front", "behind"),
            1 => ("behind", "front"),
            _ => (near, "front"),
        };
        match self.rng.below(6) {
            0..=2 => self.network.cut(one, other),
            3 => self.network.half_open(one, other),
            4 => self.network.partition(one, other),
            _ => self.network.heal_all(),
        }
    }

    /// Takes what has arrived and what has come back.
    fn look(&mut self) {
        for receiver in &mut self.receivers {
            for note in receiver.drain() {
                self.ledger.on_delivered(note);
            }
        }
        for (node, _) in &mut self.senders {
            while let Some(bounce) = node.try_bounced() {
                let is_unknown = bounce.cause.is_unknown();
                let payload = bounce.payload.expect("it is small");
                let note = payload.take::<Note>().expect("it was sent as one");
                self.ledger.on_heard(note, is_unknown);
            }
        }
    }
}
