//! A session as the connector that keeps it connected sees it.

use std::sync::Arc;

use tokio::time::Instant;

use crate::{
    addr::ChannelAddr,
    carried::Carried,
    duplex::Receiving,
    link::CloseReport,
    news::Inbox,
    outcome::{CloseReason, Unreachable},
    outlet::Outlet,
};

/// What a connector does with the sessions that it keeps connected.
pub(crate) trait Kept: Carried {
    /// Begins to use a connection, in place of one before it.
    fn attach(self: Arc<Self>, outlet: &Arc<Outlet>);
    /// Returns what receives the way back, if it is the session of a duplex link.
    fn way_back(&self) -> Option<&Arc<Receiving>> {
        None
    }
    /// Returns the address to connect to.
    fn first_hop(&self) -> &ChannelAddr;
    /// Learns which connector it is with now, and where to tell that of news.
    fn join(&self, inbox: &Arc<Inbox>);
    /// Goes to another connector if it is time for that, and returns whether it did.
    fn moves(self: Arc<Self>) -> bool {
        false
    }
    /// Learns that the peer at the first hop cannot be connected to for good, or ends for its fault.
    fn fail(self: Arc<Self>, reason: CloseReason);
    /// Returns the number of the session on its connections.
    fn number(&self) -> u32;
    /// Returns when the session is to be looked at again, if nothing happens before.
    fn deadline(&self) -> Option<Instant>;
    /// Ends the session if its time is over, for want of a connection with `error`.
    fn expire(self: Arc<Self>, error: Option<&Arc<Unreachable>>);
    /// Returns whether the session needs no connection any more.
    fn is_over(&self) -> bool;
    /// Returns whether something waits to be sent or acknowledged.
    fn has_work(&self) -> bool;
    /// Records that the `attempt`th attempt to connect begins, after `last_error`.
    fn connecting(&self, attempt: u32, last_error: Option<&Arc<Unreachable>>);
    /// Ends the link for `reason`, in both directions if it has two.
    fn end(self: Arc<Self>, reason: CloseReason);
    /// Accepts nothing any more, and goes on until `deadline`; a duplex link receives no longer than it sends.
    fn close(self: Arc<Self>, deadline: Instant);
    /// Returns the messages that failed and those whose outcome is not known.
    fn report(&self) -> CloseReport;
}
