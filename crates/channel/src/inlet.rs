//! The reading end of a connection: reads frames, and gives each to its session.
//!
//! # Invariants
//!
//! - **INV-1**: a connection that reads little holds no memory for what may come, but for what is kept for a while.
//! - **INV-2**: what comes for a session that this connection does not carry any more is thrown away.
//! - **INV-3**: whoever was given something short has a turn before more of a long message around it is read.

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    future::poll_fn,
    io,
    mem::{self, MaybeUninit},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use hypermesh_wire::Payload;
use tokio::{
    io::{AsyncRead, AsyncReadExt, ReadBuf},
    select,
    task::{coop::consume_budget, yield_now},
    time::{Duration, Instant, sleep_until},
};

use crate::{
    carried::{Carried, Wish},
    demux::{Demux, Frames, MAX_SHARED, Run},
    frame::{FrameError, Header},
    heart::Heart,
    outcome::ProtocolError,
    outlet::Outlet,
    pool::Pool,
    settings::Limits,
    stream::Reader,
};

/// So much is read at once, on the stack, while little comes.
const SMALL_READ: usize = 4 << 10;
/// So much is read at once while much comes.
const LARGE_READ: usize = MAX_SHARED;
/// What was read is copied if it is less than this, and the memory read into again.
const LEAST_SHARED: usize = LARGE_READ / 4;
/// After so much, whoever receives something has his turn.
const TURN: usize = 512 << 10;
/// So much memory of what was read is kept for what comes.
const KEPT: usize = 8 * LARGE_READ;
/// So much is read at once of what is thrown away.
const DRAIN: usize = 64 << 10;

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum End {
    #[error("the peer ended it")]
    Peer,
    #[error("the peer was not heard of for long")]
    Silent,
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
}

impl From<FrameError> for End {
    fn from(error: FrameError) -> Self {
        Self::Protocol(error.into())
    }
}

/// The sessions of a connection.
pub(crate) trait Sessions {
    /// Returns the session with this number.
    fn find(&self, number: u32) -> Option<Arc<dyn Carried>>;
    /// Takes the beginning of a session.
    fn open(&self, header: Header, body: &Bytes) -> Result<(), ProtocolError>;
    /// Forgets a session.
    fn leave(&self, number: u32);
    /// Returns all sessions.
    fn all(&self) -> Vec<(u32, Arc<dyn Carried>)>;
}

/// The reading end of one connection.
pub(crate) struct Inlet<'a, S> {
    reader: Reader,
    demux: Demux,
    /// Where much is read into, while much comes.
    large: Option<Vec<u8>>,
    pool: Pool,
    switch: Switch<'a, S>,
    heart: Arc<Heart>,
    /// Whether the task that reads is known.
    is_known: bool,
    limits: &'a Limits,
}

/// Gives frames to sessions.
struct Switch<'a, S> {
    connection: u64,
    sessions: &'a S,
    heart: Arc<Heart>,
    /// Whether somebody was given something short since the last turn.
    has_given: bool,
    /// Those that wait for the delay of acknowledgements.
    late: BTreeMap<u32, Arc<dyn Carried>>,
    /// When that is over.
    ack_time: Option<Instant>,
    ack_delay: Duration,
}

impl<'a, S: Sessions> Inlet<'a, S> {
    pub(crate) fn new(
        reader: Reader,
        outlet: &Arc<Outlet>,
        sessions: &'a S,
        heart: Arc<Heart>,
        limits: &'a Limits,
    ) -> Self {
        outlet.glance.begin(reader.socket());
        Self {
            reader,
            demux: Demux::new(limits.message),
            large: None,
            pool: Pool::new(KEPT),
            switch: Switch {
                connection: outlet.connection,
                sessions,
                heart: heart.clone(),
                has_given: false,
                late: BTreeMap::new(),
                ack_time: None,
                ack_delay: limits.ack_delay,
            },
            heart,
            is_known: false,
            limits,
        }
    }

    /// Reads until the connection ends.
    ///
    /// Nothing is lost if the future is dropped.
    pub(crate) async fn run(&mut self) -> End {
        loop {
            let tick = self.heart.due();
            let ack_time = self.switch.ack_time;
            let mut timer = pin!(sleep_until(ack_time.map_or(tick, |time| time.min(tick))));
            let mut turn = 0;
            loop {
                let read = select! {
                    biased;
                    result = poll_fn(|cx| self.poll_read(cx)) => Some(result),
                    () = &mut timer => None,
                };
                match read {
                    Some(Ok(bytes)) => {
                        self.heart.heard();
                        turn += bytes;
                    }
                    Some(Err(end)) => return end,
                    None => {
                        if let Some(end) = self.on_time() {
                            return end;
                        }
                        break;
                    }
                }
                // INV-3
                let is_awaited = self.switch.has_given && self.demux.is_inside();
                if TURN <= turn || is_awaited {
                    turn = 0;
                    self.switch.has_given = false;
                    yield_now().await;
                } else {
                    consume_budget().await;
                }
                if self.switch.ack_time != ack_time {
                    break;
                }
            }
        }
    }

    /// Reads once, gives out what is complete by that, and returns how many bytes that is of a turn: those of a long message,
    /// or all of it if there was no memory left that was used before.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, End>> {
        let Self {
            reader,
            demux,
            large,
            pool,
            switch,
            heart,
            is_known,
            ..
        } = self;
        if !mem::replace(is_known, true) {
            heart.glance().is_of(cx.waker());
        }
        if heart.glance().take() {
            reader.glance();
        }
        if let Some(memory) = demux.direct() {
            let mut memory = ReadBuf::new(memory);
            ready!(reader.poll_read_announced(cx, &mut memory))?;
            let n = memory.filled().len();
            if n == 0 {
                return Poll::Ready(Err(FrameError::Cut.into()));
            }
            demux.direct_done(n, switch)?;
            return Poll::Ready(Ok(n));
        }
        let mut turn = 0;
        let mut room = || {
            pool.take(LARGE_READ).unwrap_or_else(|| {
                // All that is kept waits for the program, which now has its turn.
                turn = TURN;
                vec![0; LARGE_READ]
            })
        };
        let n = if let Some(memory) = large {
            let mut read = ReadBuf::new(memory);
            ready!(Pin::new(reader).poll_read(cx, &mut read))?;
            let n = read.filled().len();
            if n < LEAST_SHARED {
                demux.feed(&memory[..n], None, switch)?;
            } else {
                let bytes = pool.lend(mem::replace(memory, room()), n);
                demux.feed(&bytes, Some(&bytes), switch)?;
            }
            n
        } else {
            let mut memory = [MaybeUninit::uninit(); SMALL_READ];
            let mut memory = ReadBuf::uninit(&mut memory);
            ready!(Pin::new(reader).poll_read(cx, &mut memory))?;
            let bytes = memory.filled();
            demux.feed(bytes, None, switch)?;
            bytes.len()
        };
        if n == 0 {
            return Poll::Ready(Err(demux.end().map_or_else(End::from, |()| End::Peer)));
        }
        // INV-1: much comes, and not to memory of its own.
        let is_much = n >= SMALL_READ && !demux.is_inside();
        if !is_much {
            large
                .take()
                .into_iter()
                .for_each(|memory| pool.give_back(memory));
        } else if large.is_none() {
            *large = Some(room());
        }
        Poll::Ready(Ok(turn))
    }

    /// Does what is due.
    fn on_time(&mut self) -> Option<End> {
        let now = Instant::now();
        let connection = self.switch.connection;
        if self.switch.ack_time.is_some_and(|time| time <= now) {
            self.switch.ack_time = None;
            for session in mem::take(&mut self.switch.late).into_values() {
                session.on_ack_time(connection);
            }
        }
        if self.heart.due() <= now {
            // First: a connection that is dead does not tell how its sessions are.
            let (interval, missed) = (self.limits.ping_interval, self.limits.ping_misses);
            if self.heart.tick(interval, missed) {
                return Some(End::Silent);
            }
            // Until the next tick the peer is heard, however little it sends.
            if let Err(error) = self.reader.look() {
                return Some(error.into());
            }
            // INV-1
            self.large = None;
            self.pool.relax();
            self.demux.relax();
            for number in self.demux.begun() {
                if let Some(session) = self.switch.sessions.find(number) {
                    session.on_coming(connection);
                }
            }
            for (number, session) in self.switch.sessions.all() {
                if session.on_tick(connection) == Wish::Leave {
                    self.switch.sessions.leave(number);
                }
            }
        }
        None
    }

    /// Reads and throws away until the peer ends the stream, too.
    pub(crate) async fn drain(&mut self) -> io::Result<()> {
        let mut buffer = vec![0; DRAIN];
        while self.reader.read(&mut buffer).await? != 0 {}
        Ok(())
    }
}

impl<S> Drop for Inlet<'_, S> {
    fn drop(&mut self) {
        // Before the reader goes.
        self.heart.glance().end();
    }
}

impl<S: Sessions> Switch<'_, S> {
    fn find(&self, number: u32) -> Option<Arc<dyn Carried>> {
        if number == 0 {
            return Some(self.heart.clone());
        }
        self.sessions.find(number)
    }

    /// Gives a session that breaks the protocol the chance to take that upon itself.
    fn or_fault(
        &self,
        session: &Arc<dyn Carried>,
        result: Result<Wish, ProtocolError>,
    ) -> Result<Wish, ProtocolError> {
        result.or_else(|error| session.clone().on_fault(self.connection, error))
    }

    fn grant(&mut self, number: u32, session: Arc<dyn Carried>, wish: Wish) {
        match wish {
            Wish::None => {}
            Wish::Leave => self.sessions.leave(number),
            Wish::AckLater => {
                if self.ack_time.is_none() {
                    self.ack_time = Some(Instant::now() + self.ack_delay);
                }
                self.late.entry(number).or_insert(session);
            }
        }
    }
}

impl<S: Sessions> Frames for Switch<'_, S> {
    fn run(&mut self, number: u32, run: Run) -> Result<(), ProtocolError> {
        self.has_given = true;
        if let Some(session) = self.find(number) {
            let result = session.clone().on_run(self.connection, run);
            let wish = self.or_fault(&session, result)?;
            self.grant(number, session, wish);
        }
        Ok(())
    }

    fn begins(&mut self, header: Header) -> Result<bool, ProtocolError> {
        let number = header.session;
        let Some(session) = self.find(number) else {
            return Ok(false);
        };
        session
            .clone()
            .on_begin(self.connection, header)
            .or_else(|error| {
                let wish = session.clone().on_fault(self.connection, error)?;
                self.grant(number, session, wish);
                Ok(false)
            })
    }

    fn passes_on(&mut self, number: u32) -> bool {
        self.find(number).is_some_and(|session| session.passes_on())
    }

    fn frame(&mut self, header: Header, rest: Bytes) -> Result<(), ProtocolError> {
        let number = header.session;
        if let Some(session) = self.find(number) {
            let wish = session.clone().on_frame(self.connection, header, rest)?;
            self.grant(number, session, wish);
        }
        Ok(())
    }

    fn fault(&mut self, number: u32, error: ProtocolError) -> Result<(), ProtocolError> {
        if let Some(session) = self.find(number) {
            let wish = self.or_fault(&session, Err(error))?;
            self.grant(number, session, wish);
        }
        Ok(())
    }

    fn message(&mut self, header: Header, payload: Payload) -> Result<(), ProtocolError> {
        let number = header.session;
        if let Some(session) = self.find(number) {
            let result = session.clone().on_message(self.connection, header, payload);
            let wish = self.or_fault(&session, result)?;
            self.grant(number, session, wish);
        }
        Ok(())
    }

    fn too_large(&mut self, header: Header, len: u64) -> Result<(), ProtocolError> {
        let number = header.session;
        if let Some(session) = self.find(number) {
            let result = session.clone().on_too_large(self.connection, header, len);
            let wish = self.or_fault(&session, result)?;
            self.grant(number, session, wish);
        }
        Ok(())
    }

    fn control(&mut self, header: Header, body: Bytes) -> Result<(), ProtocolError> {
        self.has_given = true;
        let number = header.session;
        if header.kind == crate::frame::Kind::Open {
            return self.sessions.open(header, &body);
        }
        if let Some(session) = self.find(number) {
            let result = session.clone().on_control(self.connection, header, &body);
            let wish = self.or_fault(&session, result)?;
            self.grant(number, session, wish);
        }
        Ok(())
    }
}
