//! Which transport a process uses unless it is told.

use hypermesh_alloc::actor::mailbox::channel::ChannelTransport;

use crate::settings::DEFAULT_TRANSPORT;

/// Returns the transport of the setting `DEFAULT_TRANSPORT`: unix sockets unless it is changed.
///
/// # Examples
///
/// ```
/// use hypermesh_proc_mesh::alloc::actor::mailbox::channel::ChannelTransport;
///
/// assert_eq!(hypermesh_proc_mesh::default_transport(), ChannelTransport::Unix);
/// ```
#[must_use]
pub fn default_transport() -> ChannelTransport {
    DEFAULT_TRANSPORT.get()
}
