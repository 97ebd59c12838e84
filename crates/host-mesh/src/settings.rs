//! The settings of this crate.

use std::time::Duration;

use hypermesh_config::config;

config! {
    /// How long the hosts of a mesh may take to come up.
    pub static HOST_START_TIMEOUT: Duration = Duration::from_secs(30),
        env = "HYPERMESH_HOST_START_TIMEOUT";

    /// How long the procs of a mesh may make no progress while they come up.
    pub static HOST_SPAWN_READY_TIMEOUT: Duration = Duration::from_secs(30),
        env = "HYPERMESH_HOST_SPAWN_READY_TIMEOUT";

    /// How long the procs of a mesh may take to come up in all.
    pub static HOST_SPAWN_TOTAL_TIMEOUT: Duration = Duration::from_secs(300),
        env = "HYPERMESH_HOST_SPAWN_TOTAL_TIMEOUT";
}
