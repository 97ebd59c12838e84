//! Procedural macros of hypermesh.
//!
#![doc = include_str!("../README.md")]

mod actor;
mod message;
mod paths;
mod protocol;

use proc_macro::TokenStream;

/// Makes a struct or enum a message: gives it a name, and the serde traits.
///
/// ```text
/// #[derive(Message)]
/// struct Add(u64);
/// ```
///
/// The type implements `Named`, `Serialize` and `Deserialize` afterwards; the package needs no
/// dependency on serde. serde's own attributes work, except those that an encoding without field names
/// cannot carry (`flatten`, `untagged`, `tag`, `skip_serializing_if` and the like), which are errors.
///
/// * `#[message(name = "…")]` sets the name. The default is the path of the module and the name of the
///   type; types with parameters add the names of theirs.
/// * `#[message(serde)]` leaves `Serialize` and `Deserialize` to the user, who derives or writes them.
#[proc_macro_derive(Message, attributes(message, serde))]
pub fn derive_message(input: TokenStream) -> TokenStream {
    message::derive(input.into())
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

/// Makes an inherent impl an actor: its `#[handler]` methods take messages, its `#[hook]` methods
/// replace the hooks of the trait `Actor`.
///
/// ```text
/// #[actor(spawn = "counter")]
/// impl Counter {
///     #[handler]
///     async fn add(&mut self, cx: &Cx<'_, Self>, Add(n): Add) -> Result<()> {
///         self.total += n;
///         Ok(())
///     }
///
///     #[hook]
///     async fn init(&mut self, cx: &Cx<'_, Self>) -> Result<()> {
///         Ok(())
///     }
/// }
/// ```
///
/// * `#[actor(capacity = 100)]` bounds the queue: `tell` refuses further messages, `tell_when_free` waits.
/// * `#[actor(spawn = "name")]` registers the type, which implements `RemoteSpawn`, to be spawned in
///   other processes by that name.
/// * `#[handler]` marks a `fn` or `async fn` that takes the context and a message, and returns a
///   `Result` or nothing. With a third argument of type `ReplyTo<R>` it replies by hand, later.
///   * `#[handler(message = Deposit)]`: the message is made from the arguments behind the context, a
///     struct `Deposit` with one field for each, as public as the method. A last argument whose type is
///     written `ReplyTo<R>` is no field, but replies by hand.
///   * `#[handler(message = Deposit, derive(Clone, Debug))]`: the struct derives these traits as well; a
///     message to many actors is `Clone`.
///   * `#[handler(on_error = "reply")]`: an error answers the caller, and the actor goes on. Otherwise
///     an error answers the caller and ends the actor as failed.
///   * `#[handler(local)]`: the message, or the reply, has no encoding; only handles can send it. All
///     handlers of an actor with type parameters are local.
/// * `#[hook]` marks `init`, `cleanup`, `on_child`, `on_undeliverable` or `on_stop`.
///
/// ```text
/// #[actor]
/// impl Account {
///     /// Adds to the balance, and answers it.
///     #[handler(message = Deposit, derive(Clone))]
///     fn deposit(&mut self, cx: &Cx<'_, Self>, cents: u64, by: String) -> Result<u64> {
///         self.balance += cents;
///         Ok(self.balance)
///     }
/// }
///
/// account.ask(Deposit { cents: 500, by: "me".into() }).await?;
/// ```
#[proc_macro_attribute]
pub fn actor(args: TokenStream, item: TokenStream) -> TokenStream {
    actor::expand(args.into(), item.into()).into()
}

/// Declares protocols: interfaces that several types of actors implement.
///
/// ```text
/// protocol! {
///     /// Anything that keeps values by name.
///     pub protocol Store {
///         Put,
///         Get -> Option<u64>,
///     }
/// }
/// ```
///
/// Each line is a message and what it is answered by; nothing said is `()`. The macro makes a type
/// `Store` without values. An `ActorRef<Store>` takes these messages and no others.
///
/// An actor implements a protocol if it has a handler for each message, with that reply and not `local`;
/// it may handle more. `ActorRef::as_protocol` turns a ref of such an actor into one of the protocol,
/// and does not compile for others.
#[proc_macro]
pub fn protocol(input: TokenStream) -> TokenStream {
    protocol::expand(input.into())
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}
