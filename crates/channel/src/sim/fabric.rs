//! Everything there is in a simulated network, behind one lock.
//!
//! # Invariants
//!
//! - **INV-1**: no waker is called or dropped while the lock is held.
//! - **INV-2**: what happens depends on the seed, the calls and the clock alone: nothing is drawn elsewhere,
//!   and nothing is walked through in the order of a hash.
//! - **INV-3**: a connection is forgotten with the last of its four halves.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt, io, mem,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Waker},
    time::Duration,
};

use bytes::Bytes;
use fastrand::Rng;
use tokio::{sync::Notify, time::Instant};

use super::{
    conditions::{Path, SimConditions},
    connection::{Connection, Side, Turn, Wakers},
    trace::{self, Trace},
};

/// How many connections of a listener may wait to be accepted.
const BACKLOG: usize = 128;

/// A network, which its nodes and streams share.
#[derive(Debug)]
pub(super) struct Fabric {
    state: Mutex<State>,
    /// Told when somebody who waits to connect may look again.
    pub(super) changed: Notify,
}

#[derive(Debug)]
pub(super) struct State {
    start: Instant,
    pub(super) rng: Rng,
    pub(super) trace: Trace,
    pub(super) nodes: Vec<Node>,
    /// The names that were ever listened on.
    pub(super) services: BTreeMap<String, Service>,
    pub(super) default_conditions: SimConditions,
    pub(super) paths: BTreeMap<(usize, usize), Path>,
    pub(super) connections: BTreeMap<u64, Connection>,
    n_connections: u64,
    n_listeners: u64,
    pub(super) wakers: Wakers,
}

#[derive(Debug)]
pub(super) struct Node {
    name: String,
    /// How often it was restarted.
    pub(super) life: u64,
    pub(super) is_frozen: bool,
}

/// A name that was listened on.
#[derive(Debug)]
pub(super) struct Service {
    /// Where that was, the last time.
    pub(super) node: usize,
    pub(super) listening: Option<Listening>,
}

#[derive(Debug)]
pub(super) struct Listening {
    pub(super) number: u64,
    backlog: VecDeque<u64>,
    pub(super) waker: Option<Waker>,
}

/// A node in one of its lives.
#[derive(Clone, Copy, Debug)]
pub(super) struct NodeLife {
    pub(super) node: usize,
    pub(super) life: u64,
}

/// What an attempt to connect comes to.
#[derive(Debug)]
pub(super) enum Attempt {
    /// Nothing gets through for now.
    Blocked,
    /// It may get through, if nothing changes, after this time.
    Underway(Duration),
    Connected(u64),
}

impl Fabric {
    pub(super) fn new(seed: u64) -> Self {
        let state = State {
            start: Instant::now(),
            rng: Rng::with_seed(seed),
            trace: Trace::new(),
            nodes: Vec::new(),
            services: BTreeMap::new(),
            default_conditions: SimConditions::default(),
            paths: BTreeMap::new(),
            connections: BTreeMap::new(),
            n_connections: 0,
            n_listeners: 0,
            wakers: Wakers::default(),
        };
        Self {
            state: Mutex::new(state),
            changed: Notify::new(),
        }
    }

    /// Acts on the state, and then calls the wakers (INV-1).
    pub(super) fn act<R>(&self, act: impl FnOnce(&mut State, Instant) -> R) -> R {
        let mut state = self.lock();
        let result = act(&mut state, Instant::now());
        let wakers = mem::take(&mut state.wakers);
        drop(state);
        wakers.call();
        result
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Nodes, names and listeners.
impl State {
    /// Returns the node of that name in its present life.
    pub(super) fn node(&mut self, name: &str) -> NodeLife {
        let found = self.nodes.iter().position(|node| node.name == name);
        let node = found.unwrap_or_else(|| {
            self.nodes.push(Node {
                name: name.to_owned(),
                life: 0,
                is_frozen: false,
            });
            self.nodes.len() - 1
        });
        let life = self.nodes[node].life;
        NodeLife { node, life }
    }

    pub(super) fn listen(&mut self, me: NodeLife, name: &str, now: Instant) -> io::Result<u64> {
        self.check_alive(me)?;
        if self.services.get(name).is_some_and(Service::is_served) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        let number = self.n_listeners;
        self.n_listeners += 1;
        let listening = Some(Listening {
            number,
            backlog: VecDeque::new(),
            waker: None,
        });
        let node = me.node;
        self.services
            .insert(name.to_owned(), Service { node, listening });
        let host = self.nodes[node].name.clone();
        self.note(now, format_args!("{host} listens on {name}"));
        Ok(number)
    }

    /// Takes the next connection of a listener.
    pub(super) fn poll_accept(&mut self, name: &str, number: u64, cx: &Context<'_>) -> Turn<u64> {
        let (services, wakers) = (&mut self.services, &mut self.wakers);
        let service = services.get_mut(name);
        let node = service.as_ref().map(|service| service.node);
        let is_frozen = node.is_some_and(|node| self.nodes[node].is_frozen);
        let listening = service.and_then(|service| service.listening.as_mut());
        let Some(listening) = listening.filter(|listening| listening.number == number) else {
            return Turn::Done(Err(io::ErrorKind::ConnectionAborted.into()));
        };
        if !is_frozen && let Some(connection) = listening.backlog.pop_front() {
            return Turn::Done(Ok(connection));
        }
        wakers.register(&mut listening.waker, cx);
        Turn::Wait(None)
    }

    /// Ends a listener, with the connections that it did not accept.
    pub(super) fn unlisten(&mut self, name: &str, number: u64, now: Instant) {
        let service = self.services.get_mut(name);
        let listening = service.and_then(|service| {
            service
                .listening
                .take_if(|listening| listening.number == number)
        });
        let Some(mut listening) = listening else {
            return;
        };
        self.note(now, format_args!("nobody listens on {name}"));
        self.wakers.wake(&mut listening.waker);
        for connection in listening.backlog {
            self.drop_reader(connection, Side::Listener, now);
            self.drop_writer(connection, Side::Listener, now);
        }
    }

    /// Looks whether `me` can reach `name`, which takes `underway` if that is known already.
    pub(super) fn attempt(
        &mut self,
        me: NodeLife,
        name: &str,
        underway: Option<Duration>,
        now: Instant,
    ) -> io::Result<Attempt> {
        self.check_alive(me)?;
        let service = self.services.get(name);
        // Who asks for a name that nobody knows learns that as fast as he would reach himself.
        let to = service.map_or(me.node, |service| service.node);
        let is_blocked = self.path(me.node, to, now).is_blocked
            || self.path(to, me.node, now).is_blocked
            || self.nodes[me.node].is_frozen;
        if is_blocked {
            return Ok(Attempt::Blocked);
        }
        let Some(latency) = underway else {
            // Both paths were looked at.
            let path = &self.paths[&(me.node, to)];
            return Ok(Attempt::Underway(path.draw_latency(&mut self.rng)));
        };
        let service = self.services.get_mut(name);
        let Some(listening) = service.and_then(|service| service.listening.as_mut()) else {
            let from = self.nodes[me.node].name.clone();
            self.note(now, format_args!("{from} finds nobody on {name}"));
            return Err(io::ErrorKind::ConnectionRefused.into());
        };
        if BACKLOG <= listening.backlog.len() {
            return Ok(Attempt::Blocked);
        }
        let number = self.n_connections;
        self.n_connections += 1;
        listening.backlog.push_back(number);
        self.wakers.wake(&mut listening.waker);
        let back = self.paths[&(to, me.node)].draw_latency(&mut self.rng);
        let connection = Connection::new([me.node, to], [latency, back], now);
        self.connections.insert(number, connection);
        let (from, to) = (&self.nodes[me.node].name, &self.nodes[to].name);
        let at = now.saturating_duration_since(self.start);
        self.trace
            .add(at, format_args!("#{number} {from}>{to} opens on {name}"));
        Ok(Attempt::Connected(number))
    }

    fn check_alive(&self, me: NodeLife) -> io::Result<()> {
        if self.nodes[me.node].life == me.life {
            Ok(())
        } else {
            Err(io::ErrorKind::ConnectionAborted.into())
        }
    }
}

/// The streams.
impl State {
    pub(super) fn poll_read(
        &mut self,
        number: u64,
        side: Side,
        now: Instant,
        cx: &Context<'_>,
    ) -> Turn<Bytes> {
        let Some(connection) = self.connections.get_mut(&number) else {
            return Turn::Done(Err(io::ErrorKind::NotConnected.into()));
        };
        let is_frozen = self.nodes[connection.node(side)].is_frozen;
        let turn = connection.poll_read(side, now, is_frozen, cx, &mut self.wakers);
        match &turn {
            Turn::Done(Ok(piece)) if piece.is_empty() => {
                self.note_at(number, side, now, format_args!("reads the end"));
            }
            Turn::Done(Ok(piece)) => {
                self.note_at(number, side, now, format_args!("reads {}", piece.len()));
            }
            Turn::Done(Err(error)) => {
                let kind = error.kind();
                self.note_at(number, side, now, format_args!("reads an error: {kind}"));
            }
            Turn::Wait(_) => {}
        }
        turn
    }

    pub(super) fn poll_room(
        &mut self,
        number: u64,
        side: Side,
        now: Instant,
        cx: &Context<'_>,
    ) -> Turn<usize> {
        let Some(connection) = self.connections.get_mut(&number) else {
            return Turn::Done(Err(io::ErrorKind::NotConnected.into()));
        };
        let is_frozen = self.nodes[connection.node(side)].is_frozen;
        let turn = connection.poll_room(side, now, is_frozen, cx, &mut self.wakers);
        if let Turn::Done(Err(error)) = &turn {
            let kind = error.kind();
            self.note_at(number, side, now, format_args!("writes an error: {kind}"));
        }
        turn
    }

    pub(super) fn write(&mut self, number: u64, side: Side, piece: &Bytes, now: Instant) {
        let (n_bytes, sum) = (piece.len(), trace::sum(piece));
        self.note_at(
            number,
            side,
            now,
            format_args!("writes {n_bytes} {sum:08x}"),
        );
        self.with_path(number, side, now, |connection, path, rng, wakers| {
            connection.write(side, piece.clone(), now, path, rng, wakers);
        });
    }

    pub(super) fn shut(&mut self, number: u64, side: Side, now: Instant) {
        self.with_path(number, side, now, |connection, path, _, wakers| {
            connection.shut(side, now, path, wakers);
        });
    }

    pub(super) fn drop_reader(&mut self, number: u64, side: Side, now: Instant) {
        self.with_path(number, side, now, |connection, path, _, wakers| {
            connection.drop_reader(side, now, path, wakers);
        });
        self.drop_half(number);
    }

    pub(super) fn drop_writer(&mut self, number: u64, side: Side, now: Instant) {
        self.shut(number, side, now);
        self.drop_half(number);
    }

    fn drop_half(&mut self, number: u64) {
        let connection = self.connections.get_mut(&number);
        if connection.is_some_and(Connection::drop_half) {
            self.connections.remove(&number);
        }
    }

    /// Acts on a connection and the path on which `side` sends.
    pub(super) fn with_path(
        &mut self,
        number: u64,
        side: Side,
        now: Instant,
        act: impl FnOnce(&mut Connection, &mut Path, &mut Rng, &mut Wakers),
    ) {
        let Some(connection) = self.connections.get_mut(&number) else {
            return;
        };
        let way = (connection.node(side), connection.node(side.other()));
        let path = self
            .paths
            .entry(way)
            .or_insert_with(|| Path::new(self.default_conditions.clone(), now));
        act(connection, path, &mut self.rng, &mut self.wakers);
    }
}

/// What the rest of the network asks for.
impl State {
    /// Returns how many connections somebody holds a half of.
    #[cfg(test)]
    pub(super) fn n_open(&self) -> usize {
        self.connections.len()
    }

    /// Records an event.
    pub(super) fn note(&mut self, now: Instant, event: fmt::Arguments<'_>) {
        self.trace
            .add(now.saturating_duration_since(self.start), event);
    }

    /// Records an event at one side of a connection.
    fn note_at(&mut self, number: u64, side: Side, now: Instant, event: fmt::Arguments<'_>) {
        let Some(connection) = self.connections.get(&number) else {
            return;
        };
        let node = &self.nodes[connection.node(side)].name;
        let at = now.saturating_duration_since(self.start);
        self.trace.add(at, format_args!("#{number} {node} {event}"));
    }

    pub(super) fn path(&mut self, from: usize, to: usize, now: Instant) -> &mut Path {
        self.paths
            .entry((from, to))
            .or_insert_with(|| Path::new(self.default_conditions.clone(), now))
    }
}

impl Service {
    fn is_served(&self) -> bool {
        self.listening.is_some()
    }
}
