//! The gateway and the runtime that a process has for itself, made on first use.
//!
//! Everything in the crates below takes its gateway and its runtime as an argument. What must work
//! without either, such as a client that was never set up, takes these.

use std::sync::OnceLock;

use hypermesh_config::config;
use tokio::runtime::{Builder, Handle, Runtime};

use crate::actor::mailbox::channel::ChannelTransport;
use crate::actor::mailbox::{Gateway, GatewayOptions};

config! {
    /// The transport on which this process is reached, and on which meshes without a choice of
    /// their own are made.
    pub static DEFAULT_TRANSPORT: ChannelTransport = ChannelTransport::Unix,
        env = "HYPERMESH_DEFAULT_TRANSPORT", aka = "HYPERACTOR_MESH_DEFAULT_TRANSPORT";
}

/// The gateway of this process. It is set once and lives as long as the process.
static GATEWAY: OnceLock<Gateway> = OnceLock::new();

/// The runtime of this process. It is made once and lives as long as the process.
static RUNTIME: OnceLock<Runtime> = OnceLock::new();

/// Error returned by [`install`]: the process has a gateway already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this process has a gateway already")]
pub struct AlreadyInstalled;

/// Returns the gateway of this process: the one that was installed, or one of its own.
///
/// # Panics
///
/// If the operating system refuses a thread for the runtime of the process.
pub fn process_gateway() -> Gateway {
    let make = || {
        let options = GatewayOptions::new(process_runtime(), DEFAULT_TRANSPORT.get());
        Gateway::new(options)
    };
    GATEWAY.get_or_init(make).clone()
}

/// Returns the runtime of this process: one thread, for links and for what runs in the background.
///
/// # Panics
///
/// If the operating system refuses a thread for it.
pub fn process_runtime() -> Handle {
    let make = || {
        let mut builder = Builder::new_multi_thread();
        builder
            .worker_threads(1)
            .thread_name("hypermesh")
            .enable_all();
        builder
            .build()
            .expect("the operating system gives a thread for the runtime of the process")
    };
    RUNTIME.get_or_init(make).handle().clone()
}

/// Makes `gateway` the gateway of this process.
///
/// The bootstrap of a child does this first of all, so that whatever the child makes by itself is
/// reached at the address that its launcher knows.
///
/// # Errors
///
/// [`AlreadyInstalled`] if the process has one.
pub fn install(gateway: Gateway) -> Result<(), AlreadyInstalled> {
    GATEWAY.set(gateway).map_err(|_| AlreadyInstalled)
}
