//! Where a session leaves word for the connector that keeps it connected.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

/// The connector of one session, as far as it can be told that there is something to look at.
#[derive(Debug, Default)]
pub(crate) struct News(Mutex<Arc<Notify>>);

impl News {
    /// Tells the connector.
    pub(crate) fn notify_one(&self) {
        let connector = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        connector.notify_one();
    }

    /// From now on another connector is told.
    pub(crate) fn turn_to(&self, connector: &Arc<Notify>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = connector.clone();
    }
}
