//! Who in this process wants to know that a proc has died.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use arc_swap::ArcSwap;

use crate::ProcId;

/// Called with the proc that died and why.
pub type DeathObserver = Arc<dyn Fn(ProcId, &str) + Send + Sync>;

#[derive(Default)]
pub(crate) struct Deaths {
    observers: ArcSwap<Vec<(u64, DeathObserver)>>,
    /// The number of the next observer; its lock is that of all who change the list.
    next: Mutex<u64>,
}

impl Deaths {
    pub(crate) fn watch(self: &Arc<Self>, observer: DeathObserver) -> DeathWatch {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let number = *next;
        *next += 1;
        let mut observers = Vec::clone(&self.observers.load());
        observers.push((number, observer));
        self.observers.store(observers.into());
        DeathWatch {
            deaths: Arc::downgrade(self),
            number,
        }
    }

    /// Calls all observers of this moment. No lock is held.
    pub(crate) fn tell(&self, proc: ProcId, why: &str) {
        let observers = self.observers.load_full();
        for (_, observer) in observers.iter() {
            observer(proc, why);
        }
    }
}

/// Keeps an observer of deaths; dropping it ends the observation.
#[must_use = "dropping the watch ends it"]
pub struct DeathWatch {
    deaths: Weak<Deaths>,
    number: u64,
}

impl Drop for DeathWatch {
    fn drop(&mut self) {
        let Some(deaths) = self.deaths.upgrade() else {
            return;
        };
        let next = deaths.next.lock().unwrap_or_else(PoisonError::into_inner);
        let old = deaths.observers.load_full();
        let others = old
            .iter()
            .filter(|(number, _)| *number != self.number)
            .cloned();
        deaths.observers.store(others.collect::<Vec<_>>().into());
        drop(next);
        // The observer may own anything: it is dropped after the lock.
        drop(old);
    }
}

impl fmt::Debug for DeathWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeathWatch({})", self.number)
    }
}
