//! The calls of a proc to other procs that wait for a reply, so that the death of a proc ends them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use hypermesh_mailbox::{PortId, ProcId};

use crate::reply_header::ReplyHeader;

/// The calls of one proc that wait for a reply, by the proc that was asked.
#[derive(Default)]
pub(crate) struct PendingCalls {
    /// How many replies inside the proc came when nobody waited any more.
    late: AtomicU64,
    calls: Mutex<HashMap<ProcId, HashMap<PortId, ReplyHeader>>>,
}

/// One of them. Dropping it says that nobody waits any more.
pub(crate) struct PendingCall {
    calls: Arc<PendingCalls>,
    proc: ProcId,
    port: PortId,
}

impl PendingCalls {
    /// Records that the reply of `header` is expected from `proc`.
    pub(crate) fn expect(self: &Arc<Self>, proc: ProcId, header: ReplyHeader) -> PendingCall {
        let port = header.port;
        self.lock().entry(proc).or_default().insert(port, header);
        PendingCall {
            calls: self.clone(),
            proc,
            port,
        }
    }

    /// Removes and returns what is expected from `proc`.
    pub(crate) fn take(&self, proc: ProcId) -> Vec<ReplyHeader> {
        self.lock()
            .remove(&proc)
            .unwrap_or_default()
            .into_values()
            .collect()
    }

    pub(crate) fn count_late(&self) {
        self.late.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn n_late(&self) -> u64 {
        self.late.load(Ordering::Relaxed)
    }

    /// Returns how many replies are expected.
    pub(crate) fn len(&self) -> usize {
        self.lock().values().map(HashMap::len).sum()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ProcId, HashMap<PortId, ReplyHeader>>> {
        self.calls.lock().expect("nothing panics under this lock")
    }
}

impl Drop for PendingCall {
    fn drop(&mut self) {
        let mut calls = self.calls.lock();
        let Some(of_proc) = calls.get_mut(&self.proc) else {
            return;
        };
        of_proc.remove(&self.port);
        if of_proc.is_empty() {
            calls.remove(&self.proc);
        }
    }
}
