//! A port of `U` that passes on to a port of `M`. It has a number of its own and no queue.
//!
//! # Invariants
//!
//! - **INV-1**: its number is free when the port that it passes on to is, or when its last handle goes
//!   before it was bound.
//! - **INV-2**: it counts as one sender of that port until then.
//! - **INV-3**: a map that panics costs its message, which bounces, and nothing else.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::sync::Notify;

use crate::fold::panic_text;
use crate::port_end::{AnyPort, Opener, PortSink, Rejected, Take};
use crate::{
    Cause, Envelope, Gateway, Mailbox, PortId, PortSendError, PortSendReason, Undelivered,
};

type Map<U, M> = Box<dyn Fn(U) -> M + Send + Sync>;

pub(crate) struct MappedPort<U, M> {
    onto: Arc<dyn PortSink<M>>,
    mapping: Arc<Mapping<U, M>>,
    senders: Mutex<Senders>,
    id: OnceLock<PortId>,
}

struct Mapping<U, M> {
    map: Map<U, M>,
    take: OnceLock<Take<U>>,
}

struct Senders {
    handles: usize,
    bound: bool,
}

impl<U: Send + 'static, M: Send + 'static> MappedPort<U, M> {
    /// A port with one handle, which passes on to `onto`.
    pub(crate) fn new(onto: Arc<dyn PortSink<M>>, map: Map<U, M>) -> Self {
        onto.add_sender();
        let take = OnceLock::new();
        Self {
            onto,
            mapping: Arc::new(Mapping { map, take }),
            senders: Mutex::new(Senders {
                handles: 1,
                bound: false,
            }),
            id: OnceLock::new(),
        }
    }

    /// Learns its number. Returns whether the port that it passes on to is open.
    pub(crate) fn set_id(&self, id: PortId) -> bool {
        _ = self.id.set(id);
        self.onto.add_mapped(id)
    }

    fn lock(&self) -> MutexGuard<'_, Senders> {
        // Nothing that can panic runs under the lock.
        self.senders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<U: Send + 'static, M: Send + 'static> Mapping<U, M> {
    /// Returns what the map makes of the value in an envelope with this header, or `None` after it was
    /// bounced (INV-3).
    fn apply(&self, value: U, lost: Undelivered, gateway: &Gateway) -> Option<M> {
        let mapped = catch_unwind(AssertUnwindSafe(|| (self.map)(value)));
        mapped
            .map_err(|panic| {
                let text = panic_text(&*panic);
                let cause = Cause::Unknown(format!("the receiver panicked: {text}").into());
                gateway.tell(Undelivered { cause, ..lost });
            })
            .ok()
    }
}

impl<U: Send + 'static, M: Send + 'static> Opener<M> for Mapping<U, M> {
    fn open(&self, envelope: Envelope, gateway: &Gateway) -> Option<M> {
        let take = self.take.get().expect("only a bound port takes envelopes");
        let lost = Undelivered::without_payload(&envelope, Cause::PortGone);
        match envelope.take_with(take.take) {
            Ok(value) => self.apply(value, lost, gateway),
            Err(rejected) => {
                gateway.bounce(rejected.envelope, rejected.cause);
                None
            }
        }
    }
}

/// Opens for a port that passes on to a mapped one.
struct Chained<U, M> {
    first: Arc<dyn Opener<U>>,
    then: Arc<Mapping<U, M>>,
}

impl<U: Send + 'static, M: Send + 'static> Opener<M> for Chained<U, M> {
    fn open(&self, envelope: Envelope, gateway: &Gateway) -> Option<M> {
        let lost = Undelivered::without_payload(&envelope, Cause::PortGone);
        let value = self.first.open(envelope, gateway)?;
        self.then.apply(value, lost, gateway)
    }
}

impl<U: Send + 'static, M: Send + 'static> AnyPort for MappedPort<U, M> {
    fn deliver(&self, envelope: Envelope, mailbox: &Mailbox) -> Result<(), Box<Rejected>> {
        let Some(take) = self.mapping.take.get() else {
            // Nobody has a ref to this port: its number was guessed.
            return Err(Rejected::new(envelope, Cause::PortNeverExisted));
        };
        if envelope.key() != take.key {
            return Err(Rejected::new(
                envelope,
                Cause::WrongType { expected: take.key },
            ));
        }
        self.onto
            .deliver_to_open(envelope, self.mapping.clone(), mailbox)
    }

    /// The port that it passes on to is of the same mailbox, and is closed as well.
    fn close(&self, _: &Arc<str>, _: &Mailbox) {}
}

impl<U: Send + 'static, M: Send + 'static> PortSink<U> for MappedPort<U, M> {
    fn send(&self, message: U, mailbox: &Mailbox) -> Result<(), PortSendError<U>> {
        let mut message = Some(message);
        let sent = self.send_made(&mut || message.take().expect("it is made once"), mailbox);
        sent.map_err(|reason| {
            let message = message.take();
            let message = message.expect("what is refused was not made");
            PortSendError { message, reason }
        })
    }

    fn send_made(
        &self,
        make: &mut dyn FnMut() -> U,
        mailbox: &Mailbox,
    ) -> Result<(), PortSendReason> {
        let map = &self.mapping.map;
        self.onto.send_made(&mut || map(make()), mailbox)
    }

    fn deliver_to_open(
        &self,
        envelope: Envelope,
        opener: Arc<dyn Opener<U>>,
        mailbox: &Mailbox,
    ) -> Result<(), Box<Rejected>> {
        let opener = Arc::new(Chained {
            first: opener,
            then: self.mapping.clone(),
        });
        self.onto.deliver_to_open(envelope, opener, mailbox)
    }

    fn add_sender(&self) {
        self.lock().handles += 1;
    }

    fn remove_sender(&self, mailbox: &Mailbox) {
        let is_over = {
            let mut senders = self.lock();
            senders.handles -= 1;
            senders.handles == 0 && !senders.bound
        };
        if !is_over {
            return;
        }
        if let Some(id) = self.id.get() {
            self.onto.remove_mapped(*id);
            mailbox.free_port(*id);
        }
        self.onto.remove_sender(mailbox);
    }

    fn bind(&self, take: Take<U>) {
        _ = self.mapping.take.set(take);
        self.lock().bound = true;
    }

    fn add_mapped(&self, id: PortId) -> bool {
        self.onto.add_mapped(id)
    }

    fn remove_mapped(&self, id: PortId) {
        self.onto.remove_mapped(id);
    }

    fn has_room(&self) -> bool {
        self.onto.has_room()
    }

    fn room(&self) -> Option<&Notify> {
        self.onto.room()
    }
}
