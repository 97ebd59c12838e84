//! Tests of actors through the public API.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod activity;
mod agent;
mod allocations;
mod ask;
mod boss;
mod capacity;
mod chaos;
mod deliveries;
mod endings;
mod executors;
mod fixture;
mod life;
mod life_model;
mod losses;
mod macros;
mod monitor;
mod names;
mod nested;
mod panics;
mod procs;
mod protocol;
mod queue;
mod remote;
mod remote_child;
mod restart;
mod select;
mod spawn;
mod streams;
mod supervision;
mod timers;
mod tree;
mod ui;
mod undeliverable;
