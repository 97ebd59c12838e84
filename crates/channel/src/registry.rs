//! The sessions that an endpoint serves, with or without a connection.
//!
//! # Invariants
//!
//! - **INV-1**: a session is found again by who opened it, and by nobody else: by its random number, from the same
//!   life of the same endpoint, and of the same identity where the transport proves one.
//! - **INV-2**: at most the allowed number of sessions is remembered, those of others that are carried and those of duplex
//!   links included; one without a connection for its lifetime, or as long as messages of it wait in the queue of its receiver, so that a
//!   new session does not add to them.
//! - **INV-3**: a session that a connection carries is remembered: it is found and begins to be carried, and is looked at
//!   and forgotten, in one step each, under the lock of the registry.

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::{
    endpoint::Shared,
    handshake::RefusalCode,
    identity::PeerIdentity,
    incarnation::SessionId,
    open::Open,
    outlet::Outlet,
    served::{Part, Served, Target},
    server::Serving,
};

/// The sessions by their number.
#[derive(Default)]
pub(crate) struct Registry {
    sessions: Mutex<BTreeMap<SessionId, Arc<Served>>>,
    /// The sessions that are not looked for here: those of others that are carried, and those of duplex links.
    others: AtomicUsize,
}

/// A place for a session that is not looked for in the registry, until this is dropped.
pub(crate) struct Place(Arc<Shared>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.registry.others.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Registry {
    /// Returns the session that `open` is about, the one that is known or a new one, carried by the connection of `outlet`
    /// from now on, where it has `number`. What it says there is not scheduled yet.
    pub(crate) fn carry(
        &self,
        open: &Open,
        identity: Option<PeerIdentity>,
        serving: Arc<Serving>,
        target: Target,
        number: u32,
        outlet: &Arc<Outlet>,
    ) -> Result<Arc<Served>, RefusalCode> {
        let (session, replaced) = {
            // INV-3
            let mut sessions = self.lock();
            let session = self.find(&mut sessions, open, identity, serving, target)?;
            let replaced = session.take_over(open, number, outlet)?;
            (session, replaced)
        };
        // What the end of a connection drops is not dropped under the lock.
        drop(replaced);
        Ok(session)
    }

    /// Returns the session that `open` is about, and makes it if there is none.
    fn find(
        &self,
        sessions: &mut BTreeMap<SessionId, Arc<Served>>,
        open: &Open,
        identity: Option<PeerIdentity>,
        serving: Arc<Serving>,
        target: Target,
    ) -> Result<Arc<Served>, RefusalCode> {
        if let Some(session) = sessions.get(&open.id) {
            // INV-1
            let opener = (session.incarnation, session.kind, session.identity());
            if opener != (open.incarnation, open.kind, identity) {
                return Err(RefusalCode::Identity);
            }
            return Ok(session.clone());
        }
        // INV-2
        let limit = serving.endpoint.limits.sessions;
        if limit <= sessions.len() + self.others.load(Ordering::Relaxed) {
            return Err(RefusalCode::Busy);
        }
        if serving.stop.is_cancelled() {
            return Err(RefusalCode::Kind(serving.what.kind));
        }
        let session = Served::new(open, identity, serving, target, Part::Whole);
        let session = Arc::new(session);
        sessions.insert(open.id, session.clone());
        Ok(session)
    }

    /// Returns a place for another session at the endpoint of this registry, if there is one (INV-2).
    pub(crate) fn place(&self, endpoint: &Arc<Shared>) -> Option<Place> {
        let sessions = self.lock();
        if endpoint.limits.sessions <= sessions.len() + self.others.load(Ordering::Relaxed) {
            return None;
        }
        // Under the lock, as the sessions are counted.
        self.others.fetch_add(1, Ordering::Relaxed);
        Some(Place(endpoint.clone()))
    }

    /// Forgets a session that has ended, unless another connection carries it by now (INV-3).
    pub(crate) fn forget(&self, session: &Arc<Served>) {
        let removed = {
            let mut sessions = self.lock();
            let is_there = sessions
                .get(&session.id)
                .is_some_and(|there| Arc::ptr_eq(there, session));
            let is_over = is_there && !session.attachment.is_attached();
            is_over.then(|| sessions.remove(&session.id))
        };
        // What a receiver's drop does is not done under the lock.
        drop(removed);
    }

    /// Returns the sessions for one receiver.
    pub(crate) fn of(&self, serving: &Serving) -> Vec<Arc<Served>> {
        let sessions = self.lock();
        let all = sessions.values();
        all.filter(|session| std::ptr::eq(Arc::as_ptr(session.serving()), serving))
            .cloned()
            .collect()
    }

    /// Forgets those that had no connection for `lifetime` (INV-2).
    pub(crate) fn expire(&self, lifetime: Duration) {
        let mut expired = Vec::new();
        self.lock().retain(|_, session| {
            let is_alive = session
                .detached_since()
                .is_none_or(|since| since.elapsed() < lifetime || session.has_waiting());
            if !is_alive {
                expired.push(session.clone());
            }
            is_alive
        });
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<SessionId, Arc<Served>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
