//! A client: sends and receives like an actor, in the caller's own code and without a task.

use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex};

use hypermesh_mailbox::{
    ActorId, Cause, Envelope, Gateway, Mailbox, PortHandle, PortReceiver, Rejected, SendContext,
    Undelivered,
};

use crate::actor::Actor;
use crate::cell::{AnyCell, Core, Label, rejected};
use crate::context::{self, Caller};
use crate::exit::{Exit, Mode};
use crate::handle::ActorHandle;
use crate::proc::Proc;
use crate::reply::AnyReply;
use crate::spawn::SpawnError;
use crate::supervision::ChildEvent;
use crate::table::NewKey;

/// A client of a proc: it opens ports, asks, and spawns children, like an actor.
///
/// The parameter names the type of actor behind it; a client has none, hence `Instance<()>`. Dropping
/// it stops its children, and what is sent to it later bounces.
pub struct Instance<A = ()> {
    cell: Arc<ClientCell>,
    proc: Proc,
    actor: PhantomData<fn() -> A>,
}

impl Instance<()> {
    pub(crate) fn new(proc: Proc, label: &str) -> Self {
        let make = |id| {
            let core = Core::new(id, Label::Name(label.into()), proc.unowned(), None);
            Arc::new(ClientCell::new(core))
        };
        let table = &proc.shared().table;
        let cell = table.add(NewKey::Unnamed, make).unwrap_or_else(|_| {
            // The proc is shutting down. The client can send, but is found by nobody.
            let cell = make(proc.id().actor(hypermesh_mailbox::unnamed_key(u64::MAX), 0));
            cell.core.children().close();
            cell
        });
        Self {
            cell,
            proc,
            actor: PhantomData,
        }
    }

    /// Returns who the client is.
    pub fn id(&self) -> ActorId {
        self.cell.core.id()
    }

    /// Returns what people call the client.
    pub fn label(&self) -> &str {
        self.cell.core.label()
    }

    /// Returns the proc of the client.
    pub fn proc(&self) -> &Proc {
        &self.proc
    }

    /// Returns the mailbox of the client, which opens ports.
    pub fn mailbox(&self) -> &Mailbox {
        self.cell.core.mailbox()
    }

    /// Starts `actor` as a child of this client.
    ///
    /// On a proc that is shutting down the actor ends before it begins, and its handle says so.
    pub fn spawn<A: Actor>(&self, actor: A) -> ActorHandle<A> {
        self.proc.spawn_child(self.cell.clone(), actor)
    }

    /// Starts `actor` under `name` as a child of this client.
    ///
    /// # Errors
    ///
    /// [`SpawnError`] when the name is in use or the proc is shutting down; it gives `actor` back.
    pub fn spawn_named<A: Actor>(
        &self,
        name: &str,
        actor: A,
    ) -> Result<ActorHandle<A>, SpawnError<A>> {
        self.proc.spawn_named_child(self.cell.clone(), name, actor)
    }

    /// Returns a port that gets the ends of this client's children from now on.
    ///
    /// A later call takes over. Until the first, and when the port is gone, failures of children go to
    /// the coordinator of the proc.
    pub fn child_events(&self) -> PortReceiver<ChildEvent> {
        let (handle, receiver) = self.mailbox().open_port();
        let old = self.cell.sinks().events.replace(handle);
        drop(old);
        receiver
    }

    /// Returns a port that gets the messages of this client that were not delivered, from now on.
    ///
    /// A later call takes over. Until the first, and when the port is gone, they are logged.
    pub fn undelivered(&self) -> PortReceiver<Undelivered> {
        let (handle, receiver) = self.mailbox().open_port();
        let old = self.cell.sinks().undelivered.replace(handle);
        drop(old);
        receiver
    }
}

impl<A> Drop for Instance<A> {
    fn drop(&mut self) {
        for child in self.cell.core.children().close() {
            child.request(Mode::Stop);
        }
        let cell: Arc<dyn AnyCell> = self.cell.clone();
        cell.conclude(Exit::Stopped);
    }
}

impl SendContext for Instance<()> {
    fn sender(&self) -> ActorId {
        self.id()
    }

    fn gateway(&self) -> &Gateway {
        self.proc.gateway()
    }
}

impl context::Actor for Instance<()> {
    fn proc(&self) -> &Proc {
        Instance::proc(self)
    }

    fn mailbox(&self) -> &Mailbox {
        Instance::mailbox(self)
    }

    fn actor_id(&self) -> ActorId {
        self.id()
    }

    fn caller(&self) -> Caller {
        Caller(self.cell.clone())
    }
}

impl<A> fmt::Debug for Instance<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Instance({} {})",
            self.cell.core.label(),
            self.cell.core.id()
        )
    }
}

/// The cell of a client: it has no queue, for nothing handles messages.
struct ClientCell {
    core: Core,
    sinks: Mutex<Sinks>,
}

/// Where the client's code listens.
#[derive(Default)]
struct Sinks {
    events: Option<PortHandle<ChildEvent>>,
    undelivered: Option<PortHandle<Undelivered>>,
}

impl ClientCell {
    fn new(core: Core) -> Self {
        core.publish(crate::exit::Status::Running);
        Self {
            core,
            sinks: Mutex::default(),
        }
    }

    fn sinks(&self) -> std::sync::MutexGuard<'_, Sinks> {
        self.sinks.lock().expect("nothing panics under this lock")
    }
}

impl AnyCell for ClientCell {
    fn core(&self) -> &Core {
        &self.core
    }

    fn wake(&self) {}

    fn close_queue(&self) {}

    fn queued(&self) -> usize {
        0
    }

    fn take_mail(
        self: Arc<Self>,
        envelope: Envelope,
        _reply: Option<Box<dyn AnyReply>>,
    ) -> Result<(), Box<Rejected>> {
        Err(rejected(envelope, Cause::NoHandler))
    }

    fn take_child(&self, event: ChildEvent) -> Result<(), ChildEvent> {
        let sink = self.sinks().events.clone();
        match sink {
            Some(sink) => sink.send(event).map_err(|error| error.message),
            None => Err(event),
        }
    }

    fn take_bounce(&self, undelivered: Box<Undelivered>) {
        let sink = self.sinks().undelivered.clone();
        let unheard = match sink {
            Some(sink) => sink.send(*undelivered).map_err(|error| error.message),
            None => Err(*undelivered),
        };
        if let Err(undelivered) = unheard {
            let gateway = self.core.proc().gateway();
            gateway.log_undelivered(self.core.label(), &undelivered);
        }
    }

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }

    fn is_client(&self) -> bool {
        true
    }
}
