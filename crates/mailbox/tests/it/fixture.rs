//! A proc without actors: mailboxes by id, and a record of what could not be delivered.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hypermesh_mailbox::channel::{ChannelTransport, LocalHub};
use hypermesh_mailbox::{
    ActorId, Attachment, CONTROL_UNDELIVERED, CastOrdinal, Cause, Envelope, Gateway,
    GatewayOptions, Mailbox, MailboxSender, Port, ProcId, SendContext, Undelivered,
};
use hypermesh_wire::Headers;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// A bug is a failure and not a hang.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

pub(crate) const WORLD: u64 = 0xabc;

/// A proc on its own gateway, or on one that it shares.
pub(crate) struct Node {
    pub(crate) gateway: Gateway,
    pub(crate) id: ProcId,
    mailboxes: Arc<Mailboxes>,
    undelivered: mpsc::UnboundedReceiver<Undelivered>,
    /// Detaches the proc.
    pub(crate) attachment: Option<Attachment>,
}

struct Mailboxes {
    gateway: Gateway,
    by_actor: Mutex<HashMap<ActorId, Mailbox>>,
    undelivered: mpsc::UnboundedSender<Undelivered>,
}

impl MailboxSender for Mailboxes {
    fn post(&self, envelope: Envelope) {
        let dst = envelope.header.dst;
        if dst.port == Port::Control(CONTROL_UNDELIVERED) {
            let undelivered = envelope
                .take::<Undelivered>()
                .expect("gateways decode bounces");
            // A test that ended does not look any more.
            _ = self.undelivered.send(undelivered);
            return;
        }
        let mailbox = self.by_actor.lock().unwrap().get(&dst.actor).cloned();
        let delivered = match mailbox {
            Some(mailbox) => mailbox.deliver(envelope).map_err(|r| (r.envelope, r.cause)),
            None => Err((envelope, Cause::ActorNotFound)),
        };
        if let Err((envelope, cause)) = delivered {
            self.gateway.bounce(envelope, cause);
        }
    }
}

pub(crate) fn gateway(transport: ChannelTransport, hub: &LocalHub) -> Gateway {
    let mut options = GatewayOptions::new(Handle::current(), transport);
    options.hub = hub.clone();
    Gateway::new(options)
}

impl Node {
    /// A proc on a gateway of its own.
    pub(crate) fn new(rank: u32, transport: ChannelTransport, hub: &LocalHub) -> Self {
        Self::on(gateway(transport, hub), ProcId::new(WORLD, rank, 0))
    }

    pub(crate) fn on(gateway: Gateway, id: ProcId) -> Self {
        let (sender, undelivered) = mpsc::unbounded_channel();
        let by_actor = Mutex::default();
        let mailboxes = Arc::new(Mailboxes {
            gateway: gateway.clone(),
            by_actor,
            undelivered: sender,
        });
        let attachment = Some(gateway.attach(id, mailboxes.clone()).unwrap());
        Self {
            gateway,
            id,
            mailboxes,
            undelivered,
            attachment,
        }
    }

    /// One proc on a gateway that nobody else reaches.
    pub(crate) fn alone() -> Self {
        Self::new(0, ChannelTransport::Local, &LocalHub::new())
    }

    /// Two procs on gateways that reach each other.
    pub(crate) fn pair(transport: ChannelTransport) -> (Self, Self) {
        let hub = LocalHub::new();
        (Self::new(0, transport, &hub), Self::new(1, transport, &hub))
    }

    pub(crate) fn mailbox(&self, name: &str) -> Mailbox {
        let mailbox = Mailbox::new(self.id.named_actor(name), self.gateway.clone());
        self.mailboxes
            .by_actor
            .lock()
            .unwrap()
            .insert(mailbox.id(), mailbox.clone());
        mailbox
    }

    /// Waits for the next bounce to any actor of the proc.
    pub(crate) async fn bounced(&mut self) -> Undelivered {
        let bounce = tokio::time::timeout(DEADLINE, self.undelivered.recv()).await;
        bounce.expect("a message should have bounced").unwrap()
    }

    /// Returns the next bounce if there is one.
    pub(crate) fn try_bounced(&mut self) -> Option<Undelivered> {
        self.undelivered.try_recv().ok()
    }

    pub(crate) fn no_bounce(&mut self) {
        if let Some(undelivered) = self.try_bounced() {
            panic!("{undelivered}");
        }
    }
}

/// Whoever sends: an actor, perhaps as a member of a cast.
pub(crate) struct Sender {
    id: ActorId,
    gateway: Gateway,
    member: Option<u64>,
}

impl Sender {
    pub(crate) fn of(mailbox: &Mailbox) -> Self {
        Self {
            id: mailbox.id(),
            gateway: mailbox.gateway().clone(),
            member: None,
        }
    }

    pub(crate) fn member(mailbox: &Mailbox, ordinal: u64) -> Self {
        Self {
            member: Some(ordinal),
            ..Self::of(mailbox)
        }
    }
}

impl SendContext for Sender {
    fn sender(&self) -> ActorId {
        self.id
    }

    fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    fn stamp(&self, headers: &mut Headers) {
        if let Some(ordinal) = self.member {
            CastOrdinal(ordinal).stamp(headers).unwrap();
        }
    }
}

/// Waits for `future`, but not for ever.
pub(crate) async fn soon<F: IntoFuture>(future: F) -> F::Output {
    tokio::time::timeout(DEADLINE, future)
        .await
        .expect("it should have happened by now")
}

/// Runs `future` beside the test, which waits for it.
#[expect(
    clippy::disallowed_methods,
    reason = "the runtime of the test ends with the test"
)]
pub(crate) fn spawn<F: Future<Output: Send> + Send + 'static>(future: F) -> JoinHandle<F::Output> {
    tokio::spawn(future)
}
