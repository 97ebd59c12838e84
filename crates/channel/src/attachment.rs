//! Which connection carries a session at the moment, and whether it is scheduled there.
//!
//! # Invariants
//!
//! - **INV-1**: what is asked for after a fill has begun leads to another fill: the mark is removed before the
//!   session looks at what it has.
//! - **INV-2**: a session that is not attached is not marked.
//! - **INV-3**: of two connections that [`attach`](Attachment::attach), the newer one carries the session, whichever was
//!   first.
//! - **INV-4**: a session that waits to be filled waits in one place, be it for the first time or because it has more.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use crate::{carried::Carried, outlet::Outlet};

/// The connection of one session.
#[derive(Default)]
pub(crate) struct Attachment {
    is_scheduled: AtomicBool,
    outlet: Mutex<Option<Arc<Outlet>>>,
}

impl Attachment {
    /// Returns whether the session waits to be filled.
    pub(crate) fn is_scheduled(&self) -> bool {
        self.is_scheduled.load(Ordering::Acquire)
    }

    /// Has `session`, whose attachment this is, filled soon; with `now` before this returns, if its connection is
    /// idle.
    pub(crate) fn schedule(&self, session: Arc<dyn Carried>, now: bool) {
        if self.is_scheduled.swap(true, Ordering::AcqRel) {
            return;
        }
        let outlet = {
            let outlet = self.lock();
            if outlet.is_none() {
                // INV-2; under the lock, so that an attachment that follows is not undone.
                self.is_scheduled.store(false, Ordering::Release);
            }
            outlet.clone()
        };
        if let Some(outlet) = outlet {
            outlet.schedule(session, now);
        }
    }

    /// Begins a fill for `connection`, and returns whether that is the session's.
    pub(crate) fn begin_fill(&self, connection: u64) -> bool {
        let is_current = self.is_at(connection);
        if is_current {
            self.is_scheduled.store(false, Ordering::Release);
        }
        is_current
    }

    /// Ends a fill for `connection` of a session that has more, and returns whether that connection is to fill it again for
    /// this reason: not if it was asked to meanwhile (INV-4), or is not the session's any more.
    pub(crate) fn goes_on(&self, connection: u64) -> bool {
        let outlet = self.lock();
        // INV-2; under the lock, so that a mark is not set after an attachment that removed it.
        leads_to(&outlet, connection) && !self.is_scheduled.swap(true, Ordering::AcqRel)
    }

    /// Returns whether `connection` is the session's.
    pub(crate) fn is_at(&self, connection: u64) -> bool {
        leads_to(&self.lock(), connection)
    }

    /// Returns how many bytes the session's connection has written, for all its sessions.
    pub(crate) fn written(&self) -> u64 {
        self.lock().as_ref().map_or(0, |outlet| outlet.written())
    }

    /// Returns whether some connection carries the session.
    pub(crate) fn is_attached(&self) -> bool {
        self.lock().is_some()
    }

    /// Takes `outlet` in place of the one before, and returns whether it did: not if that one is newer.
    pub(crate) fn attach(&self, outlet: &Arc<Outlet>) -> bool {
        let mut current = self.lock();
        // INV-3
        let is_newest = current
            .as_ref()
            .is_none_or(|current| current.connection <= outlet.connection);
        if is_newest {
            *current = Some(outlet.clone());
            self.is_scheduled.store(false, Ordering::Release);
        }
        is_newest
    }

    /// Takes `outlet` in place of the one before, whichever is newer, and returns that one.
    pub(crate) fn replace(&self, outlet: &Arc<Outlet>) -> Option<Arc<Outlet>> {
        let mut current = self.lock();
        self.is_scheduled.store(false, Ordering::Release);
        current.replace(outlet.clone())
    }

    /// Forgets the connection.
    pub(crate) fn leave(&self) {
        let mut current = self.lock();
        *current = None;
        self.is_scheduled.store(false, Ordering::Release);
    }

    /// Forgets `connection`, and returns whether it was the session's.
    pub(crate) fn detach(&self, connection: u64) -> bool {
        let mut current = self.lock();
        let is_current = leads_to(&current, connection);
        if is_current {
            *current = None;
            self.is_scheduled.store(false, Ordering::Release);
        }
        is_current
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Outlet>>> {
        self.outlet.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn leads_to(outlet: &Option<Arc<Outlet>>, connection: u64) -> bool {
    outlet
        .as_ref()
        .is_some_and(|outlet| outlet.connection == connection)
}
