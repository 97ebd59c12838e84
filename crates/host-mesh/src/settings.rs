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

    /// How long a proc may take to drain before it gets SIGTERM.
    pub static HOST_DRAIN_TIMEOUT: Duration = Duration::from_secs(5),
        env = "HYPERMESH_HOST_DRAIN_TIMEOUT";

    /// How long a proc may take to obey SIGTERM before it is killed.
    pub static HOST_TERM_TIMEOUT: Duration = Duration::from_secs(2),
        env = "HYPERMESH_HOST_TERM_TIMEOUT";

    /// How long an owner that is dropped waits for its hosts before it kills them.
    pub static HOST_DROP_TIMEOUT: Duration = Duration::from_secs(2),
        env = "HYPERMESH_HOST_DROP_TIMEOUT";

    /// How long a host may take to answer a request that starts or stops nothing.
    pub static HOST_ANSWER_TIMEOUT: Duration = Duration::from_secs(10),
        env = "HYPERMESH_HOST_ANSWER_TIMEOUT";
}
