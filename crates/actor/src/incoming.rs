//! A message that came by a ref, on its way from its encoding to the handler.

use std::sync::Arc;

use hypermesh_mailbox::{ActorId, Cause, Envelope};
use hypermesh_wire::{Any, Headers, Message, Payload, TakeCause, TypeKey};

use tokio::time::Instant;

use crate::actor::Handler;
use crate::ask::Question;
use crate::catch::{self, Panic};
use crate::cell::AnyCell;
use crate::mail::{Mail, send_back};
use crate::reply::{AnyReply, ReplyTo, StreamHeader};
use crate::reply_header::ReplyHeader;

/// A message whose type is not known yet.
pub struct Incoming<'a> {
    mail: Mail,
    key: TypeKey,
    receiver: &'a Arc<dyn AnyCell>,
}

/// A message and where it came from, or nothing if it could not be read and was sent back.
pub type Opened<T> = Result<(T, Box<Origin>), SentBack>;

/// The message was sent back to its sender with the reason.
pub struct SentBack(());

/// Where a message that came by a ref came from.
#[derive(Debug)]
pub struct Origin {
    pub(crate) sender: ActorId,
    pub(crate) headers: Headers,
}

impl<'a> Incoming<'a> {
    pub(crate) fn new(mail: Mail, receiver: &'a Arc<dyn AnyCell>) -> Self {
        let key = mail.key();
        Self {
            mail,
            key,
            receiver,
        }
    }

    /// Tells whether the message is an `M`.
    pub fn is<M: Message>(&self) -> bool {
        self.key == M::KEY
    }

    /// Reads the message as an `M`, for the actor `A`.
    pub fn open<A, M>(self) -> Opened<A::Msg>
    where
        A: Handler<M>,
        M: Message,
        A::Reply: Message,
    {
        let (envelope, reply, arrived) = self.mail.into_parts();
        let Envelope {
            header,
            to,
            headers,
            body,
        } = envelope;
        // Decoding runs code of the message's author on bytes of anybody: its panic ends this message.
        let (body, cause) = match catch::call(|| body.take::<M>()) {
            Ok(Ok(message)) => {
                let reply = match reply {
                    Some(reply) => reply_here(reply),
                    None => reply_there(&headers, arrived, self.receiver),
                };
                let sender = header.src;
                let origin = Box::new(Origin { sender, headers });
                return Ok((A::wrap(message, reply), origin));
            }
            Ok(Err(error)) => (*error.any, cause_of(error.cause)),
            Err(Panic { text, .. }) => {
                let text = format!("decoding it panicked: {text}");
                (
                    Any::wire(self.key, Payload::default()),
                    Cause::Decode(text.into()),
                )
            }
        };
        let envelope = Envelope {
            header,
            to,
            headers,
            body,
        };
        send_back(envelope, reply, self.receiver, cause);
        Err(SentBack(()))
    }

    /// Sends the message back: the actor has no handler for it.
    pub fn unknown<T>(self) -> Opened<T> {
        self.mail.bounce(Cause::NoHandler);
        Err(SentBack(()))
    }
}

/// Returns the slot that travelled beside a message of this proc.
fn reply_here<R: Send + 'static>(reply: Box<dyn AnyReply>) -> ReplyTo<R> {
    match reply.into_any().downcast::<ReplyTo<R>>() {
        Ok(reply) => *reply,
        // The ref was made for another type of actor, whose answer to this message is of another
        // type. Dropping the slot tells the caller that there is none.
        Err(_) => ReplyTo::nobody(),
    }
}

/// Returns the slot that the headers of a message from another proc ask for.
fn reply_there<R: Message>(
    headers: &Headers,
    arrived: Option<Instant>,
    receiver: &Arc<dyn AnyCell>,
) -> ReplyTo<R> {
    let Some(header) = ReplyHeader::of(headers) else {
        return ReplyTo::nobody();
    };
    let question = arrived.and_then(|arrived| Question::of(headers, arrived, receiver));
    ReplyTo::there(
        header,
        receiver.clone(),
        question,
        StreamHeader::window(headers),
    )
}

/// Returns what the sender is told of a message that could not be read.
pub(crate) fn cause_of(cause: TakeCause) -> Cause {
    match cause {
        TakeCause::Decode(error) => Cause::Decode(error.to_string().into()),
        TakeCause::WrongType { expected, .. } => Cause::WrongType { expected },
        other => Cause::Decode(other.to_string().into()),
    }
}
