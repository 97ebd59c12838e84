//! The API of the mailbox layer: ports, routing and bounces over real gateways.

#![allow(
    clippy::unwrap_used,
    reason = "a test, with its fixture, fails by panicking"
)]

mod admission;
mod bounces;
mod combiners;
mod connections;
mod costs;
mod fixture;
mod folding;
mod gateways;
mod loss_policies;
mod losses;
mod mapped_ports;
mod paths;
mod ports;
mod queue_policies;
mod reductions;
#[cfg(feature = "sim")]
mod simulated;
mod splits;
