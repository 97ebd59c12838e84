//! What waits in a port, and what happens when there is no room. A rule: no lock, no waker.
//!
//! # Invariants
//!
//! - **INV-1**: items come out in the order they went in.
//! - **INV-2**: it holds at most `messages` items and `bytes` bytes, those included that have a place and are
//!   not in it yet; one item may be larger than that, alone.
//! - **INV-3**: an item that does not come out is returned by the call that refused or displaced it, and
//!   counted.

use std::collections::VecDeque;

use crate::{PortOptions, PortSendReason, QueuePolicy};

/// What waits in a port.
pub(crate) struct PortQueue<T> {
    entries: VecDeque<Entry<T>>,
    policy: QueuePolicy,
    max_messages: usize,
    max_bytes: u64,
    /// Items that have a place and are not in it yet; their bytes are in `bytes`.
    n_reserved: usize,
    bytes: u64,
    weight: u64,
    pub(crate) counts: QueueCounts,
}

struct Entry<T> {
    item: T,
    weight: u32,
    bytes: u64,
}

/// What became of items that did not come out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct QueueCounts {
    pub(crate) rejected: u64,
    pub(crate) dropped: u64,
    pub(crate) replaced: u64,
}

impl<T> PortQueue<T> {
    pub(crate) fn new(options: &PortOptions) -> Self {
        Self {
            entries: VecDeque::new(),
            policy: options.policy,
            max_messages: options.messages.max(1),
            max_bytes: options.bytes,
            n_reserved: 0,
            bytes: 0,
            weight: 0,
            counts: QueueCounts::default(),
        }
    }

    /// Returns the number of items that can be taken out.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns how many bytes they are, with those that have a place.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns the weight of all items that can be taken out.
    pub(crate) fn weight(&self) -> u64 {
        self.weight
    }

    /// Returns why there is no room for another `bytes`, if so (INV-2).
    pub(crate) fn no_room(&self, bytes: u64) -> Option<PortSendReason> {
        // There, each newer item takes the place of the others.
        if self.policy == QueuePolicy::Latest {
            return None;
        }
        let held = self.entries.len() + self.n_reserved;
        if self.max_messages <= held {
            let limit = self.max_messages;
            return Some(PortSendReason::Full { limit });
        }
        let is_over = self.max_bytes < self.bytes.saturating_add(bytes);
        let limit = self.max_bytes;
        (is_over && held != 0).then_some(PortSendReason::FullOfBytes { limit })
    }

    /// Keeps a place for an item of `bytes`, to be [filled](Self::fill) or [cancelled](Self::cancel).
    /// Returns the items that made room.
    pub(crate) fn reserve(&mut self, bytes: u64) -> Result<Vec<T>, PortSendReason> {
        let mut displaced = Vec::new();
        while let Some(reason) = self.no_room(bytes) {
            let oldest = match self.policy {
                QueuePolicy::DropOldest => self.pop(),
                QueuePolicy::Reject | QueuePolicy::Wait | QueuePolicy::Latest => None,
            };
            let Some(oldest) = oldest else {
                self.counts.rejected += 1;
                return Err(reason);
            };
            self.counts.dropped += 1;
            displaced.push(oldest);
        }
        self.n_reserved += 1;
        self.bytes += bytes;
        Ok(displaced)
    }

    /// Puts an item of `bytes` in its place. Returns the items that it replaces.
    pub(crate) fn fill(&mut self, item: T, weight: u32, bytes: u64) -> Vec<T> {
        let replaced = match self.policy {
            QueuePolicy::Latest => self.take_all(),
            QueuePolicy::Reject | QueuePolicy::DropOldest | QueuePolicy::Wait => Vec::new(),
        };
        self.counts.replaced += replaced.len() as u64;
        self.n_reserved -= 1;
        self.weight += u64::from(weight);
        self.entries.push_back(Entry {
            item,
            weight,
            bytes,
        });
        replaced
    }

    /// Gives the place of an item of `bytes` up.
    pub(crate) fn cancel(&mut self, bytes: u64) {
        self.n_reserved -= 1;
        self.bytes -= bytes;
    }

    pub(crate) fn pop(&mut self) -> Option<T> {
        let entry = self.entries.pop_front()?;
        self.weight -= u64::from(entry.weight);
        self.bytes -= entry.bytes;
        Some(entry.item)
    }

    pub(crate) fn take_all(&mut self) -> Vec<T> {
        let mut items = Vec::with_capacity(self.entries.len());
        while let Some(item) = self.pop() {
            items.push(item);
        }
        items
    }
}

#[cfg(test)]
mod tests;
