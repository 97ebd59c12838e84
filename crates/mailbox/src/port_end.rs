//! What every kind of port has in common: how messages come in, and when it ends.

use std::sync::Arc;
use std::task::{Context, Waker};

use hypermesh_wire::{Any, Message, TakeError, TypeKey};
use tokio::sync::Notify;

use crate::{
    Cause, Envelope, Gateway, Mailbox, PortId, PortSendError, PortSendReason, PortStats, RecvError,
};

/// An envelope that was not taken, and why.
#[derive(Debug)]
pub struct Rejected {
    /// The envelope.
    pub envelope: Envelope,
    /// Why it was not taken.
    pub cause: Cause,
}

impl Rejected {
    pub(crate) fn new(envelope: Envelope, cause: Cause) -> Box<Self> {
        Box::new(Self { envelope, cause })
    }
}

/// A port as its mailbox sees it.
pub(crate) trait AnyPort: Send + Sync {
    /// Takes `envelope`. No lock is held while it is called.
    fn deliver(&self, envelope: Envelope, mailbox: &Mailbox) -> Result<(), Box<Rejected>>;

    /// Learns that the owner has ended.
    fn close(&self, why: &Arc<str>, mailbox: &Mailbox);

    /// Returns what the port `id`, which this is, has counted, if it has a name.
    fn stats(&self, id: PortId) -> Option<PortStats> {
        _ = id;
        None
    }
}

/// A port as its handles see it.
pub(crate) trait PortSink<M>: AnyPort {
    fn send(&self, message: M, mailbox: &Mailbox) -> Result<(), PortSendError<M>>;

    /// One more handle is there.
    fn add_sender(&self);

    /// A handle is gone.
    fn remove_sender(&self, mailbox: &Mailbox);

    /// From now on, refs to the port may be anywhere.
    fn bind(&self, take: Take<M>);

    /// Sends what `make` returns, which is called at most once and not if the message is refused.
    fn send_made(
        &self,
        make: &mut dyn FnMut() -> M,
        mailbox: &Mailbox,
    ) -> Result<(), PortSendReason>;

    /// Takes an envelope that `opener` makes a message of.
    fn deliver_to_open(
        &self,
        envelope: Envelope,
        opener: Arc<dyn Opener<M>>,
        mailbox: &Mailbox,
    ) -> Result<(), Box<Rejected>>;

    /// Remembers that the port `id` passes on to this one, and is to be freed with it. Returns whether this
    /// one is open.
    fn add_mapped(&self, id: PortId) -> bool;

    /// The port `id` was freed.
    fn remove_mapped(&self, id: PortId);

    /// Returns whether a message would be taken or refused now, instead of finding no room.
    fn has_room(&self) -> bool {
        true
    }

    /// Returns what tells when room is made, for a port that can be full.
    fn room(&self) -> Option<&Notify> {
        None
    }
}

/// Makes a message of an envelope that was sent to another port than the one that it ends in.
pub(crate) trait Opener<M>: Send + Sync {
    /// Returns the message, or `None` after the envelope was bounced.
    fn open(&self, envelope: Envelope, gateway: &Gateway) -> Option<M>;
}

/// How a message of type `M` is taken out of an envelope.
pub(crate) struct Take<M> {
    pub(crate) key: TypeKey,
    pub(crate) take: fn(Any) -> Result<M, TakeError>,
}

impl<M: Message> Take<M> {
    pub(crate) const fn new() -> Self {
        Self {
            key: M::KEY,
            take: Any::take::<M>,
        }
    }
}

/// Who is left at either end of a port.
pub(crate) struct PortEnd {
    /// Handles, and one more if refs may be anywhere.
    senders: usize,
    bound: bool,
    receiver_gone: bool,
    owner_exited: Option<Arc<str>>,
    waker: Option<Waker>,
    /// The ports that pass on to this one.
    mapped: Vec<PortId>,
}

impl PortEnd {
    /// A port with one handle and a receiver.
    pub(crate) const fn new() -> Self {
        Self {
            senders: 1,
            bound: false,
            receiver_gone: false,
            owner_exited: None,
            waker: None,
            mapped: Vec::new(),
        }
    }

    /// Returns whether the port is open.
    pub(crate) fn add_mapped(&mut self, id: PortId) -> bool {
        if self.rejection().is_none() {
            self.mapped.push(id);
            return true;
        }
        false
    }

    pub(crate) fn remove_mapped(&mut self, id: PortId) {
        self.mapped.retain(|mapped| *mapped != id);
    }

    pub(crate) fn is_bound(&self) -> bool {
        self.bound
    }

    pub(crate) fn bind(&mut self) {
        self.senders += usize::from(!self.bound);
        self.bound = true;
    }

    pub(crate) fn add_sender(&mut self) {
        self.senders += 1;
    }

    /// Returns whom to wake.
    pub(crate) fn remove_sender(&mut self) -> Option<Waker> {
        self.senders -= 1;
        match self.senders {
            0 => self.waker.take(),
            _ => None,
        }
    }

    /// Returns whom to wake.
    pub(crate) fn exit_owner(&mut self, why: &Arc<str>) -> Option<Waker> {
        self.owner_exited.get_or_insert_with(|| why.clone());
        self.waker.take()
    }

    /// Returns the ports that are to be freed with this one.
    #[must_use = "they are to be freed"]
    pub(crate) fn drop_receiver(&mut self) -> Vec<PortId> {
        self.receiver_gone = true;
        self.waker = None;
        std::mem::take(&mut self.mapped)
    }

    /// Returns why nothing can be sent any more, if so.
    pub(crate) fn send_refusal(&self) -> Option<PortSendReason> {
        match &self.owner_exited {
            Some(why) => Some(PortSendReason::OwnerExited(why.clone())),
            None => self.receiver_gone.then_some(PortSendReason::Closed),
        }
    }

    /// Returns why an envelope is not taken any more, if so.
    pub(crate) fn rejection(&self) -> Option<Cause> {
        match &self.owner_exited {
            Some(why) => Some(Cause::OwnerExited(why.clone())),
            None => self.receiver_gone.then_some(Cause::PortGone),
        }
    }

    /// Returns why nothing comes any more, if so.
    pub(crate) fn recv_end(&self) -> Option<RecvError> {
        match &self.owner_exited {
            Some(why) => Some(RecvError::OwnerExited(why.clone())),
            None => (self.senders == 0).then_some(RecvError::Closed),
        }
    }

    /// Remembers whom to wake by the next message or the end.
    pub(crate) fn register(&mut self, cx: &Context<'_>) {
        match &mut self.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
    }

    pub(crate) fn take_waker(&mut self) -> Option<Waker> {
        self.waker.take()
    }
}

/// Wakes whoever is to be woken; called where no lock is held.
pub(crate) fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}
