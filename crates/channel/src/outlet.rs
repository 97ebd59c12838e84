//! The writing end of a connection: which sessions have something to write, and who writes it.
//!
//! # Invariants
//!
//! - **INV-1**: the pen has one user: the writer task, or for one batch whoever scheduled a session while nothing
//!   was to be written.
//! - **INV-2**: a scheduled session is filled until it has nothing more, in turns with the others. Those that were just
//!   scheduled come before those that go on, but for no more than half a batch.
//! - **INV-3**: no session is called and nothing written while the lock is held.
//! - **INV-4**: whatever is scheduled while the pen is in use is seen by its user, or by the writer task, which is
//!   woken then.

#[cfg(test)]
mod tests;

use std::{
    collections::VecDeque,
    future::poll_fn,
    io, mem,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker, ready},
};

use tokio::{
    io::AsyncWrite,
    task::{coop::consume_budget, yield_now},
    time::{Duration, timeout},
};

use crate::{
    carried::Carried,
    image::Image,
    stream::{Glance, Writer},
};

/// A batch is written when it has so many bytes, or when nothing more is scheduled.
const BATCH: usize = 512 << 10;
/// So many bytes has a batch while sessions share the connection: whoever comes meanwhile waits for half as much.
const SHARED_BATCH: usize = BATCH / 2;
/// For so many batches sessions that shared the connection are expected to do so again.
const SHARED_FOR: u32 = 256;
/// The next batch is made when no more than this is left: whoever comes meanwhile does not wait for two.
const REFILL: usize = 64 << 10;
/// After so many bytes the task of the connection lets others have a turn in any case.
const YIELD: usize = 2 << 20;
/// How long the end of a stream may take.
const LAST_WORD: Duration = Duration::from_secs(1);
/// What one session may add to a batch before the next one's turn.
const TURN: usize = 256 << 10;

/// The writing end of one connection.
pub(crate) struct Outlet {
    /// The number of the connection.
    pub(crate) connection: u64,
    state: Mutex<State>,
    /// Whether room came where there was none: the peer takes what is written.
    has_moved: AtomicBool,
    /// With which the tasks that read are called, while much is written.
    pub(crate) glance: Arc<Glance>,
    /// How many bytes of what sessions handed over were written.
    written: AtomicU64,
}

struct State {
    scheduled: Scheduled,
    /// The pen, while nobody uses it.
    pen: Option<Box<Pen>>,
    /// The writer task, while it waits.
    task: Option<Waker>,
    stage: Stage,
}

/// The sessions that have something to write.
#[derive(Default)]
struct Scheduled {
    /// Those that had no turn yet.
    new: VecDeque<Arc<dyn Carried>>,
    /// Those that have more than they could write in their turn.
    going_on: VecDeque<Arc<dyn Carried>>,
    /// The bytes of new ones since the last that goes on.
    new_bytes: usize,
    /// For so many more batches somebody may come who does not want to wait for those that go on.
    shared: u32,
}

impl Scheduled {
    fn is_empty(&self) -> bool {
        self.new.is_empty() && self.going_on.is_empty()
    }

    /// Returns the next one, and whether it had no turn yet (INV-2).
    fn next(&mut self) -> Option<(Arc<dyn Carried>, bool)> {
        let new_first = self.new_bytes < self.batch() / 2;
        if !self.new.is_empty() && (new_first || self.going_on.is_empty()) {
            if !self.going_on.is_empty() {
                self.shared = SHARED_FOR;
            }
            Some((self.new.pop_front()?, true))
        } else {
            Some((self.going_on.pop_front()?, false))
        }
    }

    /// Returns how many bytes a batch has.
    fn batch(&self) -> usize {
        if self.shared == 0 {
            BATCH
        } else {
            SHARED_BATCH
        }
    }

    /// Begins a batch, and returns how many bytes it is to have.
    fn begin_batch(&mut self) -> usize {
        self.shared = self.shared.saturating_sub(1);
        self.batch()
    }

    /// Records that a session has had its turn, with so many bytes.
    fn had_turn(&mut self, was_new: bool, bytes: usize) {
        self.new_bytes = if was_new { self.new_bytes + bytes } else { 0 };
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Open,
    /// What is scheduled is still written, then the stream ends.
    Ending,
    /// Nothing is written any more.
    Dead,
}

/// How many bytes were written.
#[derive(Default)]
struct Since {
    /// Since it was looked whether something has come.
    look: usize,
    /// Since others had a turn.
    turn: usize,
}

impl Since {
    fn wrote(&mut self, bytes: usize) {
        self.look += bytes;
        self.turn += bytes;
    }
}

/// What a connection is written with.
struct Pen {
    writer: Writer,
    image: Image,
    /// Whether the writer has bytes of its own to write.
    is_flushing: bool,
}

impl Outlet {
    /// Returns the outlet of a connection.
    pub(crate) fn new(connection: u64, writer: Writer, glance: Arc<Glance>) -> Arc<Self> {
        let pen = Pen {
            writer,
            image: Image::default(),
            is_flushing: false,
        };
        Arc::new(Self {
            connection,
            state: Mutex::new(State {
                scheduled: Scheduled::default(),
                pen: Some(Box::new(pen)),
                task: None,
                stage: Stage::Open,
            }),
            has_moved: AtomicBool::new(false),
            glance,
            written: AtomicU64::new(0),
        })
    }

    /// Has `session` filled soon. With `now`, and if the connection is idle, that and the writing happen before
    /// this returns.
    pub(crate) fn schedule(&self, session: Arc<dyn Carried>, now: bool) {
        let mut state = self.lock();
        if state.stage == Stage::Dead {
            return;
        }
        let is_idle = state.scheduled.is_empty() && state.stage == Stage::Open;
        if now
            && is_idle
            && let Some(pen) = state.pen.take_if(|pen| pen.is_clean())
        {
            drop(state);
            self.write_now(pen, session);
            return;
        }
        state.scheduled.new.push_back(session);
        // Whoever uses the pen looks again when he returns it (INV-4).
        let task = if state.pen.is_some() {
            state.task.take()
        } else {
            None
        };
        drop(state);
        wake(task);
    }

    /// Returns whether nobody uses the pen and nothing waits for it.
    #[cfg(test)]
    fn is_idle(&self) -> bool {
        let state = self.lock();
        state.scheduled.is_empty() && state.pen.is_some()
    }

    /// Returns whether the peer has made room since the last call, for somebody who waited for it.
    pub(crate) fn take_moved(&self) -> bool {
        self.has_moved.swap(false, Ordering::Relaxed)
    }

    /// Returns how many bytes were written, of all that was pushed to the image of this connection.
    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Gives memory back that is kept for the next batch, if nothing is to be written.
    pub(crate) fn relax(&self) {
        if let Some(pen) = &mut self.lock().pen {
            pen.image.relax();
            pen.writer.relax();
        }
    }

    /// Ends the stream when all that is scheduled is written.
    pub(crate) fn end(&self) {
        self.advance(Stage::Ending);
    }

    /// Ends at once.
    pub(crate) fn kill(&self) {
        self.advance(Stage::Dead);
    }

    /// Writes what is scheduled, until the stream ends. To be called once.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub(crate) async fn run(&self) -> io::Result<()> {
        loop {
            let Some(mut pen) = poll_fn(|cx| self.poll_pen(cx)).await else {
                return Ok(());
            };
            let result = self.write_all(&mut pen).await;
            let is_over = result.is_err() || self.lock().stage != Stage::Open;
            if is_over {
                self.kill();
                let ended = match result {
                    Ok(()) if pen.is_clean() => pen.shut_down_soon().await,
                    result => result,
                };
                // What was not begun to be written, no peer has.
                mem::take(&mut pen.image).abandon();
                return ended;
            }
            self.give_back(pen);
        }
    }

    /// Writes all that is scheduled.
    async fn write_all(&self, pen: &mut Pen) -> io::Result<()> {
        let mut since = Since::default();
        let mut batch = BATCH;
        loop {
            if pen.image.len() < REFILL {
                batch = self.fill(pen);
            }
            if pen.is_clean() || self.lock().stage == Stage::Dead {
                return Ok(());
            }
            if self.is_others_turn(&mut since, batch) {
                yield_now().await;
            } else {
                consume_budget().await;
            }
            let len = pen.image.len();
            let mut was_full = false;
            poll_fn(|cx| {
                if self.lock().stage == Stage::Dead {
                    return Poll::Ready(Ok(()));
                }
                let written = pen.poll_write(cx);
                self.show_written(pen);
                if written.is_pending() {
                    was_full = true;
                    // To be woken when the stage changes, too.
                    self.lock().task = Some(cx.waker().clone());
                }
                written
            })
            .await?;
            since.wrote(len - pen.image.len());
            if was_full {
                self.has_moved.store(true, Ordering::Relaxed);
            }
        }
    }

    /// Returns whether others are to have their turn: now and then, however fast the peer reads, and when something has come,
    /// which is looked for after each batch. The runtime may not know of it while this task is busy.
    fn is_others_turn(&self, since: &mut Since, batch: usize) -> bool {
        let has_news = batch <= since.look && {
            since.look = 0;
            self.glance.look_around()
        };
        let is_turn = has_news || YIELD <= since.turn;
        if is_turn {
            since.turn = 0;
        }
        is_turn
    }

    /// Makes a batch of what is scheduled, and returns how many bytes it might have.
    fn fill(&self, pen: &mut Pen) -> usize {
        let batch = self.lock().scheduled.begin_batch();
        while pen.image.len() < batch {
            let Some((session, was_new)) = self.lock().scheduled.next() else {
                break;
            };
            let before = pen.image.len();
            let more = session.clone().fill(self.connection, TURN, &mut pen.image);
            let mut state = self.lock();
            state.scheduled.had_turn(was_new, pen.image.len() - before);
            if more {
                state.scheduled.going_on.push_back(session);
            }
        }
        batch
    }

    /// Fills and writes once. What is left then is the writer task's, and an error too.
    fn write_now(&self, mut pen: Box<Pen>, session: Arc<dyn Carried>) {
        let more = session.clone().fill(self.connection, TURN, &mut pen.image);
        if more {
            self.lock().scheduled.going_on.push_back(session);
        }
        if !pen.image.is_empty() {
            // Without room the pen goes to the task, which asks anew.
            let mut cx = Context::from_waker(Waker::noop());
            let _ = pen.poll_write(&mut cx);
            self.show_written(&pen);
        }
        self.give_back(pen);
    }

    fn show_written(&self, pen: &Pen) {
        self.written.store(pen.image.written(), Ordering::Relaxed);
    }

    fn give_back(&self, pen: Box<Pen>) {
        let mut state = self.lock();
        let has_work = !pen.is_clean() || !state.scheduled.is_empty() || state.stage != Stage::Open;
        state.pen = Some(pen);
        let task = if has_work { state.task.take() } else { None };
        drop(state);
        wake(task);
    }

    /// Waits for the pen and something to do with it.
    fn poll_pen(&self, cx: &mut Context<'_>) -> Poll<Option<Box<Pen>>> {
        let mut state = self.lock();
        let has_work = !state.scheduled.is_empty()
            || state.stage != Stage::Open
            || state.pen.as_ref().is_some_and(|pen| !pen.is_clean());
        if has_work && let Some(pen) = state.pen.take() {
            return Poll::Ready(Some(pen));
        }
        let old = match &state.task {
            Some(task) if task.will_wake(cx.waker()) => None,
            _ => state.task.replace(cx.waker().clone()),
        };
        drop(state);
        drop(old);
        Poll::Pending
    }

    fn advance(&self, stage: Stage) {
        let mut state = self.lock();
        if state.stage == Stage::Dead || state.stage == stage {
            return;
        }
        state.stage = stage;
        let scheduled = (stage == Stage::Dead).then(|| mem::take(&mut state.scheduled));
        let task = state.task.take();
        drop(state);
        drop(scheduled);
        wake(task);
    }

    /// A panic under the lock is impossible but for a lack of memory; the data stays usable.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pen {
    /// Writes some of the image, and all of it if the writer takes that at once.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.image.is_empty() {
            let n = ready!(self.writer.poll_write_image(cx, &self.image))?;
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.image.advance(n);
        }
        if self.image.is_empty() {
            // Only an encrypted stream has something of its own to write.
            self.is_flushing = true;
            ready!(Pin::new(&mut self.writer).poll_flush(cx))?;
            self.is_flushing = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Returns whether all is written.
    fn is_clean(&self) -> bool {
        self.image.is_empty() && !self.is_flushing
    }

    /// Ends the stream. An encrypted one has a last word to say, which a peer that does not read does not hold up.
    async fn shut_down_soon(&mut self) -> io::Result<()> {
        let ended = timeout(LAST_WORD, self.shut_down()).await;
        ended.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    async fn shut_down(&mut self) -> io::Result<()> {
        poll_fn(|cx| Pin::new(&mut self.writer).poll_shutdown(cx)).await
    }
}

fn wake(task: Option<Waker>) {
    if let Some(task) = task {
        task.wake();
    }
}
