//! Links between processes that report the outcome of every message.
//!
//! An [`Endpoint`] owns every socket and task. It [serves](Endpoint::serve_sink) addresses and
//! [dials](Endpoint::dial_link) them; what is posted on a link arrives in order, and of each parcel its
//! sender learns the [`Outcome`]: `Acked` when the receiver has it, `Failed` when it certainly has
//! not, `Unknown` when the connection broke in between.
//!
//! ```
//! use std::time::Duration;
//!
//! use hypermesh_channel::{ChannelTransport, Endpoint, EndpointOptions};
//! use tokio::runtime::Handle;
//!
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! let endpoint = Endpoint::new(EndpointOptions::new(Handle::current()));
//! let (addr, mut rx) = endpoint.serve::<String>(ChannelTransport::Unix)?;
//! let tx = endpoint.dial::<String>(&addr)?;
//! tx.send("hello".to_owned()).await?;
//! assert_eq!(rx.recv().await?, "hello");
//! endpoint.shutdown(Duration::from_secs(1)).await;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! * [`ChannelAddr`] says where: `local:7`, `unix:/path`, `unix:@name`, `tcp:host:port`.
//! * [`Link`] takes [`Parcel`]s, [`Sink`] takes what a [`Server`] receives; [`Tx`] and [`Rx`] are both
//!   for messages of one type.
//! * A link connects in the background, again and again while the peer is away. A connection that
//!   breaks makes what was written and not acknowledged `Unknown`; the rest waits for the next one.
//!
//! The bytes on the wire are described in `docs/wire.md`.

mod addr;
mod backoff;
mod decoder;
mod endpoint;
mod frame;
mod handshake;
mod image;
mod incarnation;
mod link;
mod listener;
mod local;
#[doc(hidden)]
pub mod macro_support;
mod outcome;
mod queue;
mod rx;
mod server;
mod session;
pub mod settings;
mod sink;
mod stream;
mod tx;
mod unix_stream;

pub use addr::{
    AddrProblem, ChannelAddr, ChannelTransport, Host, MAX_ADDR_LEN, ParseAddrError, ServeAddr,
    UnixName,
};
pub use endpoint::{DialError, Endpoint, EndpointOptions, ServeError, ShutdownReport};
pub use frame::FrameError;
pub use handshake::{HandshakeError, Refusal, WIRE_VERSION};
pub use hypermesh_wire::{Message, Payload};
pub use incarnation::Incarnation;
pub use link::{CloseReport, Link, LinkStatus, StatusWatch, TryPostError};
pub use local::LocalHub;
pub use outcome::{
    CloseReason, ConnectError, FailReason, Outcome, Parcel, ProtocolError, Tried, UnknownReason,
    Unreachable,
};
pub use rx::{RecvError, Rx};
pub use server::{Server, ServerStats};
pub use settings::Limits;
pub use sink::{Flow, Peer, Sink};
pub use tx::{SendCause, SendError, Tx};
