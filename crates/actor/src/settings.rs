//! The settings of actors.

use std::time::Duration;

use hypermesh_config::config;

config! {
    /// How long an `ask` waits for its reply.
    pub static CALL_TIMEOUT: Duration = Duration::from_secs(30), env = "HYPERMESH_CALL_TIMEOUT";

    /// How long the children of an actor that ends have, all together, before they are killed.
    pub static STOP_TIMEOUT: Duration = Duration::from_secs(10), env = "HYPERMESH_STOP_TIMEOUT";

    /// How long a killed actor may hold its thread before it is given up as a zombie.
    pub static KILL_TIMEOUT: Duration = Duration::from_secs(1), env = "HYPERMESH_KILL_TIMEOUT";

    /// How long the `cleanup` of an actor may take.
    pub static CLEANUP_TIMEOUT: Duration = Duration::from_secs(3), env = "HYPERMESH_CLEANUP_TIMEOUT";

    /// How long the `create` of an actor that is spawned by name may take.
    pub static SPAWN_TIMEOUT: Duration = Duration::from_secs(30), env = "HYPERMESH_SPAWN_TIMEOUT";

    /// How many messages may wait in the queue of an actor.
    pub static ACTOR_QUEUE_LIMIT: usize = 1 << 20, env = "HYPERMESH_ACTOR_QUEUE_LIMIT";
}
