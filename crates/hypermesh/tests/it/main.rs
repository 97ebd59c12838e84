//! Tests of the examples and of the main job, as programs that are started, watched and killed.
//!
//! `cargo test` builds the programs; `cargo test --test it` alone takes them as they were last built.
#![expect(clippy::unwrap_used, reason = "a test may fail by a panic")]

mod corpus;
mod errors;
mod examples;
mod interrupted;
mod memory;
mod program;
mod report;
mod settings;
// Modules of the main job, for their own tests: a program that is an example has none.
#[path = "../../examples/wordcount/share.rs"]
mod share;
#[path = "../../examples/wordcount/tally.rs"]
mod tally;
mod wordcount;
