//! What keeps a proc attached to its gateway.

use std::sync::Weak;

use super::Shared;
use crate::ProcId;

/// Error of [`Gateway::attach`](crate::Gateway::attach): the proc is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("proc {proc} is attached to this gateway already")]
pub struct AttachError {
    /// The proc.
    pub proc: ProcId,
}

/// Keeps a proc attached to its gateway; dropping it detaches the proc.
#[derive(Debug)]
#[must_use = "dropping the attachment detaches the proc"]
pub struct Attachment {
    pub(super) gateway: Weak<Shared>,
    pub(super) proc: ProcId,
}

impl Attachment {
    /// Returns the proc that is attached.
    pub fn proc(&self) -> ProcId {
        self.proc
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        if let Some(shared) = self.gateway.upgrade() {
            drop(shared.routes.detach(self.proc));
        }
    }
}
