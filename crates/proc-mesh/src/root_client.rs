//! The client that a process has without setting anything up.

use std::sync::OnceLock;

use hypermesh_alloc::actor::mailbox::{PortReceiver, ProcId, Undelivered, WorldId};
use hypermesh_alloc::actor::{Instance, Proc, ProcOptions};
use hypermesh_alloc::shim::{process_gateway, process_runtime};
use tokio::task::JoinHandle;

use crate::sinks;

/// The name of the proc of the root client.
const PROC: &str = "mesh_root_client_proc";

/// The name of the root client on its proc.
const CLIENT: &str = "client";

/// The root client of this process. It is made once and lives as long as the process.
static ROOT: OnceLock<Root> = OnceLock::new();

struct Root {
    client: Instance<()>,
    /// Hands on what comes back. It lives as long as the process, as does its owner.
    _bounces: JoinHandle<()>,
}

/// Returns the client of this process, which is made on first use.
///
/// It works before there is any mesh, in any thread and with any runtime. What it sends and what does
/// not arrive becomes an event of the mesh it was addressed to, or of the newest mesh.
///
/// # Panics
///
/// If the operating system refuses a thread for the runtime of the process, or if two types of this
/// program have one name, so that no proc can be made.
pub fn global_root_client() -> &'static Instance<()> {
    &ROOT.get_or_init(make).client
}

fn make() -> Root {
    let runtime = process_runtime();
    let options = ProcOptions {
        id: ProcId::new(WorldId::new(PROC).id(), 0, 0),
        name: PROC.to_owned(),
        gateway: process_gateway(),
        runtime: runtime.clone(),
    };
    let proc = Proc::new(options).expect("the types of this program have names of their own");
    let client = proc.client(CLIENT);
    let bounces = runtime.spawn(hand_on(client.undelivered()));
    Root {
        client,
        _bounces: bounces,
    }
}

async fn hand_on(mut bounces: PortReceiver<Undelivered>) {
    while let Ok(undelivered) = bounces.recv().await {
        let text = undelivered.to_string();
        if !sinks::route(undelivered) {
            tracing::warn!("{text}");
        }
    }
}
