//! Where a session is looked for when it is opened again, and how it ends: alone, or as one half of a duplex link.

use std::sync::{Arc, Weak};

use super::Served;
use crate::{carried::Wish, duplex::Receiving};

/// Which part of a link a session is, and where it is looked for when it is opened again.
pub(crate) enum Part {
    /// All of it; in the registry of the endpoint.
    Whole,
    /// What goes forth on a duplex link, at the end that serves it. Only the dialling end, which opens it again, can say
    /// that it is over.
    Forth(Weak<Receiving>),
    /// What comes back on a duplex link, at the end that dialled it.
    Back(Weak<Receiving>),
}

impl Served {
    /// Tells the peer that no more is taken.
    pub(crate) fn stop(self: Arc<Self>) {
        self.lock().stop();
        if !self.attachment.is_attached() && !self.is_forth() {
            // There is nobody to tell, and nothing to go on with.
            self.forget();
        }
        self.attachment.schedule(self.clone(), true);
    }

    /// Forgets the session, if it was carried by `connection`.
    pub(super) fn leave(self: &Arc<Self>, connection: u64) -> Wish {
        if self.detach(connection) {
            self.forget();
            self.tell_lost();
        }
        Wish::Leave
    }

    /// Does not go on over another connection.
    pub(super) fn forget(self: &Arc<Self>) {
        match &self.part {
            Part::Whole => self.serving.endpoint.registry.forget(self),
            Part::Forth(link) | Part::Back(link) => {
                if let Some(link) = link.upgrade() {
                    link.on_over();
                }
            }
        }
    }

    pub(super) fn is_forth(&self) -> bool {
        matches!(self.part, Part::Forth(_))
    }

    /// Does what is to be done after the last word over `connection`.
    pub(super) fn on_last_word(self: &Arc<Self>, connection: u64) {
        if self.is_forth() {
            // The dialling end answers that it knows.
            self.lock().fall_silent();
            self.set_present(false);
        } else {
            self.leave(connection);
        }
    }

    /// The peer sends nothing any more over `connection`, for `number`.
    pub(super) fn on_close(self: &Arc<Self>, connection: u64, number: u32) -> Wish {
        let is_current = {
            let state = self.lock();
            self.attachment.is_at(connection) && state.number() == number
        };
        match &self.part {
            _ if !is_current => Wish::None,
            Part::Back(_) => {
                // The answer is that nothing is taken any more.
                self.clone().stop();
                Wish::None
            }
            Part::Forth(_) => self.leave(connection),
            Part::Whole if self.lock().is_stopped() => Wish::None,
            Part::Whole => self.leave(connection),
        }
    }
}
