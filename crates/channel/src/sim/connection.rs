//! The rule of a simulated connection. Holds no clock and no task: it is told what time it is.
//!
//! # Invariants
//!
//! - **INV-1**: what is read in one direction is a prefix of what was written, in its order.
//! - **INV-2**: nothing arrives before its latency is over, nor while its way is held, nor ever once the
//!   connection is silent.
//! - **INV-3**: of one direction, less than [`CAPACITY`] bytes and [`MAX_PIECES`] segments are written and not
//!   read, before the last piece that was taken. What vanished in a silent connection counts.
//! - **INV-4**: the end of the stream is read after all that was written before it; a reset after all that
//!   arrived before it.
//! - **INV-5**: whoever waits is woken when what he waits for is there, or has been told when it will be.

use std::{
    collections::VecDeque,
    io, mem,
    task::{Context, Waker},
    time::Duration,
};

use bytes::Bytes;
use fastrand::Rng;
use tokio::time::Instant;

use super::conditions::Path;
use crate::pipe::register;

/// So many bytes of one direction may be written and not read.
pub(super) const CAPACITY: usize = 256 << 10;

/// So many segments of one direction may be written and not read.
pub(super) const MAX_PIECES: usize = 1024;

/// What is written at once travels in segments of at most this many bytes.
const SEGMENT: usize = 16 << 10;

/// One segment in so many is cut short, to a length of up to [`SHORT`] bytes.
const SHORT_ONE_IN: u32 = 16;
const SHORT: usize = 64;

/// Who dialled, and who listened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Dialer,
    Listener,
}

impl Side {
    pub(super) const BOTH: [Self; 2] = [Self::Dialer, Self::Listener];

    pub(super) fn other(self) -> Self {
        match self {
            Self::Dialer => Self::Listener,
            Self::Listener => Self::Dialer,
        }
    }
}

/// What a poll comes to.
#[derive(Debug)]
pub(super) enum Turn<T> {
    Done(io::Result<T>),
    /// The waker is registered; something will be there at that time, if it is known.
    Wait(Option<Instant>),
}

/// The wakers to be called, and to be dropped, once nothing is locked.
#[derive(Debug, Default)]
pub(super) struct Wakers {
    to_wake: Vec<Waker>,
    replaced: Vec<Waker>,
}

impl Wakers {
    pub(super) fn wake(&mut self, slot: &mut Option<Waker>) {
        self.to_wake.extend(slot.take());
    }

    pub(super) fn register(&mut self, slot: &mut Option<Waker>, cx: &Context<'_>) {
        self.replaced.extend(register(slot, cx));
    }

    pub(super) fn call(self) {
        self.to_wake.into_iter().for_each(Waker::wake);
    }
}

/// A connection between two nodes.
#[derive(Debug)]
pub(super) struct Connection {
    /// The node of each side.
    nodes: [usize; 2],
    /// From each side to the other.
    ways: [Way; 2],
    /// How many of the four halves somebody holds.
    n_halves: u8,
}

/// One direction of a connection.
#[derive(Debug)]
struct Way {
    latency: Duration,
    in_flight: VecDeque<Segment>,
    arrived: VecDeque<Bytes>,
    /// The bytes that were written and not read, and their segments.
    n_unread: usize,
    n_segments: usize,
    last_arrival: Instant,
    is_held: bool,
    is_silent: bool,
    /// The writer shut the stream down.
    is_shut: bool,
    is_reader_gone: bool,
    /// What the reader gets after all that arrived.
    end: Option<End>,
    /// What the writer gets.
    write_error: Option<io::ErrorKind>,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

#[derive(Debug)]
struct Segment {
    arrives: Instant,
    item: Item,
}

/// What travels from one side to the other.
#[derive(Debug)]
enum Item {
    Bytes(Bytes),
    /// Nothing more is written.
    End,
    /// Nothing more is read.
    Gone,
    Reset,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Closed,
    Reset,
}

impl Connection {
    /// Returns a connection between `nodes`, with the latency from each side to the other.
    pub(super) fn new(nodes: [usize; 2], latencies: [Duration; 2], now: Instant) -> Self {
        Self {
            nodes,
            ways: latencies.map(|latency| Way::new(latency, now)),
            n_halves: 4,
        }
    }

    pub(super) fn node(&self, side: Side) -> usize {
        self.nodes[side as usize]
    }

    /// Returns the sides whose way leads from one node to the other.
    pub(super) fn sides_from(&self, from: usize, to: usize) -> impl Iterator<Item = Side> + use<> {
        let nodes = self.nodes;
        let leads =
            move |side: &Side| nodes[*side as usize] == from && nodes[side.other() as usize] == to;
        Side::BOTH.into_iter().filter(leads)
    }

    /// Takes the next piece that arrived at `side`; an empty one is the end.
    pub(super) fn poll_read(
        &mut self,
        side: Side,
        now: Instant,
        is_frozen: bool,
        cx: &Context<'_>,
        wakers: &mut Wakers,
    ) -> Turn<Bytes> {
        self.settle(now);
        let way = self.way_mut(side.other());
        if !is_frozen {
            if let Some(piece) = way.arrived.pop_front() {
                way.n_unread -= piece.len();
                way.n_segments -= 1;
                if way.n_unread <= CAPACITY / 2 && way.n_segments <= MAX_PIECES / 2 {
                    wakers.wake(&mut way.writer);
                }
                return Turn::Done(Ok(piece));
            }
            match way.end {
                Some(End::Closed) => return Turn::Done(Ok(Bytes::new())),
                Some(End::Reset) => return Turn::Done(Err(io::ErrorKind::ConnectionReset.into())),
                None => {}
            }
        }
        wakers.register(&mut way.reader, cx);
        Turn::Wait(way.next_arrival().filter(|_| !is_frozen))
    }

    /// Waits for room to write at `side`, and returns how many bytes are free.
    pub(super) fn poll_room(
        &mut self,
        side: Side,
        now: Instant,
        is_frozen: bool,
        cx: &Context<'_>,
        wakers: &mut Wakers,
    ) -> Turn<usize> {
        self.settle(now);
        let news = self.way_mut(side.other()).next_news();
        let way = self.way_mut(side);
        if !is_frozen {
            if let Some(error) = way.write_error {
                return Turn::Done(Err(error.into()));
            }
            if way.is_shut {
                return Turn::Done(Err(io::ErrorKind::BrokenPipe.into()));
            }
            if way.n_unread < CAPACITY && way.n_segments < MAX_PIECES {
                return Turn::Done(Ok(CAPACITY - way.n_unread));
            }
        }
        wakers.register(&mut way.writer, cx);
        Turn::Wait(news.filter(|_| !is_frozen))
    }

    /// Sends `piece` from `side` on `path`, after [`poll_room`](Self::poll_room) found room.
    pub(super) fn write(
        &mut self,
        side: Side,
        mut piece: Bytes,
        now: Instant,
        path: &mut Path,
        rng: &mut Rng,
        wakers: &mut Wakers,
    ) {
        let way = self.way_mut(side);
        way.n_unread += piece.len();
        while !piece.is_empty() {
            let is_short = rng.u32(0..SHORT_ONE_IN) == 0;
            let most = piece.len().min(SEGMENT);
            let n_bytes = if is_short {
                rng.usize(1..=most.min(SHORT))
            } else {
                most
            };
            way.n_segments += 1;
            let segment = Item::Bytes(piece.split_to(n_bytes));
            if !way.is_reader_gone {
                way.send(segment, now, path, wakers);
            }
        }
    }

    /// Ends the stream from `side`.
    pub(super) fn shut(&mut self, side: Side, now: Instant, path: &mut Path, wakers: &mut Wakers) {
        let way = self.way_mut(side);
        if !mem::replace(&mut way.is_shut, true) && way.write_error.is_none() {
            way.send(Item::End, now, path, wakers);
        }
        wakers.wake(&mut way.writer);
    }

    /// Reads nothing more at `side`, and tells the other side on `path`.
    pub(super) fn drop_reader(
        &mut self,
        side: Side,
        now: Instant,
        path: &mut Path,
        wakers: &mut Wakers,
    ) {
        self.settle(now);
        let way = self.way_mut(side.other());
        way.is_reader_gone = true;
        way.arrived.clear();
        way.in_flight
            .retain(|segment| !matches!(segment.item, Item::Bytes(_)));
        wakers.replaced.extend(way.reader.take());
        self.way_mut(side).send(Item::Gone, now, path, wakers);
        // It shall learn when the news comes.
        wakers.wake(&mut self.way_mut(side.other()).writer);
    }

    /// Counts a half that was dropped, and returns whether it was the last.
    pub(super) fn drop_half(&mut self) -> bool {
        self.n_halves -= 1;
        self.n_halves == 0
    }

    /// Resets both sides now: what did not arrive is lost.
    pub(super) fn cut(&mut self, now: Instant, wakers: &mut Wakers) {
        self.settle(now);
        for way in &mut self.ways {
            way.in_flight.clear();
            way.end_reading(End::Reset);
            way.end_writing(io::ErrorKind::ConnectionReset);
            way.wake(wakers);
        }
    }

    /// Lets everything vanish from now on, without telling anybody (INV-2).
    pub(super) fn silence(&mut self, now: Instant) {
        self.settle(now);
        for way in &mut self.ways {
            way.is_silent = true;
            way.in_flight.clear();
        }
    }

    /// Lets nothing arrive from `side` until it is released (INV-2).
    pub(super) fn hold(&mut self, side: Side, now: Instant) {
        self.settle(now);
        self.way_mut(side).is_held = true;
    }

    /// Sends what was held once more.
    pub(super) fn release(
        &mut self,
        side: Side,
        now: Instant,
        path: &mut Path,
        wakers: &mut Wakers,
    ) {
        let way = self.way_mut(side);
        way.is_held = false;
        for segment in mem::take(&mut way.in_flight) {
            way.send(segment.item, now, path, wakers);
        }
        // Who waits for the news among it shall learn when it comes.
        wakers.wake(&mut self.way_mut(side.other()).writer);
    }

    /// Ends `side` as if its process died: of what it sent and what has not arrived, a random part is
    /// lost, and the other side learns of the reset after it.
    pub(super) fn crash(
        &mut self,
        side: Side,
        now: Instant,
        path: &mut Path,
        rng: &mut Rng,
        wakers: &mut Wakers,
    ) {
        self.settle(now);
        let outgoing = self.way_mut(side);
        outgoing.end_writing(io::ErrorKind::ConnectionReset);
        outgoing.lose_tail(rng);
        outgoing.send(Item::Reset, now, path, wakers);
        let incoming = self.way_mut(side.other());
        incoming.in_flight.clear();
        incoming.arrived.clear();
        incoming.is_reader_gone = true;
        incoming.end = Some(End::Reset);
        self.wake(wakers);
    }

    /// Wakes all who wait, to look again.
    pub(super) fn wake(&mut self, wakers: &mut Wakers) {
        self.ways.iter_mut().for_each(|way| way.wake(wakers));
    }

    /// Lets arrive what is to arrive until `now`. Who waits for it has a timer.
    fn settle(&mut self, now: Instant) {
        for side in Side::BOTH {
            while let Some(item) = self.way_mut(side).next_item(now) {
                let (way, back) = match (&mut self.ways, side) {
                    ([way, back], Side::Dialer) | ([back, way], Side::Listener) => (way, back),
                };
                match item {
                    Item::Bytes(piece) => way.arrived.push_back(piece),
                    Item::End => way.end_reading(End::Closed),
                    Item::Gone => back.end_writing(io::ErrorKind::BrokenPipe),
                    Item::Reset => {
                        way.end_reading(End::Reset);
                        back.end_writing(io::ErrorKind::ConnectionReset);
                    }
                }
            }
        }
    }

    fn way_mut(&mut self, from: Side) -> &mut Way {
        &mut self.ways[from as usize]
    }
}

impl Way {
    fn new(latency: Duration, now: Instant) -> Self {
        Self {
            latency,
            in_flight: VecDeque::new(),
            arrived: VecDeque::new(),
            n_unread: 0,
            n_segments: 0,
            last_arrival: now,
            is_held: false,
            is_silent: false,
            is_shut: false,
            is_reader_gone: false,
            end: None,
            write_error: None,
            reader: None,
            writer: None,
        }
    }

    fn send(&mut self, item: Item, now: Instant, path: &mut Path, wakers: &mut Wakers) {
        if self.is_silent {
            return;
        }
        let n_bytes = match &item {
            Item::Bytes(bytes) => bytes.len(),
            Item::End | Item::Gone | Item::Reset => 0,
        };
        let leaves = path.depart(now, n_bytes);
        let arrives = leaves.checked_add(self.latency).unwrap_or(leaves);
        self.last_arrival = self.last_arrival.max(arrives);
        if self.in_flight.is_empty() {
            // The reader did not know when to look.
            wakers.wake(&mut self.reader);
        }
        self.in_flight.push_back(Segment {
            arrives: self.last_arrival,
            item,
        });
    }

    /// Returns the next item that has arrived.
    fn next_item(&mut self, now: Instant) -> Option<Item> {
        self.next_arrival().filter(|arrives| *arrives <= now)?;
        self.in_flight.pop_front().map(|segment| segment.item)
    }

    fn next_arrival(&self) -> Option<Instant> {
        let first = self.in_flight.front().filter(|_| !self.is_held)?;
        Some(first.arrives)
    }

    /// Returns when the other way's writer gets news by this one.
    fn next_news(&self) -> Option<Instant> {
        let is_news = |segment: &&Segment| matches!(segment.item, Item::Gone | Item::Reset);
        let first = self.in_flight.iter().find(is_news);
        first.filter(|_| !self.is_held).map(|first| first.arrives)
    }

    /// Keeps a random part of the bytes in flight, and nothing after it.
    fn lose_tail(&mut self, rng: &mut Rng) {
        let segments = mem::take(&mut self.in_flight);
        let lens = segments.iter().map(|segment| match &segment.item {
            Item::Bytes(bytes) => bytes.len(),
            Item::End | Item::Gone | Item::Reset => 0,
        });
        let mut n_kept = rng.usize(0..=lens.sum());
        for Segment { arrives, item } in segments {
            let Item::Bytes(mut bytes) = item else {
                continue;
            };
            bytes.truncate(n_kept);
            n_kept -= bytes.len();
            if bytes.is_empty() {
                break;
            }
            let item = Item::Bytes(bytes);
            self.in_flight.push_back(Segment { arrives, item });
        }
    }

    fn end_reading(&mut self, end: End) {
        self.end.get_or_insert(end);
    }

    fn end_writing(&mut self, error: io::ErrorKind) {
        self.write_error.get_or_insert(error);
    }

    fn wake(&mut self, wakers: &mut Wakers) {
        wakers.wake(&mut self.reader);
        wakers.wake(&mut self.writer);
    }
}
