//! The ports of one mailbox by number. A rule without I/O: it knows nothing of what a port does.
//!
//! # Invariants
//!
//! - **INV-1**: a number (slot and generation) is given out once; a slot whose generations are used up
//!   is not used again.
//! - **INV-2**: a closed table holds no port and takes none.
//! - **INV-3**: the table is as long as the most ports that were ever open at a time.

use std::sync::Arc;

use crate::Cause;

/// Ports of type `P` by slot and generation.
pub(crate) struct PortTable<P> {
    slots: Vec<Slot<P>>,
    /// The slot that is used next, if any is free; free slots form a list.
    free: Option<u32>,
    closed: Option<Arc<str>>,
}

struct Slot<P> {
    generation: u32,
    state: State<P>,
}

enum State<P> {
    Open(P),
    Free { next: Option<u32> },
}

impl<P: Clone> PortTable<P> {
    pub(crate) const fn new() -> Self {
        Self {
            slots: Vec::new(),
            free: None,
            closed: None,
        }
    }

    /// Gives `port` a number, or tells why the table is closed.
    pub(crate) fn open(&mut self, port: P) -> Result<(u32, u32), Arc<str>> {
        if let Some(why) = &self.closed {
            return Err(why.clone());
        }
        let Some(idx) = self.free else {
            let idx = u32::try_from(self.slots.len()).expect("ports are fewer than 2^32");
            self.slots.push(Slot {
                generation: 0,
                state: State::Open(port),
            });
            return Ok((idx, 0));
        };
        let slot = &mut self.slots[idx as usize];
        if let State::Free { next } = slot.state {
            self.free = next;
        }
        slot.state = State::Open(port);
        Ok((idx, slot.generation))
    }

    /// Returns the port with this number, or why there is none.
    pub(crate) fn get(&self, idx: u32, generation: u32) -> Result<P, Cause> {
        if let Some(why) = &self.closed {
            return Err(Cause::OwnerExited(why.clone()));
        }
        match self.slots.get(idx as usize) {
            Some(slot) if generation == slot.generation => match &slot.state {
                State::Open(port) => Ok(port.clone()),
                State::Free { .. } => Err(never_or_gone(slot, generation)),
            },
            Some(slot) => Err(never_or_gone(slot, generation)),
            None => Err(Cause::PortNeverExisted),
        }
    }

    /// Frees the number. Returns the port, to be dropped where no lock is held.
    pub(crate) fn free(&mut self, idx: u32, generation: u32) -> Option<P> {
        let slot = self.slots.get_mut(idx as usize)?;
        if slot.generation != generation || matches!(slot.state, State::Free { .. }) {
            return None;
        }
        let old = std::mem::replace(&mut slot.state, State::Free { next: self.free });
        if let Some(next) = generation.checked_add(1) {
            slot.generation = next;
            self.free = Some(idx);
        } else {
            slot.state = State::Free { next: None };
        }
        match old {
            State::Open(port) => Some(port),
            State::Free { .. } => None,
        }
    }

    /// Closes the table and returns the ports that were open. The first reason stays.
    pub(crate) fn close(&mut self, why: &Arc<str>) -> Vec<P> {
        self.closed.get_or_insert_with(|| why.clone());
        self.free = None;
        let slots = std::mem::take(&mut self.slots).into_iter();
        slots
            .filter_map(|slot| match slot.state {
                State::Open(port) => Some(port),
                State::Free { .. } => None,
            })
            .collect()
    }

    /// Returns how many ports are open.
    pub(crate) fn n_open(&self) -> usize {
        self.slots
            .iter()
            .filter(|slot| matches!(slot.state, State::Open(_)))
            .count()
    }
}

/// A slot that is free has the generation of its next port, or its last one if there is no next.
fn never_or_gone<P>(slot: &Slot<P>, generation: u32) -> Cause {
    if generation < slot.generation || generation == u32::MAX && slot.generation == u32::MAX {
        Cause::PortGone
    } else {
        Cause::PortNeverExisted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_gone_and_closed_are_three_answers() {
        let mut table = PortTable::new();
        assert_eq!(table.open('a'), Ok((0, 0)));
        assert_eq!(table.get(0, 0), Ok('a'));
        assert_eq!(table.get(1, 0), Err(Cause::PortNeverExisted));
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
        let mut table = PortTable::new();
        assert_eq!(table.open('a'), Ok((0, 0)));
        table.slots[0].generation = u32::MAX;
        assert_eq!(table.free(0, u32::MAX), Some('a'));
        assert_eq!(table.get(0, u32::MAX), Err(Cause::PortGone));
        assert_eq!(table.open('b'), Ok((1, 0)));
    }

    #[test]
    fn inv2_a_closed_table_takes_no_port() {
        let mut table = PortTable::new();
        assert!(table.close(&"done".into()).is_empty());
        assert_eq!(table.open('a'), Err("done".into()));
        assert!(table.close(&"again".into()).is_empty());
        assert_eq!(table.open('a'), Err("done".into()));
    }

    #[test]
    fn inv3_a_million_ports_one_by_one_use_one_slot() {
        let mut table = PortTable::new();
        for round in 0..1_000_000 {
            assert_eq!(table.open(round), Ok((0, round)));
            assert_eq!(table.free(0, round), Some(round));
        }
        assert_eq!((table.slots.len(), table.n_open()), (1, 0));
    }
}
