//! What takes minutes: links over a simulated network on a clock that is paused.
//!
//! It is a binary of its own because it needs the feature `sim`.

#![allow(
    clippy::unwrap_used,
    reason = "also in the helpers of tests, a failure is a panic"
)]

mod by_hand;
mod calls;
mod cost;
mod crowds;
mod dialling;
mod faults;
mod idle;
mod log;
mod patience;
mod rig;
mod warnings;
