//! The crate through its public API: endpoints, links and servers over all transports, and peers
//! that misbehave.

#![allow(
    clippy::unwrap_used,
    reason = "also in the helpers of tests, a failure is a panic"
)]

mod acks;
mod bad_peers;
mod direct;
mod ends;
mod links;
mod outcomes;
mod rig;
mod serving;
mod typed;
