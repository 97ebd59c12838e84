//! The settings of this crate.

use std::time::Duration;

use hypermesh_config::config;

use crate::plan::MIN_FAN_OUT;

pub use hypermesh_alloc::shim::DEFAULT_TRANSPORT;

config! {
    /// How many stops one node of a cast tree sends to.
    pub static CAST_FAN_OUT: usize = 32,
        env = "HYPERMESH_CAST_FAN_OUT",
        check = |fan_out| MIN_FAN_OUT <= *fan_out,
        expected = "at least 2";

    /// How long the actors of a mesh may take to be made and to finish `init`.
    pub static SPAWN_MESH_TIMEOUT: Duration = Duration::from_secs(30),
        env = "HYPERMESH_SPAWN_MESH_TIMEOUT";

    /// How long each actor may take to stop before it is killed.
    pub static STOP_ACTOR_TIMEOUT: Duration = Duration::from_secs(10),
        env = "HYPERMESH_STOP_ACTOR_TIMEOUT";
}
