//! Tests of actors through the public API.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod agent;
mod allocations;
mod ask;
mod fixture;
mod life;
mod macros;
mod queue;
mod remote;
mod spawn;
mod supervision;
mod ui;
