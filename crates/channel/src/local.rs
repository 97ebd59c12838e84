//! The numbers of `local:N`: what is served inside one process.
//!
//! A link to a number is one like all others; in place of a socket its connection has a pipe in memory.
//!
//! # Invariants
//!
//! - **INV-1**: a number that was served and is not any more is told from one that never was. Of those that the hub chose
//!   this needs no memory, as they are given out in order; of the others the last [`MAX_GONE`] that went are remembered.

#[cfg(test)]
mod tests;

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{addr::ChannelAddr, stream::Stream};

/// Numbers that the hub chooses begin here, above those that people write.
const FIRST_CHOSEN: u64 = 1 << 32;
/// So many of the numbers that people wrote are remembered after their receiver has gone.
const MAX_GONE: usize = 1024;

/// The numbers under which the endpoints of one process serve `local:N` addresses.
///
/// A clone is the same hub. Endpoints with different hubs do not see each other.
#[derive(Clone, Default)]
pub struct LocalHub(Arc<Mutex<Numbers>>);

#[derive(Default)]
struct Numbers {
    served: HashMap<u64, Arc<dyn Port>>,
    /// How many were chosen. One that was passed over was served, too.
    chosen: u64,
    /// Those that people wrote and whose receiver has gone, the last one last (INV-1).
    gone: VecDeque<u64>,
}

/// Why nothing is served under a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Absence {
    /// Nobody has served it yet, as far as is remembered.
    NeverServed,
    /// Its receiver has gone.
    Gone,
}

/// What is served under a number.
pub(crate) trait Port: Send + Sync {
    /// Returns the dialling end of a new connection, if it is still served.
    fn connect(&self) -> Option<Stream>;
}

impl LocalHub {
    /// Returns a hub where nothing is served.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes `number`, or a free one if that is 0; or returns `None` if it is taken. `port` gets the number.
    pub(crate) fn serve(
        &self,
        number: u64,
        port: impl FnOnce(u64) -> Arc<dyn Port>,
    ) -> Option<LocalNumber> {
        let mut numbers = self.lock();
        let number = if number == 0 {
            numbers.choose()
        } else {
            number
        };
        match numbers.served.entry(number) {
            Entry::Occupied(_) => return None,
            Entry::Vacant(vacant) => _ = vacant.insert(port(number)),
        }
        Some(LocalNumber {
            hub: self.clone(),
            number,
        })
    }

    /// Returns what is served at `number`, or why there is nothing.
    pub(crate) fn find(&self, number: u64) -> Result<Arc<dyn Port>, Absence> {
        let numbers = self.lock();
        match numbers.served.get(&number) {
            Some(port) => Ok(port.clone()),
            None => Err(numbers.absence(number)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Numbers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for LocalHub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut served: Vec<u64> = self.lock().served.keys().copied().collect();
        served.sort_unstable();
        f.debug_tuple("LocalHub").field(&served).finish()
    }
}

impl Numbers {
    fn choose(&mut self) -> u64 {
        loop {
            let number = FIRST_CHOSEN + self.chosen;
            self.chosen += 1;
            if !self.served.contains_key(&number) {
                return number;
            }
        }
    }

    fn was_chosen(&self, number: u64) -> bool {
        (FIRST_CHOSEN..FIRST_CHOSEN + self.chosen).contains(&number)
    }

    fn absence(&self, number: u64) -> Absence {
        if self.was_chosen(number) || self.gone.contains(&number) {
            Absence::Gone
        } else {
            Absence::NeverServed
        }
    }

    /// Serves `number` no more, and returns what was served there.
    fn remove(&mut self, number: u64) -> Option<Arc<dyn Port>> {
        if self.absence(number) == Absence::NeverServed {
            // INV-1
            if self.gone.len() == MAX_GONE {
                self.gone.pop_front();
            }
            self.gone.push_back(number);
        }
        self.served.remove(&number)
    }
}

/// A number that is served, until this goes.
#[derive(Debug)]
pub(crate) struct LocalNumber {
    hub: LocalHub,
    number: u64,
}

impl LocalNumber {
    pub(crate) fn addr(&self) -> ChannelAddr {
        ChannelAddr::Local(self.number)
    }
}

impl Drop for LocalNumber {
    fn drop(&mut self) {
        let port = self.hub.lock().remove(self.number);
        // What it leads to is the user's: its drop must not run under the lock.
        drop(port);
    }
}
