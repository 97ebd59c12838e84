//! The ports of one mailbox by number. It knows nothing of what a port does.
//!
//! The places of ports are in chunks that never move, and each has a lock of its own. So a look-up waits for nobody
//! but those who look up, open or free the same port; who opens or frees one also takes the lock of the list
//! of free places, for a few steps.
//!
//! # Invariants
//!
//! - **INV-1**: a number (slot and generation) is given out once; a slot whose generations are used up
//!   is not used again.
//! - **INV-2**: a closed table holds no port and takes none.
//! - **INV-3**: the number of slots in use is the most ports that were ever open at a time; there is room for at most
//!   about eight times that.
//! - **INV-4**: a look-up finds the port that was opened under just this number, or none.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::Cause;

/// The slots of the first chunk; each further one has [`GROWTH`] times as many.
const FIRST_CHUNK: u64 = 8;

const GROWTH: u64 = 8;

/// Enough for every `u32`: 8 + 8² + … + 8¹¹ slots.
const N_CHUNKS: usize = 11;

/// Ports of type `P` by slot and generation.
pub(crate) struct PortTable<P> {
    chunks: [Chunk<P>; N_CHUNKS],
    closed: OnceLock<Arc<str>>,
    writers: Mutex<Writers>,
}

/// Places of ports, made with the first that is used.
type Chunk<P> = OnceLock<Box<[Mutex<Slot<P>>]>>;

/// What only those know who open and free ports.
struct Writers {
    free: Vec<u32>,
    /// How many slots were ever used: these are the first ones.
    n_used: u32,
    n_open: usize,
}

struct Slot<P> {
    /// Of the port that is open, or else of the next one, or of the last one if there is no next.
    generation: u32,
    port: Option<P>,
}

/// An open port with its number.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Numbered<P> {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
    pub(crate) port: P,
}

impl<P: Clone> PortTable<P> {
    pub(crate) const fn new() -> Self {
        Self {
            chunks: [const { OnceLock::new() }; N_CHUNKS],
            closed: OnceLock::new(),
            writers: Mutex::new(Writers {
                free: Vec::new(),
                n_used: 0,
                n_open: 0,
            }),
        }
    }

    /// Gives `port` a number, or tells why the table is closed.
    pub(crate) fn open(&self, port: P) -> Result<(u32, u32), Arc<str>> {
        let mut writers = self.lock();
        if let Some(why) = self.closed() {
            return Err(why.clone());
        }
        let idx = writers.free.pop().unwrap_or_else(|| {
            let idx = writers.n_used;
            writers.n_used = idx.checked_add(1).expect("ports are fewer than 2^32");
            idx
        });
        writers.n_open += 1;
        let (chunk, offset, len) = place(idx);
        let slots = self.chunks[chunk].get_or_init(|| (0..len).map(|_| Slot::empty()).collect());
        let mut slot = locked(&slots[offset]);
        slot.port = Some(port);
        Ok((idx, slot.generation))
    }

    /// Returns why the table is closed, if it is.
    pub(crate) fn closed(&self) -> Option<&Arc<str>> {
        self.closed.get()
    }

    /// Returns the port with this number, or why there is none (INV-4).
    pub(crate) fn get(&self, idx: u32, generation: u32) -> Result<P, Cause> {
        if let Some(why) = self.closed() {
            return Err(Cause::OwnerExited(why.clone()));
        }
        let slot = self.slot(idx).ok_or(Cause::PortNeverExisted)?;
        if slot.generation == generation
            && let Some(port) = &slot.port
        {
            return Ok(port.clone());
        }
        let is_last = generation == u32::MAX && slot.generation == u32::MAX;
        Err(match generation < slot.generation || is_last {
            true => Cause::PortGone,
            false => Cause::PortNeverExisted,
        })
    }

    /// Frees the number. Returns the port, to be dropped where no lock is held.
    pub(crate) fn free(&self, idx: u32, generation: u32) -> Option<P> {
        let mut writers = self.lock();
        let mut slot = self.slot(idx)?;
        if slot.generation != generation {
            return None;
        }
        let port = slot.port.take()?;
        if let Some(next) = generation.checked_add(1) {
            slot.generation = next;
            writers.free.push(idx);
        }
        writers.n_open -= 1;
        Some(port)
    }

    /// Closes the table and returns the ports that were open. The first reason stays.
    pub(crate) fn close(&self, why: &Arc<str>) -> Vec<P> {
        let mut writers = self.lock();
        // Set by the first who closes.
        _ = self.closed.set(why.clone());
        (writers.n_open, writers.free) = (0, Vec::new());
        (0..writers.n_used)
            .filter_map(|idx| self.slot(idx)?.port.take())
            .collect()
    }

    /// Returns how many ports are open.
    pub(crate) fn n_open(&self) -> usize {
        self.lock().n_open
    }

    /// Returns the ports that are open.
    pub(crate) fn numbered(&self) -> Vec<Numbered<P>> {
        let n_used = self.lock().n_used;
        let numbered = (0..n_used).filter_map(|idx| {
            let slot = self.slot(idx)?;
            Some(Numbered {
                slot: idx,
                generation: slot.generation,
                port: slot.port.clone()?,
            })
        });
        numbered.collect()
    }

    fn slot(&self, idx: u32) -> Option<MutexGuard<'_, Slot<P>>> {
        let (chunk, offset, _) = place(idx);
        self.chunks[chunk].get()?.get(offset).map(locked)
    }

    fn lock(&self) -> MutexGuard<'_, Writers> {
        locked(&self.writers)
    }
}

/// Nothing that can panic, but by running out of numbers, is done under these locks.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<P> Slot<P> {
    const fn empty() -> Mutex<Self> {
        Mutex::new(Self {
            generation: 0,
            port: None,
        })
    }
}

/// Returns the chunk of the slot `idx`, where in it the slot is, and how many slots the chunk has.
fn place(idx: u32) -> (usize, usize, usize) {
    let (mut chunk, mut offset, mut len) = (0, u64::from(idx), FIRST_CHUNK);
    while len <= offset {
        (chunk, offset, len) = (chunk + 1, offset - len, len * GROWTH);
    }
    (chunk, offset as usize, len as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_gone_and_closed_are_three_answers() {
        let table = PortTable::new();
        assert_eq!(table.open('a'), Ok((0, 0)));
        assert_eq!(table.get(0, 0), Ok('a'));
        assert_eq!(table.get(1, 0), Err(Cause::PortNeverExisted));
        assert_eq!(table.get(u32::MAX, 0), Err(Cause::PortNeverExisted));
        assert_eq!(table.get(0, 1), Err(Cause::PortNeverExisted));
        assert_eq!(table.free(0, 0), Some('a'));
        assert_eq!(table.free(0, 0), None);
        assert_eq!(table.get(0, 0), Err(Cause::PortGone));
        assert_eq!(table.get(0, 1), Err(Cause::PortNeverExisted));
        assert_eq!(table.open('b'), Ok((0, 1)));
        assert_eq!(table.get(0, 0), Err(Cause::PortGone));
        assert_eq!(table.close(&"done".into()), ['b']);
        assert_eq!(table.get(0, 0), Err(Cause::OwnerExited("done".into())));
    }

    #[test]
    fn inv1_a_slot_without_generations_is_not_used_again() {
        let table = PortTable::new();
        assert_eq!(table.open('a'), Ok((0, 0)));
        assert_eq!(table.free(0, 0), Some('a'));
        table.slot(0).unwrap().generation = u32::MAX;
        assert_eq!(table.open('z'), Ok((0, u32::MAX)));
        assert_eq!(table.free(0, u32::MAX), Some('z'));
        assert_eq!(table.get(0, u32::MAX), Err(Cause::PortGone));
        assert_eq!(table.open('b'), Ok((1, 0)));
    }

    #[test]
    fn inv2_a_closed_table_takes_no_port() {
        let table = PortTable::new();
        assert!(table.close(&"done".into()).is_empty());
        assert_eq!(table.open('a'), Err("done".into()));
        assert!(table.close(&"again".into()).is_empty());
        assert_eq!(table.open('a'), Err("done".into()));
        assert_eq!((table.n_open(), table.numbered()), (0, vec![]));
    }

    #[test]
    fn inv3_a_million_ports_one_by_one_use_one_slot() {
        let table = PortTable::new();
        for round in 0..1_000_000 {
            assert_eq!(table.open(round), Ok((0, round)));
            assert_eq!(table.free(0, round), Some(round));
        }
        let n_used = table.lock().n_used;
        assert_eq!((n_used, table.n_open()), (1, 0));
    }

    #[test]
    fn inv3_every_slot_has_a_place_of_its_own() {
        let mut last = (0, 0);
        for idx in 1..100_000 {
            let (chunk, offset, len) = place(idx);
            assert!(offset < len);
            let follows = (chunk, offset) == (last.0, last.1 + 1);
            assert!(follows || (chunk, offset) == (last.0 + 1, 0), "{idx}");
            last = (chunk, offset);
        }
        assert!(place(u32::MAX).0 < N_CHUNKS);
    }

    #[test]
    fn inv4_threads_that_look_find_the_port_of_their_number_or_none() {
        let table = PortTable::new();
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for round in 0..20_000_u32 {
                        let (idx, generation) = (round % 64, round / 64);
                        if let Ok(found) = table.get(idx, generation) {
                            assert_eq!(found, (idx, generation));
                        }
                    }
                });
            }
            for _ in 0..400_u32 {
                let opened: Vec<_> = (0..64)
                    .map(|idx| {
                        let generation = table.slot(idx).map_or(0, |slot| slot.generation);
                        let number = table.open((idx, generation)).unwrap();
                        assert_eq!(number, (idx, generation));
                        number
                    })
                    .collect();
                // The last that is freed is used first, so that they come in order again.
                for (idx, generation) in opened.into_iter().rev() {
                    assert_eq!(table.free(idx, generation), Some((idx, generation)));
                }
            }
        });
        assert_eq!(table.n_open(), 0);
    }
}
