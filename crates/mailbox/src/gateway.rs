//! The router of one process: its procs, its routes and its links.

mod attachment;
mod byte_budget;
mod fail_ticket;
mod loss_log;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use hypermesh_channel::{
    ChannelAddr, ChannelTransport, Endpoint, ServeAt, ServeError, Server, ShutdownReport, TlsError,
    TlsOptions,
};
use hypermesh_wire::{Any, Headers};
use tokio::runtime::Handle;
use tokio::time::Instant;

pub use self::attachment::{AttachError, Attachment};
use self::byte_budget::ByteBudget;
pub use self::byte_budget::QueueCharge;
use self::fail_ticket::FailTickets;
use self::loss_log::LossLog;
use crate::counters::Counters;
use crate::death::Deaths;
use crate::fold::panic_text;
use crate::inbound::Inbound;
use crate::limbo::{Entry, Limbo, Wait};
use crate::links::Links;
use crate::outbound::{Doubtful, Outbound};
use crate::routes::{Hop, Origin, Routes};
use crate::timer::Timers;
use crate::{
    Admission, CONTROL_UNDELIVERED, Cause, DeathObserver, DeathWatch, Envelope, FLAG_BOUNCE,
    GatewayOptions, GatewayStats, Location, LossPolicy, MailboxSender, Port, ProcId, Undelivered,
};

/// The router of one process. A clone is the same gateway; when the last one goes, all its links and
/// servers end at once. [`shutdown`](Self::shutdown) is the way to end in order.
#[derive(Clone)]
pub struct Gateway {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    runtime: Handle,
    transport: ChannelTransport,
    endpoint: Endpoint,
    routes: Routes,
    links: Links,
    /// Links for what waits for no other: one whose receiver has no room does not hold that up.
    urgent_links: Links,
    home: Home,
    timers: Timers,
    deaths: Arc<Deaths>,
    limbo: Limbo<Doubtful>,
    unknown_pause: Duration,
    counters: Counters,
    budget: Arc<ByteBudget>,
    admission: Option<Arc<dyn Admission>>,
    log: LossLog,
    fail_tickets: FailTickets,
}

/// Where this gateway is.
#[derive(Default)]
struct Home {
    /// The addresses that are served here.
    served: ArcSwap<Vec<ChannelAddr>>,
    /// What refs made here carry.
    location: ArcSwapOption<ChannelAddr>,
    /// Locked while an address is bound, so that the first of many users binds alone. Binding is one
    /// system call; nothing is dialled or delivered meanwhile.
    servers: Mutex<Vec<Server>>,
}

impl Gateway {
    /// Returns a gateway without procs, routes and links.
    pub fn new(options: GatewayOptions) -> Self {
        let unknown_pause = options.unknown_pause;
        let budget = ByteBudget::new(options.queued_bytes);
        let admission = options.admission.clone();
        let shared = Shared {
            runtime: options.runtime.clone(),
            transport: options.transport,
            endpoint: Endpoint::new(options.endpoint()),
            routes: Routes::new(),
            links: Links::new(),
            urgent_links: Links::new(),
            home: Home::default(),
            timers: Timers::new(),
            deaths: Arc::default(),
            limbo: Limbo::new(),
            unknown_pause,
            counters: Counters::default(),
            budget,
            admission,
            log: LossLog::default(),
            fail_tickets: FailTickets::default(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Returns the runtime that the tasks of the gateway run on.
    pub fn runtime(&self) -> &Handle {
        &self.shared.runtime
    }

    /// Returns the address that the gateway is reached at; serves one if there is none yet.
    ///
    /// # Errors
    ///
    /// [`ServeError`] when the default transport cannot be served.
    pub fn addr(&self) -> Result<ChannelAddr, ServeError> {
        if let Some(addr) = self.shared.home.served.load().first() {
            return Ok(addr.clone());
        }
        let mut servers = self.lock_servers();
        // Another thread may have been first.
        if let Some(addr) = self.shared.home.served.load().first() {
            return Ok(addr.clone());
        }
        self.serve_under(&mut servers, ChannelAddr::any(self.shared.transport).into())
    }

    /// Serves `at`, an address or a listener that somebody else made, and returns the address to dial. The first address that is served becomes
    /// [`addr`](Self::addr), and peers are told to answer there.
    ///
    /// # Errors
    ///
    /// [`ServeError`] when the address cannot be served.
    pub fn serve(&self, at: impl Into<ServeAt>) -> Result<ChannelAddr, ServeError> {
        self.serve_under(&mut self.lock_servers(), at.into())
    }

    /// Uses the certificates of `options` for new connections, as [`Endpoint::reload_tls`].
    ///
    /// # Errors
    ///
    /// [`TlsError`], which names the file. Then everything stays as it was.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the certificates are not changed.
    pub async fn reload_tls(&self, options: TlsOptions) -> Result<(), TlsError> {
        self.shared.endpoint.reload_tls(options).await
    }

    /// Returns what refs made here carry: the address that was set by
    /// [`set_location`](Self::set_location), or else [`addr`](Self::addr).
    ///
    /// If no address can be served, refs carry none, and work only where a route leads here.
    pub fn location(&self) -> Location {
        if let Some(addr) = &*self.shared.home.location.load() {
            return Location::from(addr.clone());
        }
        match self.addr() {
            // Serving has set it.
            Ok(addr) => match self.shared.home.location.load_full() {
                Some(location) => Location::from(location),
                None => Location::at(addr),
            },
            Err(error) => {
                tracing::warn!(%error, "this process cannot be reached by its refs");
                Location::NONE
            }
        }
    }

    /// Sets what refs made from now on carry: the address that leads here from everywhere, such as the
    /// front of this host.
    pub fn set_location(&self, addr: ChannelAddr) {
        self.shared.home.location.store(Some(addr.into()));
    }

    /// Delivers what is for `proc` to `to`, until the attachment is dropped.
    ///
    /// # Errors
    ///
    /// [`AttachError`] when a proc of this id is attached already; that one goes on.
    pub fn attach(
        &self,
        proc: ProcId,
        to: Arc<dyn MailboxSender>,
    ) -> Result<Attachment, AttachError> {
        match self.shared.routes.attach(proc, to) {
            true => Ok(Attachment {
                gateway: Arc::downgrade(&self.shared),
                proc,
            }),
            false => Err(AttachError { proc }),
        }
    }

    /// Returns whether `proc` is attached here, so that what is for it stays in this process.
    pub fn is_attached(&self, proc: ProcId) -> bool {
        self.shared.routes.is_attached(proc)
    }

    /// Sends what is for `proc` by the gateway at `via`.
    pub fn route_proc(&self, proc: ProcId, via: ChannelAddr) {
        self.shared.routes.route_proc(proc, via);
    }

    /// Forgets the route of `proc`, and ends the link it went by if no other proc is routed there.
    pub fn unroute_proc(&self, proc: ProcId) {
        if let Some(addr) = self.shared.routes.unroute_proc(proc) {
            self.shared.links.end(&addr);
            self.shared.urgent_links.end(&addr);
        }
    }

    /// Sends what is for the procs of `world` by the gateway at `via`, unless one has its own route.
    pub fn route_world(&self, world: u64, via: ChannelAddr) {
        self.shared.routes.route_world(world, via);
    }

    /// Forgets the route of `world`.
    pub fn unroute_world(&self, world: u64) {
        self.shared.routes.unroute_world(world);
    }

    /// Sends `envelope` on its way. Never blocks.
    ///
    /// The next hop is: the proc if it is attached here, else by the route of the proc, the route of
    /// its world, the way its own messages came, or the location in the envelope. What cannot be
    /// delivered goes back to its sender.
    pub fn post(&self, envelope: Envelope) {
        self.pass(envelope, Origin::Here);
    }

    /// Sends `envelope` back to its sender as [`Undelivered`]. A bounce does not bounce: it is counted
    /// and dropped.
    pub fn bounce(&self, envelope: Envelope, cause: Cause) {
        self.tell(Undelivered::new(envelope, cause));
    }

    /// Learns that `proc` has died: its routes are forgotten, what is sent to it comes back with
    /// `why`, and the observers of deaths are told.
    pub fn proc_died(&self, proc: ProcId, why: &str) {
        self.shared.routes.bury(proc, why);
        self.shared.deaths.tell(proc, why);
        self.settle(proc, self.shared.limbo.on_death(proc));
    }

    /// Calls `observer` for each proc that dies, until the watch is dropped. It must not block.
    pub fn on_proc_death(&self, observer: DeathObserver) -> DeathWatch {
        self.shared.deaths.watch(observer)
    }

    /// Returns what the gateway has counted.
    pub fn stats(&self) -> GatewayStats {
        self.shared.counters.stats(self.shared.budget.used())
    }

    /// Counts the encoded bytes of `envelope`, which is about to wait in a queue of this process, until the
    /// charge is dropped. Values that were not encoded are not counted.
    pub fn charge(&self, envelope: &Envelope) -> QueueCharge {
        match envelope.body.payload() {
            Some(payload) => self.shared.budget.charge(payload.len() as u64),
            None => QueueCharge::NONE,
        }
    }

    /// Logs a message of `sender` that was not delivered. Of one kind of cause it writes at most 10 lines in
    /// a second, with the number of those that it did not write.
    pub fn log_undelivered(&self, sender: &str, undelivered: &Undelivered) {
        self.shared.log.note(sender, undelivered);
    }

    /// Waits until all that was posted so far is delivered to its process or has come back, and
    /// returns how much of it is open at the deadline.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if the future is dropped.
    pub async fn flush(&self, timeout: Duration) -> usize {
        let Shared {
            links,
            urgent_links,
            ..
        } = &*self.shared;
        let (messages, urgent) = tokio::join!(links.flush(timeout), urgent_links.flush(timeout));
        messages + urgent
    }

    /// Ends all links and servers in order: what was posted has until `deadline` to be delivered, then
    /// nothing is received any more. It may be called again.
    pub async fn shutdown(&self, deadline: Duration) -> ShutdownReport {
        let until = Instant::now() + deadline;
        self.flush(deadline).await;
        let servers = std::mem::take(&mut *self.lock_servers());
        let report = self.shared.endpoint.shutdown(until - Instant::now()).await;
        drop(servers);
        self.shared.timers.stop().await;
        for doubtful in self.shared.limbo.take_all() {
            self.settle(doubtful.proc(), [doubtful]);
        }
        report
    }

    /// Takes a message that may or may not have been delivered. Its sender is told when it is known why,
    /// or after a pause.
    pub(crate) fn doubt(&self, doubtful: Doubtful) {
        let shared = &self.shared;
        let proc = doubtful.proc();
        if shared.routes.death_of(proc).is_some() {
            return self.settle(proc, [doubtful]);
        }
        match shared.limbo.enter(proc, doubtful) {
            Entry::Waits => {}
            Entry::Full(doubtful) => self.settle(proc, [doubtful]),
            Entry::First(wait) => {
                let until = Instant::now() + shared.unknown_pause;
                shared
                    .timers
                    .add(&shared.runtime, until, Arc::downgrade(&wait) as _);
            }
        }
        // The death may have come between the look and the entry.
        if shared.routes.death_of(proc).is_some() {
            self.settle(proc, shared.limbo.on_death(proc));
        }
    }

    /// Ends the pause of messages.
    pub(crate) fn end_doubt(&self, wait: &Wait<Doubtful>) {
        self.settle(wait.proc(), self.shared.limbo.end(wait));
    }

    /// Tells the senders of messages for `proc` what is known by now.
    fn settle(&self, proc: ProcId, doubtful: impl IntoIterator<Item = Doubtful>) {
        for doubtful in doubtful {
            doubtful.bounce(self.shared.routes.death_of(proc));
        }
    }

    /// Tells the sender of a message what became of it.
    pub(crate) fn tell(&self, undelivered: Undelivered) {
        let counters = &self.shared.counters;
        let lost = undelivered.header;
        if lost.is_silent() {
            counters.dropped.add(1);
            tracing::debug!(dst = %lost.dst, cause = %undelivered.cause, "message dropped");
            return;
        }
        counters.bounced.add(1);
        let dst = lost.src.port(Port::Control(CONTROL_UNDELIVERED));
        let body = Any::local(undelivered);
        let mut bounce = Envelope::of_any(dst, Location::NONE, lost.dst.actor, body);
        bounce.header.flags = FLAG_BOUNCE;
        self.post(bounce);
    }

    /// Passes on an envelope from here or from a link.
    pub(crate) fn pass(&self, mut envelope: Envelope, origin: Origin) {
        let hop = self
            .shared
            .routes
            .resolve(envelope.header.dst.actor.proc, &envelope.to, origin);
        match hop {
            Hop::Here(proc) => self.deliver(&*proc, envelope),
            Hop::Via(addr) => {
                if envelope.header.loss_policy() == LossPolicy::FailSender
                    && origin == Origin::Here
                    && self.is_attached(envelope.header.src.proc)
                {
                    self.shared.fail_tickets.stamp(&mut envelope);
                }
                self.transmit(&addr, envelope);
            }
            Hop::Nowhere(cause) => self.bounce(envelope, cause),
        }
    }

    pub(crate) fn routes(&self) -> &Routes {
        &self.shared.routes
    }

    pub(crate) fn timers(&self) -> &Timers {
        &self.shared.timers
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.shared.counters
    }

    pub(crate) fn budget(&self) -> &Arc<ByteBudget> {
        &self.shared.budget
    }

    pub(crate) fn fail_tickets(&self) -> &FailTickets {
        &self.shared.fail_tickets
    }

    pub(crate) fn admission(&self) -> Option<&dyn Admission> {
        self.shared.admission.as_deref()
    }

    pub(crate) fn upgrade(shared: &Weak<Shared>) -> Option<Self> {
        shared.upgrade().map(|shared| Self { shared })
    }

    /// Hands `envelope` to a proc of this gateway. A panic of its code harms neither the sender nor the
    /// link that the message came by.
    fn deliver(&self, proc: &dyn MailboxSender, envelope: Envelope) {
        let (header, key) = (envelope.header, envelope.key());
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| proc.post(envelope))) {
            let text = panic_text(&*panic);
            tracing::error!(dst = %header.dst, panic = %text, "a receiver panicked on delivery");
            let cause = Cause::Unknown(format!("the receiver panicked: {text}").into());
            let headers = Headers::new();
            self.tell(Undelivered {
                header,
                key,
                headers,
                cause,
                payload: None,
                size: None,
            });
        }
    }

    fn transmit(&self, addr: &Arc<ChannelAddr>, envelope: Envelope) {
        if envelope.header.ttl == 0 {
            return self.bounce(envelope, Cause::TtlExpired);
        }
        let links = match envelope.header.is_urgent() {
            true => &self.shared.urgent_links,
            false => &self.shared.links,
        };
        let slot = match links.find(addr) {
            Some(slot) => slot,
            None => match self.prepare_dial(addr) {
                Ok(()) => links.open(addr),
                Err(cause) => return self.bounce(envelope, cause),
            },
        };
        let parcel = match Outbound::new(envelope, Arc::downgrade(&self.shared)) {
            Ok(parcel) => parcel,
            Err((envelope, error)) => {
                return self.bounce(envelope, Cause::Encode(error.to_string().into()));
            }
        };
        if let Err((parcel, cause)) = links.post(&self.shared.endpoint, addr, &slot, parcel) {
            self.bounce(parcel.into_envelope(), cause);
        }
    }

    /// Before the first message to an address: it must not be our own, and peers must know where to
    /// answer.
    fn prepare_dial(&self, addr: &ChannelAddr) -> Result<(), Cause> {
        if self.shared.home.served.load().contains(addr) {
            return Err(Cause::ProcNotFound);
        }
        if let Err(error) = self.addr() {
            tracing::warn!(%error, "peers will not be able to answer this process");
        }
        Ok(())
    }

    fn serve_under(
        &self,
        servers: &mut Vec<Server>,
        at: ServeAt,
    ) -> Result<ChannelAddr, ServeError> {
        let inbound = Arc::new(Inbound::new(Arc::downgrade(&self.shared)));
        let server = self.shared.endpoint.serve_sink(at, inbound)?;
        let addr = server.addr().clone();
        let home = &self.shared.home;
        let mut served = Vec::clone(&home.served.load());
        if served.is_empty() {
            self.shared.endpoint.advertise(addr.clone());
            home.location
                .rcu(|old| old.clone().or_else(|| Some(Arc::new(addr.clone()))));
        }
        served.push(addr.clone());
        home.served.store(served.into());
        servers.push(server);
        Ok(addr)
    }

    fn lock_servers(&self) -> std::sync::MutexGuard<'_, Vec<Server>> {
        self.shared
            .home
            .servers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl MailboxSender for Gateway {
    fn post(&self, envelope: Envelope) {
        Gateway::post(self, envelope);
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let served = self.shared.home.served.load_full();
        f.debug_struct("Gateway")
            .field("served", &served)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shared")
    }
}
