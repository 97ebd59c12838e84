//! A look at what has come that does not wait for news of it.
//!
//! A runtime learns of what has come when one of its workers waits for that. While another one writes without end, the
//! one that waits sleeps until there is news, and then waits for a processor of its own, which a busy machine gives it
//! after some milliseconds. So whoever writes much looks himself, and has the tasks that read come to where he is.
//!
//! # Invariants
//!
//! - **INV-1**: a task that was called reads once without waiting for news, at the latest when it is polled next.
//! - **INV-2**: a socket is looked at only while its reader lives.
//! - **INV-3**: a look costs the same however many connections an endpoint has.

#![allow(
    unsafe_code,
    reason = "a socket that another task owns is looked at, which no library has a safe form of"
)]

#[cfg(test)]
mod tests;

use std::{
    io,
    mem::MaybeUninit,
    os::fd::{BorrowedFd, RawFd},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    task::Waker,
};

use socket2::SockRef;

/// So many other connections are looked at, one after the other in turns.
const OTHERS: usize = 4;

/// The connections of an endpoint.
#[derive(Clone, Debug, Default)]
pub(crate) struct Glances(Arc<Mutex<Turns>>);

#[derive(Debug, Default)]
struct Turns {
    /// In the order of their numbers.
    all: Vec<(u64, Weak<Glance>)>,
    last: u64,
    /// At which place the next turn is.
    next: usize,
}

/// One of them, as whoever writes and whoever reads share it.
#[derive(Debug)]
pub(crate) struct Glance {
    glances: Glances,
    number: u64,
    /// Whether the reader was called.
    is_due: AtomicBool,
    reader: Mutex<Reader>,
}

/// The task that reads.
#[derive(Debug, Default)]
struct Reader {
    /// Its socket, while it has one (INV-2).
    socket: Option<RawFd>,
    task: Option<Waker>,
}

impl Glances {
    /// Returns another connection.
    pub(crate) fn join(&self) -> Arc<Glance> {
        let mut turns = self.lock();
        turns.last += 1;
        let number = turns.last;
        let glance = Arc::new(Glance {
            glances: self.clone(),
            number,
            is_due: AtomicBool::new(false),
            reader: Mutex::default(),
        });
        turns.all.push((number, Arc::downgrade(&glance)));
        glance
    }

    /// Returns those whose turn it is. They are let go of without the lock.
    fn take_turns(&self) -> [Option<Arc<Glance>>; OTHERS] {
        let mut turns = self.lock();
        let Turns { all, next, .. } = &mut *turns;
        let mut taken = [const { None }; OTHERS];
        for slot in taken.iter_mut().take(all.len()) {
            let place = *next % all.len();
            *slot = all[place].1.upgrade();
            *next = place + 1;
        }
        taken
    }

    /// A panic under the lock is impossible but for a lack of memory; the data stays usable.
    fn lock(&self) -> MutexGuard<'_, Turns> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Glance {
    /// Looks at this connection and at some others of its endpoint, and calls those who have something to read. Returns
    /// whether there may be any: a connection whose socket cannot be looked at may have.
    pub(crate) fn look_around(&self) -> bool {
        let mut may_have_news = self.look().unwrap_or(true);
        for other in self.glances.take_turns().into_iter().flatten() {
            may_have_news |= other.look() == Some(true);
        }
        may_have_news
    }

    /// Begins, with the socket that the reader owns.
    pub(crate) fn begin(&self, socket: Option<RawFd>) {
        self.lock().socket = socket;
    }

    /// Names the task that reads.
    pub(crate) fn is_of(&self, task: &Waker) {
        self.lock().task = Some(task.clone());
    }

    /// Ends: the reader goes, and its socket with it (INV-2).
    pub(crate) fn end(&self) {
        *self.lock() = Reader::default();
    }

    /// Returns whether to read without waiting for news; once for a call.
    pub(crate) fn take(&self) -> bool {
        self.is_due.load(Ordering::Relaxed) && self.is_due.swap(false, Ordering::Acquire)
    }

    /// Calls the reader if there is something to be read, and returns whether there is, if that can be seen.
    fn look(&self) -> Option<bool> {
        let task = {
            let reader = self.lock();
            let has_news = has_news(reader.socket?);
            reader.task.clone().filter(|_| has_news)
        };
        let has_news = task.is_some();
        if let Some(task) = task {
            self.is_due.store(true, Ordering::Release);
            task.wake();
        }
        Some(has_news)
    }

    /// A panic under the lock is impossible but for a lack of memory; the data stays usable.
    fn lock(&self) -> MutexGuard<'_, Reader> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Glance {
    fn drop(&mut self) {
        let all = &mut self.glances.lock().all;
        if let Ok(place) = all.binary_search_by_key(&self.number, |(number, _)| *number) {
            all.remove(place);
        }
    }
}

/// Returns whether something, or an end, can be read from a socket that does not block.
fn has_news(socket: RawFd) -> bool {
    // SAFETY: the socket is open while it is named here (INV-2), under a lock that its owner takes before it closes it.
    let socket = unsafe { BorrowedFd::borrow_raw(socket) };
    let peeked = SockRef::from(&socket).peek(&mut [MaybeUninit::uninit()]);
    !peeked.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}
