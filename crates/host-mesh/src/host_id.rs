//! How an address is enough to talk to a host: its service proc and its agent have ids computed from it.

use hypermesh_proc_mesh::alloc::actor::ActorRef;

use crate::agent::HostAgent;
use crate::channel::ChannelAddr;
use crate::mailbox::{Location, ProcId, name_key};

/// The name of the agent on the service proc of each host.
pub(crate) const HOST_AGENT: &str = "host_agent";

/// A ref to the agent of a host.
pub type HostAgentRef = ActorRef<HostAgent>;

/// Returns the id of the service proc of the host at `addr`.
pub(crate) fn service_proc(addr: &ChannelAddr) -> ProcId {
    ProcId {
        world: name_key(&addr.to_string()),
        rank: 0,
        generation: 0,
    }
}

/// Returns the agent of the host at `addr`.
pub(crate) fn agent_of(addr: &ChannelAddr) -> HostAgentRef {
    let agent = service_proc(addr).named_actor(HOST_AGENT);
    ActorRef::attest(agent, Location::at(addr.clone()), HOST_AGENT)
}
