//! The settings of actors.

use std::time::Duration;

use hypermesh_config::config;

config! {
    /// How long an `ask` waits for its reply.
    pub static CALL_TIMEOUT: Duration = Duration::from_secs(30), env = "HYPERMESH_CALL_TIMEOUT";

    /// Whether a question is refused whose actor waits for the asker, directly or through others: in
    /// debug builds. Otherwise such a question ends with the first question of the cycle.
    pub static CALL_CYCLES: bool = cfg!(debug_assertions), env = "HYPERMESH_CALL_CYCLES";

    /// How many values of a stream of replies may be on their way, or wait to be read.
    pub static STREAM_WINDOW: u64 = 64,
        env = "HYPERMESH_STREAM_WINDOW",
        check = |values| (1..=65_536).contains(values),
        expected = "from 1 to 65536";

    /// How long the children of an actor that ends have, all together, before they are killed.
    pub static STOP_TIMEOUT: Duration = Duration::from_secs(10), env = "HYPERMESH_STOP_TIMEOUT";

    /// How long a killed actor may hold its thread before it is given up as a zombie.
    pub static KILL_TIMEOUT: Duration = Duration::from_secs(1), env = "HYPERMESH_KILL_TIMEOUT";

    /// How long a proc may be silent before those who wait for its actors give it up, and its remote
    /// children are stopped or detached.
    pub static LEASE: Duration = Duration::from_secs(30),
        env = "HYPERMESH_LEASE",
        check = |lease| (Duration::from_secs(1)..=Duration::from_secs(3600)).contains(lease),
        expected = "from 1s to 1h";

    /// How long the `cleanup` of an actor may take.
    pub static CLEANUP_TIMEOUT: Duration = Duration::from_secs(3), env = "HYPERMESH_CLEANUP_TIMEOUT";

    /// How long the `create` of an actor that is spawned by name may take; 0 is no limit.
    pub static SPAWN_TIMEOUT: Duration = Duration::from_secs(30), env = "HYPERMESH_SPAWN_TIMEOUT";

    /// How many of the last messages each new actor remembers that it has handled; 0 looks at no clock.
    pub static ACTOR_EVENTS: usize = 0, env = "HYPERMESH_ACTOR_EVENTS";
}
