//! The API of meshes over procs in this process.
#![allow(
    clippy::unwrap_used,
    reason = "this is all test code, which clippy sees by `cfg(test)` only"
)]

mod actors;
mod calls;
mod casts;
mod events;
mod meshes;
mod reductions;
mod spawns;
mod stops;
