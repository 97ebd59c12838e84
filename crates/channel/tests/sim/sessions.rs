//! Sessions under random faults: links of all kinds, some of them duplex, from some nodes to others, which crash, stop,
//! read slowly and lose each other. The links are direct; or they lead through gateways, over one path or two, and then
//! each node that serves is a gateway to the others, so that gateways crash, stop and are cut off as those do.
//!
//! # Invariants
//!
//! - **INV-1**: what a link delivers comes in the order of posting, and nothing twice, over all lives of the
//!   receiver.
//! - **INV-2**: a parcel has one outcome. An acknowledged one was delivered, one that failed was not and is not.
//! - **INV-3**: a link holds what its sender queue allows, and one message more.
//! - **INV-4**: a receiver holds of each link what its queue allows, and one message more.
//! - **INV-5**: once all faults are over every outcome is known after the connect timeout and the stall timeout that
//!   links have by default, and every link that is dialled then delivers.
//! - **INV-6**: an endpoint that is shut down leaves no task, and one that is dropped none after a while.
//! - **INV-7**: no peer is taken for one that acknowledges nothing, or for one that breaks the protocol. A gateway that
//!   keeps as much as a receiver takes has room for everything.

mod dialling;
mod duplex;
mod ledger;
mod overruns;
mod serving;

use std::{num::NonZeroU64, sync::Arc, time::Duration};

use hypermesh_channel::{
    ChannelAddr, Endpoint, EndpointOptions, Limits, SimConditions, SimName, SimNetwork,
};
use hypermesh_testkit::Rng;
use tokio::{
    runtime::Handle,
    select,
    sync::mpsc,
    task::JoinSet,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use self::{
    dialling::{Dialling, Kind, To},
    ledger::{Gateways, Ledger},
    overruns::Overruns,
    serving::{Command, Serving},
};

/// A program with these names has at most so many nodes that dial, and that serve.
const DIALLING: [&str; 4] = ["a", "b", "c", "d"];
const SERVING: [&str; 3] = ["x", "y", "z"];

/// How long it may take until all is known once all faults are over: what a link has by default to connect, and to
/// be acknowledged.
const PATIENCE: Duration = Duration::from_secs(60 + 30);

/// How long the tasks of an endpoint that is dropped may take.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// The longest message of all.
const MAX_MESSAGE: u64 = 3 << 20;

/// What the frames of a link that wait in a gateway cost besides their messages.
const FRAMES: u64 = 4 << 10;

/// No life of a node has more links than these.
const MAX_LINKS: u64 = 3;

/// How links lead to where they end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ways {
    Direct,
    /// Mostly through one gateway or two.
    Gateways,
}

/// What all programs of a seed share.
struct World {
    network: SimNetwork,
    ledger: Ledger,
    gateways: Gateways,
    /// All faults are over, and nobody is slow any more.
    calm: CancellationToken,
}

/// Runs the traffic and the faults of a seed.
pub(crate) async fn run(network: SimNetwork, seed: u64, ways: Ways) {
    let mut rng = Rng::new(seed);
    let overruns = Overruns::default();
    let _guard = hypermesh_testkit::subscribe(overruns.clone());
    // In some seeds messages are so long that they travel in chunks.
    let large = rng.chance(1.0 / 16.0);
    let gateways = match ways {
        Ways::Direct => Gateways::None,
        Ways::Gateways => *pick(
            &mut rng,
            &[Gateways::Roomy, Gateways::Roomy, Gateways::Tight],
        ),
    };
    let world = Arc::new(World {
        network,
        ledger: Ledger::new(gateways),
        gateways,
        calm: CancellationToken::new(),
    });
    let serving = match ways {
        Ways::Direct => &SERVING[..1 + rng.below(3) as usize],
        Ways::Gateways => &SERVING[..2 + rng.below(2) as usize],
    };
    let dialling = &DIALLING[..1 + rng.below(4) as usize];
    world
        .network
        .set_default_conditions(conditions(&mut rng, large));
    let (mut servers, mut commands, mut places) = (JoinSet::new(), Vec::new(), Vec::new());
    let mut all_limits: Vec<_> = serving.iter().map(|_| limits(&mut rng, large)).collect();
    set_room(gateways, &mut all_limits);
    for (name, limits) in serving.iter().zip(all_limits) {
        let (sender, receiver) = mpsc::channel(8);
        commands.push(sender);
        let max = limits.message;
        places.push(To {
            name,
            max,
            gateways: if ways == Ways::Direct { &[] } else { serving },
        });
        let node = Serving::new(world.clone(), name, limits, Rng::new(rng.next_u64()));
        servers.spawn(node.run(receiver));
    }
    let (mut drivers, mut hosts) = (JoinSet::new(), Vec::new());
    for name in dialling {
        let host = Dialling::new(
            world.clone(),
            name,
            limits(&mut rng, large),
            Rng::new(rng.next_u64()),
        );
        for _ in 0..1 + rng.below(MAX_LINKS) {
            let to = *pick(&mut rng, &places);
            let kind = *pick(&mut rng, &[Kind::Parcels, Kind::Typed, Kind::Duplex]);
            drivers.spawn(dialling::drive(
                host.clone(),
                kind,
                to,
                Rng::new(rng.next_u64()),
            ));
        }
        hosts.push(host);
    }
    let n_faults = match seed % 4 {
        0 => 0,
        _ => 1 + rng.below(20),
    };
    for _ in 0..n_faults {
        // tidy: sleeps because the clock is paused, and faults come at random times
        sleep(between_faults(&mut rng)).await;
        strike(&world, &mut rng, &hosts, serving, &commands).await;
    }
    calm_down(&world, dialling, serving);
    join(&mut drivers).await;
    for host in hosts {
        host.end().await;
    }
    for command in commands {
        command.send(Command::End).await.unwrap();
    }
    join(&mut servers).await;
    world.ledger.check_end();
    // tidy: sleeps because the clock is paused, and endpoints that were dropped have their last words
    sleep(LAST_WORDS).await;
    let n_tasks = Handle::current().metrics().num_alive_tasks();
    assert_eq!(n_tasks, 0, "INV-6");
    let has_room = gateways == Gateways::Roomy;
    assert!(!has_room || overruns.count() == 0, "INV-7: in a gateway");
}

/// Ends all faults.
fn calm_down(world: &World, dialling: &[&str], serving: &[&str]) {
    world.network.heal_all();
    for node in dialling.iter().chain(serving) {
        world.network.thaw(node);
    }
    world.calm.cancel();
}

/// Lets one fault happen.
async fn strike(
    world: &World,
    rng: &mut Rng,
    hosts: &[Arc<Dialling>],
    serving: &[&'static str],
    commands: &[mpsc::Sender<Command>],
) {
    let network = &world.network;
    let server = rng.below(serving.len() as u64) as usize;
    let host = pick(rng, hosts);
    let there = serving[server];
    let is_behind = world.gateways != Gateways::None && rng.chance(0.4);
    let here = if is_behind {
        serving[(server + 1) % serving.len()]
    } else {
        host.name
    };
    match rng.below(16) {
        0..=3 => network.cut(here, there),
        4 | 5 => network.half_open(here, there),
        6 => network.partition(here, there),
        7 => network.partition_one_way(here, there),
        8 => network.partition_one_way(there, here),
        9 | 10 => network.heal(here, there),
        11 => network.freeze(there),
        12 => network.freeze(here),
        13 => {
            network.thaw(there);
            network.thaw(here);
        }
        14 => {
            let command = *pick(rng, &[Command::Crash, Command::Stop]);
            // One that is still busy with those before does not need more.
            let _ = commands[server].try_send(command);
        }
        _ => host.crash(rng.chance(0.5)).await,
    }
}

fn between_faults(rng: &mut Rng) -> Duration {
    match rng.below(32) {
        0 => Duration::from_secs(rng.below(400)),
        1..=4 => Duration::from_millis(rng.below(30_000)),
        // So soon that it is in the middle of what the one before led to.
        5..=16 => Duration::from_millis(rng.below(80)),
        _ => Duration::from_millis(rng.below(500)),
    }
}

impl World {
    /// Waits, but not when all faults are over.
    async fn pause(&self, duration: Duration) {
        select! {
            biased;
            () = self.calm.cancelled() => {}
            // tidy: sleeps because the clock is paused, and traffic comes at random times
            () = sleep(duration) => {}
        }
    }

    /// Returns a new endpoint on the present life of a node.
    fn endpoint(&self, name: &str, limits: &Limits) -> Endpoint {
        let mut options = EndpointOptions::new(Handle::current());
        options.sim = Some(self.network.node(name));
        options.limits = limits.clone();
        options.gateway = self.gateways != Gateways::None;
        Endpoint::new(options)
    }
}

fn addr(name: &str) -> ChannelAddr {
    ChannelAddr::Sim(SimName::new(name).unwrap())
}

/// Shuts an endpoint down (INV-6).
async fn shut_down(endpoint: &Endpoint, name: &str) {
    let began = Instant::now();
    let report = endpoint.shutdown(Duration::from_secs(1)).await;
    assert_eq!(report.stuck_tasks, 0, "INV-6: {name}");
    assert!(
        began.elapsed() < LAST_WORDS,
        "INV-6: {name} took {:?}",
        began.elapsed()
    );
}

fn conditions(rng: &mut Rng, large: bool) -> SimConditions {
    let low = Duration::from_micros(rng.below(10_000));
    let conditions = SimConditions::new(low..=low + Duration::from_micros(rng.below(60_000)));
    match rng.below(2) {
        0 => conditions,
        _ => {
            let least = if large { 5_000_000 } else { 200_000 };
            conditions.with_bandwidth(NonZeroU64::new(least + rng.below(10_000_000)).unwrap())
        }
    }
}

/// Returns limits that are mostly small.
fn limits(rng: &mut Rng, large: bool) -> Limits {
    let mut limits = Limits::default();
    limits.message = *pick(rng, &[200, 4_000, 70_000]);
    limits.sender_queue_messages = *pick(rng, &[1, 3, 40, 40]);
    limits.sender_queue_bytes = *pick(rng, &[1, 5_000, 1 << 20, 8 << 20]);
    if large {
        limits.message = MAX_MESSAGE;
    }
    limits.receiver_queue_messages = *pick(rng, &[1, 2, 3, 30]);
    limits.receiver_queue_bytes = *pick(rng, &[1, 100, 5_000, 1 << 20]);
    limits.connect_timeout = Duration::from_secs(*pick(rng, &[30, 60]));
    // Longer than it takes both ends to notice, one after the other, that nothing arrives.
    limits.stall_timeout = Duration::from_secs(*pick(rng, &[60, 90]));
    limits.session_lifetime = Duration::from_secs(*pick(rng, &[1, 300, 300]));
    limits.ack_delay = Duration::from_millis(*pick(rng, &[0, 5, 5, 100]));
    limits.gone_timeout = *pick(rng, &[None, None, Some(Duration::from_millis(250))]);
    limits
}

/// Gives gateways room for what any of the receivers lets wait, or for hardly anything.
fn set_room(gateways: Gateways, all: &mut [Limits]) {
    let most = |of: fn(&Limits) -> u64| all.iter().map(of).max().unwrap_or_default();
    let waiting = most(|limits| limits.receiver_queue_bytes) + most(|limits| limits.message);
    for limits in all {
        limits.relay_queue_bytes = match gateways {
            Gateways::Tight => 1,
            // There is room for one message of its own.
            _ => (waiting + FRAMES).saturating_sub(limits.message),
        };
    }
}

fn pick<'a, T>(rng: &mut Rng, values: &'a [T]) -> &'a T {
    &values[rng.below(values.len() as u64) as usize]
}

async fn join(tasks: &mut JoinSet<()>) {
    while let Some(joined) = tasks.join_next().await {
        joined.unwrap();
    }
}
