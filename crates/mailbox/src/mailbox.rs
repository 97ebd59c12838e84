//! The mailbox of an actor: its ports.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use hypermesh_wire::TypeKey;

use crate::fold_port::FoldPort;
use crate::once_port::OncePort;
use crate::port_end::{AnyPort, Rejected};
use crate::port_table::PortTable;
use crate::queue_port::QueuePort;
use crate::{
    AccumReceiver, ActorId, AlreadyBound, Cause, CombineOptions, Combiner, Envelope, Gateway,
    OncePortHandle, OncePortReceiver, Ordinals, Port, PortHandle, PortId, PortOptions,
    PortReceiver, PortRef, PortStats, RawPort, ReduceReceiver, Reducer, ReducerSpec, SplitError,
    SplitHandle, split,
};

/// The ports of one actor. A clone is the same mailbox.
#[derive(Clone)]
pub struct Mailbox {
    shared: Arc<MailboxShared>,
}

pub(crate) struct MailboxShared {
    id: ActorId,
    gateway: Gateway,
    ports: PortTable<Arc<dyn AnyPort>>,
    /// Which port takes the messages of a type that are sent to the actor itself; `None` if there never were any.
    handlers: ArcSwapOption<Handlers>,
}

/// The ports by type, and their numbers.
type Handlers = HashMap<TypeKey, (PortId, Arc<dyn AnyPort>)>;

impl Mailbox {
    /// Returns the empty mailbox of the actor `id`, whose messages leave by `gateway`.
    pub fn new(id: ActorId, gateway: Gateway) -> Self {
        Self {
            shared: Arc::new(MailboxShared {
                id,
                gateway,
                ports: PortTable::new(),
                handlers: ArcSwapOption::empty(),
            }),
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
        self.shared.ports.n_open()
    }

    /// Opens a port for any number of messages, of which it holds up to
    /// [`QUEUE_LIMIT`](crate::settings::QUEUE_LIMIT).
    pub fn open_port<M: Send + 'static>(&self) -> (PortHandle<M>, PortReceiver<M>) {
        self.open_port_with(PortOptions::default())
    }

    /// Opens a port for any number of messages, of which it holds up to `limit`.
    pub fn open_bounded_port<M: Send + 'static>(
        &self,
        limit: usize,
    ) -> (PortHandle<M>, PortReceiver<M>) {
        self.open_port_with(PortOptions {
            messages: limit,
            ..PortOptions::default()
        })
    }

    /// Opens a port for any number of messages, which does what `options` say when it has no room for one.
    pub fn open_port_with<M: Send + 'static>(
        &self,
        options: PortOptions,
    ) -> (PortHandle<M>, PortReceiver<M>) {
        self.add_queue_port(QueuePort::new(options, None))
    }

    /// Returns what the open ports with a name have counted.
    pub fn port_stats(&self) -> Vec<PortStats> {
        let open = self.shared.ports.numbered().into_iter();
        let stats = open.filter_map(|port| {
            let (slot, generation) = (port.slot, port.generation);
            let id = self.id().port(Port::Ephemeral { slot, generation });
            port.port.stats(id)
        });
        stats.collect()
    }

    /// Opens a port as [`open_port`](Self::open_port) does, whose messages weigh what `weigh` says
    /// instead of 1: see [`PortReceiver::recv_batch`]. They are decoded by whoever delivers them, which
    /// is where `weigh` is called; it must neither block nor panic.
    pub fn open_weighed_port<M: Send + 'static>(
        &self,
        weigh: fn(&M) -> u32,
    ) -> (PortHandle<M>, PortReceiver<M>) {
        self.add_queue_port(QueuePort::new(PortOptions::default(), Some(weigh)))
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

    /// Opens a split of the port `parent`, which keeps a running state of `reducer`: a port that folds updates
    /// and passes on what it has as the options say, so that the owner of `parent` gets fewer of them.
    ///
    /// If `parent` is gone, the owner of this mailbox is told.
    pub fn open_combiner<R: Reducer>(
        &self,
        parent: &PortRef<R::Input>,
        reducer: R,
        options: CombineOptions,
    ) -> Combiner<R> {
        split::open_combining(self, parent, reducer, options)
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
            Port::Ephemeral { slot, generation } => self.shared.ports.get(slot, generation),
            Port::Handler(key) => self.handler(key),
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
        let ports = self.shared.ports.close(&why);
        drop(self.shared.handlers.swap(None));
        for port in ports {
            port.close(&why, self);
        }
    }

    /// Opens a port in the table; in a closed mailbox it is closed at once.
    pub(crate) fn add_port(&self, port: Arc<dyn AnyPort>) -> PortId {
        let added = self.shared.ports.open(port.clone());
        let (slot, generation) = added.unwrap_or_else(|why| {
            port.close(&why, self);
            (u32::MAX, 0)
        });
        self.shared.id.port(Port::Ephemeral { slot, generation })
    }

    pub(crate) fn free_port(&self, id: PortId) {
        if let Port::Ephemeral { slot, generation } = id.port {
            let port = self.shared.ports.free(slot, generation);
            let is_bound =
                |handlers: &Arc<Handlers>| handlers.values().any(|(port, _)| *port == id);
            if self.shared.handlers.load().as_ref().is_some_and(is_bound) {
                self.change_handlers(|handlers| handlers.retain(|_, (port, _)| *port != id));
            }
            // Here and not in the table: a port may own anything.
            drop(port);
        }
    }

    /// Makes the port `id` the one that takes messages of the type `key` sent to the actor itself.
    pub(crate) fn bind_handler(&self, key: TypeKey, id: PortId) -> Result<PortId, AlreadyBound> {
        let handler = self.id().port(Port::Handler(key));
        let Port::Ephemeral { slot, generation } = id.port else {
            return Ok(handler);
        };
        // One that is closed takes nothing; messages for it learn why.
        let Ok(port) = self.shared.ports.get(slot, generation) else {
            return Ok(handler);
        };
        let mut other = None;
        self.change_handlers(|handlers| {
            let (bound, _) = handlers.entry(key).or_insert_with(|| (id, port.clone()));
            other = (*bound != id).then_some(*bound);
        });
        if self.shared.ports.get(slot, generation).is_err() {
            // It was freed in between, perhaps before it was among the handlers.
            self.free_port(id);
        }
        other.map_or(Ok(handler), |port| Err(AlreadyBound { port }))
    }

    /// Changes a copy of the handlers, again if somebody else was first.
    fn change_handlers(&self, mut change: impl FnMut(&mut Handlers)) {
        self.shared.handlers.rcu(|old| {
            let mut new = old.as_deref().cloned().unwrap_or_default();
            change(&mut new);
            Some(Arc::new(new))
        });
    }

    fn handler(&self, key: TypeKey) -> Result<Arc<dyn AnyPort>, Cause> {
        if let Some(why) = self.shared.ports.closed() {
            return Err(Cause::OwnerExited(why.clone()));
        }
        let handlers = self.shared.handlers.load();
        let handler = handlers.as_ref().and_then(|handlers| handlers.get(&key));
        handler.map_or(Err(Cause::NoHandler), |(_, port)| Ok(port.clone()))
    }

    pub(crate) fn downgrade(&self) -> Weak<MailboxShared> {
        Arc::downgrade(&self.shared)
    }

    pub(crate) fn upgrade(shared: &Weak<MailboxShared>) -> Option<Self> {
        shared.upgrade().map(|shared| Self { shared })
    }
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mailbox({}, {} ports)", self.id(), self.n_ports())
    }
}
