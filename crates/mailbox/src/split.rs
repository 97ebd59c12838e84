//! A split: a relay's own port in the place of a port with a reducer. It folds the answers of the relay's
//! part of a cast and passes them on as one.
//!
//! # Invariants
//!
//! - **INV-1**: a split passes on exactly one [`Partial`](crate::Partial): when all expected members are settled, at its
//!   deadline, or when its owner ends, whichever comes first.
//! - **INV-2**: with that its port and its timer are gone.

mod combining;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use tokio::time::Instant;

pub(crate) use self::combining::open as open_combining;
pub use self::combining::{CombineOptions, Combiner};
use crate::fold::Folder;
use crate::gather::Gather;
use crate::mailbox::MailboxShared;
use crate::mill::{Event, Mill};
use crate::port_end::{AnyPort, Rejected};
use crate::reducer_registry::folder;
use crate::timer::{Timed, TimerKey};
use crate::{Cause, Envelope, FLAG_SILENT, Mailbox, Ordinals, PortId, RawPort, UnknownReducer};

/// Error of [`Mailbox::open_split`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SplitError {
    /// The port has no reducer.
    #[error("port {0} has no reducer")]
    NoReducer(PortId),
    /// This program cannot fold for the port; its updates are to be passed on one by one.
    #[error(transparent)]
    Reducer(#[from] UnknownReducer),
}

/// Tells a split who will not answer. Dropping it changes nothing.
#[derive(Clone)]
pub struct SplitHandle {
    id: PortId,
    port: Weak<SplitPort>,
}

impl SplitHandle {
    /// Returns the id of the split's port.
    pub fn id(&self) -> PortId {
        self.id
    }

    /// Counts `members` as missing, unless they have answered: they are dead, or the message to them
    /// bounced.
    pub fn missing(&self, members: Ordinals) {
        if let Some(port) = self.port.upgrade() {
            port.accept(Event::Missing(members));
        }
    }

    /// Returns whether the split has passed on what it had.
    pub fn is_done(&self) -> bool {
        self.port
            .upgrade()
            .is_none_or(|port| port.done.load(Ordering::Acquire))
    }
}

impl fmt::Debug for SplitHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SplitHandle({})", self.id)
    }
}

pub(crate) struct SplitPort {
    mill: Mill<Box<dyn Folder>>,
    parent: RawPort,
    mailbox: Weak<MailboxShared>,
    id: OnceLock<PortId>,
    timer: Mutex<Option<TimerKey>>,
    done: AtomicBool,
}

/// Opens a split for the port `parent`; `expected` are the members that this relay answers for.
pub(crate) fn open(
    mailbox: &Mailbox,
    parent: RawPort,
    expected: Ordinals,
    within: Duration,
) -> Result<(RawPort, SplitHandle), SplitError> {
    let reducer = parent
        .reducer
        .clone()
        .ok_or(SplitError::NoReducer(parent.id))?;
    let gather = Gather::new(folder(&reducer)?, Some(expected));
    let port = Arc::new(SplitPort {
        mill: Mill::new(gather),
        parent,
        mailbox: mailbox.downgrade(),
        id: OnceLock::new(),
        timer: Mutex::new(None),
        done: AtomicBool::new(false),
    });
    let id = mailbox.add_port(port.clone());
    _ = port.id.set(id);
    let gateway = mailbox.gateway();
    let timed: Weak<dyn Timed> = Arc::downgrade(&(port.clone() as Arc<dyn Timed>));
    let key = gateway
        .timers()
        .add(gateway.runtime(), Instant::now() + within, timed);
    *port.timer.lock().unwrap_or_else(PoisonError::into_inner) = Some(key);
    // Nobody may be expected, or the mailbox closed already.
    port.settle(mailbox);
    let raw = RawPort {
        id,
        location: gateway.location(),
        reducer: Some(reducer),
    };
    Ok((
        raw,
        SplitHandle {
            id,
            port: Arc::downgrade(&port),
        },
    ))
}

impl SplitPort {
    fn accept(&self, event: Event) {
        if let Some(mailbox) = Mailbox::upgrade(&self.mailbox) {
            self.mill.push(event);
            self.settle(&mailbox);
        }
    }

    /// Folds what waits, and passes it on if that is all (INV-1).
    fn settle(&self, mailbox: &Mailbox) {
        let partial = self.mill.turn(mailbox.gateway(), |gathering| {
            let over = gathering.is_late || gathering.gather.is_complete();
            (over && !self.done.swap(true, Ordering::AcqRel))
                .then(|| gathering.gather.take_partial())
        });
        let Some(partial) = partial else { return };
        if let Some(id) = self.id.get() {
            mailbox.free_port(*id);
        }
        let timer = self
            .timer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(key) = timer {
            mailbox.gateway().timers().cancel(key);
        }
        let RawPort { id, location, .. } = &self.parent;
        let mut envelope = Envelope::new(*id, location.clone(), mailbox.id(), partial);
        // If the port is gone, nobody waits for the result any more.
        envelope.header.flags |= FLAG_SILENT;
        mailbox.gateway().post(envelope);
    }
}

impl AnyPort for SplitPort {
    fn deliver(&self, envelope: Envelope, mailbox: &Mailbox) -> Result<(), Box<Rejected>> {
        if self.done.load(Ordering::Acquire) {
            return Err(Rejected::new(envelope, Cause::PortGone));
        }
        self.mill.push(Event::envelope(envelope, mailbox.gateway()));
        self.settle(mailbox);
        Ok(())
    }

    fn close(&self, _: &Arc<str>, mailbox: &Mailbox) {
        self.mill.push(Event::Deadline);
        self.settle(mailbox);
    }
}

impl Timed for SplitPort {
    fn on_deadline(&self) {
        self.accept(Event::Deadline);
    }
}
