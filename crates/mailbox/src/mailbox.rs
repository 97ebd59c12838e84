//! The mailbox of an actor: its ports.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use crate::fold_port::FoldPort;
use crate::once_port::OncePort;
use crate::port_end::{AnyPort, Rejected};
use crate::port_table::PortTable;
use crate::queue_port::QueuePort;
use crate::{
    AccumReceiver, ActorId, Cause, Envelope, Gateway, OncePortHandle, OncePortReceiver, Ordinals,
    PORT_QUEUE_LIMIT, Port, PortHandle, PortId, PortReceiver, RawPort, ReduceReceiver, Reducer,
    ReducerSpec, SplitError, SplitHandle, split,
};

/// The ports of one actor. A clone is the same mailbox.
#[derive(Clone)]
pub struct Mailbox {
    shared: Arc<MailboxShared>,
}

pub(crate) struct MailboxShared {
    id: ActorId,
    gateway: Gateway,
    /// Locked for a look-up or a change of the table, never while a port is called or dropped.
    ports: Mutex<PortTable<Arc<dyn AnyPort>>>,
}

impl Mailbox {
    /// Returns the empty mailbox of the actor `id`, whose messages leave by `gateway`.
    pub fn new(id: ActorId, gateway: Gateway) -> Self {
        let ports = Mutex::new(PortTable::new());
        Self {
            shared: Arc::new(MailboxShared { id, gateway, ports }),
        }
    }

    /// Returns the actor that owns the mailbox.
    pub fn id(&self) -> ActorId {
        self.shared.id
    }

    /// Returns the gateway that the actor's messages leave by.
    pub fn gateway(&self) -> &Gateway {
        &self.shared.gateway
    }

    /// Returns how many ports are open.
    pub fn n_ports(&self) -> usize {
        self.lock().n_open()
    }

    /// Opens a port for any number of messages, of which it holds up to [`PORT_QUEUE_LIMIT`].
    pub fn open_port<M: Send + 'static>(&self) -> (PortHandle<M>, PortReceiver<M>) {
        self.open_bounded_port(PORT_QUEUE_LIMIT.get())
    }

    /// Opens a port for any number of messages, of which it holds up to `limit`.
    pub fn open_bounded_port<M: Send + 'static>(
        &self,
        limit: usize,
    ) -> (PortHandle<M>, PortReceiver<M>) {
        self.add_queue_port(QueuePort::new(limit, None))
    }

    /// Opens a port as [`open_port`](Self::open_port) does, whose messages weigh what `weigh` says
    /// instead of 1: see [`PortReceiver::recv_batch`]. They are decoded by whoever delivers them, which
    /// is where `weigh` is called; it must neither block nor panic.
    pub fn open_weighed_port<M: Send + 'static>(
        &self,
        weigh: fn(&M) -> u32,
    ) -> (PortHandle<M>, PortReceiver<M>) {
        self.add_queue_port(QueuePort::new(PORT_QUEUE_LIMIT.get(), Some(weigh)))
    }

    fn add_queue_port<M: Send + 'static>(
        &self,
        port: QueuePort<M>,
    ) -> (PortHandle<M>, PortReceiver<M>) {
        let port = Arc::new(port);
        let id = self.add_port(port.clone());
        let handle = PortHandle::new(id, self.clone(), port.clone(), None);
        (handle, PortReceiver::new(id, self.clone(), port))
    }

    /// Opens a port for one message.
    pub fn open_once_port<M: Send + 'static>(&self) -> (OncePortHandle<M>, OncePortReceiver<M>) {
        let port = Arc::new(OncePort::new());
        let id = self.add_port(port.clone());
        let handle = OncePortHandle::new(id, self.clone(), port.clone());
        (handle, OncePortReceiver::new(id, self.clone(), port))
    }

    /// Opens a port that keeps the running state of `reducer` instead of its updates. Updates are
    /// folded as they arrive.
    pub fn open_accum_port<R: Reducer>(
        &self,
        reducer: R,
    ) -> (PortHandle<R::Input>, AccumReceiver<R>)
    where
        R::Output: Clone,
    {
        let port = Arc::new(FoldPort::accumulating(reducer));
        let id = self.add_port(port.clone());
        let handle = PortHandle::new(id, self.clone(), port.clone(), None);
        (handle, AccumReceiver::new(id, self.clone(), port))
    }

    /// Opens a port that folds many answers into one value. The reducer travels with the port's ref,
    /// so that relays of a cast fold on the way.
    pub fn open_reduce_port<R: Reducer>(
        &self,
        reducer: R,
    ) -> (PortHandle<R::Input>, ReduceReceiver<R>) {
        // A reducer that cannot be encoded does not travel: all answers come to the port itself.
        let spec = ReducerSpec::of(&reducer).ok().map(Arc::new);
        let port = Arc::new(FoldPort::gathering(reducer));
        let id = self.add_port(port.clone());
        let handle = PortHandle::new(id, self.clone(), port.clone(), spec);
        (handle, ReduceReceiver::new(id, self.clone(), port))
    }

    /// Opens a split of the port `parent`: a port that folds the answers of the members `expected` and
    /// passes them on as one, at the latest after `within`.
    ///
    /// # Errors
    ///
    /// [`SplitError`] when the port has no reducer, or one that this program does not know; its
    /// updates are then to be sent to it directly.
    pub fn open_split(
        &self,
        parent: RawPort,
        expected: Ordinals,
        within: Duration,
    ) -> Result<(RawPort, SplitHandle), SplitError> {
        split::open(self, parent, expected, within)
    }

    /// Delivers an envelope to one of the ports.
    ///
    /// # Errors
    ///
    /// [`Rejected`] gives the envelope back, with the cause to bounce it for.
    pub fn deliver(&self, envelope: Envelope) -> Result<(), Box<Rejected>> {
        let dst = envelope.header.dst;
        let port = match dst.port {
            _ if dst.actor != self.shared.id => Err(Cause::ActorNotFound),
            Port::Ephemeral { slot, generation } => self.lock().get(slot, generation),
            Port::Handler(_) => Err(Cause::NoHandler),
            Port::Control(_) => Err(Cause::PortNeverExisted),
        };
        match port {
            Ok(port) => port.deliver(envelope, self),
            Err(cause) => Err(Rejected::new(envelope, cause)),
        }
    }

    /// Closes all ports: their owner has ended, for the reason `why`. Receivers get what is queued and
    /// then learn it; whoever sends learns it at once. The first reason stays.
    pub fn close(&self, why: &str) {
        let why: Arc<str> = crate::world::cut(why, 512).into();
        let ports = self.lock().close(&why);
        for port in ports {
            port.close(&why, self);
        }
    }

    /// Opens a port in the table; in a closed mailbox it is closed at once.
    pub(crate) fn add_port(&self, port: Arc<dyn AnyPort>) -> PortId {
        let added = self.lock().open(port.clone());
        let (slot, generation) = added.unwrap_or_else(|why| {
            port.close(&why, self);
            (u32::MAX, 0)
        });
        self.shared.id.port(Port::Ephemeral { slot, generation })
    }

    pub(crate) fn free_port(&self, id: PortId) {
        if let Port::Ephemeral { slot, generation } = id.port {
            let port = self.lock().free(slot, generation);
            // Dropped after the lock: a port may own anything.
            drop(port);
        }
    }

    pub(crate) fn downgrade(&self) -> Weak<MailboxShared> {
        Arc::downgrade(&self.shared)
    }

    pub(crate) fn upgrade(shared: &Weak<MailboxShared>) -> Option<Self> {
        shared.upgrade().map(|shared| Self { shared })
    }

    fn lock(&self) -> MutexGuard<'_, PortTable<Arc<dyn AnyPort>>> {
        // Nothing that can panic runs under the lock.
        self.shared
            .ports
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mailbox({}, {} ports)", self.id(), self.n_ports())
    }
}
