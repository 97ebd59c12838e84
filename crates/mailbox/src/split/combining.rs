//! A split of a port that keeps a running state: it folds the updates of a part of the senders, and passes on
//! what it has again and again.
//!
//! # Invariants
//!
//! - **INV-1**: every update that was taken is passed on, at the latest after the longest pause, or with the
//!   end of the combiner or its owner.
//! - **INV-2**: what waits is passed on as one when it is as many updates as the options say.
//! - **INV-3**: the pause begins short, doubles while updates come, and is short again after a pause without.
//! - **INV-4**: with the combiner its port and its timer are gone.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use hypermesh_wire::Named;
use tokio::time::Instant;

use crate::fold::Fold;
use crate::gather::{Gather, Partial};
use crate::mailbox::MailboxShared;
use crate::mill::{Event, Mill};
use crate::port_end::{AnyPort, Rejected};
use crate::timer::{Timed, TimerKey};
use crate::{
    COMBINE_PAUSE, COMBINE_UPDATES, Cause, Envelope, Mailbox, PortId, PortRef, RawPort, Reducer,
};

/// How often a combiner passes on what it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CombineOptions {
    /// After how many updates at the latest. By default [`COMBINE_UPDATES`].
    pub updates: u64,
    /// How long the first update of many waits at most.
    pub first_pause: Duration,
    /// How long any update waits at most. By default [`COMBINE_PAUSE`].
    pub longest_pause: Duration,
}

impl Default for CombineOptions {
    fn default() -> Self {
        let longest_pause = COMBINE_PAUSE.get();
        Self {
            updates: COMBINE_UPDATES.get(),
            first_pause: Duration::from_millis(1).min(longest_pause),
            longest_pause,
        }
    }
}

/// Owns a split of a port that keeps a running state. Dropping it passes on what waits, and frees its port.
pub struct Combiner<R: Reducer> {
    id: PortId,
    mailbox: Mailbox,
    port: Arc<CombiningPort<R>>,
}

impl<R: Reducer> Combiner<R> {
    /// Returns the port that updates are to be sent to instead of the one that was split.
    pub fn port(&self) -> PortRef<R::Input> {
        PortRef::new(self.id, self.mailbox.gateway().location(), None)
    }
}

impl<R: Reducer> Drop for Combiner<R> {
    fn drop(&mut self) {
        self.mailbox.free_port(self.id);
        self.port.pass_on(&self.mailbox);
        let timer = self.port.pacing().timer.take();
        if let Some(key) = timer {
            self.mailbox.gateway().timers().cancel(key);
        }
    }
}

impl<R: Reducer> fmt::Debug for Combiner<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Combiner({})", self.id)
    }
}

struct CombiningPort<R: Reducer> {
    mill: Mill<Fold<R>>,
    parent: RawPort,
    mailbox: Weak<MailboxShared>,
    pacing: Mutex<Pacing>,
    /// How many updates were passed on.
    passed_on: AtomicU64,
    this: Weak<Self>,
}

/// When what waits is passed on (INV-2, INV-3).
struct Pacing {
    options: CombineOptions,
    waiting: u64,
    pause: Duration,
    /// Set while a pause runs.
    timer: Option<TimerKey>,
}

/// Opens a split of the port `parent`, which folds with `reducer`.
pub(crate) fn open<R: Reducer>(
    mailbox: &Mailbox,
    parent: &PortRef<R::Input>,
    reducer: R,
    options: CombineOptions,
) -> Combiner<R> {
    let port = Arc::new_cyclic(|this| CombiningPort {
        mill: Mill::new(Gather::stream(Fold::new(reducer))),
        parent: parent.as_raw().clone(),
        mailbox: mailbox.downgrade(),
        pacing: Mutex::new(Pacing {
            options,
            waiting: 0,
            pause: options.first_pause,
            timer: None,
        }),
        passed_on: AtomicU64::new(0),
        this: this.clone(),
    });
    Combiner {
        id: mailbox.add_port(port.clone()),
        mailbox: mailbox.clone(),
        port,
    }
}

impl<R: Reducer> CombiningPort<R> {
    /// Counts an update that was put into the mill, and passes on what waits or lets it wait.
    fn on_update(&self, mailbox: &Mailbox) {
        {
            let mut pacing = self.pacing();
            pacing.waiting += 1;
            if pacing.waiting < pacing.options.updates {
                if pacing.timer.is_none() {
                    pacing.timer = Some(self.begin_pause(mailbox, pacing.pause));
                }
                return;
            }
            pacing.waiting = 0;
        }
        self.pass_on(mailbox);
    }

    fn begin_pause(&self, mailbox: &Mailbox, pause: Duration) -> TimerKey {
        let gateway = mailbox.gateway();
        let timed: Weak<dyn Timed> = self.this.clone();
        let at = Instant::now() + pause;
        gateway.timers().add(gateway.runtime(), at, timed)
    }

    /// Folds what waits and passes it on, until nothing waits (INV-1).
    fn pass_on(&self, mailbox: &Mailbox) {
        let gateway = mailbox.gateway();
        while let Some(partial) = self.mill.turn(gateway, |gathering| {
            let folded = gathering.gather.folded();
            (folded != self.passed_on.swap(folded, Ordering::AcqRel))
                .then(|| gathering.gather.take_partial())
        }) {
            if let (None, Some(fault)) = (&partial.state, &partial.fault) {
                tracing::error!(port = %self.parent.id, %fault, "updates are lost");
                continue;
            }
            let RawPort { id, location, .. } = &self.parent;
            gateway.post(Envelope::new(*id, location.clone(), mailbox.id(), partial));
        }
    }

    fn pacing(&self) -> MutexGuard<'_, Pacing> {
        // Nothing that can panic runs under the lock.
        self.pacing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<R: Reducer> AnyPort for CombiningPort<R> {
    fn deliver(&self, envelope: Envelope, mailbox: &Mailbox) -> Result<(), Box<Rejected>> {
        let (expected, key) = (<R::Input as Named>::KEY, envelope.key());
        if key != expected && key != Partial::KEY {
            return Err(Rejected::new(envelope, Cause::WrongType { expected }));
        }
        self.mill.push(Event::envelope(envelope, mailbox.gateway()));
        self.on_update(mailbox);
        Ok(())
    }

    fn close(&self, _: &Arc<str>, mailbox: &Mailbox) {
        self.pass_on(mailbox);
    }
}

impl<R: Reducer> Timed for CombiningPort<R> {
    fn on_deadline(&self) {
        let Some(mailbox) = Mailbox::upgrade(&self.mailbox) else {
            return;
        };
        {
            let mut pacing = self.pacing();
            pacing.timer = None;
            if pacing.waiting == 0 {
                // An update before this has been passed on with its number; there were none since.
                pacing.pause = pacing.options.first_pause;
                return;
            }
            pacing.waiting = 0;
            pacing.pause = (2 * pacing.pause).min(pacing.options.longest_pause);
            pacing.timer = Some(self.begin_pause(&mailbox, pacing.pause));
        }
        self.pass_on(&mailbox);
    }
}
