//! The ref of an actor: who it is and where to dial. It can be sent anywhere and used at once.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use hypermesh_mailbox::{ActorId, Cause, Envelope, Location, Port, PortId, PortRef};
use hypermesh_wire::{Message, Named, TypeKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::actor::{Accepts, Referable};
use crate::ask::{Ask, CallChain, Callee, Question};
use crate::call_error::CallError;
use crate::context;
use crate::failure::boundary;
use crate::reply::{ReplyStream, ReplyTo, StreamHeader, Streaming};
use crate::reply_header::ReplyHeader;
use crate::send_error::SendError;
use crate::settings::CALL_TIMEOUT;

/// The longest label that a ref carries, in bytes.
const MAX_LABEL: usize = 256;

/// The ref of an actor of type `A`. Two refs are equal if their ids are.
pub struct ActorRef<A: Referable> {
    id: ActorId,
    location: Location,
    label: Arc<str>,
    actor: PhantomData<fn() -> A>,
}

impl<A: Referable> ActorRef<A> {
    /// Returns the ref of the actor with this id, on the caller's word that it is an `A`.
    ///
    /// If it is not, messages to it bounce. `label` is for people, cut at 256 bytes.
    pub fn attest(id: ActorId, location: Location, label: impl AsRef<str>) -> Self {
        let label = label.as_ref();
        let label = Arc::from(&label[..boundary(label, MAX_LABEL)]);
        Self {
            id,
            location,
            label,
            actor: PhantomData,
        }
    }

    /// Sends `message` on behalf of `cx`.
    ///
    /// Returning `Ok` means sent, not handled. If it cannot be delivered, the sender's
    /// `on_undeliverable` learns why.
    ///
    /// # Errors
    ///
    /// [`SendError`] when the actor lives on the proc of `cx` and takes no messages.
    pub fn tell<M>(&self, cx: &impl context::Actor, message: M) -> Result<(), SendError<M>>
    where
        A: Accepts<M>,
        M: Message,
    {
        let envelope = self.envelope(cx, message);
        if self.id.proc != *cx.proc().id() {
            cx.gateway().post(envelope);
            return Ok(());
        }
        cx.proc().deliver(envelope).map_err(|rejected| {
            let message = rejected.envelope.body.take::<M>();
            let message = message.expect("it was made from an `M` above");
            match rejected.cause {
                Cause::QueueFull => SendError::Full {
                    message,
                    actor: self.id,
                },
                _ => SendError::Closed {
                    message,
                    actor: self.id,
                    exit: cx.proc().exit_of(self.id),
                },
            }
        })
    }

    /// Sends `message` on behalf of `cx`, and returns the question, to be awaited.
    ///
    /// It is answered by a value, or by the reason why there is none: at once when the handler fails,
    /// the actor or its proc ends or the message cannot be delivered, and at the deadline at the
    /// latest.
    pub fn ask<M>(&self, cx: &impl context::Actor, message: M) -> Ask<<A as Accepts<M>>::Reply>
    where
        A: Accepts<M>,
        M: Message,
    {
        if cx.actor_id() == self.id {
            return Ask::failed(CallError::WouldDeadlock(self.to_itself()));
        }
        if self.is_asked_here(cx) {
            return self.ask_here(cx, message, 0);
        }
        let (reply, answer) = cx
            .mailbox()
            .open_once_port::<Result<<A as Accepts<M>>::Reply, CallError>>();
        let reply = reply.bind();
        let key = <Result<<A as Accepts<M>>::Reply, CallError> as Named>::KEY;
        let header = header_to(reply.id(), reply.location(), key);
        let question = Question::new(Callee::There(self.id, self.label.clone()));
        let mut envelope = self.envelope(cx, message);
        header.stamp(&mut envelope.headers);
        question.stamp(CALL_TIMEOUT.get(), &mut envelope.headers);
        let pending = cx.proc().expect_reply(self.id.proc, header);
        cx.gateway().post(envelope);
        Ask::there(answer, cx.caller().0, question, pending)
    }

    /// Sends `message`, whose answer is a stream, on behalf of `cx`, and returns the stream.
    ///
    /// Of the stream, up to [`STREAM_WINDOW`](crate::settings::STREAM_WINDOW) values are on their way or
    /// wait to be read; the actor waits for room for more.
    pub fn stream<M, T>(&self, cx: &impl context::Actor, message: M) -> ReplyStream<T>
    where
        A: Accepts<M, Reply = Streaming<T>>,
        M: Message,
        T: Message,
    {
        if cx.actor_id() == self.id {
            let error = CallError::WouldDeadlock(self.to_itself());
            return ReplyStream::here(Ask::failed(error));
        }
        let window = Streaming::<T>::window();
        if self.is_asked_here(cx) {
            return ReplyStream::here(self.ask_here(cx, message, window));
        }
        let (port, frames) = Streaming::<T>::open_port(cx, window);
        let key = <Result<Streaming<T>, CallError> as Named>::KEY;
        let header = header_to(port.id(), port.location(), key);
        let question = Question::new(Callee::There(self.id, self.label.clone())).open_ended();
        let mut envelope = self.envelope(cx, message);
        header.stamp(&mut envelope.headers);
        question.stamp(Duration::MAX, &mut envelope.headers);
        StreamHeader::stamp(window, &mut envelope.headers);
        let pending = cx.proc().expect_reply(self.id.proc, header.clone());
        cx.gateway().post(envelope);
        ReplyStream::there(frames, cx.caller().0, header, window, pending)
    }

    /// Returns who the actor is.
    pub fn id(&self) -> ActorId {
        self.id
    }

    /// Returns where to dial for it.
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// Returns the name of the actor, or the name of its type.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Returns the port that takes messages of type `M` for the actor.
    pub fn port<M>(&self) -> PortRef<M>
    where
        A: Accepts<M>,
        M: Message,
    {
        PortRef::new(self.port_id(M::KEY), self.location.clone(), None)
    }

    fn port_id(&self, key: TypeKey) -> PortId {
        PortId {
            actor: self.id,
            port: Port::Handler(key),
        }
    }

    fn envelope<M: Message>(&self, cx: &impl context::Actor, message: M) -> Envelope {
        let (dst, to) = (self.port_id(M::KEY), self.location.clone());
        Envelope::new(dst, to, cx.sender(), message)
    }

    /// Tells whether a question of `cx` stays in its proc. Those to an agent go by the router, which
    /// serves some of them out of turn.
    fn is_asked_here(&self, cx: &impl context::Actor) -> bool {
        self.id.proc == *cx.proc().id() && self.id != cx.proc().agent_id()
    }

    /// Asks an actor of the proc of `cx`.
    fn ask_here<M>(
        &self,
        cx: &impl context::Actor,
        message: M,
        window: u32,
    ) -> Ask<<A as Accepts<M>>::Reply>
    where
        A: Accepts<M>,
        M: Message,
    {
        let refused = |cause| Ask::failed(cx.proc().call_error(self.id, cause));
        let callee = match cx.proc().shared().table.find_heir(self.id) {
            Ok(callee) => callee,
            Err(cause) => return refused(cause),
        };
        let (reply, slot) = ReplyTo::<<A as Accepts<M>>::Reply>::here(callee.clone(), window);
        let envelope = self.envelope(cx, message);
        match callee.take_mail(envelope, Some(Box::new(reply))) {
            Ok(()) => Ask::here(slot),
            Err(rejected) => refused(rejected.cause),
        }
    }

    /// Returns the chain of an actor that asks itself.
    fn to_itself(&self) -> CallChain {
        CallChain::default()
            .then(self.id, &self.label)
            .then(self.id, &self.label)
    }
}

/// Returns the header that asks for replies to a port.
fn header_to(port: PortId, location: &Location, key: TypeKey) -> ReplyHeader {
    ReplyHeader {
        port,
        location: location.clone(),
        key,
        ordinal: None,
    }
}

/// The parts of a ref that travel.
#[derive(Serialize, Deserialize)]
#[serde(rename = "ActorRef")]
struct Form<'a> {
    id: ActorId,
    location: Location,
    label: std::borrow::Cow<'a, str>,
}

impl<A: Referable> Serialize for ActorRef<A> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let label = (&*self.label).into();
        Form {
            id: self.id,
            location: self.location.clone(),
            label,
        }
        .serialize(serializer)
    }
}

impl<'de, A: Referable> Deserialize<'de> for ActorRef<A> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Form {
            id,
            location,
            label,
        } = Form::deserialize(deserializer)?;
        Ok(Self::attest(id, location, label))
    }
}

impl<A: Referable> Named for ActorRef<A> {
    const KEY: TypeKey = TypeKey::of("hypermesh::ActorRef").with(A::KEY);

    fn name() -> std::borrow::Cow<'static, str> {
        format!("hypermesh::ActorRef<{}>", A::name()).into()
    }
}

impl<A: Referable> Clone for ActorRef<A> {
    fn clone(&self) -> Self {
        Self {
            id: self.id,
            location: self.location.clone(),
            label: self.label.clone(),
            actor: PhantomData,
        }
    }
}

impl<A: Referable> PartialEq for ActorRef<A> {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl<A: Referable> Eq for ActorRef<A> {}

impl<A: Referable> Hash for ActorRef<A> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

impl<A: Referable> fmt::Display for ActorRef<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.label, self.id)
    }
}

impl<A: Referable> fmt::Debug for ActorRef<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ActorRef({self})")
    }
}
