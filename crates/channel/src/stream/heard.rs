//! How often an endpoint has read something, over any of its connections. Only that it changes is of interest, so it may wrap.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

/// A count that the connections of an endpoint share.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heard(Arc<AtomicU32>);

impl Heard {
    /// Records that something was read.
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns how often something was.
    pub(crate) fn count(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}
