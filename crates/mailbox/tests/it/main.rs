//! The API of the mailbox layer: ports, routing and bounces over real gateways.

#![allow(
    clippy::unwrap_used,
    reason = "a test, with its fixture, fails by panicking"
)]

mod bounces;
mod connections;
mod fixture;
mod folding;
mod gateways;
mod losses;
mod ports;
mod splits;
