//! What a peer may send: the seam for capabilities.

use std::fmt;

use hypermesh_channel::Peer;

use crate::{PortId, ProcId};

/// Decides what the peer of a link may send. Without one every peer may send everything.
///
/// It is asked for every message that comes over a link, on the task of the connection: it must neither
/// block nor panic. Who a peer is, it takes from what the connection proves: [`Peer::identity`].
pub trait Admission: fmt::Debug + Send + Sync + 'static {
    /// Returns whether `peer` may send messages of actors on `src`: its own procs, and for the front of a
    /// host those of the host.
    ///
    /// What it may not send is dropped and counted. The claimed source hears nothing of it.
    fn may_speak_for(&self, peer: &Peer, src: ProcId) -> bool;

    /// Returns whether `peer` may send to the control port `dst`, or
    /// [urgently](crate::EnvelopeHeader::is_urgent) to any port. Bounces are not asked about.
    ///
    /// What it may not send comes back to its sender as [`Cause::NotAllowed`](crate::Cause::NotAllowed).
    fn may_control(&self, peer: &Peer, dst: PortId) -> bool;
}
