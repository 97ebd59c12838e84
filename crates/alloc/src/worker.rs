//! The child process of kind `proc`: one proc, reached at an address of its own choice.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;

use crate::{
    actor::{
        ActorRef, Proc, ProcAgent, ProcOptions,
        mailbox::{Gateway, GatewayOptions, ProcId, channel::ChannelAddr},
    },
    bootstrap::{Boot, BootContext, BootKind, KindError, KindFuture, PayloadError, decode_all},
    serve::serve_with_config,
    shim,
};

/// The name of this kind of child.
const KIND: &str = "proc";

/// How long a worker waits at its end for what it has sent to arrive.
const FLUSH: Duration = Duration::from_secs(1);

/// What a worker process is told: which proc it is to be.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WorkerBoot {
    /// The id of the proc.
    pub proc_id: ProcId,
    /// What the proc is called in labels and logs.
    pub name: String,
    /// Where the worker binds: an address that leaves the choice to the system, or a fixed one.
    pub bind: ChannelAddr,
    /// The address that refs to its actors carry, such as the front of its host, from which somebody
    /// routes the proc; the address that it serves if `None`.
    pub location: Option<ChannelAddr>,
    /// Where the one who asked for the proc is reached.
    pub client_router_addr: ChannelAddr,
    /// The labels of the allocation's constraints.
    pub labels: BTreeMap<String, String>,
}

impl WorkerBoot {
    /// Returns the boot data for a child of this kind.
    ///
    /// # Errors
    ///
    /// If the data cannot be encoded.
    pub fn to_boot(&self) -> Result<Boot, PayloadError> {
        Boot::new(KIND, self)
    }
}

/// What a worker process reports once its proc answers requests.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WorkerReady {
    /// The address at which the worker itself is reached.
    pub addr: ChannelAddr,
    /// The agent of its proc.
    pub agent: ActorRef<ProcAgent>,
}

impl WorkerReady {
    /// Decodes a worker's report.
    ///
    /// # Errors
    ///
    /// If it is something else.
    pub fn from_report(report: &[u8]) -> Result<Self, ReportError> {
        decode_all(report).map_err(ReportError)
    }
}

/// Error of a report that is not a worker's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what the process reported does not say that a proc is ready")]
pub struct ReportError(#[source] postcard::Error);

inventory::submit! { BootKind { name: KIND, run: |boot| -> KindFuture { Box::pin(run(boot)) } } }

/// Runs the proc until the launcher asks for its end, or somebody shut it down.
async fn run(boot: BootContext) -> Result<(), KindError> {
    let WorkerBoot {
        proc_id,
        name,
        bind,
        location,
        ..
    } = boot.payload()?;
    let runtime = Handle::current();
    let gateway = Gateway::new(GatewayOptions::new(runtime.clone(), bind.transport()));
    // What this process makes by itself is to be reached at the same address.
    shim::install(gateway.clone())?;
    let addr = serve_with_config(&gateway, bind)?;
    if let Some(location) = location {
        gateway.set_location(location);
    }
    let proc = Proc::new(ProcOptions {
        id: proc_id,
        name,
        gateway: gateway.clone(),
        runtime,
    })?;

    let agent = proc.resolve(&proc.agent());
    let ready = WorkerReady {
        addr,
        agent: proc.agent(),
    };
    boot.launcher().report(&postcard::to_stdvec(&ready)?)?;
    let agent_ends = async {
        if let Some(agent) = agent {
            agent.wait().await;
        }
    };
    // The agent is the last to end when somebody else shuts the proc down.
    let within = tokio::select! {
        within = boot.launcher().drain_asked() => within,
        () = agent_ends => Duration::ZERO,
    };
    proc.shutdown(within).await;
    gateway.shutdown(FLUSH).await;
    Ok(())
}
