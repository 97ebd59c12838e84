//! Services: code of upper layers that takes envelopes of a proc on the thread that delivers them.

use std::sync::Arc;

use hypermesh_mailbox::MailboxSender;

use crate::proc::Proc;

/// A service that every proc of the program has.
///
/// It takes what is sent to the control port `control` of the proc's agent, synchronously on the
/// thread that delivers it, so that it works while every actor is busy. Register one with
/// `inventory::submit!`.
///
/// What `make` returns lives until the proc has shut down, and may keep the proc it is given.
pub struct ProcService {
    /// The number of the control port. 0 is taken; two services with one number are an error of
    /// making a proc.
    pub control: u8,
    /// Makes the service for a proc.
    pub make: fn(&Proc) -> Arc<dyn MailboxSender>,
}

inventory::collect!(ProcService);

/// Returns the services of this program, or the number that two of them have.
pub(crate) fn services() -> Result<Vec<&'static ProcService>, u8> {
    let mut all: Vec<&ProcService> = inventory::iter::<ProcService>.into_iter().collect();
    all.sort_by_key(|service| service.control);
    let reserved = hypermesh_mailbox::CONTROL_UNDELIVERED;
    if all.iter().any(|service| service.control == reserved) {
        return Err(reserved);
    }
    match all
        .windows(2)
        .find(|pair| pair[0].control == pair[1].control)
    {
        Some(pair) => Err(pair[0].control),
        None => Ok(all),
    }
}
