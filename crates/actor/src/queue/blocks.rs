//! A list of blocks of slots: any thread pushes, one at a time takes. Pushing takes no lock.
//!
//! A position counts from the begin of the queue. [`LAP`] positions belong to a block, and the last of
//! them has no slot: while the tail is there, one thread changes the block of the tail and all others
//! wait. A sender reserves a slot by moving the tail, writes it, and marks it as ready. The tail also
//! says whether the queue is closed and whether the task is parked, so that every push, close and park
//! has its place in one order.
//!
//! # Invariants
//!
//! - **INV-1**: a position is reserved at most once, and the tail never comes back to one.
//! - **INV-2**: the slot of a reserved position belongs to its sender until it is ready, then to the
//!   taker. Nobody else reads or writes it.
//! - **INV-3**: a block is emptied for reuse or freed only when every slot that was reserved in it was
//!   taken. A sender does not touch a block after it marked its slot there as ready.
//! - **INV-4**: only who has set `taking` uses the head, takes, and takes blocks out of the list.
//! - **INV-5**: `block` changes only while the tail is at the end of a lap, but for the step from null
//!   to the first block. Whoever takes that step sets `entry` next.
//! - **INV-6**: after `close` no position is reserved.
//! - **INV-7**: when a position is reserved, fewer than `limit` items are in the queue.
#![allow(
    unsafe_code,
    reason = "a slot is written by one thread and read by another without a lock"
)]

use std::mem::{self, MaybeUninit};
use std::ops::Deref;
use std::ptr;

use super::PushError;
use super::atomics::{
    AtomicBool, AtomicPtr, AtomicU64, KEPT_BYTES, LAP, Ordering, UnsafeCell, wait_a_moment,
};

/// Slots of a block.
const SLOTS: usize = LAP as usize - 1;

/// The queue is closed.
const CLOSED: u64 = 1;
/// The task waits for the next push.
const PARKED: u64 = 2;
/// The tail moves by one position.
const STEP: u64 = 4;

/// A list of blocks of slots.
pub(super) struct Blocks<T> {
    sending: Line<Sending<T>>,
    taking: Line<Taking<T>>,
}

/// A cache line of its own: what senders write must not be next to what the task writes.
#[repr(align(64))]
struct Line<V>(V);

/// What a push writes.
struct Sending<T> {
    /// The next position to be reserved in [`STEP`]s, with [`CLOSED`] and [`PARKED`].
    tail: AtomicU64,
    /// The block of the tail; null if there is none yet.
    block: AtomicPtr<Block<T>>,
    /// Up to here nobody need count the items (INV-7).
    bound: AtomicU64,
}

/// What a take writes.
struct Taking<T> {
    /// Somebody takes. A mutex would cost twice as much, and nobody ever waits for it: only the task of the
    /// actor takes, and whoever cleans up after it.
    taking: AtomicBool,
    head: UnsafeCell<Head<T>>,
    /// The block of the head, for a head that has none yet.
    entry: AtomicPtr<Block<T>>,
    /// The position of the head, for those who count.
    taken: AtomicU64,
    /// An empty block that is in no list, or null.
    spare: AtomicPtr<Block<T>>,
    limit: u64,
}

struct Head<T> {
    position: u64,
    block: *mut Block<T>,
}

struct Block<T> {
    next: AtomicPtr<Block<T>>,
    ready: [AtomicBool; SLOTS],
    slots: [UnsafeCell<MaybeUninit<T>>; SLOTS],
}

/// What [`Blocks::take`] found.
#[derive(Debug, PartialEq)]
pub(super) enum Found {
    /// Items, which are in the batch now.
    Items,
    /// Nothing yet, but a sender is about to make an item ready.
    Soon,
    /// Nothing. The next push tells its caller to wake the task.
    Nothing,
    /// Nothing, and nothing will come.
    Closed,
}

// SAFETY: items move from the thread that pushes to the one that takes, so they must be `Send`. Only
// one thread has an item at a time (INV-2), so they need not be `Sync`. The list owns its blocks.
unsafe impl<T: Send> Send for Blocks<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Blocks<T> {}

impl<T> Blocks<T> {
    pub(super) fn new(limit: usize) -> Self {
        let head = Head {
            position: 0,
            block: ptr::null_mut(),
        };
        Self {
            sending: Line(Sending {
                tail: AtomicU64::new(0),
                block: AtomicPtr::new(ptr::null_mut()),
                bound: AtomicU64::new(0),
            }),
            taking: Line(Taking {
                taking: AtomicBool::new(false),
                head: UnsafeCell::new(head),
                entry: AtomicPtr::new(ptr::null_mut()),
                taken: AtomicU64::new(0),
                spare: AtomicPtr::new(ptr::null_mut()),
                limit: limit as u64,
            }),
        }
    }

    /// Appends `item`. Returns whether the task was parked; then this caller, and no other, is to wake
    /// it.
    #[inline]
    pub(super) fn push(&self, item: T) -> Result<bool, PushError<T>> {
        // The common case: nothing is in the way, and the slot is not the last of its block.
        let tail = self.sending.tail.load(Ordering::Acquire);
        let block = self.sending.block.load(Ordering::Acquire);
        let position = tail / STEP;
        if tail & CLOSED == 0
            && offset(position) + 1 < SLOTS
            && position < self.sending.bound.load(Ordering::Relaxed)
            && !block.is_null()
            && self.reserve(tail)
        {
            // SAFETY: the position just reserved keeps the block in the list (INV-3, INV-5).
            unsafe { &*block }.fill(offset(position), item);
            return Ok(tail & PARKED != 0);
        }
        self.push_slowly(item)
    }

    #[cold]
    fn push_slowly(&self, item: T) -> Result<bool, PushError<T>> {
        let mut next = None;
        let mut turn = 0;
        loop {
            let tail = self.sending.tail.load(Ordering::Acquire);
            // INV-6
            if tail & CLOSED != 0 {
                return Err(PushError::Closed(item));
            }
            let position = tail / STEP;
            let offset = offset(position);
            if offset == SLOTS {
                wait_a_moment(turn);
                turn += 1;
                continue;
            }
            if !self.has_room(position) {
                return Err(PushError::Full(item));
            }
            let block = self.sending.block.load(Ordering::Acquire);
            if block.is_null() {
                self.install_first();
                continue;
            }
            let is_last = offset + 1 == SLOTS;
            if is_last && next.is_none() {
                next = Some(self.new_block());
            }
            if !self.reserve(tail) {
                continue;
            }
            // SAFETY: the position just reserved keeps the block in the list (INV-3, INV-5).
            let block = unsafe { &*block };
            if let Some(next) = next.filter(|_| is_last) {
                self.install(block, Box::into_raw(next));
            }
            block.fill(offset, item);
            return Ok(tail & PARKED != 0);
        }
    }

    /// Moves the items that are ready, of one block at most, to the end of the empty `batch`, the first
    /// of them last. If there are none, parks the task.
    pub(super) fn take(&self, batch: &mut Vec<T>) -> Found {
        let turn = Turn::begin(&self.taking.taking);
        let found = self.taking.head.with_mut(|head| {
            // SAFETY: nobody else uses the head until `turn` ends (INV-4).
            let head = unsafe { &mut *head };
            self.take_or_park(head, batch)
        });
        drop(turn);
        found
    }

    fn take_or_park(&self, head: &mut Head<T>, batch: &mut Vec<T>) -> Found {
        if self.take_ready(head, batch) {
            return Found::Items;
        }
        loop {
            let tail = self.sending.tail.load(Ordering::Acquire);
            if tail / STEP != head.position {
                return Found::Soon;
            }
            if tail & CLOSED != 0 {
                return Found::Closed;
            }
            if is_to_rewind(head) {
                self.rewind(head, tail);
                continue;
            }
            if self
                .sending
                .tail
                .compare_exchange(tail, tail | PARKED, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok()
            {
                return Found::Nothing;
            }
        }
    }

    /// Marks the task as awake. What the caller did before is seen by whoever parks it later.
    pub(super) fn unpark(&self) {
        self.sending.tail.fetch_and(!PARKED, Ordering::AcqRel);
    }

    /// Refuses every later push (INV-6).
    pub(super) fn close(&self) {
        self.sending.tail.fetch_or(CLOSED, Ordering::AcqRel);
    }

    /// Returns the number of items in the queue.
    pub(super) fn len(&self) -> usize {
        let taken = self.taking.taken.load(Ordering::Acquire);
        let tail = self.sending.tail.load(Ordering::Acquire) / STEP;
        items_between(taken, tail) as usize
    }

    /// Reserves the position of `tail`, unless the tail has changed (INV-1).
    #[inline]
    fn reserve(&self, tail: u64) -> bool {
        let moved = (tail & !PARKED) + STEP;
        self.sending
            .tail
            .compare_exchange(tail, moved, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
    }

    /// Tells whether there is room for an item at `position` (INV-7). An old `taken` is a smaller one.
    fn has_room(&self, position: u64) -> bool {
        if position < self.sending.bound.load(Ordering::Relaxed) {
            return true;
        }
        let taken = self.taking.taken.load(Ordering::Relaxed);
        let n_items = items_between(taken, position);
        let n_free = self.taking.limit.saturating_sub(n_items);
        let bound = position.saturating_add(n_free);
        self.sending.bound.store(bound, Ordering::Relaxed);
        0 < n_free
    }

    /// Returns how many items are taken at once. They do not count any more, so it is fewer where the limit is
    /// small.
    fn n_at_once(&self) -> usize {
        (self.taking.limit / 8).clamp(1, SLOTS as u64) as usize
    }

    fn take_ready(&self, head: &mut Head<T>, batch: &mut Vec<T>) -> bool {
        if head.block.is_null() {
            head.block = self.taking.entry.load(Ordering::Acquire);
            if head.block.is_null() {
                return false;
            }
        }
        // SAFETY: the block of the head is in the list until this thread takes it out (INV-4).
        let block = unsafe { &*head.block };
        let first = offset(head.position);
        let ready = block.ready[first..].iter().take(self.n_at_once());
        let count = ready
            .take_while(|ready| ready.load(Ordering::Acquire))
            .count();
        // Before they are read, so that nothing can read them twice.
        head.position += count as u64;
        let slots = block.slots[first..first + count].iter().rev();
        batch.extend(slots.map(|slot| {
            // SAFETY: it is ready, so it was written, and it is the taker's now (INV-2).
            slot.with(|slot| unsafe { (*slot).assume_init_read() })
        }));
        if first + count == SLOTS {
            // It was set before the last slot became ready.
            let next = block.next.load(Ordering::Acquire);
            let old = mem::replace(&mut head.block, next);
            head.position += 1;
            block.empty();
            self.keep_spare(old);
        }
        self.taking.taken.store(head.position, Ordering::Release);
        0 < count
    }

    /// Lets the only block, which is empty, begin again at a new lap, unless a push comes first. A
    /// large one is freed instead. `tail` is at the head.
    fn rewind(&self, head: &mut Head<T>, tail: u64) {
        let n_left = (SLOTS - offset(head.position)) as u64;
        let end = tail + n_left * STEP;
        if self
            .sending
            .tail
            .compare_exchange(tail, end, Ordering::AcqRel, Ordering::Relaxed)
            .is_err()
        {
            return;
        }
        // INV-5: the tail is at the end of the lap. INV-3: everything that was reserved was taken.
        if is_large::<T>() {
            // In this order: when `block` is null, somebody may set `entry` anew.
            self.taking.entry.store(ptr::null_mut(), Ordering::Relaxed);
            self.sending.block.store(ptr::null_mut(), Ordering::Release);
            let block = mem::replace(&mut head.block, ptr::null_mut());
            // SAFETY: it came from a box, and is out of the list.
            drop(unsafe { Box::from_raw(block) });
            self.keep_spare(ptr::null_mut());
        } else {
            // SAFETY: the block of the head is in the list until this thread takes it out (INV-4).
            unsafe { &*head.block }.empty();
        }
        head.position += n_left + 1;
        // Before the tail follows, or the skipped slots would count as items (INV-7).
        self.taking.taken.store(head.position, Ordering::Release);
        self.sending.tail.fetch_add(STEP, Ordering::AcqRel);
    }

    /// Makes `next` the block of the tail, which is at the end of the lap of `block` (INV-5).
    fn install(&self, block: &Block<T>, next: *mut Block<T>) {
        self.sending.block.store(next, Ordering::Release);
        self.sending.tail.fetch_add(STEP, Ordering::AcqRel);
        block.next.store(next, Ordering::Release);
    }

    /// Makes the first block, unless somebody else does (INV-5).
    fn install_first(&self) {
        let block = Box::into_raw(self.new_block());
        let none = ptr::null_mut();
        let current = &self.sending.block;
        match current.compare_exchange(none, block, Ordering::AcqRel, Ordering::Relaxed) {
            Ok(_) => self.taking.entry.store(block, Ordering::Release),
            // It is as empty as it was.
            Err(_) => self.keep_spare(block),
        }
    }

    fn new_block(&self) -> Box<Block<T>> {
        let spare = self.taking.spare.swap(ptr::null_mut(), Ordering::AcqRel);
        if spare.is_null() {
            return Block::new();
        }
        // SAFETY: it came from a box, and whoever swaps it out owns it.
        unsafe { Box::from_raw(spare) }
    }

    /// Keeps an empty block, which is in no list, for a sender that needs one, and frees the one that
    /// was kept before.
    fn keep_spare(&self, block: *mut Block<T>) {
        let old = self.taking.spare.swap(block, Ordering::AcqRel);
        if !old.is_null() {
            // SAFETY: it came from a box, and whoever swaps it out owns it.
            drop(unsafe { Box::from_raw(old) });
        }
    }
}

impl<T> Drop for Blocks<T> {
    fn drop(&mut self) {
        self.close();
        let mut batch = Vec::new();
        // Nobody is in a push any more, so this ends at the tail.
        while self.take(&mut batch) == Found::Items {
            batch.clear();
        }
        self.keep_spare(ptr::null_mut());
        let last = self.sending.block.load(Ordering::Acquire);
        if !last.is_null() {
            // SAFETY: it came from a box, and is the only block left in a list that nobody else has.
            drop(unsafe { Box::from_raw(last) });
        }
    }
}

impl<T> Block<T> {
    /// Returns an empty block. It is made where it stays, for most of it need not be written.
    fn new() -> Box<Self> {
        let mut block = Box::<Self>::new_uninit();
        let place = block.as_mut_ptr();
        // SAFETY: each field is written in its place before the block counts as initialized.
        unsafe {
            (&raw mut (*place).next).write(AtomicPtr::new(ptr::null_mut()));
            for idx in 0..SLOTS {
                (&raw mut (*place).ready[idx]).write(AtomicBool::new(false));
                let slot = UnsafeCell::new(MaybeUninit::uninit());
                (&raw mut (*place).slots[idx]).write(slot);
            }
            block.assume_init()
        }
    }

    /// Writes the slot at `offset`, which the caller has reserved, and marks it as ready.
    #[inline]
    fn fill(&self, offset: usize, item: T) {
        // SAFETY: the slot is this sender's until it is ready (INV-2).
        self.slots[offset].with_mut(|slot| unsafe { (*slot).write(item) });
        self.ready[offset].store(true, Ordering::Release);
    }

    /// Makes a block whose items were taken as good as new. What the caller does next publishes it.
    fn empty(&self) {
        self.next.store(ptr::null_mut(), Ordering::Relaxed);
        for ready in &self.ready {
            ready.store(false, Ordering::Relaxed);
        }
    }
}

/// The right to use the head (INV-4), as long as it lives.
struct Turn<'a>(&'a AtomicBool);

impl<'a> Turn<'a> {
    fn begin(taking: &'a AtomicBool) -> Self {
        let mut turn = 0;
        while taking.swap(true, Ordering::Acquire) {
            wait_a_moment(turn);
            turn += 1;
        }
        Self(taking)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl<V> Deref for Line<V> {
    type Target = V;

    #[inline]
    fn deref(&self) -> &V {
        &self.0
    }
}

/// Tells whether the empty block of `head` is to begin again, so that a queue that is emptied again
/// and again needs no second block, or is too large to be kept.
fn is_to_rewind<T>(head: &Head<T>) -> bool {
    // With no block in the head, whoever installs the first may not be done.
    !head.block.is_null() && (is_large::<T>() || SLOTS / 2 < offset(head.position))
}

fn is_large<T>() -> bool {
    KEPT_BYTES < size_of::<Block<T>>()
}

/// Returns the slot of `position` in its block; [`SLOTS`] if it has none.
#[inline]
fn offset(position: u64) -> usize {
    (position % LAP) as usize
}

/// Returns how many slots there are from `head` to `tail`.
fn items_between(head: u64, tail: u64) -> u64 {
    let n_ends = (tail / LAP).saturating_sub(head / LAP);
    tail.saturating_sub(head).saturating_sub(n_ends)
}
