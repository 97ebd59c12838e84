//! Ids, ports, envelopes and the routing of messages.
//!
//! * [`ProcId`], [`ActorId`] and [`PortId`] say *who*; a [`Location`] says *where*. Refs carry both and
//!   compare by who.
//! * A [`Mailbox`] holds the ports of one actor. A handle sends inside the process without encoding;
//!   its `bind()` gives the [`PortRef`] that travels.
//! * An [`Envelope`] is one message on its way. A [`Gateway`] routes envelopes: to the procs that are
//!   attached to it, and over links to other gateways. [`MailboxSender`] is the seam to the layer above.
//! * What cannot be delivered comes back to its sender as [`Undelivered`], with a typed [`Cause`].
//! * A [`Reducer`] folds many answers into one value, at the port and in splits on the way there.
//!
//! # Examples
//!
//! ```
//! use hypermesh_mailbox::channel::ChannelTransport;
//! use hypermesh_mailbox::{Gateway, GatewayOptions, Mailbox, ProcId, WorldId};
//!
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! let runtime = tokio::runtime::Handle::current();
//! let gateway = Gateway::new(GatewayOptions::new(runtime, ChannelTransport::Local));
//! let proc = ProcId::new(WorldId::new("demo").id(), 0, 0);
//! let mailbox = Mailbox::new(proc.named_actor("counter"), gateway);
//!
//! let (handle, mut receiver) = mailbox.open_port::<u64>();
//! handle.send(7)?;
//! assert_eq!(receiver.recv().await?, 7);
//! // What `bind` returns can be sent to other processes, which send to the port.
//! let port = handle.bind();
//! assert_eq!(port.id(), handle.id());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod id_text;
mod ids;
mod location;
mod named_ids;
mod world;

mod cause;
mod envelope;
mod loss_policy;
mod sender;
mod undelivered;
mod wire_form;

mod cast_ordinal;
mod fold;
mod gather;
mod ordinals;
mod reducer;
mod reducer_registry;
pub mod reducers;

mod fold_port;
mod mailbox;
mod mapped_port;
mod mill;
mod once_port;
mod port;
mod port_end;
mod port_error;
mod port_ref;
mod port_table;
mod queue_port;
mod split;

mod counters;
mod death;
mod gateway;
mod gateway_options;
mod inbound;
mod limbo;
mod links;
mod outbound;
mod routes;
mod snapshot_map;
mod timer;

#[doc(hidden)]
pub mod macro_support;
pub mod properties;
pub mod settings;

pub use hypermesh_channel::{self as channel, ServeError};

pub use cast_ordinal::CastOrdinal;
pub use cause::{Cause, MAX_CAUSE_TEXT};
pub use counters::GatewayStats;
pub use death::{DeathObserver, DeathWatch};
pub use envelope::{Envelope, EnvelopeHeader, FLAG_BOUNCE, FLAG_FAIL, FLAG_SILENT, FLAG_URGENT};
pub use fold_port::{AccumReceiver, GatherError, Gathered, ReduceReceiver};
pub use gateway::{AttachError, Attachment, Gateway, QueueCharge};
pub use gateway_options::GatewayOptions;
pub use gather::Partial;
pub use id_text::{MAX_ID_TEXT, ParseIdError};
pub use ids::{ActorId, CONTROL_UNDELIVERED, Port, PortId, ProcId, name_key, unnamed_key};
pub use inbound::Admission;
pub use location::Location;
pub use loss_policy::LossPolicy;
pub use mailbox::Mailbox;
pub use once_port::{OncePortHandle, OncePortReceiver};
pub use ordinals::Ordinals;
pub use port::{PortHandle, PortReceiver};
pub use port_end::Rejected;
pub use port_error::{AlreadyBound, PortSendError, PortSendReason, RecvError};
pub use port_ref::{MarkedPortError, OncePortRef, PortRef, RawPort, ports_of, replace_ports};
pub use queue_port::{PortOptions, PortStats, QueuePolicy};
pub use reducer::{ReduceError, ReduceFault, Reducer, ReducerSpec};
pub use reducer_registry::{ReducerClash, UnknownReducer, check_reducers};
pub use sender::{MailboxSender, SendContext};
pub use settings::{
    COMBINE_PAUSE, COMBINE_UPDATES, FLUSH_TIMEOUT, MESSAGE_TTL, QUEUE_BYTES, QUEUE_LIMIT,
    QUEUED_BYTES_LIMIT, RETURNED_PAYLOAD_LIMIT,
};
pub use split::{CombineOptions, Combiner, SplitError, SplitHandle};
pub use undelivered::Undelivered;
pub use world::{MAX_WORLD_NAME, WorldId};
