//! A proc: a set of actors with one id, one runtime and one gateway.
//!
//! # Invariants
//!
//! - **INV-1**: dropping the last handle that a user holds ends a proc as surely as shutting it down;
//!   what actors hold of their own proc does not keep it alive.
//! - **INV-2**: nothing of a user is called under a lock of the proc.

mod groups;
mod listeners;
mod names;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, RwLock};

use hypermesh_mailbox::{
    ActorId, AttachError, Attachment, Cause, DeathWatch, Envelope, Gateway, Location,
    MailboxSender, Port, ProcId, Rejected,
};
use tokio::runtime::Handle;
use tokio::sync::Notify;

use self::groups::Groups;
pub use self::groups::{ActorGroup, GroupWatch};
use self::listeners::Listeners;
pub use self::listeners::{Coordinator, TooManySubscribers};
use self::names::Names;
pub use self::names::{LookupError, RegisterError};
use crate::actor::{Actor, Referable};
use crate::actor_ref::ActorRef;
use crate::agent::{AGENT_NAME, ProcAgent};
use crate::call_error::CallError;
use crate::catch::note_places;
use crate::cell::{AnyCell, Cell, rejected};
use crate::exit::{Exit, Mode};
use crate::handle::ActorHandle;
use crate::instance::Instance;
use crate::monitoring::Monitoring;
use crate::pending::{PendingCall, PendingCalls};
use crate::registry::{self, DuplicateSpawnName};
use crate::reply_header::ReplyHeader;
use crate::router::Router;
use crate::service::services;
use crate::shutdown::Shutdown;
use crate::table::{Table, Zombie};

/// What a proc is made of.
#[derive(Clone, Debug)]
pub struct ProcOptions {
    /// The id of the proc.
    pub id: ProcId,
    /// What people call it: the name of its world, as a rule.
    pub name: String,
    /// How it reaches others, and they it.
    pub gateway: Gateway,
    /// What runs its actors. Its timers must be enabled.
    pub runtime: Handle,
}

/// Error of [`Proc::new`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProcError {
    /// The gateway does not take the proc.
    #[error("the gateway does not take proc {proc}")]
    Attach {
        /// The id of the proc.
        proc: ProcId,
        /// Why.
        #[source]
        source: AttachError,
    },
    /// Two actor types are spawned by one name.
    #[error(transparent)]
    DuplicateSpawnName(#[from] DuplicateSpawnName),
    /// Two message types cannot be told apart.
    #[error(transparent)]
    Messages(#[from] hypermesh_wire::registry::RegistryError),
    /// Two services want one control port, or one wants that of the framework.
    #[error("control port {control} is wanted by two services")]
    DuplicateService {
        /// The number of the port.
        control: u8,
    },
}

/// A proc. A clone is the same proc.
#[derive(Clone)]
pub struct Proc {
    shared: Arc<Shared>,
    /// Only what users hold has it (INV-1).
    _owner: Option<Arc<Owner>>,
}

pub(crate) struct Shared {
    pub(crate) id: ProcId,
    name: Arc<str>,
    gateway: Gateway,
    runtime: Handle,
    pub(crate) table: Table,
    pending: Arc<PendingCalls>,
    listeners: Listeners,
    services: RwLock<Vec<(u8, Arc<dyn MailboxSender>)>>,
    attachment: Mutex<Option<Attachment>>,
    /// Made with the first question to another proc: most procs of a program ask nobody.
    deaths: OnceLock<DeathWatch>,
    pub(crate) shutdown: Shutdown,
    monitoring: Monitoring,
    /// Somebody got a name.
    pub(crate) spawned: Notify,
    names: Names,
    groups: Groups,
}

/// Ends the proc when the last user lets go of it.
struct Owner {
    shared: Arc<Shared>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.shared.abort();
    }
}

impl Proc {
    /// Makes a proc, attaches it to its gateway, and starts its agent.
    ///
    /// # Errors
    ///
    /// [`ProcError`] when the gateway has such a proc already, or when the registries of this program
    /// contradict themselves.
    pub fn new(options: ProcOptions) -> Result<Self, ProcError> {
        check_registries()?;
        note_places();
        let services = services().map_err(|control| ProcError::DuplicateService { control })?;
        let ProcOptions {
            id,
            name,
            gateway,
            runtime,
        } = options;
        let shared = Arc::new(Shared {
            id,
            name: name.into(),
            gateway: gateway.clone(),
            runtime,
            table: Table::new(id),
            pending: Arc::default(),
            listeners: Listeners::default(),
            services: RwLock::default(),
            attachment: Mutex::default(),
            deaths: OnceLock::new(),
            shutdown: Shutdown::default(),
            monitoring: Monitoring::new(id),
            spawned: Notify::new(),
            names: Names::default(),
            groups: Groups::default(),
        });
        let inner = Self {
            shared: shared.clone(),
            _owner: None,
        };
        let made = services
            .iter()
            .map(|service| (service.control, (service.make)(&inner)));
        *shared
            .services
            .write()
            .expect("nothing panics under this lock") = made.collect();

        let router = Arc::new(Router::new(inner.clone()));
        let attachment = gateway.attach(id, router).map_err(|source| {
            // The services may refer to the proc that has them.
            shared.detach();
            ProcError::Attach { proc: id, source }
        })?;
        *shared.lock_attachment() = Some(attachment);
        inner.start_agent();
        Ok(Self {
            _owner: Some(Arc::new(Owner {
                shared: shared.clone(),
            })),
            shared,
        })
    }

    /// Returns the id of the proc.
    pub fn id(&self) -> &ProcId {
        &self.shared.id
    }

    /// Returns what people call the proc.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// Returns how the proc reaches others.
    pub fn gateway(&self) -> &Gateway {
        &self.shared.gateway
    }

    /// Returns what runs the actors of the proc.
    pub fn runtime(&self) -> &Handle {
        &self.shared.runtime
    }

    /// Returns the ref of the proc's agent, which spawns and stops actors on request.
    pub fn agent(&self) -> ActorRef<ProcAgent> {
        ActorRef::attest(self.agent_id(), self.location(), AGENT_NAME)
    }

    /// Returns a client: it sends and receives like an actor, in the caller's own code.
    ///
    /// `label` is for people; two clients may have the same.
    pub fn client(&self, label: &str) -> Instance<()> {
        Instance::new(self.clone(), label)
    }

    /// Returns the handle of the actor that `actor_ref` points to, if it lives on this proc.
    pub fn resolve<A: Actor + Referable>(&self, actor_ref: &ActorRef<A>) -> Option<ActorHandle<A>> {
        if actor_ref.id().proc != self.shared.id {
            return None;
        }
        let cell = self.shared.table.find_heir(actor_ref.id()).ok()?;
        let alive = cell.core().exit().is_none();
        let cell = cell
            .into_any()
            .downcast::<Cell<A>>()
            .ok()
            .filter(|_| alive)?;
        Some(ActorHandle::new(cell))
    }

    /// Returns how the actor `id` of this proc ended. The last 100 exits are known.
    pub fn exit_of(&self, id: ActorId) -> Option<Exit> {
        self.shared.table.exit_of(id)
    }

    /// Returns how many actors are alive, clients and the agent included.
    pub fn actor_count(&self) -> usize {
        self.shared.table.len()
    }

    /// Returns the actors that were killed and hold their threads, in the order of their ids: those that
    /// their parents or the shutdown of the proc have given up. Each ends, and its end is told, when it
    /// lets go.
    pub fn zombies(&self) -> Vec<Zombie> {
        self.shared.table.zombies()
    }

    /// Returns how many questions of actors of this proc wait for an answer through a ref.
    pub fn pending_calls(&self) -> usize {
        self.shared.pending.len()
    }

    /// Returns how many replies of actors of this proc to callers of this proc came too late: nobody
    /// waited any more. Those to other procs are counted as dropped by the gateway of the caller.
    pub fn late_replies(&self) -> u64 {
        self.shared.pending.n_late()
    }

    pub(crate) fn agent_id(&self) -> ActorId {
        self.shared.id.named_actor(AGENT_NAME)
    }

    /// Returns where others dial for actors of this proc.
    pub(crate) fn location(&self) -> Location {
        self.shared.gateway.location()
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Returns what this proc knows of the ends of actors.
    pub(crate) fn monitoring(&self) -> &Monitoring {
        &self.shared.monitoring
    }

    /// Tells whether the gateway still has this proc.
    pub(crate) fn is_attached(&self) -> bool {
        self.shared.lock_attachment().is_some()
    }

    /// Returns the proc with this state, without what keeps it alive.
    pub(crate) fn of_shared(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            _owner: None,
        }
    }

    /// Returns this proc without what keeps it alive, for what the proc itself owns (INV-1).
    pub(crate) fn unowned(&self) -> Self {
        Self {
            shared: self.shared.clone(),
            _owner: None,
        }
    }

    /// Hands an envelope to the actor of this proc that it is for.
    pub(crate) fn deliver(&self, envelope: Envelope) -> Result<(), Box<Rejected>> {
        let dst = envelope.header.dst;
        let found = match dst.port {
            // What is for an actor is for any incarnation of it; a port belongs to one.
            Port::Handler(_) => self.shared.table.find_heir(dst.actor),
            Port::Control(_) | Port::Ephemeral { .. } => self.shared.table.find(dst.actor),
        };
        match found {
            Ok(cell) => cell.deliver(envelope),
            Err(cause) => Err(rejected(envelope, cause)),
        }
    }

    /// Returns what a caller is told of a question to `actor` that was not taken.
    pub(crate) fn call_error(&self, actor: ActorId, cause: Cause) -> CallError {
        if !matches!(cause, Cause::OwnerExited(_)) {
            return cause.into();
        }
        let exit = match self.shared.table.find(actor) {
            Ok(cell) => cell.core().closing().cloned(),
            Err(_) => self.exit_of(actor),
        };
        exit.map_or(CallError::Closed, CallError::Exited)
    }

    /// Counts a reply that nobody waited for any more.
    pub(crate) fn count_late_reply(&self) {
        self.shared.pending.count_late();
    }

    /// Returns the service at the control port `number`.
    pub(crate) fn service(&self, number: u8) -> Option<Arc<dyn MailboxSender>> {
        let services = self
            .shared
            .services
            .read()
            .expect("nothing panics under this lock");
        services
            .iter()
            .find(|(control, _)| *control == number)
            .map(|(_, service)| service.clone())
    }

    /// Records that a reply is expected from `proc`; its death completes it.
    pub(crate) fn expect_reply(&self, proc: ProcId, header: ReplyHeader) -> PendingCall {
        let pending = self.shared.pending.expect(proc, header);
        self.shared.deaths.get_or_init(|| {
            let shared = Arc::downgrade(&self.shared);
            self.gateway()
                .on_proc_death(Arc::new(move |dead: ProcId, why: &str| {
                    if let Some(shared) = shared.upgrade() {
                        shared.proc_died(dead, why);
                    }
                }))
        });
        pending
    }

    /// Frees the place of an actor that ended.
    pub(crate) fn release(&self, cell: &Arc<dyn AnyCell>, exit: &Exit) {
        self.shared.table.release(cell.core().id(), exit);
        self.shared.names.forget(cell.core().id());
        self.shared.groups.forget(cell.core().id());
    }
}

/// Checks what the crates of this program have registered, once: it never changes.
fn check_registries() -> Result<(), ProcError> {
    static GOOD: OnceLock<()> = OnceLock::new();
    if GOOD.get().is_none() {
        registry::check()?;
        hypermesh_wire::registry::check()?;
        GOOD.get_or_init(|| ());
    }
    Ok(())
}

impl Shared {
    /// Ends everything now, without waiting.
    fn abort(&self) {
        self.table.close();
        for cell in self.table.live() {
            cell.request(Mode::Kill);
        }
        self.detach();
    }

    /// Takes the proc off its gateway and lets go of what refers back to it.
    pub(crate) fn detach(&self) {
        let attachment = self.lock_attachment().take();
        drop(attachment);
        self.monitoring.abort();
        let services = std::mem::take(
            &mut *self
                .services
                .write()
                .expect("nothing panics under this lock"),
        );
        drop(services);
        self.listeners.forget();
    }

    /// Completes what is expected from a proc that died.
    fn proc_died(&self, dead: ProcId, why: &str) {
        let error = CallError::ProcDied(why.to_owned());
        for header in self.pending.take(dead) {
            header.refuse(&self.gateway, header.port.actor, error.clone());
        }
    }

    fn lock_attachment(&self) -> MutexGuard<'_, Option<Attachment>> {
        self.attachment
            .lock()
            .expect("nothing panics under this lock")
    }
}

impl fmt::Debug for Proc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proc({} {})", self.name(), self.id())
    }
}
