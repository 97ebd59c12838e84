//! The sessions that an endpoint serves, with or without a connection.
//!
//! # Invariants
//!
//! - **INV-1**: a session is found again by who opened it, and by nobody else: by its random number, from the same
//!   life of the same endpoint, and of the same identity where the transport proves one.
//! - **INV-2**: at most the allowed number of sessions is remembered, those of others that are carried included; one
//!   without a connection for its lifetime, or as long as messages of it wait in the queue of its receiver, so that a
//!   new session does not add to them.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::{
    endpoint::Shared, handshake::RefusalCode, identity::PeerIdentity, incarnation::SessionId,
    open::Open, served::Served, server::Serving, settings::Limits,
};

/// The sessions by their number.
#[derive(Default)]
pub(crate) struct Registry {
    sessions: Mutex<BTreeMap<SessionId, Arc<Served>>>,
    /// The sessions of others that are carried.
    relays: AtomicUsize,
}

/// A place for a session of others, until this is dropped.
pub(crate) struct RelayPlace(Arc<Shared>);

impl Drop for RelayPlace {
    fn drop(&mut self) {
        self.0.registry.relays.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Registry {
    /// Returns the session that `open` is about: the one that is known, or a new one.
    pub(crate) fn open(
        &self,
        open: &Open,
        identity: Option<PeerIdentity>,
        serving: Arc<Serving>,
        limits: &Limits,
    ) -> Result<Arc<Served>, RefusalCode> {
        let mut sessions = self.lock();
        if let Some(session) = sessions.get(&open.id) {
            // INV-1
            let opener = (session.incarnation, session.kind, session.identity());
            if opener != (open.incarnation, open.kind, identity) {
                return Err(RefusalCode::Identity);
            }
            return Ok(session.clone());
        }
        // INV-2
        if limits.sessions <= sessions.len() + self.relays.load(Ordering::Relaxed) {
            return Err(RefusalCode::Busy);
        }
        if serving.stop.is_cancelled() {
            return Err(RefusalCode::Kind(serving.kind));
        }
        let target = serving.target.clone();
        let session = Arc::new(Served::new(open, identity, serving, target));
        sessions.insert(open.id, session.clone());
        Ok(session)
    }

    /// Returns a place for a session of others at the endpoint of this registry, if there is one (INV-2).
    pub(crate) fn relay(&self, endpoint: &Arc<Shared>) -> Option<RelayPlace> {
        let sessions = self.lock();
        if endpoint.limits.sessions <= sessions.len() + self.relays.load(Ordering::Relaxed) {
            return None;
        }
        // Under the lock, as the sessions are counted.
        self.relays.fetch_add(1, Ordering::Relaxed);
        Some(RelayPlace(endpoint.clone()))
    }

    /// Forgets a session that has ended.
    pub(crate) fn forget(&self, session: &Arc<Served>) {
        let removed = {
            let mut sessions = self.lock();
            let is_there = sessions
                .get(&session.id)
                .is_some_and(|there| Arc::ptr_eq(there, session));
            is_there.then(|| sessions.remove(&session.id))
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
