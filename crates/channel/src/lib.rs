//! Links between processes that report the outcome of every message.
//!
//! An [`Endpoint`] owns every socket and task. It [serves](Endpoint::serve_sink) addresses and [dials](Endpoint::dial_link) them;
//! what is posted on a link arrives in order, and of each parcel its sender learns the [`Outcome`]: `Acked` when the receiver
//! has it, `Failed` when it certainly has not, `Unknown` when the peer restarted or was not reached again in between.
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
//! * [`ChannelAddr`] says where: `local:7`, `unix:/path`, `unix:@name`, `tcp:host:port`, `tls:host:port`.
//! * [`Link`] takes [`Parcel`]s, [`Sink`] takes what a [`Server`] receives; [`Tx`] and [`Rx`] are for messages of one
//!   type. A [duplex](Endpoint::dial_duplex) link has both at either end, over one connection.
//! * A [`Route`] leads to an address through gateways, over one path or several; the link is one from end to end.
//! * A link connects in the background, again and again while the peer is away. Links to one address share a connection. When it
//!   breaks, what was not acknowledged is sent again over the next one, and each message is delivered once, as long as both
//!   ends live and neither gives up: see [`settings`].
//! * A receiver that takes nothing makes the senders of its links wait, and no others.
//! * The feature `sim` adds `SimNetwork`, a network with faults in memory, for tests: all but the sockets is the real code.
//!
//! The bytes on the wire are described in `docs/wire.md`.

mod addr;
mod adopted;
mod attachment;
mod backoff;
mod carried;
mod connect;
mod connector;
mod course;
mod demux;
mod dial;
mod dialled;
mod duplex;
mod endpoint;
mod entropy;
mod flaps;
mod frame;
mod handshake;
mod heart;
mod identity;
mod image;
mod incarnation;
mod inlet;
mod kept;
mod link;
mod listener;
mod local;
mod log;
#[doc(hidden)]
pub mod macro_support;
mod news;
mod open;
mod outcome;
mod outlet;
mod pipe;
mod pool;
#[cfg(feature = "properties")]
#[doc(hidden)]
pub mod properties;
mod registry;
mod relay;
mod resolver;
mod route;
mod rx;
mod sender;
mod served;
mod server;
pub mod settings;
#[cfg(feature = "sim")]
mod sim;
mod sink;
mod stream;
mod tls;
mod tx;
mod warnings;

pub use addr::{
    AddrProblem, ChannelAddr, ChannelTransport, Host, MAX_ADDR_LEN, ParseAddrError, ServeAddr,
    SimName, UnixName,
};
pub use adopted::{AdoptedListener, ServeAt};
pub use duplex::{AcceptError, DuplexServer};
pub use endpoint::{DialError, Endpoint, EndpointOptions, ServeError, ShutdownReport};
pub use frame::FrameError;
pub use handshake::{HandshakeError, Refusal, WIRE_VERSION};
pub use hypermesh_wire::{Layout, Message, Payload};
pub use identity::{KeyHash, PeerIdentity};
pub use incarnation::Incarnation;
pub use link::{CloseReport, Link, LinkStats, LinkStatus, StatusWatch, TryPostError};
pub use local::LocalHub;
pub use outcome::{
    CloseReason, ConnectError, FailReason, Outcome, Parcel, ProtocolError, Tried, UnknownReason,
    Unreachable,
};
pub use resolver::{Resolver, Resolving, SystemResolver};
pub use route::{MAX_GATEWAYS, Path, Route};
pub use rx::{RecvError, Rx};
pub use server::{Server, ServerStats};
pub use settings::Limits;
#[cfg(feature = "sim")]
pub use sim::{SimConditions, SimListener, SimNetwork, SimNode, SimReader, SimStream, SimWriter};
pub use sink::{Flow, Peer, Sink};
pub use tls::{CertificateFault, TlsError, TlsOptions};
pub use tx::{SendCause, SendError, Tx};
pub use warnings::LogLimit;
