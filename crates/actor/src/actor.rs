//! The traits of an actor. `#[actor]` writes all of them but [`RemoteSpawn`].

use std::any::type_name;

use hypermesh_mailbox::Undelivered;
use hypermesh_wire::{Message, Named};

use crate::cx::Cx;
use crate::env::Env;
use crate::error::Result;
use crate::exit::{Departure, Exit, Mode};
use crate::failure::Failure;
use crate::incoming::{Incoming, Opened};
use crate::reply::ReplyTo;
use crate::supervision::{ChildEvent, Directive};

/// A value with a queue, whose handlers run one at a time.
///
/// Written by `#[actor]`. The hooks have defaults; a method of the impl with `#[hook]` replaces one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an actor",
    note = "put `#[actor]` on an impl block of `{Self}` and `#[handler]` on its handlers"
)]
pub trait Actor: Sized + Send + 'static {
    /// Any message that the actor handles, with where its reply goes.
    type Msg: Send + 'static;

    /// How many messages may wait for the actor, at least one: `#[actor(capacity = 100)]`. Without it there is the setting
    /// [`QUEUE_LIMIT`](hypermesh_mailbox::settings::QUEUE_LIMIT).
    const CAPACITY: Option<usize> = None;

    /// What the messages of the handlers are called.
    #[doc(hidden)]
    const HANDLERS: &'static [&'static str] = &[];

    /// Returns the number of the handler of `message`, from 1 in the order of `HANDLERS`.
    #[doc(hidden)]
    fn handler_of(message: &Self::Msg) -> u32 {
        _ = message;
        0
    }
    /// Whether the actor has the hook `on_stop`: then it is that hook, and not a request to stop, that
    /// closes the queue.
    #[doc(hidden)]
    const DECIDES_STOP: bool = false;

    /// Runs before the first message. An error ends the actor with the cause `Init`.
    fn init(&mut self, cx: &Cx<'_, Self>) -> impl Future<Output = Result<()>> + Send {
        _ = cx;
        async { Ok(()) }
    }

    /// Runs once when the actor ends, after its children are gone; not after a panic or a kill.
    fn cleanup(
        &mut self,
        cx: &Cx<'_, Self>,
        exit: &Exit,
    ) -> impl Future<Output = Result<()>> + Send {
        _ = (cx, exit);
        async { Ok(()) }
    }

    /// Decides whether the actor ends now that somebody asked it to stop or to drain.
    ///
    /// Runs once in a life, before the next message. With [`Departure::Later`] the actor goes on: after a
    /// stop with whatever is sent to it, after a drain with what was queued before, and in both cases with
    /// its ports and its children. It ends with [`Cx::exit`], a harsher request, or the deadline: the
    /// setting `STOP_TIMEOUT` from now, or what its parent and [`ActorHandle::stop_within`] leave it. A kill
    /// is not asked about. An error ends the actor with the cause `OnStop`.
    ///
    /// [`ActorHandle::stop_within`]: crate::ActorHandle::stop_within
    fn on_stop(
        &mut self,
        cx: &Cx<'_, Self>,
        mode: Mode,
    ) -> impl Future<Output = Result<Departure>> + Send {
        _ = (cx, mode);
        async { Ok(Departure::Now) }
    }

    /// Decides about a child that ended. By default a failure is passed on, unless the child was spawned
    /// from a factory: then it is made anew. Anything else is [`Directive::Handled`]. Runs before the
    /// next message is handled.
    fn on_child(
        &mut self,
        cx: &Cx<'_, Self>,
        event: &ChildEvent,
    ) -> impl Future<Output = Result<Directive>> + Send {
        _ = cx;
        let (failed, restartable) = (event.is_failure(), event.restartable);
        async move {
            Ok(match (failed, restartable) {
                (true, true) => Directive::Restart,
                (true, false) => Directive::Escalate,
                (false, _) => Directive::Handled,
            })
        }
    }

    /// Learns of a message of this actor that did not reach its receiver.
    ///
    /// By default it is logged, and the actor goes on: receivers and routes come and go. But an actor that
    /// sends what cannot be delivered anywhere has a fault, so it fails if the fault was found in its own
    /// process: the receiver has no handler for the type or takes another one, or the message has no
    /// encoding.
    ///
    /// An actor that has sent the message with
    /// [`LossPolicy::FailSender`](hypermesh_mailbox::LossPolicy::FailSender) fails after this, whatever it returns.
    fn on_undeliverable(
        &mut self,
        cx: &Cx<'_, Self>,
        undelivered: Undelivered,
    ) -> impl Future<Output = Result<()>> + Send {
        cx.proc()
            .gateway()
            .log_undelivered(cx.label(), &undelivered);
        async move {
            match undelivered.fails_sender() {
                true => Err(undelivered.cause.into()),
                false => Ok(()),
            }
        }
    }

    /// Runs the handler of `message`.
    #[doc(hidden)]
    fn dispatch(
        &mut self,
        cx: &Cx<'_, Self>,
        message: Self::Msg,
    ) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Opens a message whose type is not known yet.
    #[doc(hidden)]
    fn decode(incoming: Incoming<'_>) -> Opened<Self::Msg>;
}

/// An actor that handles messages of type `M`.
///
/// Written by `#[actor]` for every `#[handler]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not handle `{M}`",
    label = "no handler for `{M}`",
    note = "add a `#[handler]` that takes `{M}` to the `#[actor]` impl of `{Self}`"
)]
pub trait Handler<M>: Actor {
    /// What the handler answers.
    type Reply: Send + 'static;

    /// Joins a message and where its reply goes.
    #[doc(hidden)]
    fn wrap(message: M, reply: ReplyTo<Self::Reply>) -> Self::Msg;

    /// Undoes [`wrap`](Self::wrap); `None` if it is another message.
    #[doc(hidden)]
    fn unwrap(message: Self::Msg) -> Option<(M, ReplyTo<Self::Reply>)>;
}

/// What a ref can point to: an actor whose type has a name, or a [`Protocol`](crate::Protocol).
///
/// Written by `#[actor]` for every actor without type parameters, and by `protocol!`.
#[diagnostic::on_unimplemented(
    message = "no ref can point to a `{Self}`",
    note = "a ref needs an actor with `#[actor]` and without type parameters, or a `protocol!`"
)]
pub trait Referable: Named {}

/// An actor that takes messages of type `M` from anywhere, other processes included.
///
/// Written by `#[actor]` for every `#[handler]` that is not `local`, and by `protocol!` for every
/// message of the protocol.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not accept `{M}` from a ref",
    label = "no handler for `{M}` that a ref can reach",
    note = "add a `#[handler]` that takes `{M}` to the `#[actor]` impl of `{Self}`; one marked `local` \
            is reached by a handle only"
)]
pub trait Accepts<M>: Referable {
    /// What the handler answers.
    type Reply: Message;
}

/// An actor that can be spawned in another process, by the name in `#[actor(spawn = "name")]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be spawned by name",
    note = "implement `RemoteSpawn` for `{Self}` and write `#[actor(spawn = \"name\")]`"
)]
pub trait RemoteSpawn: Actor + Referable {
    /// What the actor is made from.
    type Params: Message;

    /// Makes the actor, in its own task on the proc where it will live.
    fn create(params: Self::Params, env: &Env) -> impl Future<Output = Result<Self>> + Send;
}

/// What a handler or a hook returns: a `Result` whose error converts into [`Error`](crate::Error).
#[diagnostic::on_unimplemented(
    message = "a handler returns `Result<R>` or nothing, not `{Self}`",
    note = "`hypermesh::Result<R>` is meant, or any `Result<R, E>` whose error is a standard error"
)]
pub trait HandlerReturn {
    /// What the caller gets.
    type Reply: Send + 'static;

    /// Returns it in the one form that the framework uses.
    #[doc(hidden)]
    fn into_result(self) -> Result<Self::Reply>;
}

impl<R: Send + 'static, E: Into<crate::Error>> HandlerReturn for std::result::Result<R, E> {
    type Reply = R;

    fn into_result(self) -> Result<R> {
        self.map_err(Into::into)
    }
}

/// Returns the name of type `A` without its modules.
pub(crate) fn short_type_name<A>() -> &'static str {
    let name = type_name::<A>();
    let end = name.find('<').unwrap_or(name.len());
    let start = name[..end].rfind("::").map_or(0, |idx| idx + 2);
    &name[start..end]
}
