//! The traits of an actor. `#[actor]` writes all of them but [`RemoteSpawn`].

use std::any::type_name;

use hypermesh_mailbox::Undelivered;
use hypermesh_wire::{Message, Named};

use crate::cx::Cx;
use crate::env::Env;
use crate::error::Result;
use crate::exit::Exit;
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

    /// Decides about a child that ended. By default a failure is passed on and anything else is
    /// [`Directive::Handled`]. Runs before the next message is handled.
    fn on_child(
        &mut self,
        cx: &Cx<'_, Self>,
        event: &ChildEvent,
    ) -> impl Future<Output = Result<Directive>> + Send {
        _ = cx;
        let failed = event.is_failure();
        async move {
            Ok(if failed {
                Directive::Escalate
            } else {
                Directive::Handled
            })
        }
    }

    /// Learns of a message of this actor that did not reach its receiver. By default it is logged.
    fn on_undeliverable(
        &mut self,
        cx: &Cx<'_, Self>,
        undelivered: Undelivered,
    ) -> impl Future<Output = Result<()>> + Send {
        tracing::warn!(
            actor = cx.label(),
            receiver = %undelivered.header.dst,
            cause = %undelivered.cause,
            "a message was not delivered"
        );
        async { Ok(()) }
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

/// An actor that refs can point to: its type has a name.
///
/// Written by `#[actor]` for every actor without type parameters.
#[diagnostic::on_unimplemented(
    message = "no ref can point to a `{Self}`",
    note = "a ref needs an actor with `#[actor]` and without type parameters"
)]
pub trait Referable: Actor + Named {}

/// An actor that takes messages of type `M` from anywhere, other processes included.
///
/// Written by `#[actor]` for every `#[handler]` that is not `local`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not accept `{M}` from a ref",
    label = "no handler for `{M}` that a ref can reach",
    note = "add a `#[handler]` that takes `{M}` to the `#[actor]` impl of `{Self}`; one marked `local` \
            is reached by a handle only"
)]
pub trait Accepts<M: Message>: Referable {
    /// What the handler answers.
    type Reply: Message;
}

/// An actor that can be spawned in another process, by the name in `#[actor(spawn = "name")]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be spawned by name",
    note = "implement `RemoteSpawn` for `{Self}` and write `#[actor(spawn = \"name\")]`"
)]
pub trait RemoteSpawn: Referable {
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
