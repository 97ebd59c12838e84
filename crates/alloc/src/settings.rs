//! The settings of this crate.

use std::time::Duration;

use hypermesh_config::config;

use crate::{actor::mailbox::channel::ChannelAddr, children::Ladder, ports::PortRange};

config! {
    /// How long a proc may take from its creation until it answers requests; zero is for ever.
    pub static PROC_START_TIMEOUT: Duration = Duration::from_secs(30),
        env = "HYPERMESH_PROC_START_TIMEOUT";

    /// How long a process that shall end may take before it is killed.
    pub static PROCESS_EXIT_TIMEOUT: Duration = Duration::from_secs(10),
        env = "HYPERMESH_PROCESS_EXIT_TIMEOUT";

    /// How much of that time is left between SIGTERM and SIGKILL.
    pub static TERMINATE_GRACE: Duration = Duration::from_secs(2),
        env = "HYPERMESH_TERMINATE_GRACE";

    /// How long a child waits for what it is to be.
    pub static BOOTSTRAP_READ_TIMEOUT: Duration = Duration::from_secs(10),
        env = "HYPERMESH_BOOTSTRAP_READ_TIMEOUT", check = |wait| !wait.is_zero(), expected = "more than nothing";

    /// Whether the lines that children write to their stderr come out on this process's stderr too.
    pub static FORWARD_CHILD_STDERR: bool = true,
        env = "HYPERMESH_FORWARD_CHILD_STDERR";

    /// Whether `serve_with_config` binds to all interfaces, and advertises the address it was given.
    pub static BIND_TO_ALL_INTERFACES: bool = false,
        env = "HYPERMESH_BIND_TO_ALL_INTERFACES", aka = "HYPERACTOR_REMOTE_ALLOC_BIND_TO_INADDR_ANY";

    /// The ports from which `serve_with_config` takes one, `first..end`, the end excluded; empty
    /// leaves the choice to the system.
    pub static ALLOWED_PORTS: PortRange = PortRange::EMPTY,
        env = "HYPERMESH_ALLOWED_PORTS", aka = "HYPERACTOR_REMOTE_ALLOC_ALLOWED_PORT_RANGE";

    /// The address that children are told to reach this process at, instead of the one that it
    /// serves; empty is no such address.
    pub static BOOTSTRAP_ADDR: String = String::new(),
        env = "HYPERMESH_BOOTSTRAP_ADDR", aka = "HYPERACTOR_REMOTE_ALLOC_BOOTSTRAP_ADDR",
        check = |addr| addr.is_empty() || addr.parse::<ChannelAddr>().is_ok(),
        expected = "an address like `tcp:10.0.0.1:4000`";
}

/// Returns the ladder by which a process that shall end is brought to it.
pub fn exit_ladder() -> Ladder {
    let (total, term) = (PROCESS_EXIT_TIMEOUT.get(), TERMINATE_GRACE.get());
    Ladder {
        drain: total.saturating_sub(term),
        term: term.min(total),
    }
}

/// Returns the address that children are told instead of the one that this process serves.
pub(crate) fn bootstrap_addr() -> Option<ChannelAddr> {
    BOOTSTRAP_ADDR.get().parse().ok()
}
