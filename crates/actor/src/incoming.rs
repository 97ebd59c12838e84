//! A message that came by a ref, on its way from its encoding to the handler.

use std::sync::Arc;

use hypermesh_mailbox::{ActorId, Cause, Envelope};
use hypermesh_wire::{Any, Headers, Message, Payload, TakeCause, TypeKey};

use crate::actor::Handler;
use crate::catch::{self, Panic};
use crate::cell::AnyCell;
use crate::mail::Mail;
use crate::reply::ReplyTo;
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

    /// Returns the key of the message's type.
    pub fn key(&self) -> TypeKey {
        self.key
    }

    /// Reads the message as an `M`, for the actor `A`.
    pub fn open<A, M>(self) -> Opened<A::Msg>
    where
        A: Handler<M>,
        M: Message,
        A::Reply: Message,
    {
        let Envelope {
            header,
            to,
            headers,
            body,
        } = self.mail.into_envelope();
        // Decoding runs code of the message's author on bytes of anybody: its panic ends this message.
        let (body, cause) = match catch::call(|| body.take::<M>()) {
            Ok(Ok(message)) => {
                return Ok(Self::opened::<A, M>(
                    message,
                    header.src,
                    headers,
                    self.receiver,
                ));
            }
            Ok(Err(error)) => (*error.any, cause_of(error.cause)),
            Err(Panic(text)) => {
                let text = format!("decoding it panicked: {text}");
                (
                    Any::wire(self.key, Payload::default()),
                    Cause::Decode(text.into()),
                )
            }
        };
        Mail::new(
            Envelope {
                header,
                to,
                headers,
                body,
            },
            self.receiver.clone(),
        )
        .bounce(cause);
        Err(SentBack(()))
    }

    fn opened<A, M>(
        message: M,
        sender: ActorId,
        headers: Headers,
        receiver: &Arc<dyn AnyCell>,
    ) -> (A::Msg, Box<Origin>)
    where
        A: Handler<M>,
        A::Reply: Message,
    {
        let reply = match ReplyHeader::of(&headers) {
            Some(header) => ReplyTo::remote(header, receiver.clone()),
            None => ReplyTo::nobody(),
        };
        (
            A::wrap(message, reply),
            Box::new(Origin { sender, headers }),
        )
    }

    /// Sends the message back: the actor has no handler for it.
    pub fn unknown<T>(self) -> Opened<T> {
        self.mail.bounce(Cause::NoHandler);
        Err(SentBack(()))
    }
}

/// Returns what the sender is told of a message that could not be read.
pub(crate) fn cause_of(cause: TakeCause) -> Cause {
    match cause {
        TakeCause::Decode(error) => Cause::Decode(error.to_string().into()),
        TakeCause::WrongType { expected, .. } => Cause::WrongType { expected },
        other => Cause::Decode(other.to_string().into()),
    }
}
