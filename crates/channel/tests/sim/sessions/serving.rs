//! The nodes that serve: a sink for parcels and a receiver for typed messages, both of which are slow at times.

use std::{
    collections::BTreeMap,
    future::poll_fn,
    panic::resume_unwind,
    pin::{Pin, pin},
    sync::{Arc, Mutex},
    task::Poll,
    time::Duration,
};

use hypermesh_channel::{Flow, Limits, Payload, Peer, RecvError, Rx, Sink};
use hypermesh_testkit::Rng;
use tokio::{select, sync::mpsc, task::JoinSet};

use super::{World, addr, dialling::Note, duplex, shut_down};

/// What a node is told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// Its process ends without a word, and another one begins.
    Crash,
    /// It shuts down, and another one begins.
    Stop,
    /// It shuts down for good.
    End,
}

/// A node that serves.
pub(super) struct Serving {
    world: Arc<World>,
    name: &'static str,
    limits: Limits,
    rng: Rng,
}

impl Serving {
    pub(super) fn new(world: Arc<World>, name: &'static str, limits: Limits, rng: Rng) -> Self {
        Self {
            world,
            name,
            limits,
            rng,
        }
    }

    /// Serves, in one life after the other.
    pub(super) async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        loop {
            let endpoint = self.world.endpoint(self.name, &self.limits);
            let keeper = Arc::new(Keeper {
                world: self.world.clone(),
                limits: self.limits.clone(),
                rng: Mutex::new(Rng::new(self.rng.next_u64())),
            });
            let server = endpoint.serve_sink(addr(self.name), keeper).unwrap();
            let (_, mut rx) = endpoint.serve::<Note>(addr(self.name)).unwrap();
            let (_, duplex) = endpoint.serve_duplex(addr(self.name)).unwrap();
            let duplex = Arc::new(duplex);
            let (world, limits) = (self.world.clone(), self.limits.clone());
            let rng = Rng::new(self.rng.next_u64());
            let mut links = JoinSet::new();
            links.spawn(duplex::serve(world, duplex.clone(), limits, rng));
            let command = self.receive(&mut rx, &mut commands).await;
            if command == Command::Crash {
                self.world.network.restart(self.name);
            }
            let is_first = self.rng.chance(0.3);
            if is_first {
                duplex.close().await;
            }
            rx.close().await;
            self.drain(&mut rx).await;
            if self.rng.chance(0.5) {
                server.stop().await;
            }
            if !is_first && self.rng.chance(0.5) {
                duplex.close().await;
            }
            assert_eq!(server.stats().broken, 0, "INV-7: {}", self.name);
            shut_down(&endpoint, self.name).await;
            // Nobody puts anything in when everything has ended.
            self.drain(&mut rx).await;
            super::join(&mut links).await;
            if command == Command::End {
                return;
            }
            let absence = Duration::from_millis(self.rng.below(2_000));
            self.world.pause(absence).await;
        }
    }

    /// Receives until there is a command.
    async fn receive(
        &mut self,
        rx: &mut Rx<Note>,
        commands: &mut mpsc::Receiver<Command>,
    ) -> Command {
        loop {
            let first = select! {
                biased;
                command = commands.recv() => return command.unwrap(),
                received = rx.recv() => received,
            };
            take_all(&self.world, &self.limits, rx, Some(first)).await;
            if self.world.calm.is_cancelled() {
                continue;
            }
            let idle = match self.rng.below(16) {
                0..=9 => continue,
                10 => Duration::from_secs(self.rng.below(600)),
                11 => Duration::from_secs(self.rng.below(20)),
                _ => Duration::from_millis(self.rng.below(200)),
            };
            select! {
                biased;
                command = commands.recv() => return command.unwrap(),
                () = self.world.pause(idle) => {}
            }
        }
    }

    async fn drain(&self, rx: &mut Rx<Note>) {
        let first = rx.recv().await;
        take_all(&self.world, &self.limits, rx, Some(first)).await;
    }
}

/// Takes what is there, which is no more of each link than its credit (INV-4).
pub(super) async fn take_all(
    world: &World,
    limits: &Limits,
    rx: &mut Rx<Note>,
    mut next: Option<Result<Note, RecvError>>,
) {
    let mut per_link = BTreeMap::<u64, (usize, u64)>::new();
    loop {
        let (link, number, filling) = match next.take() {
            Some(Ok(note)) => note,
            Some(Err(RecvError::Closed)) | None => return,
            Some(Err(error)) => panic!("{error}"),
        };
        let len = filling.len();
        assert!(
            filling == super::ledger::filling(number as usize, len),
            "{link}/{number}"
        );
        let ledger = &world.ledger;
        ledger.deliver_numbered(link as usize, number as usize, len);
        let entry = per_link.entry(link).or_default();
        entry.0 += 1;
        entry.1 += len as u64;
        assert!(entry.0 <= limits.receiver_queue_messages, "INV-4: {link}");
        let most = limits.receiver_queue_bytes + limits.message;
        assert!(entry.1 < most, "INV-4: {link} has {} bytes", entry.1);
        let mut waiting = pin!(rx.recv());
        next = poll_fn(|cx| {
            Poll::Ready(match waiting.as_mut().poll(cx) {
                Poll::Ready(received) => Some(received),
                Poll::Pending => None,
            })
        })
        .await;
    }
}

/// A sink that records what it takes, often takes no more for a while, and panics at times.
struct Keeper {
    world: Arc<World>,
    limits: Limits,
    rng: Mutex<Rng>,
}

impl Sink for Keeper {
    fn deliver(&self, _: &Peer, batch: &mut Vec<Payload>) -> Flow {
        let limits = &self.limits;
        assert!(
            batch.len() <= limits.receiver_queue_messages,
            "INV-4: {}",
            batch.len()
        );
        let load: usize = batch.iter().map(Payload::len).sum();
        let most = limits.receiver_queue_bytes + limits.message;
        assert!((load as u64) < most, "INV-4: {load} bytes");
        let mut rng = self.rng.lock().unwrap();
        let is_slow = !self.world.calm.is_cancelled() && rng.chance(0.2);
        let n_taken = if is_slow {
            rng.below(batch.len() as u64 + 1) as usize
        } else {
            batch.len()
        };
        let panics = is_slow && rng.chance(0.05);
        for payload in batch.drain(..n_taken) {
            self.world.ledger.deliver(&payload);
        }
        drop(rng);
        if panics {
            // Nothing is printed of it.
            resume_unwind(Box::new("a sink panics at times"));
        }
        if is_slow { Flow::Pause } else { Flow::Continue }
    }

    fn ready(&self, _: &Peer) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let time = {
            let mut rng = self.rng.lock().unwrap();
            match rng.below(16) {
                0 => Duration::from_secs(rng.below(600)),
                1 => Duration::from_secs(rng.below(20)),
                _ => Duration::from_millis(rng.below(300)),
            }
        };
        Box::pin(self.world.pause(time))
    }
}
