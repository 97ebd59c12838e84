//! Where a session leaves word for the connector that keeps it connected.

use std::{
    collections::BTreeSet,
    mem,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::Notify;

/// The sessions that have something to look at, for the one task that looks at them. Each is there once.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    told: Mutex<BTreeSet<u32>>,
    notify: Notify,
}

impl Inbox {
    /// Says that there is something to look at for the session with this number.
    pub(crate) fn tell(&self, number: u32) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.insert(number);
        drop(told);
        self.notify.notify_one();
    }

    /// Waits until something is told.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, nothing that was told is lost.
    pub(crate) async fn notified(&self) {
        self.notify.notified().await;
    }

    /// Returns the sessions of which something was told since the last call.
    pub(crate) fn take(&self) -> BTreeSet<u32> {
        mem::take(&mut *self.told.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The inbox of one session, and its number there.
#[derive(Debug, Default)]
pub(crate) struct News(Mutex<(Arc<Inbox>, u32)>);

impl News {
    /// Tells whoever keeps the session connected.
    pub(crate) fn notify_one(&self) {
        let (inbox, number) = &*self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inbox.tell(*number);
    }

    /// From now on another inbox is told, where the session has `number`.
    pub(crate) fn turn_to(&self, inbox: &Arc<Inbox>, number: u32) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = (inbox.clone(), number);
    }
}
