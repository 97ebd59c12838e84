//! The crate through its public API: endpoints, links and servers over all transports, and peers
//! that misbehave.

#![allow(
    clippy::unwrap_used,
    reason = "also in the helpers of tests, a failure is a panic"
)]

mod acks;
mod adopting;
mod alive;
mod bad_peers;
mod by_hand;
mod certificates;
mod connecting;
mod credit;
mod cuts;
mod direct;
mod duplex;
mod ends;
mod gaps;
mod links;
mod outcomes;
mod proxy;
mod relay;
mod replay;
mod rig;
mod said_by_peers;
mod serving;
mod shared;
mod steady;
mod strangers;
mod tls;
mod typed;
mod ways_back;
